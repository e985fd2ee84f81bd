/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source of a move that copies local disks: coordinators that are started anew, what former
 * moves have left, and a QEMU that ends. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "disk_rig.h"

/* ---- restarts ---------------------------------------------------------------------- */

/* Those that wait for a mirror that a restart has cut off would wait for ever. */
START_TEST(restart_before_all_mirrors_began_ends_the_move)
{
	disk_rig_begin(&(struct move_options){ .downtime_limit_ms = 300 });
	disk_rig_answer_prepare();
	fake_qmp_hold("blockdev-mirror");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_restart();
	fake_qmp_release("blockdev-mirror");
	rig_advance(600);
	disk_rig_assert_back("failed");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}
END_TEST

START_TEST(restart_while_disks_are_copied_goes_on)
{
	disk_rig_copy();
	trace_clear();
	rig_restart();
	rig_advance(1100);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp blockdev-mirror"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	disk_rig_mirrors("ready");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	disk_rig_mirrors("concluded");
	disk_rig_assert_done();
}
END_TEST

START_TEST(restart_with_a_mirror_that_failed_meanwhile_ends_the_move)
{
	disk_rig_copy();
	rig_crash();
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d0")->status = "concluded";
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d0")->error = _i ? "Input/output error" : NULL;
	rig_start_again();
	rig_advance(600);
	disk_rig_assert_back("failed");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}
END_TEST

/* All mirrors are ready, and QEMU was not told to migrate: that is left to do. */
START_TEST(restart_between_disks_and_memory_goes_on)
{
	disk_rig_copy();
	rig_crash();
	disk_rig_mirrors("ready");
	trace_clear();
	rig_start_again();
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	disk_rig_mirrors("concluded");
	disk_rig_assert_done();
}
END_TEST

/* Only QEMU knows whether it was told to migrate. */
START_TEST(restart_waits_until_qemu_tells_of_its_migration)
{
	disk_rig_copy();
	rig_crash();
	disk_rig_mirrors("ready");
	fake_qmp_hold("query-migrate");
	trace_clear();
	rig_start_again();
	rig_advance(1100);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	fake_qmp_release("query-migrate");
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

START_TEST(restart_while_memory_flows_goes_on)
{
	disk_rig_send_memory();
	trace_clear();
	rig_restart();
	rig_advance(600);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	fake_qemu_migrates("pre-switchover");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	disk_rig_mirrors("concluded");
	disk_rig_assert_done();
}
END_TEST

/* The guest stopped while no coordinator listened. */
START_TEST(restart_finds_a_guest_that_stands_still)
{
	disk_rig_send_memory();
	rig_crash();
	fake_qemu_migrates("pre-switchover");
	trace_clear();
	rig_start_again();
	rig_advance(1100);
	ck_assert_str_eq(rig_state(), "handover");
	trace_assert_order("disk handover", "qmp block-job-cancel");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	disk_rig_mirrors("concluded");
	disk_rig_assert_done();
}
END_TEST

START_TEST(restart_before_the_mirrors_ended_ends_them)
{
	disk_rig_settle();
	trace_clear();
	rig_restart();
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 0);
	disk_rig_mirrors("concluded");
	disk_rig_assert_done();
}
END_TEST

/* QEMU waits until somebody has seen that the mirrors ended well. */
/* The monitor was lost as the mirrors were told to end. */
START_TEST(mirrors_that_did_not_hear_are_told_again)
{
	disk_rig_send_memory();
	fake_qmp_hold("block-job-cancel");
	fake_qemu_migrates("pre-switchover");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	fake_qemu_lose_monitor();
	rig_advance(500);
	fake_qmp_release("block-job-cancel");
	trace_clear();
	fake_qemu_find_monitor();
	rig_advance(1100);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	disk_rig_mirrors("concluded");
	disk_rig_assert_done();
}
END_TEST

