/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "peer/client.h"

/* ---- a good world ----------------------------------------------------- */

/* The whole of a good move: nothing is said before it is on disk, the guest is
 * given away by one question, and only its answer ends the QEMU here. */
START_TEST(guest_is_moved_in_this_order)
{
	rig_bring_to("transfer");
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	trace_assert("disk begin", "qmp migrate-set-capabilities", "qmp migrate-set-parameters",
		     "disk prepare", "peer prepare run", "stream start", "disk prepare",
		     "disk transfer", "qmp migrate", "peer fate", "disk handover",
		     "stream timeout 3000", "peer go run", "disk handover completed",
		     "disk confirm taken completed", "stream kill", "qemu quit",
		     "disk done taken completed -vm", NULL);
	ck_assert_ptr_null(rig_vm());
	ck_assert(!fake_qemu()->is_alive);
	ck_assert_str_eq(rig_error(), "");
	ck_assert_str_eq(move_owner(rig_move()), "b");
}
END_TEST

/* A user's pause is a wish for the guest, not the end of the transfer. */
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

/* A guest that stops on an I/O error is neither handed over nor let run by us:
 * it arrives as it is. */
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

/* One that only reports its errors has not stopped. */
START_TEST(guest_reports_io_error_stop_is_the_handover)
{
	rig_bring_to("transfer");
	fake_qemu_event("BLOCK_IO_ERROR", "{\"action\":\"report\"}");
	fake_qemu_event("STOP", NULL);
	rig_advance(10);
	ck_assert_str_eq(rig_state(), "handover");
}
END_TEST

/* A paused guest stays paused, wherever it ends up. */
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

/* Progress, events and answers in another order lead to the same end. */
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

/* QEMU's events may be lost with its monitor: the tick asks instead. */
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

/* No answer is no leave to run the guest: it stands still, and we ask again,
 * ever more patiently, for as long as it takes. */
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

/* One question at a time: a slow peer is not flooded. */
START_TEST(go_slow_is_asked_once)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_advance(4500);
	ck_assert_uint_eq(trace_count("peer go"), 1);
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

/* Nobody decides for hosts that speak to each other, or before completed. */
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

/* An answer that cannot be understood gives no leave to anybody. */
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

/* The refusal is durable over there: the guest goes on here. */
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

/* The guest that cannot be resumed at once must not be left standing. */
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

/* QEMU's no is an answer in the end: the move ends, and the user may act. */
START_TEST(go_refused_cont_refused_for_good_move_ends)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qmp_refuse("cont", ERR_QEMU);
	rig_peer_says("go", "refused");
	rig_advance(60000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

/* The guest is away: nothing of it stays, not even for a moment later. */
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

/* It was given away, and the other host did not want it: it died with its QEMU. */
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

/* A QEMU that does not quit must not keep the move. */
START_TEST(confirm_monitor_hung_qemu_is_ended_all_the_same)
{
	rig_bring_to("confirm");
	rig_advance(6000);
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* ---- failures before completed ----------------------------------------- */

/* A guest that QEMU cannot migrate is not touched at all. */
START_TEST(begin_guest_blocked_fails)
{
	rig_run_vm();
	fake_qemu()->blocked_reason = "it has a device";
	rig_start_move();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "it has a device"));
	ck_assert_uint_eq(trace_count("qmp"), 0);
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

START_TEST(begin_capabilities_refused_fails)
{
	fake_qmp_refuse("migrate-set-capabilities", ERR_QEMU);
	rig_start_move();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The destination's words reach the user. */
START_TEST(prepare_refused_by_peer_fails)
{
	rig_bring_to("prepare");
	fake_peer_fail("prepare", ERR_EXISTS);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "exists");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "the peer says exists"));
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(prepare_answered_with_nonsense_fails)
{
	rig_bring_to("prepare");
	fake_peer_answer("prepare", "{\"token\":\"\"}");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

/* A destination that never answers must not cost us the guest. */
START_TEST(prepare_peer_silent_times_out)
{
	rig_bring_to("prepare");
	rig_advance(30001);
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "timeout");
	ck_assert(rig_guest_runs());
}
END_TEST

