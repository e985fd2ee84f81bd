/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "peer/client.h"

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

/* The user gets the destination's own reason. */
START_TEST(prepare_refused_by_peer_fails)
{
	rig_bring_to("prepare");
	fake_peer_fail("prepare", ERR_EXISTS);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "exists");
	ck_assert_str_eq(move_row(rig_move())->error_text,
			 "host 'b' cannot take the guest: the peer says exists");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The destination refuses while our stream still tries to connect: the move fails at once. */
START_TEST(prepare_refused_before_the_stream_is_there_fails)
{
	rig_bring_to("prepare");
	rig_answer_prepare();
	rig_advance(1000);
	fake_peer_answer("fate", "{\"state\":\"failed\",\"verdict\":\"refused\",\"final\":true}");
	rig_run();
	ck_assert_str_eq(rig_state(), "rollback");
	fake_peer_answer("drop", "{\"verdict\":\"refused\",\"reason\":\"cancelled there\"}");
	rig_run();
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "cancelled there"));
	ck_assert(rig_guest_runs());
}
END_TEST

/* A cancel on the destination fails the move here. */
START_TEST(prepare_cancelled_by_peer_fails)
{
	rig_bring_to("prepare");
	fake_peer_fail("prepare", ERR_CANCELLED);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "peer-error");
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

/* The question was lost or the answer is slow: one question at a time, and any answer counts. */
START_TEST(prepare_unanswered_is_asked_again)
{
	rig_bring_to("prepare");
	ck_assert_uint_eq(trace_count("peer prepare"), 1);
	for (int i = 0; i < 200; i++) {
		rig_advance(100);
		ck_assert_uint_le(fake_peer_pending("prepare"), 1);
	}
	ck_assert_uint_ge(trace_count("peer prepare"), 4);
	ck_assert_uint_le(trace_count("peer prepare"), 7);
	ck_assert_str_eq(rig_state(), "prepare");
	rig_answer_prepare();
	ck_assert_str_eq(move_reason(rig_move()), "");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
}
END_TEST

/* The destination answers that its QEMU was too slow: that is an answer, so it is not asked
 * again. */
START_TEST(prepare_timed_out_over_there_fails)
{
	rig_bring_to("prepare");
	fake_peer_fail("prepare", ERR_TIMEOUT);
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_error(), "timeout");
}
END_TEST

/* The destination still clears up an earlier move of the guest, which takes a moment. */
START_TEST(prepare_busy_over_there_is_asked_again)
{
	rig_bring_to("prepare");
	fake_peer_fail("prepare", ERR_BUSY);
	ck_assert_str_eq(rig_state(), "prepare");
	rig_advance(1000);
	rig_answer_prepare();
	ck_assert_str_eq(move_reason(rig_move()), "");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
}
END_TEST

/* A destination that never answers must not harm the guest. */
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

START_TEST(prepare_stream_cannot_connect_fails)
{
	rig_bring_to("prepare");
	rig_answer_prepare();
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
	rig_answer_prepare();
	fake_stream_dies();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

START_TEST(prepare_stream_cannot_start_fails)
{
	rig_bring_to("prepare");
	fake_stream_start_fails = true;
	rig_answer_prepare();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "not-found");
}
END_TEST

START_TEST(transfer_migrate_refused_fails)
{
	fake_qmp_refuse("migrate", ERR_QEMU);
	rig_bring_to("prepare");
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "qemu-error");
	ck_assert(rig_guest_runs());
}
END_TEST

/* QEMU resumes the guest by itself; the source only has to tell the destination. */
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

/* The broken connection is often the first sign of the guest's end. */
START_TEST(transfer_breaks_as_the_guest_ends_the_error_says_so)
{
	rig_bring_to("transfer");
	fake_qemu_event("SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-shutdown\"}");
	fake_qemu()->mig_error = "Unable to write to socket: Broken pipe";
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "powered off: "));
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "Broken pipe"));
}
END_TEST

/* Before `completed' the guest has not left: if QEMU dies, the guest has crashed. */
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

/* The same in the last pass: no go is sent before `completed'. */
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

/* A dead link in the last pass would stop the guest for as long as TCP keeps trying. */
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

/* Advances time while the peer answers: only the data connection stalls. */
static void advance_with_peer(uint64_t ms)
{
	for (uint64_t passed_ms = 0; passed_ms < ms; passed_ms += 500) {
		rig_advance(500);
		while (fake_peer_pending("fate"))
			fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
						 "\"verdict\":\"none\"}");
	}
}

/* A transfer without progress is given up, and the error says so. */
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

/* The transfer completed at the moment when it was given up: the move is done, without an
 * error. */
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

/* ---- the reason ------------------------------------------------------------- */

static void drop_says(const char *reason)
{
	char answer[200];

	snprintf(answer, sizeof(answer), "{\"verdict\":\"refused\",\"reason\":\"%s\"}", reason);
	fake_peer_answer("drop", answer);
	rig_run();
}

/* The link breaks because the destination's QEMU ended: that QEMU's words are the reason. */
START_TEST(transfer_link_breaks_destination_knows_why_its_words_are_told)
{
	rig_bring_to("transfer");
	fake_stream_becomes(STREAM_CHANNEL_FAILED);
	fake_qemu_migrates("failed");
	drop_says("its QEMU ended: cannot load the firmware");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "host 'b' did not take the guest: its "
				     "QEMU ended: cannot load the firmware"));
}
END_TEST

