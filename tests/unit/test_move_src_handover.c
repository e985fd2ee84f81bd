/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "peer/client.h"

/* ---- a good world ----------------------------------------------------- */

/* A whole move without failure: nothing is told before it is on disk, one question
 * gives the guest away, and only the answer to it ends the QEMU here. */
START_TEST(guest_is_moved_in_this_order)
{
	rig_bring_to("transfer");
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	trace_assert("disk begin vm=owned/started@1", "qmp migrate-set-capabilities",
		     "qmp migrate-set-parameters", "disk prepare", "peer prepare run",
		     "stream start", "disk prepare", "disk transfer", "qmp migrate", "peer fate",
		     "disk handover", "stream timeout 3000", "peer go run",
		     "disk handover completed", "disk confirm taken completed", "stream kill",
		     "qemu quit", "disk done taken completed -vm", "peer settle run", NULL);
	ck_assert_ptr_null(rig_vm());
	ck_assert(!fake_qemu()->is_alive);
	ck_assert_str_eq(rig_error(), "");
	ck_assert_str_eq(move_owner(rig_move()), "b");
}
END_TEST

/* A host without a record of the move may still run the guest, if its database is new.  The
 * guest is not resumed here, and a person is told. */
START_TEST(go_answered_unknown_is_stuck_and_never_resumes)
{
	rig_bring_to("transfer");
	rig_completes();
	rig_peer_says("go", "unknown");
	ck_assert_str_eq(rig_state(), "stuck");
	ck_assert_ptr_null(move_owner(rig_move()));
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "--keep source --assert-dead b"));
	for (int i = 0; i < 5; i++) {
		rig_advance(5000);
		if (fake_peer_pending("go"))
			rig_peer_says("go", "unknown");
	}
	rig_restart();
	rig_peer_says("go", "unknown");
	ck_assert_str_eq(rig_state(), "stuck");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_advance(5000);
	rig_peer_says("go", "taken"); /* it has found its records again */
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* Before any go, a host that does not know the move cannot take the guest. */
START_TEST(drop_answered_unknown_before_go_is_harmless)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "unknown");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* A destination that lost its records cannot take the guest: the transfer is given up while
 * the guest still runs here. */