static void answer_prepare(void)
{
	fake_peer_answer("prepare", "{\"data_address\":\"192.0.2.1:8441\",\"token\":\""
				    "00000000000000000000000000000000"
				    "00000000000000000000000000000001\","
				    "\"channels\":[\"ram\"]}");
}

START_TEST(prepare_stream_cannot_connect_fails)
{
	rig_bring_to("prepare");
	answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_FAILED);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "peer-error");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "connection refused"));
}
END_TEST

START_TEST(prepare_stream_dies_fails)
{
	rig_bring_to("prepare");
	answer_prepare();
	fake_stream_dies();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

START_TEST(prepare_stream_cannot_start_fails)
{
	rig_bring_to("prepare");
	fake_stream_start_fails = true;
	answer_prepare();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "not-found");
}
END_TEST

START_TEST(transfer_migrate_refused_fails)
{
	fake_qmp_refuse("migrate", ERR_QEMU);
	rig_bring_to("prepare");
	answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "qemu-error");
	ck_assert(rig_guest_runs());
}
END_TEST

/* QEMU resumes the guest itself: all that is left is to tell the other side. */
START_TEST(transfer_qemu_gives_up_guest_goes_on)
{
	rig_bring_to("transfer");
	fake_qemu()->mig_error = "Unable to write to socket: Broken pipe";
	fake_qemu_migrates("failed");
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "Broken pipe"));
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert(rig_guest_runs());
	ck_assert(!fake_stream_is_alive());
}
END_TEST

/* Before completed the guest has never left: a dead QEMU is a crash, said so. */
START_TEST(transfer_qemu_dies_guest_has_crashed)
{
	rig_bring_to("transfer");
	fake_qemu_dies();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "qemu-error");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	ck_assert_uint_eq(trace_count("peer go"), 0);
}
END_TEST