START_TEST(restart_after_the_mirrors_ended_lets_qemu_go_on)
{
	disk_rig_settle();
	rig_crash();
	disk_rig_mirrors("concluded");
	trace_clear();
	rig_start_again();
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
	disk_rig_assert_done();
}
END_TEST

START_TEST(restart_after_a_mirror_failed_at_its_end_gives_the_guest_back)
{
	disk_rig_settle();
	rig_crash();
	fake_qemu_job("migrd-d0", "concluded", NULL);
	fake_qemu_job("migrd-d1", "concluded", "Input/output error");
	rig_start_again();
	rig_advance(600);
	disk_rig_assert_back("failed");
}
END_TEST

START_TEST(restart_after_qemu_went_on_goes_on)
{
	disk_rig_settle();
	disk_rig_mirrors("concluded");
	trace_clear();
	rig_restart();
	rig_advance(1100);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 0);
	disk_rig_assert_done();
}
END_TEST

START_TEST(restart_after_completed_asks_for_go)
{
	disk_rig_settle();
	disk_rig_mirrors("concluded");
	fake_qemu_migrates("completed");
	rig_restart();
	rig_advance(600);
	ck_assert_str_eq(rig_state(), "handover");
	rig_peer_says("go", "taken");
	rig_run();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_error(), "");
	ck_assert(!disk_rig_is_there("d0"));
}
END_TEST

START_TEST(restart_in_rollback_clears_the_mirrors)
{
	disk_rig_send_memory();
	fake_qmp_hold("job-cancel");
	disk_rig_cancel();
	rig_restart();
	fake_qmp_release("job-cancel");
	rig_advance(1100);
	disk_rig_assert_back("cancelled");
}
END_TEST

/* After completed only the destination's word counts, and the copies there are complete. */
START_TEST(refusal_after_completed_gives_the_guest_back)
{
	disk_rig_settle();
	disk_rig_mirrors("concluded");
	fake_qemu_migrates("completed");
	rig_peer_says("go", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	disk_rig_assert_gone();
}
END_TEST

/* ---- another move before ------------------------------------------------------------- */

/* QEMU tells the end of its last migration until it begins another. */
static void former_was_cancelled(void)
{
	disk_rig_send_memory();
	disk_rig_cancel();
	disk_rig_assert_back("cancelled");
}

static void former_failed(void)
{
	disk_rig_send_memory();
	fake_qemu_migrates("failed");
	disk_rig_assert_back("failed");
}

static void former_was_refused(void)
{
	disk_rig_settle();
	disk_rig_mirrors("concluded");
	fake_qemu_migrates("completed");
	rig_peer_says("go", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}

static void (*const formers[])(void) = { former_was_cancelled, former_failed, former_was_refused };

static void begin_again(void)
{
	if (fake_peer_pending("settle"))
		fake_peer_answer("settle", "{\"settled\":true}");
	rig_start_move();
	for (int i = 0; i < 40 && !fake_peer_pending("prepare"); i++)
		rig_advance(50);
	trace_clear();
	disk_rig_answer_prepare();
	rig_advance(1500); /* the data connection takes its time */
	ck_assert_str_eq(rig_state(), "prepare");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_advance(1500);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}

static void go_on_with_memory(void)
{
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	disk_rig_mirrors("concluded");
	disk_rig_assert_done();
}

static void go_on_to_the_end(void)
{
	disk_rig_mirrors("ready");
	go_on_with_memory();
}

START_TEST(move_after_a_former_one_waits_for_its_own_memory)
{
	formers[_i]();
	begin_again();
	go_on_to_the_end();
}
END_TEST

/* What QEMU says to a restarted coordinator may be of the former move. */
START_TEST(restart_in_a_move_after_a_former_one_goes_on)
{
	formers[_i]();
	begin_again();
	rig_restart();
	rig_advance(1500);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	go_on_to_the_end();
}
END_TEST

/* A question that was asked before `migrate' is answered after it. */
START_TEST(answer_of_before_memory_began_is_not_taken_for_its_end)
{
	former_was_cancelled();
	begin_again();
	fake_qmp_result("query-migrate", "{\"status\":\"cancelled\"}");
	fake_qmp_hold("query-migrate");
	rig_advance(600);
	ck_assert(fake_qmp_is_held("query-migrate"));
	disk_rig_mirrors("ready");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qmp_release("query-migrate");
	ck_assert_str_eq(rig_state(), "transfer");
	fake_qmp_result("query-migrate", NULL);
	rig_advance(1100);
	go_on_with_memory();
}
END_TEST

/* ---- the end of QEMU ------------------------------------------------------------- */

static void step_clears_old_jobs(void)
{
	disk_rig_copy();
	fake_qmp_refuse("job-cancel", ERR_QEMU);
	disk_rig_cancel();
	rig_peer_says("drop", "refused");
	rig_advance(11000);
	rig_start_move();
	rig_advance(200);
	ck_assert_str_eq(rig_state(), "begin");
}

static void step_rolls_back(void)
{
	disk_rig_copy();
	fake_qmp_hold("query-jobs");
	disk_rig_cancel();
	ck_assert_str_eq(rig_state(), "rollback");
}

static void step_sends_devices(void)
{
	disk_rig_settle();
	disk_rig_mirrors("concluded");
}

START_TEST(qemu_that_ends_ends_the_move)
{
	static void (*const steps[])(void) = {
		step_clears_old_jobs, disk_rig_copy,      disk_rig_send_memory,
		disk_rig_settle,      step_sends_devices, step_rolls_back,
	};

	steps[_i]();
	fake_qemu_dies();
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), _i == 5 ? "cancelled" : "failed");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert(disk_rig_is_there("d0"));
}
END_TEST