START_TEST(destination_without_record_in_transfer_ends_the_move)
{
	rig_bring_to("transfer");
	while (!fake_peer_pending("fate"))
		rig_advance(50);
	fake_peer_answer("fate", "{\"state\":\"unknown\",\"final\":false,\"verdict\":\"unknown\"}");
	ck_assert_str_eq(rig_state(), "rollback");
	fake_qemu_migrates("cancelled");
	rig_peer_says("drop", "unknown");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* A user's pause must not be taken for the end of the transfer. */
START_TEST(user_pause_in_transfer_is_not_the_handover)
{
	rig_bring_to("transfer");
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_advance(2000);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_completes();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert_uint_eq(trace_count("peer go"), 1);
}
END_TEST

/* A guest that stopped on an I/O error is not resumed by the move: it arrives stopped. */
START_TEST(guest_stops_by_itself_transfer_goes_on)
{
	rig_bring_to("transfer");
	fake_qemu_event("BLOCK_IO_ERROR", "{\"action\":\"stop\"}");
	fake_qemu_event("STOP", NULL);
	rig_advance(2000);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_completes();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert_uint_eq(trace_count("peer go"), 1);
}
END_TEST

/* The same for a guest that had stopped before the move, and waits for its user. */
START_TEST(guest_stopped_by_itself_before_stays_so)
{
	rig_run_vm();
	fake_qemu()->run = QMP_RUN_IO_ERROR;
	rig_bring_to("transfer");
	rig_completes();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert_uint_eq(trace_count("peer go"), 1);
}
END_TEST

/* A guest whose I/O errors are only reported has not stopped because of one. */
START_TEST(guest_reports_io_error_stop_is_the_handover)
{
	rig_bring_to("transfer");
	fake_qemu_event("BLOCK_IO_ERROR", "{\"action\":\"report\"}");
	fake_qemu_event("STOP", NULL);
	rig_advance(10);
	ck_assert_str_eq(rig_state(), "handover");
}
END_TEST

/* A paused guest stays paused, on whichever host it ends up. */
START_TEST(paused_guest_move_fails_guest_stays_paused)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

/* `completed' comes while the handover is still being written: go follows the record. */
START_TEST(completed_while_handover_is_written_go_follows)
{
	rig_bring_to("transfer");
	rig_disk_hold();
	rig_completes();
	ck_assert_uint_eq(trace_count("peer go"), 0);
	rig_disk_go_on();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
}
END_TEST

/* QEMU's events may be lost with its monitor: the tick asks for the state instead. */
START_TEST(completed_without_events_is_found_by_asking)
{
	rig_bring_to("transfer");
	fake_qemu()->run = QMP_RUN_POSTMIGRATE;
	fake_qemu()->mig = "completed";
	rig_advance(600);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
}
END_TEST

/* ---- go ---------------------------------------------------------------- */

/* Without an answer the guest must not run here: it stays stopped, and go is sent again, at
 * growing intervals, for as long as it takes. */
START_TEST(go_unanswered_is_asked_again_and_guest_stays_stopped)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_peer_fail("go", ERR_UNAVAILABLE);
	ck_assert_uint_eq(fake_peer_pending("go"), 0);
	rig_advance(50);
	fake_peer_fail("go", ERR_UNAVAILABLE);
	rig_advance(50);
	ck_assert_uint_eq(fake_peer_pending("go"), 0);
	rig_advance(50);
	fake_peer_fail("go", ERR_PEER);
	for (int i = 0; i < 20; i++) {
		rig_advance(1000);
		fake_peer_fail("go", ERR_UNAVAILABLE);
	}
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "waiting for host 'b'"));
	rig_advance(10 * 60 * 1000);
	ck_assert_str_eq(rig_state(), "stuck");
	ck_assert(!rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_restart();
	ck_assert_str_eq(rig_state(), "stuck");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* A lost question costs the guest one second; a slow host is asked one question at a time, at
 * growing intervals, and its answer to any of them counts. */
START_TEST(go_lost_is_asked_again_soon_and_slow_is_not_flooded)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_advance(999);
	ck_assert_uint_eq(trace_count("peer go run"), 1);
	rig_advance(60);
	ck_assert_uint_eq(trace_count("peer go run"), 2);
	for (int i = 0; i < 300; i++) {
		rig_advance(100);
		ck_assert_uint_le(fake_peer_pending("go"), 1);
	}
	ck_assert_uint_le(trace_count("peer go run"), 9);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

static void become_stuck(void)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_advance(60000);
	ck_assert_str_eq(rig_state(), "stuck");
}

/* A person says that the other host is dead: the guest goes on here. */
START_TEST(stuck_resolved_for_source_guest_goes_on)
{
	become_stuck();
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, ""), ERR_CONFLICT);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "a"), ERR_CONFLICT);
	ck_assert(!rig_guest_runs());
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "b"), ERR_NONE);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	trace_assert_order("disk rollback refused completed", "qmp cont");
}
END_TEST

START_TEST(stuck_resolved_for_destination_nothing_stays)
{
	become_stuck();
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_DESTINATION, "a"), ERR_NONE);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

/* A person cannot decide while the hosts speak to each other, or before `completed'. */
START_TEST(resolve_while_hosts_speak_is_refused)
{
	rig_bring_to("transfer");
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "b"), ERR_CONFLICT);
	fake_qemu_migrates("device");
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "b"), ERR_CONFLICT);
	fake_qemu_migrates("completed");
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "b"), ERR_CONFLICT);
	rig_peer_says("go", "taken");
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "b"), ERR_CONFLICT);
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* An answer that cannot be understood lets neither host run the guest. */
START_TEST(go_answered_with_nonsense_is_asked_again)
{
	static const char *const nonsense[] = { "{}", "{\"verdict\":\"none\"}", "[]", "null" };

	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		fake_peer_answer("go", nonsense[i]);
		ck_assert_str_eq(rig_state(), "handover");
		rig_advance(1000);
	}
	ck_assert(!rig_guest_runs());
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* The refusal is durable on the destination, so the guest goes on here. */
START_TEST(go_refused_guest_goes_on)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "refused");
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	trace_assert_order("disk rollback refused completed", "qmp cont");
	ck_assert_uint_eq(trace_count("peer drop"), 0);
	ck_assert_ptr_null(vm_job(rig_vm()));
	ck_assert(!fake_stream_is_alive());
}
END_TEST