/* The destination only repeats our own drop, which explains nothing. */
START_TEST(transfer_link_breaks_destination_was_dropped_link_is_the_reason)
{
	rig_bring_to("transfer");
	fake_stream_becomes(STREAM_CHANNEL_FAILED);
	fake_qemu_migrates("failed");
	drop_says("the source dropped the move");
	ck_assert_str_eq(rig_error(), "peer-error");
}
END_TEST

/* That the guest ended is the reason, even if the link broke first. */
START_TEST(transfer_guest_ends_after_the_link_broke_guest_is_the_reason)
{
	rig_bring_to("transfer");
	fake_stream_becomes(STREAM_CHANNEL_FAILED);
	fake_qemu_migrates("failed");
	fake_qemu_event("SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-shutdown\"}");
	rig_run();
	drop_says("its QEMU ended: no data");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "the guest powered off: "));
}
END_TEST

/* ---- drop ---------------------------------------------------------------- */

/* The other host may be down for a week: the guest here runs, and the move ends. */
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

/* ---- the monitor ---------------------------------------------------------- */

/* A hung monitor does not mean that the guest has ended, and is not asked without pause. */
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

/* ---- the disk ------------------------------------------------------------ */

/* A state that is not on disk has not begun: the move stands still, tells why, and goes on
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
	rig_answer_prepare();
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

/* After a full disk an operator will want to know what happened meanwhile. */
START_TEST(disk_full_timeline_is_kept)
{
	CLEANUP(free_charp) char *timeline = NULL;

	rig_bring_to("transfer");
	rig_disk_is_full(true);
	for (int i = 0; i < 70; i++) /* more than fit in memory: written without a change */
		fake_qemu_event(i == 0 ? "FIRST" : "MIGRATION_PASS", "{\"pass\":1}");
	rig_run();
	fake_qemu_migrates("device");
	rig_advance(2000);
	rig_disk_is_full(false);
	rig_advance(1000);
	fake_qemu_migrates("completed");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, ";FIRST "));
	ck_assert_ptr_nonnull(strstr(timeline, ";MIGRATION_PASS 1;"));
	ck_assert_ptr_nonnull(strstr(timeline, ";handover "));
}
END_TEST

/* A daemon that ends while the disk is full frees everything. */
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

/* The refusal counts here only when its record is on disk. */
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

/* QEMU tells the end of its last migration until it begins another; that is not the end of this
 * move, although it was asked while the data connection took its time. */
START_TEST(move_after_one_that_ended_otherwise_is_not_over)
{
	static const char *const ends[] = { "failed", "cancelled" };

	rig_bring_to("transfer");
	fake_qemu_migrates(ends[_i]);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	rig_bring_to("prepare");
	rig_answer_prepare();
	rig_advance(1500);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_src_fails");
	TCase *tc;

	tc = rig_add_case(s, "failures");
	tcase_add_test(tc, begin_guest_blocked_fails);
	tcase_add_test(tc, begin_capabilities_refused_fails);
	tcase_add_test(tc, prepare_refused_by_peer_fails);
	tcase_add_test(tc, prepare_cancelled_by_peer_fails);
	tcase_add_test(tc, prepare_refused_before_the_stream_is_there_fails);
	tcase_add_test(tc, prepare_answered_with_nonsense_fails);
	tcase_add_test(tc, prepare_unanswered_is_asked_again);
	tcase_add_test(tc, prepare_timed_out_over_there_fails);
	tcase_add_test(tc, prepare_busy_over_there_is_asked_again);
	tcase_add_test(tc, prepare_peer_silent_times_out);
	tcase_add_test(tc, prepare_stream_cannot_connect_fails);
	tcase_add_test(tc, prepare_stream_dies_fails);
	tcase_add_test(tc, prepare_stream_cannot_start_fails);
	tcase_add_test(tc, transfer_migrate_refused_fails);
	tcase_add_test(tc, transfer_qemu_gives_up_guest_goes_on);
	tcase_add_test(tc, transfer_breaks_as_the_guest_ends_the_error_says_so);
	tcase_add_test(tc, transfer_qemu_dies_guest_has_crashed);
	tcase_add_test(tc, handover_qemu_gives_up_guest_goes_on);
	tcase_add_test(tc, handover_qemu_dies_before_completed_guest_has_crashed);
	tcase_add_test(tc, handover_last_pass_hangs_is_yanked);
	tcase_add_test(tc, transfer_stalled_times_out);
	tcase_add_test(tc, transfer_stalled_but_completes_move_is_done_without_error);
	tcase_add_test(tc, drop_unanswered_ends_after_patience);
	tcase_add_test(tc, transfer_link_breaks_destination_knows_why_its_words_are_told);
	tcase_add_test(tc, transfer_link_breaks_destination_was_dropped_link_is_the_reason);
	tcase_add_test(tc, transfer_guest_ends_after_the_link_broke_guest_is_the_reason);
	tcase_add_test(tc, rollback_monitor_lost_waits_for_it);

	tc = rig_add_case(s, "disk");
	tcase_add_test(tc, disk_full_at_each_step_nothing_proceeds_then_recovers);
	tcase_add_test(tc, disk_full_timeline_is_kept);
	tcase_add_test(tc, disk_full_daemon_ends_nothing_leaks);
	tcase_add_test(tc, disk_full_after_refusal_guest_waits);
	tcase_add_loop_test(tc, move_after_one_that_ended_otherwise_is_not_over, 0, 2);
	return s;
}