START_TEST(qemu_that_ended_unseen_ends_the_move)
{
	static void (*const steps[])(void) = { disk_rig_copy, disk_rig_send_memory,
					       disk_rig_settle };

	steps[_i]();
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	rig_advance(600);
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert(disk_rig_is_there("d0"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_disks_restart");
	TCase *tc = rig_add_case(s, "restart");

	tcase_add_test(tc, restart_before_all_mirrors_began_ends_the_move);
	tcase_add_test(tc, restart_while_disks_are_copied_goes_on);
	tcase_add_loop_test(tc, restart_with_a_mirror_that_failed_meanwhile_ends_the_move, 0, 2);
	tcase_add_test(tc, restart_between_disks_and_memory_goes_on);
	tcase_add_test(tc, restart_waits_until_qemu_tells_of_its_migration);
	tcase_add_test(tc, restart_while_memory_flows_goes_on);
	tcase_add_test(tc, restart_finds_a_guest_that_stands_still);
	tcase_add_test(tc, restart_before_the_mirrors_ended_ends_them);
	tcase_add_test(tc, mirrors_that_did_not_hear_are_told_again);
	tcase_add_test(tc, restart_after_the_mirrors_ended_lets_qemu_go_on);
	tcase_add_test(tc, restart_after_a_mirror_failed_at_its_end_gives_the_guest_back);
	tcase_add_test(tc, restart_after_qemu_went_on_goes_on);
	tcase_add_test(tc, restart_after_completed_asks_for_go);
	tcase_add_test(tc, restart_in_rollback_clears_the_mirrors);
	tcase_add_test(tc, refusal_after_completed_gives_the_guest_back);
	tc = rig_add_case(s, "another move before");
	tcase_add_test(tc, answer_of_before_memory_began_is_not_taken_for_its_end);
	tcase_add_loop_test(tc, move_after_a_former_one_waits_for_its_own_memory, 0, 3);
	tcase_add_loop_test(tc, restart_in_a_move_after_a_former_one_goes_on, 0, 3);
	tc = rig_add_case(s, "the end of QEMU");
	tcase_add_loop_test(tc, qemu_that_ends_ends_the_move, 0, 6);
	tcase_add_loop_test(tc, qemu_that_ended_unseen_ends_the_move, 0, 3);
	return s;
}