/* In the last pass as well: without completed there is no go. */
START_TEST(handover_qemu_gives_up_guest_goes_on)
{
	rig_bring_to("handover");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(trace_count("peer go"), 0);
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(handover_qemu_dies_before_completed_guest_has_crashed)
{
	rig_bring_to("handover");
	fake_qemu_dies();
	ck_assert_uint_eq(trace_count("peer go"), 0);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* A dead link in the last pass would keep the guest standing for as long as
 * TCP likes. */
START_TEST(handover_last_pass_hangs_is_yanked)
{
	rig_bring_to("handover");
	rig_advance(3000);
	ck_assert_uint_eq(trace_count("qmp yank"), 0);
	rig_advance(1000);
	ck_assert_uint_eq(trace_count("qmp yank"), 1);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The peer is there all the time: only the network stalls. */
static void advance_with_peer(uint64_t ms)
{
	for (uint64_t passed_ms = 0; passed_ms < ms; passed_ms += 500) {
		rig_advance(500);
		while (fake_peer_pending("fate"))
			fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false}");
	}
}

/* A link that carries nothing is given up, and the reason says so. */
START_TEST(transfer_stalled_times_out)
{
	rig_bring_to("transfer");
	fake_qemu()->ram_transferred_bytes = 100;
	advance_with_peer(59000);
	fake_qemu()->ram_transferred_bytes = 200;
	advance_with_peer(59000);
	ck_assert_str_eq(rig_state(), "transfer");
	advance_with_peer(3000);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "timeout");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The transfer ended at the moment it was given up: a good move has no error. */
START_TEST(transfer_stalled_but_completes_move_is_done_without_error)
{
	rig_bring_to("transfer");
	fake_qmp_hold("migrate_cancel");
	advance_with_peer(61000);
	ck_assert(fake_qmp_is_held("migrate_cancel"));
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_error(), "");
}
END_TEST

/* ---- cancel ------------------------------------------------------------- */

static bool cancel(void)
{
	struct err err = { 0 };
	bool ok = move_cancel(rig_move(), &err);

	if (!ok)
		ck_assert_int_eq(err.code, ERR_TOO_LATE);
	rig_run();
	return ok;
}

START_TEST(begin_cancelled_ends_at_once)
{
	rig_run_vm();
	fake_qmp_hold("migrate-set-capabilities");
	rig_start_move();
	ck_assert(cancel());
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert_str_eq(rig_error(), "cancelled");
	fake_qmp_release("migrate-set-capabilities");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(prepare_cancelled_late_answer_is_harmless)
{
	rig_bring_to("prepare");
	ck_assert(cancel());
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	answer_prepare();
	ck_assert_uint_eq(trace_count("stream start"), 0);
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

START_TEST(transfer_cancelled_guest_goes_on)
{
	rig_bring_to("transfer");
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
}
END_TEST

/* Before the first record is on disk. */
START_TEST(new_cancelled_ends)
{
	rig_run_vm();
	rig_disk_hold();
	rig_start_move();
	ck_assert(cancel());
	rig_disk_go_on();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

/* QEMU decides the race: it completed, so the guest is given away. */
START_TEST(cancel_races_with_completed_move_goes_on)
{
	rig_bring_to("transfer");
	fake_qmp_hold("migrate_cancel");
	ck_assert(cancel());
	rig_completes();
	fake_qmp_release("migrate_cancel");
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_error(), "");
}
END_TEST

/* Past the point of no return nobody may promise the guest back. */
START_TEST(cancel_in_handover_is_too_late)
{
	rig_bring_to("handover");
	ck_assert(!cancel());
	fake_qemu_migrates("completed");
	ck_assert(!cancel());
	rig_peer_says("go", "taken");
	ck_assert(!cancel());
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* Twice is once. */
START_TEST(cancel_twice_is_once)
{
	rig_bring_to("transfer");
	fake_qmp_hold("migrate_cancel");
	ck_assert(cancel());
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	fake_qmp_release("migrate_cancel");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

/* ---- drop ---------------------------------------------------------------- */

/* The other host may be down for a week: our guest runs, and our move ends. */
START_TEST(drop_unanswered_ends_after_patience)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_advance(29000);
	ck_assert_str_eq(rig_state(), "rollback");
	ck_assert_uint_gt(trace_count("peer drop"), 1);
	rig_advance(2000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* ---- the user beside the move ------------------------------------------ */

/* A resume that was asked for in transfer and is carried out after completed
 * would run the guest on both hosts. */
START_TEST(user_resume_races_with_completed_no_cont_here)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("transfer");
	rig_disk_hold();
	rig_act_begin(VM_ACTION_RESUME);
	rig_completes();
	rig_disk_go_on();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert(!rig_guest_runs());
	/* The move carries the wish out: the guest is to run over there. */
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	ck_assert_uint_eq(trace_count("peer go run"), 1);
}
END_TEST

/* QEMU has the command already, and carries it out after its last pass: nobody
 * else may run that guest. */
START_TEST(user_resume_is_with_qemu_at_completed_destination_is_dropped)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("transfer");
	fake_qmp_hold("cont");
	rig_act_begin(VM_ACTION_RESUME);
	rig_run();
	rig_completes();
	ck_assert_uint_eq(trace_count("peer go"), 0);
	fake_qmp_release("cont");
	rig_advance(1000);
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("peer go"), 0);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The same, but QEMU refused it: the guest stands still, and is given away. */
START_TEST(user_resume_is_refused_at_completed_move_goes_on)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("transfer");
	fake_qmp_hold("cont");
	fake_qmp_refuse("cont", ERR_QEMU);
	rig_act_begin(VM_ACTION_RESUME);
	rig_run();
	rig_completes();
	fake_qmp_release("cont");
	rig_advance(1000);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* A pause that came too late for this QEMU holds when the guest comes back. */
START_TEST(user_pause_races_with_failure_guest_is_paused)
{
	rig_bring_to("transfer");
	rig_disk_hold();
	rig_act_begin(VM_ACTION_PAUSE);
	fake_qemu_migrates("device");
	rig_disk_go_on();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

/* Nobody stops or deletes a guest that is on its way. */
START_TEST(user_actions_are_refused_while_it_moves)
{
	static const enum vm_action never[] = { VM_ACTION_STOP, VM_ACTION_DELETE, VM_ACTION_START,
						VM_ACTION_RESET, VM_ACTION_SHUTDOWN };

	rig_bring_to("transfer");
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		ck_assert_int_eq(rig_act(never[i]).code, ERR_BUSY);
	rig_completes();
	ck_assert_int_eq(rig_act(VM_ACTION_RESUME).code, ERR_BUSY);
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_BUSY);
}
END_TEST

/* ---- the disk ------------------------------------------------------------ */

/* What is not on disk has not happened: the move stands, says why, and goes on
 * when there is room. */
START_TEST(disk_full_at_each_step_nothing_proceeds_then_recovers)
{
	rig_run_vm();
	rig_disk_is_full(true);
	rig_start_move();
	rig_advance(3000);
	trace_assert_empty();
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "the disk is full"));
	rig_disk_is_full(false);
	rig_advance(500);
	ck_assert_str_eq(rig_state(), "prepare");
	rig_disk_is_full(true);
	answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_advance(3000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	rig_disk_is_full(false);
	rig_advance(500);
	rig_disk_is_full(true);
	rig_completes();
	rig_advance(3000);
	ck_assert_uint_eq(trace_count("peer go"), 0);
	rig_disk_is_full(false);
	rig_advance(500);
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
	rig_disk_is_full(true);
	rig_peer_says("go", "taken");
	rig_advance(3000);
	ck_assert(fake_qemu()->is_alive);
	rig_disk_is_full(false);
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* A daemon that ends while the disk is full gives everything back. */
START_TEST(disk_full_daemon_ends_nothing_leaks)
{
	rig_run_vm();
	rig_disk_is_full(true);
	rig_start_move();
	rig_restart();
	ck_assert_ptr_null(rig_move());
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

/* The refusal is not ours before its record is. */
START_TEST(disk_full_after_refusal_guest_waits)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_disk_is_full(true);
	rig_peer_says("go", "refused");
	rig_advance(2000);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_disk_is_full(false);
	rig_advance(1000);
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

/* ---- the monitor ---------------------------------------------------------- */

/* A hung monitor is no end of the guest, and no reason to run hot. */
START_TEST(rollback_monitor_lost_waits_for_it)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	fake_qmp_hold("query-status");
	rig_peer_says("drop", "refused");
	fake_qemu_lose_monitor();
	rig_advance(5000);
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

/* ---- start ----------------------------------------------------------------- */

static enum err_code start(const char *vm, const char *to, const char *key)
{
	const struct move_options options = { .downtime_limit_ms = 300 };
	struct err err = { 0 };
	struct move *move = moves_start(rig.moves, vm, to, &options, key, &err);

	rig_run();
	return move ? ERR_NONE : err.code;
}

START_TEST(start_impossible_is_refused_at_once)
{
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_NOT_FOUND);
	rig_create_vm();
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_CONFLICT);
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
	ck_assert_int_eq(start("vm1", "a", NULL), ERR_CONFLICT);
	ck_assert_int_eq(start("vm1", "unknown", NULL), ERR_NOT_FOUND);
	rig_act_begin(VM_ACTION_PAUSE);
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_BUSY);
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_NONE);
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_BUSY);
}
END_TEST

