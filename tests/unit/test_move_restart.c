/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source of a move after a restart in each of its states. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"

static void assert_failed_here(void)
{
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(trace_count("peer go"), 0);
	ck_assert(!fake_stream_is_alive());
	ck_assert_ptr_null(vm_job(rig_vm()));
}

/* A move that has just begun is rolled back: nothing is lost when it is started again. */
START_TEST(src_begin_restart_rolls_back)
{
	rig_run_vm();
	fake_qmp_hold("migrate-set-capabilities");
	rig_start_move();
	rig_restart();
	assert_failed_here();
	ck_assert_str_eq(rig_error(), "unavailable");
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

START_TEST(src_prepare_restart_rolls_back)
{
	rig_bring_to("prepare");
	rig_restart();
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(src_prepare_restart_qemu_dead_has_crashed)
{
	rig_bring_to("prepare");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	assert_failed_here();
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* An upgrade of the daemon costs no move. */
START_TEST(src_transfer_restart_goes_on)
{
	rig_bring_to("transfer");
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert(fake_stream_is_alive());
	rig_advance(2000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	ck_assert_uint_eq(trace_count("peer drop"), 0);
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* The record was written, but QEMU was not told to migrate. */
START_TEST(src_transfer_restart_before_migrate_rolls_back)
{
	rig_run_vm();
	rig_bring_to("prepare");
	rig_disk_hold_answers();
	fake_peer_answer("prepare",
			 "{\"data_address\":\"h:1\",\"token\":\"0000000000000000000000000000000000"
			 "000000000000000000000000000001\",\"channels\":[\"ram\"]}");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig.disk.state, "transfer");
	rig_restart();
	assert_failed_here();
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert(rig_guest_runs());
}
END_TEST

/* The same, but QEMU still reports the migration by which the guest came to this host: nothing
 * has left, so the destination must not be asked to go on. */
START_TEST(src_transfer_restart_before_migrate_arrived_before_rolls_back)
{
	rig_run_vm();
	fake_qemu()->mig = "completed";
	fake_qemu()->has_arrived = true;
	rig_bring_to("prepare");
	rig_disk_hold_answers();
	fake_peer_answer("prepare",
			 "{\"data_address\":\"h:1\",\"token\":\"0000000000000000000000000000000000"
			 "000000000000000000000000000001\",\"channels\":[\"ram\"]}");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_restart();
	assert_failed_here();
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert(rig_guest_runs());
}
END_TEST

/* The record was not written, so the state before it counts. */
START_TEST(src_transfer_restart_record_lost_rolls_back)
{
	rig_bring_to("prepare");
	fake_peer_answer("prepare",
			 "{\"data_address\":\"h:1\",\"token\":\"0000000000000000000000000000000000"
			 "000000000000000000000000000001\",\"channels\":[\"ram\"]}");
	rig_disk_hold();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_restart();
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(src_transfer_restart_failed_meanwhile_guest_goes_on)
{
	rig_bring_to("transfer");
	rig_crash();
	fake_qemu()->mig = "failed";
	rig_start_again();
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

/* The transfer completed while the daemon was away: the guest stands still, and is given away. */
START_TEST(src_transfer_restart_completed_meanwhile_goes_on)
{
	rig_bring_to("transfer");
	rig_crash();
	fake_qemu_migrates("device");
	fake_qemu_migrates("completed");
	rig_start_again();
	rig_advance(100);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* Rule 6: QEMU may have resumed the guest before it died, so the destination's copy is stale:
 * the copy is dropped, and the guest has crashed. */
START_TEST(src_transfer_restart_qemu_dead_drops)
{
	rig_bring_to("transfer");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "rollback");
	assert_failed_here();
	ck_assert_str_eq(rig_error(), "qemu-error");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* If the destination answers `taken', the guest runs there. */
START_TEST(src_handover_restart_qemu_dead_taken_confirms)
{
	rig_bring_to("handover");
	rig_disk_hold(); /* the record that it completed is lost */
	fake_qemu_migrates("completed");
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
	ck_assert_str_eq(move_owner(rig_move()), "b");
}
END_TEST

/* The destination may have received the go: its guest may run, so this host does not give it
 * up, however long the answer takes, and over any number of restarts. */
START_TEST(src_handover_restart_qemu_dead_unanswered_waits)
{
	rig_bring_to("handover");
	rig_disk_hold();
	fake_qemu_migrates("completed");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	rig_advance(10 * 60 * 1000);
	ck_assert_str_eq(rig_state(), "rollback");
	rig_restart();
	rig_advance(10 * 60 * 1000);
	ck_assert_str_eq(rig_state(), "rollback");
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_BUSY);
	rig_peer_says("drop", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* The record of `completed' is on disk: the guest was given away, even if its QEMU has died. */
START_TEST(src_handover_restart_qemu_dead_after_completed_asks_go)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "handover");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* The answer to go was lost with the daemon: go is sent again, and the guest stays stopped. */
START_TEST(src_handover_restart_asks_again)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_restart();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(src_handover_restart_paused_guest_goes_paused)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_restart();
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
	ck_assert_uint_eq(trace_count("peer go run"), 0);
}
END_TEST

START_TEST(src_handover_restart_failed_meanwhile_guest_goes_on)
{
	rig_bring_to("handover");
	rig_crash();
	fake_qemu()->mig = "failed";
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig_start_again();
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

/* QEMU had the user's resume when the daemon died, and ran the guest here after it was given
 * away. */
START_TEST(src_handover_restart_guest_runs_here_drops)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("handover");
	rig_crash();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig_start_again();
	rig_advance(100);
	ck_assert_uint_eq(trace_count("peer go"), 0);
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

/* The record of `taken' is on disk: the guest is over there, and the QEMU here is ended. */
START_TEST(src_confirm_restart_ends_qemu)
{
	rig_bring_to("confirm");
	rig_restart();
	fake_qmp_release("query-migrate");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(!fake_qemu()->is_alive);
	ck_assert_ptr_null(rig_vm());
	ck_assert_uint_eq(trace_count("peer go"), 1);
}
END_TEST

START_TEST(src_confirm_restart_qemu_dead_is_done)
{
	rig_bring_to("confirm");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

START_TEST(src_rollback_restart_refusal_known_guest_goes_on)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qmp_hold("cont");
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "rollback");
	rig_restart();
	fake_qmp_release("cont");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("peer drop"), 0);
}
END_TEST

START_TEST(src_rollback_restart_drops_again)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_restart();
	ck_assert_str_eq(rig_state(), "rollback");
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

/* The former daemon had told QEMU to migrate: the migration is cancelled. */
START_TEST(src_rollback_restart_still_migrating_is_cancelled)
{
	rig_bring_to("prepare");
	rig_crash();
	fake_qemu()->mig = "active";
	rig_start_again();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

/* The migration even completed: only the destination's refusal gives the guest back. */
START_TEST(src_rollback_restart_completed_waits_for_refusal)
{
	rig_bring_to("prepare");
	rig_crash();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_POSTMIGRATE;
	rig_start_again();
	rig_advance(10 * 60 * 1000);
	ck_assert_str_eq(rig_state(), "rollback");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_int_eq(rig_act(VM_ACTION_RESUME).code, ERR_BUSY);
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* A monitor that does not answer is asked again, at a bounded rate. */
START_TEST(src_rollback_restart_monitor_hung_waits)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_crash();
	fake_qemu()->is_hung = true;
	rig_start_again();
	rig_advance(20000);
	ck_assert_str_eq(rig_state(), "rollback");
	fake_qemu_find_monitor();
	rig_advance(5000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

START_TEST(src_ended_restart_is_history)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	trace_clear();
	rig_restart();
	rig_advance(60000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(move_is_final(rig_move()));
	ck_assert_uint_eq(trace_count("qmp"), 0);
	ck_assert_uint_eq(trace_count("peer"), trace_count("peer settle"));
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

/* The destination keeps its verdict until the source tells it the end, over restarts of both. */
START_TEST(src_ended_restart_tells_the_destination_until_it_answers)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	rig_advance(1);
	fake_peer_fail("settle", ERR_UNAVAILABLE);
	rig_restart();
	rig_advance(1);
	fake_peer_answer("settle", "{\"settled\":true}");
	ck_assert(move_is_settled(rig_move()));
	trace_clear();
	rig_restart();
	rig_advance(120000);
	ck_assert_uint_eq(trace_count("peer"), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_restart");
	TCase *tc = rig_add_case(s, "source");

	tcase_add_test(tc, src_begin_restart_rolls_back);
	tcase_add_test(tc, src_prepare_restart_rolls_back);
	tcase_add_test(tc, src_prepare_restart_qemu_dead_has_crashed);
	tcase_add_test(tc, src_transfer_restart_goes_on);
	tcase_add_test(tc, src_transfer_restart_before_migrate_rolls_back);
	tcase_add_test(tc, src_transfer_restart_before_migrate_arrived_before_rolls_back);
	tcase_add_test(tc, src_transfer_restart_record_lost_rolls_back);
	tcase_add_test(tc, src_transfer_restart_failed_meanwhile_guest_goes_on);
	tcase_add_test(tc, src_transfer_restart_completed_meanwhile_goes_on);
	tcase_add_test(tc, src_transfer_restart_qemu_dead_drops);
	tcase_add_test(tc, src_handover_restart_qemu_dead_taken_confirms);
	tcase_add_test(tc, src_handover_restart_qemu_dead_unanswered_waits);
	tcase_add_test(tc, src_handover_restart_qemu_dead_after_completed_asks_go);
	tcase_add_test(tc, src_handover_restart_asks_again);
	tcase_add_test(tc, src_handover_restart_paused_guest_goes_paused);
	tcase_add_test(tc, src_handover_restart_failed_meanwhile_guest_goes_on);
	tcase_add_test(tc, src_handover_restart_guest_runs_here_drops);
	tcase_add_test(tc, src_confirm_restart_ends_qemu);
	tcase_add_test(tc, src_confirm_restart_qemu_dead_is_done);
	tcase_add_test(tc, src_rollback_restart_refusal_known_guest_goes_on);
	tcase_add_test(tc, src_rollback_restart_drops_again);
	tcase_add_test(tc, src_rollback_restart_still_migrating_is_cancelled);
	tcase_add_test(tc, src_rollback_restart_completed_waits_for_refusal);
	tcase_add_test(tc, src_rollback_restart_monitor_hung_waits);
	tcase_add_test(tc, src_ended_restart_is_history);
	tcase_add_test(tc, src_ended_restart_tells_the_destination_until_it_answers);
	return s;
}
