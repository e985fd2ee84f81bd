/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A move that is held before memory is sent. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"

static void start_held(enum move_hold_end then)
{
	rig_start_move_with(&(struct move_options){
		.downtime_limit_ms = 300,
		.has_hold = true,
		.hold = { .timeout_s = 60, .then = (int)then, .has_then = true },
	});
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}

/* Time goes by, and the destination answers. */
static void pass(uint64_t ms)
{
	for (; ms > 0; ms -= 500) {
		rig_advance(500);
		if (fake_peer_pending("fate"))
			fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
						 "\"verdict\":\"none\"}");
		rig_run();
	}
}

static void release(void)
{
	struct err err;

	ck_assert_msg(move_release(rig_move(), &err), "%s", err.msg);
	rig_run();
}

START_TEST(memory_waits_for_the_release)
{
	start_held(MOVE_HOLD_CANCEL);
	pass(30000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert(rig_guest_runs());
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "migrctl move release"));
	release();
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	ck_assert_str_eq(move_reason(rig_move()), "");
	fake_qemu_migrates("completed");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

START_TEST(held_move_ends_or_goes_on_at_its_time)
{
	start_held(_i == 0 ? MOVE_HOLD_CANCEL : MOVE_HOLD_RELEASE);
	pass(59000);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	pass(2000);
	if (_i == 1) {
		ck_assert_uint_eq(trace_count("qmp migrate"), 1);
		return;
	}
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}
END_TEST

/* A window of time: "not before". */
START_TEST(hold_until_a_moment_goes_on_then)
{
	const int64_t now_ms = clock_wall_ms();
	CLEANUP(json_putp) struct json_object *moment = json_new_time(now_ms + 20000);
	struct move_options options = { .downtime_limit_ms = 300, .has_hold = true };

	snprintf(options.hold.until, sizeof(options.hold.until), "%s",
		 json_object_get_string(moment));
	rig_start_move_with(&options);
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert(move_show(rig_move()).held);
	ck_assert_int_eq(move_show(rig_move()).held_until / 1000, (now_ms + 20000) / 1000);
	pass(15000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	pass(6000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

START_TEST(hold_until_what_is_past_or_too_far_is_refused)
{
	const struct {
		int64_t until_ms;
		bool is_taken;
	} rows[] = { { 1000, false },
		     { 2000000, true },
		     { 1000000 + MOVE_HOLD_MAX_S * INT64_C(1000) + 1000, false } };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_putp) struct json_object *moment = json_new_time(rows[i].until_ms);
		struct move_hold hold = { 0 };

		snprintf(hold.until, sizeof(hold.until), "%s", json_object_get_string(moment));
		ck_assert(move_hold_complete(&hold, 1000000, &err) == rows[i].is_taken);
		ck_assert_int_eq(hold.then, MOVE_HOLD_RELEASE);
		ck_assert(!rows[i].is_taken || hold.timeout_s == 1000);
	}
}
END_TEST

START_TEST(held_move_is_cancelled_at_once)
{
	struct err err;

	start_held(MOVE_HOLD_CANCEL);
	ck_assert(move_cancel(rig_move(), "ops", &err));
	rig_run();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(restart_goes_on_holding)
{
	start_held(MOVE_HOLD_CANCEL);
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	pass(10000);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	release();
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

/* QEMU still tells the end of an earlier migration. */
START_TEST(restart_is_not_misled_by_an_earlier_migration)
{
	start_held(MOVE_HOLD_CANCEL);
	fake_qemu()->mig = "cancelled";
	rig_restart();
	pass(5000);
	ck_assert_str_eq(rig_state(), "transfer");
	release();
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

/* That memory begins is being written when something else happens. */
START_TEST(release_after_a_restart_bears_what_happens_meanwhile)
{
	struct err err;

	start_held(MOVE_HOLD_CANCEL);
	rig_restart();
	pass(5000);
	rig_disk_hold();
	ck_assert(move_release(rig_move(), &err));
	pass(2000);
	rig_disk_go_on();
	rig_run();
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

START_TEST(release_before_the_hold_keeps_nothing_back)
{
	rig_start_move_with(&(struct move_options){
		.downtime_limit_ms = 300,
		.has_hold = true,
		.hold = { .timeout_s = 60 },
	});
	release();
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

/* The queue would ask again and again. */
START_TEST(hold_that_is_too_long_for_an_older_destination_is_a_conflict)
{
	rig_start_move_with(&(struct move_options){
		.downtime_limit_ms = 300,
		.has_hold = true,
		.hold = { .timeout_s = 90000, .then = MOVE_HOLD_CANCEL, .has_then = true },
	});
	fake_peer_refuse("prepare", ERR_LIMIT,
			 _i ? "no place for one more move"
			    : "the move would be held for up to 90000 s, with memory promised "
			      "here, and 86400 s are allowed: hold it for less, or raise "
			      "hold_max_s there");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), _i ? "limit" : "conflict");
	ck_assert_ptr_nonnull(
		strstr(move_row(rig_move())->error_text, _i ? "no place" : "hold it for less"));
}
END_TEST

START_TEST(move_without_a_hold_is_not_released)
{
	struct err err;

	rig_bring_to("transfer");
	ck_assert(!move_release(rig_move(), &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_hold");
	TCase *tc = rig_add_case(s, "source");

	tcase_add_test(tc, memory_waits_for_the_release);
	tcase_add_loop_test(tc, held_move_ends_or_goes_on_at_its_time, 0, 2);
	tcase_add_test(tc, hold_until_a_moment_goes_on_then);
	tcase_add_test(tc, hold_until_what_is_past_or_too_far_is_refused);
	tcase_add_test(tc, held_move_is_cancelled_at_once);
	tcase_add_test(tc, restart_goes_on_holding);
	tcase_add_test(tc, restart_is_not_misled_by_an_earlier_migration);
	tcase_add_test(tc, release_after_a_restart_bears_what_happens_meanwhile);
	tcase_add_test(tc, release_before_the_hold_keeps_nothing_back);
	tcase_add_loop_test(tc, hold_that_is_too_long_for_an_older_destination_is_a_conflict, 0, 2);
	tcase_add_test(tc, move_without_a_hold_is_not_released);
	return s;
}