/* A client that asks twice because the answer was lost gets one move. */
START_TEST(start_same_key_is_same_move)
{
	rig_run_vm();
	ck_assert_int_eq(start("vm1", "b", "k1"), ERR_NONE);
	ck_assert_int_eq(start("vm1", "b", "k1"), ERR_NONE);
	ck_assert_int_eq(start("vm1", "c", "k1"), ERR_CONFLICT);
	ck_assert_ptr_null(moves_next(rig.moves, move_row(moves_next(rig.moves, NULL))->id));
}
END_TEST

/* ---- after the end ------------------------------------------------------------ */

static unsigned moments;

static void on_moment(void *data, struct move *move)
{
	(void)data;
	(void)move;
	moments++;
}

/* Whatever comes late finds history, and leaves it alone. */
START_TEST(end_late_messages_are_harmless)
{
	const struct move_options options = { .has_bandwidth = true };
	struct err err = { 0 };

	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	trace_clear();
	fake_qemu_migrates("completed");
	fake_qemu_event("STOP", NULL);
	rig_advance(60000);
	ck_assert(!move_cancel(rig_move(), &err));
	ck_assert(!move_set(rig_move(), &options, &err));
	ck_assert_ptr_null(moves_go(rig.moves, rig.move_id, "b", RIG_GENERATION, true, &err));
	ck_assert_int_eq(err.code, ERR_FORBIDDEN);
	ck_assert_ptr_null(moves_drop(rig.moves, rig.move_id, "b", RIG_GENERATION, &err));
	moments = 0;
	for (int i = MOVE_RECORDED; i <= MOVE_ENDED; i++)
		move_when(rig_move(), (enum move_moment)i, on_moment, NULL);
	ck_assert_uint_eq(moments, 0);
	rig_run();
	ck_assert_uint_eq(moments, 4);
	trace_assert_empty();
}
END_TEST