/* A guest that cannot be resumed at once must not stay stopped. */
START_TEST(go_refused_cont_fails_is_tried_again)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qmp_refuse("cont", ERR_TIMEOUT);
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "rollback");
	rig_advance(1500);
	ck_assert_str_eq(rig_state(), "rollback");
	fake_qmp_accept("cont");
	rig_advance(1500);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* QEMU refuses cont for good: the move ends, and the user may act. */
START_TEST(go_refused_cont_refused_for_good_move_ends)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qmp_refuse("cont", ERR_QEMU);
	rig_peer_says("go", "refused");
	rig_advance(60000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "it is not tried again"));
	/* A second cont could run the guest without its disk. */
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
}
END_TEST

/* Another process holds the image's lock for longer than any move waits: the guest runs as
 * soon as the lock is free. */
START_TEST(go_refused_cont_refused_by_a_lock_guest_runs_when_it_is_free)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qmp_refuse("cont", ERR_QEMU);
	fake_qmp_words = ": Failed to get \"write\" lock";
	rig_peer_says("go", "refused");
	rig_advance(600000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "it is tried again until it runs"));
	fake_qmp_accept("cont");
	rig_advance(5000);
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(vm_reason(rig_vm()), "");
}
END_TEST

/* A user who pauses the guest meanwhile does not want it to run any more. */
START_TEST(cont_refused_by_a_lock_then_paused_is_not_tried_again)
{
	size_t tried;

	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qmp_refuse("cont", ERR_QEMU);
	fake_qmp_words = ": Failed to get \"write\" lock";
	rig_peer_says("go", "refused");
	rig_advance(60000);
	rig_act(VM_ACTION_PAUSE);
	tried = trace_count("qmp cont");
	rig_advance(60000);
	ck_assert_uint_eq(trace_count("qmp cont"), tried);
}
END_TEST

/* The guest runs on the destination: nothing of it may stay here. */
START_TEST(go_taken_qemu_dead_meanwhile_move_is_done)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qemu_dies();
	ck_assert_str_eq(rig_state(), "handover");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* The guest was given away and refused; it died with its QEMU. */
START_TEST(go_refused_qemu_dead_guest_has_crashed)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qemu_dies();
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* The move must end even if QEMU does not quit by itself. */
START_TEST(confirm_monitor_hung_qemu_is_ended_all_the_same)
{
	rig_bring_to("confirm");
	rig_advance(6000);
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* ---- the lease on a transfer ---------------------------------------------- */

/* A destination that is away could not take the guest, so QEMU must not come to stop the
 * guest.  With an answer the data flows again, and once the guest stands still nothing may
 * hold the data. */
START_TEST(transfer_peer_silent_data_waits_for_it)
{
	rig_bring_to("transfer");
	ck_assert_uint_eq(fake_stream_lease_ms, 2000);
	fake_peer_fail("fate", ERR_UNAVAILABLE);
	ck_assert_uint_eq(fake_stream_lease_ms, 0);
	ck_assert(strstr(move_reason(rig_move()), "waits for host 'b'") != NULL);
	for (int i = 0; i < 70; i++) {
		rig_advance(1000);
		fake_peer_fail("fate", ERR_UNAVAILABLE);
	}
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(500);
	fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\"}");
	ck_assert_uint_eq(fake_stream_lease_ms, 2000);
	ck_assert_str_eq(move_reason(rig_move()), "");
	ck_assert_str_eq(rig_state(), "transfer");
	rig_completes();
	ck_assert_uint_eq(fake_stream_lease_ms, STREAM_LEASE_FOREVER);
}
END_TEST

/* A guest that has stopped would stand still until the disk has room, so the data must wait
 * before that. */
