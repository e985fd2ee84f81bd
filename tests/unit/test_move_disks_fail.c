/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source of a move that copies local disks: mirrors that fail, and cancels. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "disk_rig.h"

/* ---- mirrors that fail ------------------------------------------------------------ */

START_TEST(target_that_cannot_be_opened_ends_the_move)
{
	disk_rig_begin(&(struct move_options){ .downtime_limit_ms = 300 });
	disk_rig_answer_prepare();
	fake_qmp_refuse("blockdev-add", ERR_QEMU);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_uint_eq(trace_count("qmp blockdev-mirror"), 0);
	disk_rig_assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "the copy of disk 'd0' to host 'b' failed"));
}
END_TEST

/* The target of the mirror that could not begin is removed too. */
START_TEST(mirror_that_cannot_begin_ends_the_move)
{
	disk_rig_begin(&(struct move_options){ .downtime_limit_ms = 300 });
	disk_rig_answer_prepare();
	fake_qmp_refuse("blockdev-mirror", ERR_QEMU);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	disk_rig_assert_back("failed");
}
END_TEST

START_TEST(mirror_that_fails_while_it_copies_ends_the_move)
{
	disk_rig_copy();
	fake_qemu_job("migrd-d0", "ready", NULL);
	fake_qemu_job("migrd-d1", "concluded", "No space left on device");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	disk_rig_assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "'d1' to host 'b' failed: No space left on device"));
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
}
END_TEST

/* The event may be lost: the tick asks. */
START_TEST(mirror_whose_end_is_not_told_is_noticed)
{
	disk_rig_copy();
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d1")->status = "concluded";
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d1")->error = "No space left on device";
	rig_advance(1100);
	disk_rig_assert_back("failed");
}
END_TEST

START_TEST(mirror_that_fails_while_memory_flows_ends_the_move)
{
	disk_rig_send_memory();
	fake_qemu_job("migrd-d0", "concluded", "Input/output error");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	disk_rig_assert_back("failed");
	ck_assert_ptr_nonnull(
		strstr(move_row(rig_move())->error_text, "'d0' to host 'b' failed: Input/output"));
}
END_TEST

/* The guest has written since, so the copy is old although the job ended well. */
START_TEST(mirror_that_somebody_ended_fails_the_move)
{
	if (_i == 0)
		disk_rig_copy();
	else
		disk_rig_send_memory();
	fake_qemu_job("migrd-d0", "concluded", NULL);
	disk_rig_assert_back("failed");
	ck_assert_ptr_nonnull(
		strstr(move_row(rig_move())->error_text, "failed: somebody ended it"));
}
END_TEST

START_TEST(mirror_that_somebody_dismissed_fails_the_move)
{
	disk_rig_send_memory();
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d0")->status = NULL;
	rig_advance(1100);
	disk_rig_assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "no such job any more"));
}
END_TEST

/* The guest stands still, and goes on here. */
START_TEST(mirror_that_fails_at_its_end_gives_the_guest_back)
{
	disk_rig_settle();
	fake_qemu_job("migrd-d0", "concluded", NULL);
	fake_qemu_job("migrd-d1", "concluded", "Input/output error");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	disk_rig_assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "'d1' to host 'b' failed: Input/output error"));
}
END_TEST

START_TEST(mirror_that_does_not_end_gives_the_guest_back)
{
	disk_rig_settle();
	fake_qemu_job("migrd-d0", "concluded", NULL);
	rig_advance(2900);
	ck_assert_str_eq(rig_state(), "handover");
	rig_advance(700);
	disk_rig_assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "'d1' to host 'b' failed: it did not end"));
}
END_TEST

/* The second disk is copied, and the destination is there. */
static void copy_for(int seconds)
{
	for (; seconds > 0; seconds--) {
		fake_jobs_find(&fake_qemu()->jobs, "migrd-d1")->done++;
		rig_advance(1000);
		disk_rig_let_flow();
	}
}

START_TEST(copies_that_send_nothing_are_given_up)
{
	disk_rig_copy();
	fake_qemu_job("migrd-d0", "ready", NULL);
	copy_for(100);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(59000);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(3000);
	disk_rig_assert_back("failed");
	ck_assert_msg(strstr(move_row(rig_move())->error_text,
			     "'d1' to host 'b' failed: nothing was sent for 60 s") != NULL,
		      "%s", move_row(rig_move())->error_text);
}
END_TEST

/* Disks flow on without the other coordinator.  Memory has not begun, so it has not stalled. */
START_TEST(silent_peer_is_no_stall_of_memory_that_has_not_begun)
{
	disk_rig_copy();
	rig_advance(3000);
	copy_for(100);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	disk_rig_mirrors("ready");
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	fake_qemu_job("migrd-d0", "concluded", "Input/output error");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	disk_rig_assert_back("failed");
}
END_TEST

/* A disk that is ready is not idle: it waits for the others. */
START_TEST(disk_that_waits_for_a_slow_one_is_no_stall)
{
	disk_rig_copy();
	fake_qemu_job("migrd-d0", "ready", NULL);
	copy_for(100);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}
END_TEST

/* ---- cancel ------------------------------------------------------------------------- */