/* Who waits for a moment is told when it comes, once. */
START_TEST(waiters_are_told_once)
{
	rig_bring_to("transfer");
	moments = 0;
	move_when(rig_move(), MOVE_RECORDED, on_moment, NULL);
	move_when(rig_move(), MOVE_ENDED, on_moment, NULL);
	rig_run();
	ck_assert_uint_eq(moments, 1);
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_uint_eq(moments, 2);
	rig_advance(1000);
	ck_assert_uint_eq(moments, 2);
}
END_TEST

/* ---- while it runs -------------------------------------------------------------- */

/* The limits of a move can be changed while it runs, and QEMU hears of it. */
START_TEST(transfer_set_reaches_qemu)
{
	const struct move_options options = { .bandwidth_bytes_per_s = 5, .has_bandwidth = true };
	struct err err = { 0 };

	rig_bring_to("transfer");
	trace_clear();
	ck_assert(move_set(rig_move(), &options, &err));
	rig_run();
	trace_assert("qmp migrate-set-parameters", "disk transfer", NULL);
}
END_TEST

/* A destination that is away could not take the guest: QEMU must not get so far
 * as to stop it.  With an answer it goes on, and once the guest stands still,
 * nothing may hold it up. */
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
	fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false}");
	ck_assert_uint_eq(fake_stream_lease_ms, 2000);
	ck_assert_str_eq(move_reason(rig_move()), "");
	ck_assert_str_eq(rig_state(), "transfer");
	rig_completes();
	ck_assert_uint_eq(fake_stream_lease_ms, STREAM_LEASE_FOREVER);
}
END_TEST

/* An answer that comes when the guest stands still must not hold its last bytes. */
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

