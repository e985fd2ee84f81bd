/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long transfers give way to guests that stand still. */
#include <stdlib.h>

#include "check_main.h"
#include "move/give_way.h"

#define BEGAN_MS 1000000

static struct give_way way;

static void set_up(void)
{
	way = (struct give_way){ 0 };
}

static uint64_t at(uint64_t ms, size_t standing)
{
	return give_way_step(&way, standing, BEGAN_MS + ms);
}

START_TEST(they_give_way_until_it_runs_again)
{
	ck_assert_uint_eq(at(0, 0), 0);
	ck_assert_uint_eq(at(0, 1), GIVE_WAY_MAX_MS);
	ck_assert_uint_eq(at(15, 0), 0);
	ck_assert_uint_eq(at(20, 1), GIVE_WAY_MAX_MS - 10); /* 5 of 15 ms have come back */
	ck_assert_uint_eq(at(30, 0), 0);
	ck_assert_uint_eq(at(10000, 1), GIVE_WAY_MAX_MS);
}
END_TEST

/* One that stands still beside another gets what is left. */
START_TEST(another_guest_begins_nothing_anew)
{
	ck_assert_uint_eq(at(0, 1), 300);
	ck_assert_uint_eq(at(100, 2), 200);
	ck_assert_uint_eq(at(150, 1), 150);
	ck_assert_uint_eq(at(299, 2), 1);
	ck_assert_uint_eq(at(300, 2), 0);
	ck_assert_uint_eq(at(5000, 0), 0);
}
END_TEST

START_TEST(dead_link_holds_the_others_for_a_moment_only)
{
	ck_assert_uint_eq(at(0, 1), 300);
	ck_assert_uint_eq(at(310, 2), 0); /* they have gone on for 10 ms */
	ck_assert_uint_eq(at(400, 2), 100);
	ck_assert_uint_eq(at(30000, 1), 300); /* they have gone on by themselves at 500 */
}
END_TEST

START_TEST(clock_far_ahead_is_no_overflow)
{
	ck_assert_uint_eq(at(0, 1), 300);
	ck_assert_uint_eq(give_way_step(&way, 1, UINT64_MAX), 300);
	ck_assert_uint_eq(give_way_step(&way, 0, UINT64_MAX), 0);
}
END_TEST

/* Whatever happens, the others have half of any longer time, but for one stretch at its begin. */
START_TEST(they_have_half_of_any_longer_time)
{
	uint64_t now_ms = 0, way_ms = 0, ends_ms = 0;

	srand((unsigned)_i);
	while (now_ms < 60000) {
		uint64_t next_ms = now_ms + (uint64_t)(rand() % (_i % 2 ? 40 : 600));
		uint64_t given_ms = at(now_ms, (size_t)(rand() % 3));

		ck_assert_uint_le(given_ms, GIVE_WAY_MAX_MS);
		ends_ms = given_ms ? now_ms + given_ms : 0;
		way_ms += ends_ms > next_ms ? next_ms - now_ms : given_ms;
		now_ms = next_ms;
		ck_assert_uint_le(way_ms, now_ms / 2 + GIVE_WAY_MAX_MS);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("give_way");
	TCase *tc = tcase_create("give_way");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, they_give_way_until_it_runs_again);
	tcase_add_test(tc, another_guest_begins_nothing_anew);
	tcase_add_test(tc, dead_link_holds_the_others_for_a_moment_only);
	tcase_add_test(tc, clock_far_ahead_is_no_overflow);
	tcase_add_loop_test(tc, they_have_half_of_any_longer_time, 0, 20);
	suite_add_tcase(s, tc);
	return s;
}