START_TEST(transfer_disk_full_data_waits_for_it)
{
	rig_bring_to("transfer");
	rig_disk_is_full(true);
	for (int i = 0; i < 6; i++) {
		rig_advance(500);
		fake_peer_answer("fate",
				 "{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\"}");
	}
	ck_assert_uint_eq(fake_stream_lease_ms, 0);
	ck_assert(strstr(move_reason(rig_move()), "the disk is full") != NULL);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_disk_is_full(false);
	for (int i = 0; i < 6; i++) {
		rig_advance(500);
		fake_peer_answer("fate",
				 "{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\"}");
	}
	ck_assert_uint_eq(fake_stream_lease_ms, 2000);
	ck_assert_str_eq(move_reason(rig_move()), "");
}
END_TEST

/* The same when the other host's disk is full. */
START_TEST(transfer_disk_full_over_there_data_waits_for_it)
{
	rig_bring_to("transfer");
	fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\","
				 "\"cannot_record\":true}");
	ck_assert_uint_eq(fake_stream_lease_ms, 0);
	ck_assert(strstr(move_reason(rig_move()), "host 'b': it cannot write") != NULL);
	rig_advance(500);
	fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\","
				 "\"cannot_record\":false}");
	ck_assert_uint_eq(fake_stream_lease_ms, 2000);
}
END_TEST

/* An answer that comes when the guest already stands still must not hold its last bytes. */
START_TEST(handover_late_answer_does_not_hold_the_data)
{
	rig_bring_to("transfer");
	rig_completes();
	fake_peer_fail("fate", ERR_UNAVAILABLE);
	ck_assert_uint_eq(fake_stream_lease_ms, STREAM_LEASE_FOREVER);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_src_handover");
	TCase *tc;

	tc = rig_add_case(s, "handover");
	tcase_add_test(tc, guest_is_moved_in_this_order);
	tcase_add_test(tc, go_answered_unknown_is_stuck_and_never_resumes);
	tcase_add_test(tc, drop_answered_unknown_before_go_is_harmless);
	tcase_add_test(tc, destination_without_record_in_transfer_ends_the_move);
	tcase_add_test(tc, user_pause_in_transfer_is_not_the_handover);
	tcase_add_test(tc, guest_stops_by_itself_transfer_goes_on);
	tcase_add_test(tc, guest_stopped_by_itself_before_stays_so);
	tcase_add_test(tc, guest_reports_io_error_stop_is_the_handover);
	tcase_add_test(tc, paused_guest_move_fails_guest_stays_paused);
	tcase_add_test(tc, completed_while_handover_is_written_go_follows);
	tcase_add_test(tc, completed_without_events_is_found_by_asking);
	tcase_add_test(tc, go_unanswered_is_asked_again_and_guest_stays_stopped);
	tcase_add_test(tc, go_lost_is_asked_again_soon_and_slow_is_not_flooded);
	tcase_add_test(tc, stuck_resolved_for_source_guest_goes_on);
	tcase_add_test(tc, stuck_resolved_for_destination_nothing_stays);
	tcase_add_test(tc, resolve_while_hosts_speak_is_refused);
	tcase_add_test(tc, go_answered_with_nonsense_is_asked_again);
	tcase_add_test(tc, go_refused_guest_goes_on);
	tcase_add_test(tc, go_refused_cont_fails_is_tried_again);
	tcase_add_test(tc, go_refused_cont_refused_for_good_move_ends);
	tcase_add_test(tc, go_refused_cont_refused_by_a_lock_guest_runs_when_it_is_free);
	tcase_add_test(tc, cont_refused_by_a_lock_then_paused_is_not_tried_again);
	tcase_add_test(tc, go_taken_qemu_dead_meanwhile_move_is_done);
	tcase_add_test(tc, go_refused_qemu_dead_guest_has_crashed);
	tcase_add_test(tc, confirm_monitor_hung_qemu_is_ended_all_the_same);

	tc = rig_add_case(s, "lease");
	tcase_add_test(tc, transfer_peer_silent_data_waits_for_it);
	tcase_add_test(tc, transfer_disk_full_data_waits_for_it);
	tcase_add_test(tc, transfer_disk_full_over_there_data_waits_for_it);
	tcase_add_test(tc, handover_late_answer_does_not_hold_the_data);
	return s;
}