/* A thousand notes in one state must not be lost, nor grow for ever. */
START_TEST(transfer_many_events_are_kept)
{
	rig_bring_to("transfer");
	for (int i = 0; i < 1000; i++) {
		fake_qemu_event("MIGRATION_PASS", "{\"pass\":1}");
		rig_run();
	}
	ck_assert_uint_gt(trace_count("disk transfer"), 10);
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

static TCase *tcase;
#define ADD(test) tcase_add_test(tcase, test)

static void add_failures(Suite *s)
{
	tcase = rig_add_case(s, "failures");
	ADD(begin_guest_blocked_fails);
	ADD(begin_capabilities_refused_fails);
	ADD(prepare_refused_by_peer_fails);
	ADD(prepare_answered_with_nonsense_fails);
	ADD(prepare_peer_silent_times_out);
	ADD(prepare_stream_cannot_connect_fails);
	ADD(prepare_stream_dies_fails);
	ADD(prepare_stream_cannot_start_fails);
	ADD(transfer_migrate_refused_fails);
	ADD(transfer_qemu_gives_up_guest_goes_on);
	ADD(transfer_qemu_dies_guest_has_crashed);
	ADD(handover_qemu_gives_up_guest_goes_on);
	ADD(handover_qemu_dies_before_completed_guest_has_crashed);
	ADD(handover_last_pass_hangs_is_yanked);
	ADD(transfer_stalled_times_out);
	ADD(transfer_stalled_but_completes_move_is_done_without_error);
	ADD(drop_unanswered_ends_after_patience);
	ADD(rollback_monitor_lost_waits_for_it);
}

static void add_users(Suite *s)
{
	tcase = rig_add_case(s, "users");
	ADD(begin_cancelled_ends_at_once);
	ADD(prepare_cancelled_late_answer_is_harmless);
	ADD(transfer_cancelled_guest_goes_on);
	ADD(new_cancelled_ends);
	ADD(cancel_races_with_completed_move_goes_on);
	ADD(cancel_in_handover_is_too_late);
	ADD(cancel_twice_is_once);
	ADD(user_resume_races_with_completed_no_cont_here);
	ADD(user_resume_is_with_qemu_at_completed_destination_is_dropped);
	ADD(user_resume_is_refused_at_completed_move_goes_on);
	ADD(user_pause_races_with_failure_guest_is_paused);
	ADD(user_actions_are_refused_while_it_moves);
	ADD(start_impossible_is_refused_at_once);
	ADD(start_same_key_is_same_move);
	ADD(transfer_set_reaches_qemu);
}

Suite *suite(void)
{
	Suite *s = suite_create("move_src");

	tcase = rig_add_case(s, "handover");
	ADD(guest_is_moved_in_this_order);
	ADD(user_pause_in_transfer_is_not_the_handover);
	ADD(guest_stops_by_itself_transfer_goes_on);
	ADD(guest_reports_io_error_stop_is_the_handover);
	ADD(paused_guest_move_fails_guest_stays_paused);
	ADD(completed_while_handover_is_written_go_follows);
	ADD(completed_without_events_is_found_by_asking);
	ADD(go_unanswered_is_asked_again_and_guest_stays_stopped);
	ADD(go_slow_is_asked_once);
	ADD(stuck_resolved_for_source_guest_goes_on);
	ADD(stuck_resolved_for_destination_nothing_stays);
	ADD(resolve_while_hosts_speak_is_refused);
	ADD(go_answered_with_nonsense_is_asked_again);
	ADD(go_refused_guest_goes_on);
	ADD(go_refused_cont_fails_is_tried_again);
	ADD(go_refused_cont_refused_for_good_move_ends);
	ADD(go_taken_qemu_dead_meanwhile_move_is_done);
	ADD(go_refused_qemu_dead_guest_has_crashed);
	ADD(confirm_monitor_hung_qemu_is_ended_all_the_same);
	add_failures(s);
	add_users(s);
	tcase = rig_add_case(s, "disk");
	ADD(disk_full_at_each_step_nothing_proceeds_then_recovers);
	ADD(disk_full_daemon_ends_nothing_leaks);
	ADD(disk_full_after_refusal_guest_waits);
	tcase = rig_add_case(s, "ends");
	ADD(end_late_messages_are_harmless);
	ADD(waiters_are_told_once);
	ADD(transfer_many_events_are_kept);
	ADD(transfer_peer_silent_data_waits_for_it);
	ADD(handover_late_answer_does_not_hold_the_data);
	return s;
}