START_TEST(cancel_while_disks_are_copied)
{
	disk_rig_copy();
	disk_rig_cancel();
	disk_rig_assert_back("cancelled");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	trace_assert_order("qmp job-cancel", "qmp job-dismiss");
	trace_assert_order("qmp job-dismiss", "qmp blockdev-del");
	trace_assert_order("qmp blockdev-del", "disk cancelled");
}
END_TEST

START_TEST(cancel_while_memory_flows)
{
	disk_rig_send_memory();
	disk_rig_cancel();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	disk_rig_assert_back("cancelled");
	trace_assert_order("qmp migrate_cancel", "qmp job-cancel");
}
END_TEST

/* QEMU was told to migrate, and has not said that it does. */
START_TEST(cancel_just_after_migrate_ends_the_migration_too)
{
	disk_rig_copy();
	fake_qmp_hold("query-status");
	fake_qmp_hold("query-migrate");
	disk_rig_mirrors("ready");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	disk_rig_cancel();
	fake_qemu_migrates("active");
	fake_qmp_release("query-status");
	fake_qmp_release("query-migrate");
	rig_run();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	disk_rig_assert_back("cancelled");
}
END_TEST

START_TEST(cancel_after_the_guest_stopped_is_too_late)
{
	struct err err;

	disk_rig_settle();
	ck_assert(!move_cancel(rig_move(), "ops", &err));
	ck_assert_int_eq(err.code, ERR_TOO_LATE);
}
END_TEST

/* A job that QEMU does not end at once is waited for; the move does not end before. */
START_TEST(rollback_waits_for_the_end_of_the_jobs)
{
	disk_rig_copy();
	fake_qmp_hold("job-cancel");
	disk_rig_cancel();
	rig_peer_says("drop", "refused");
	rig_advance(3000);
	ck_assert_str_eq(rig_state(), "rollback");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp blockdev-del"), 0);
	fake_qmp_release("job-cancel");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "cancelled");
	disk_rig_assert_gone();
}
END_TEST

/* ... but not for ever: the next move tries again. */
START_TEST(rollback_does_not_wait_for_ever)
{
	disk_rig_copy();
	fake_qmp_refuse("job-cancel", ERR_QEMU);
	disk_rig_cancel();
	rig_peer_says("drop", "refused");
	rig_advance(11000);
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(!fake_jobs_are_none(&fake_qemu()->jobs));
	fake_qmp_accept("job-cancel");
	trace_clear();
	rig_start_move();
	rig_advance(1000);
	ck_assert(fake_jobs_are_none(&fake_qemu()->jobs));
	ck_assert_str_eq(rig_state(), "prepare");
	trace_assert_order("qmp blockdev-del", "peer prepare run");
}
END_TEST

/* The jobs of an earlier move do not end; the user does not wait for them. */
START_TEST(cancel_while_old_jobs_are_cleared)
{
	disk_rig_copy();
	fake_qmp_refuse("job-cancel", ERR_QEMU);
	disk_rig_cancel();
	rig_peer_says("drop", "refused");
	rig_advance(11000);
	rig_start_move();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "begin");
	fake_qmp_hold("query-status");
	disk_rig_cancel();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "rollback");
	fake_qmp_accept("job-cancel");
	rig_advance(1000);
	fake_qmp_release("query-status");
	disk_rig_assert_back("cancelled");
	ck_assert_uint_eq(trace_count("peer prepare run"), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_disks_fail");
	TCase *tc = rig_add_case(s, "failures");

	tcase_add_test(tc, target_that_cannot_be_opened_ends_the_move);
	tcase_add_test(tc, mirror_that_cannot_begin_ends_the_move);
	tcase_add_test(tc, mirror_that_fails_while_it_copies_ends_the_move);
	tcase_add_test(tc, mirror_whose_end_is_not_told_is_noticed);
	tcase_add_test(tc, mirror_that_fails_while_memory_flows_ends_the_move);
	tcase_add_loop_test(tc, mirror_that_somebody_ended_fails_the_move, 0, 2);
	tcase_add_test(tc, mirror_that_somebody_dismissed_fails_the_move);
	tcase_add_test(tc, mirror_that_fails_at_its_end_gives_the_guest_back);
	tcase_add_test(tc, mirror_that_does_not_end_gives_the_guest_back);
	tcase_add_test(tc, copies_that_send_nothing_are_given_up);
	tcase_add_test(tc, silent_peer_is_no_stall_of_memory_that_has_not_begun);
	tcase_add_test(tc, disk_that_waits_for_a_slow_one_is_no_stall);
	tc = rig_add_case(s, "cancel");
	tcase_add_test(tc, cancel_while_disks_are_copied);
	tcase_add_test(tc, cancel_while_memory_flows);
	tcase_add_test(tc, cancel_just_after_migrate_ends_the_migration_too);
	tcase_add_test(tc, cancel_after_the_guest_stopped_is_too_late);
	tcase_add_test(tc, rollback_waits_for_the_end_of_the_jobs);
	tcase_add_test(tc, rollback_does_not_wait_for_ever);
	tcase_add_test(tc, cancel_while_old_jobs_are_cleared);
	return s;
}
