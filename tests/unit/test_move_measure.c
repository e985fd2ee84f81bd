/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is measured of a move: the other host's clock is another one, and answers get lost. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check_main.h"
#include "move/foresee_past.h"
#include "move_rig.h"
#include "peer/client.h"

#define AHEAD_US INT64_C(3600000000) /* the other host's clock */
#define STOP_US  INT64_C(1795248000000000)

static struct move_measured measured(void)
{
	return move_show(rig_move()).measured;
}

static void answer_fate(const char *more)
{
	CLEANUP(free_charp)
	char *reply =
		xasprintf("{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\"%s}", more);

	while (!fake_peer_pending("fate"))
		rig_advance(50);
	fake_peer_answer("fate", reply);
	rig_run();
}

static void tell_time(void)
{
	CLEANUP(free_charp)
	char *more = xasprintf(",\"at_us\":%lld", (long long)clock_wall_us() + AHEAD_US);

	answer_fate(more);
}

/* The guest runs there AFTER_US after its stop. */
static void go_is_taken(int64_t after_us)
{
	CLEANUP(free_charp)
	char *reply = xasprintf("{\"verdict\":\"taken\",\"resumed_us\":%lld}",
				(long long)(STOP_US + AHEAD_US + after_us));

	snprintf(rig.heard, sizeof(rig.heard), "taken");
	fake_peer_answer("go", reply);
	rig_run();
}

static void complete(void)
{
	fake_qemu_time_us = STOP_US;
	rig_completes();
}

START_TEST(difference_of_the_clocks_is_taken_out)
{
	rig_bring_to("transfer");
	ck_assert_str_eq(measured().blackout_note, "the guest does not stand still yet");
	tell_time();
	complete();
	ck_assert_str_eq(measured().blackout_note, "the guest stands still");
	go_is_taken(70000);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(measured().has_blackout);
	ck_assert_str_eq(measured().blackout_note, "");
	ck_assert_double_lt(measured().blackout_ms - 70, measured().blackout_error_ms);
	ck_assert_double_lt(70 - measured().blackout_ms, measured().blackout_error_ms);
	ck_assert_double_lt(measured().blackout_error_ms, 5000);
}
END_TEST

/* It was told to a party half a second after the request, which let memory begin 7.5 s later. */
START_TEST(time_for_which_it_waited_is_not_what_was_foreseen)
{
	struct move *move;

	rig_bring_to("transfer");
	move = rig_move();
	move->stamps[MOVE_STAMP_CREATED] = 1000000;
	move->stamps[MOVE_STAMP_MIGRATE] = 9000000;
	move->stamps[MOVE_STAMP_ENDED] = 10000000;
	ck_assert_double_eq(foresee_duration_ms(move), 9000);
	move->stamps[MOVE_STAMP_TOLD] = 1500000;
	ck_assert_double_eq(foresee_duration_ms(move), 1500);
	move->stamps[MOVE_STAMP_HELD] = 1400000; /* a hold is before that */
	ck_assert_double_eq(foresee_duration_ms(move), 1400);
}
END_TEST

/* All of it is on disk with the next record. */
START_TEST(what_was_measured_survives_a_restart)
{
	double blackout_ms;

	rig_bring_to("transfer");
	tell_time();
	complete();
	rig_restart();
	while (!fake_peer_pending("go"))
		rig_advance(50);
	go_is_taken(70000);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(measured().has_blackout);
	blackout_ms = measured().blackout_ms;
	rig_restart();
	ck_assert(measured().has_blackout);
	ck_assert_double_eq(measured().blackout_ms, blackout_ms);
	ck_assert_double_lt(blackout_ms - 70, measured().blackout_error_ms);
}
END_TEST

/* A figure that could be wrong by an hour is not told. */
START_TEST(clocks_that_were_not_compared_give_no_figure)
{
	rig_bring_to("transfer");
	answer_fate("");
	complete();
	go_is_taken(70000);
	ck_assert(!measured().has_blackout);
	ck_assert_str_eq(measured().blackout_note, "the clocks of the two hosts were not compared");
}
END_TEST

START_TEST(older_destination_gives_no_figure)
{
	rig_bring_to("transfer");
	tell_time();
	complete();
	rig_peer_says("go", "taken");
	ck_assert(!measured().has_blackout);
	ck_assert_ptr_nonnull(strstr(measured().blackout_note, "older migrd"));
}
END_TEST

/* Both events are of one clock then. */
START_TEST(guest_that_comes_back_is_measured_exactly)
{
	rig_bring_to("transfer");
	tell_time();
	fake_qemu_time_us = STOP_US;
	fake_qemu_migrates("device");
	fake_qemu_time_us = STOP_US + 250000;
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(measured().has_blackout);
	ck_assert_double_eq(measured().blackout_ms, 250);
	ck_assert_double_eq(measured().blackout_error_ms, 0);
}
END_TEST

START_TEST(destination_tells_when_the_guest_ran_first)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert_uint_eq(move_resumed_us(rig_move()), 0);
	fake_qemu_time_us = STOP_US;
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_uint_eq(move_resumed_us(rig_move()), (uint64_t)STOP_US);
	rig_restart();
	ck_assert_uint_eq(move_resumed_us(rig_move()), (uint64_t)STOP_US);
}
END_TEST

#define SENDS(pass, sent, left, rate)                                                         \
	"{\"status\":\"active\",\"ram\":{\"total\":1000000,\"transferred\":" #sent            \
	",\"remaining\":" #left ",\"dirty-sync-count\":" #pass ",\"dirty-pages-rate\":" #rate \
	",\"page-size\":4096,\"normal\":0,\"duplicate\":0,\"mbps\":8.0}}"

/* QEMU is asked at the end of each pass, whenever the next tick is. */
START_TEST(each_pass_is_a_row_that_is_on_disk)
{
	const struct move_pass *rows;
	size_t count;

	rig_bring_to("transfer");
	tell_time();
	fake_qmp_result("query-migrate", SENDS(1, 1000, 999000, 0));
	fake_qemu_event("MIGRATION_PASS", "{\"pass\":1}");
	rig_run();
	fake_qmp_result("query-migrate", SENDS(2, 500000, 3000, 77));
	fake_qemu_event("MIGRATION_PASS", "{\"pass\":2}");
	rig_run();
	rig_advance(2500); /* a record is written from time to time */
	rig_restart();
	rows = move_passes(rig_move(), &count);
	ck_assert_uint_ge(count, 2);
	ck_assert_uint_eq(rows[0].sent_bytes, 499000);
	ck_assert_uint_eq(rows[0].dirty_pages_per_s, 77);
	ck_assert_uint_eq(rows[1].to_send_bytes, 3000);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("measure");
	TCase *tc = rig_add_case(s, "measure");

	tcase_add_test(tc, difference_of_the_clocks_is_taken_out);
	tcase_add_test(tc, time_for_which_it_waited_is_not_what_was_foreseen);
	tcase_add_test(tc, what_was_measured_survives_a_restart);
	tcase_add_test(tc, clocks_that_were_not_compared_give_no_figure);
	tcase_add_test(tc, older_destination_gives_no_figure);
	tcase_add_test(tc, guest_that_comes_back_is_measured_exactly);
	tcase_add_test(tc, destination_tells_when_the_guest_ran_first);
	tcase_add_test(tc, each_pass_is_a_row_that_is_on_disk);
	return s;
}
