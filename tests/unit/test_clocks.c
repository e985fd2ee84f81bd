/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem.h"
#include "check_main.h"
#include "move/clocks.h"

#define NOW_US UINT64_C(5000000000)
#define DAY_US INT64_C(1795248000000000)

/* A question of which the way there takes THERE_US and that back BACK_US, to a host whose clock is
 * AHEAD_US ahead, asked at AT_US. */
static void ask(struct clocks *clocks, uint64_t at_us, int64_t ahead_us, uint64_t there_us,
		uint64_t back_us)
{
	int64_t asked_us = DAY_US + (int64_t)at_us;

	clocks_note(clocks, &(struct clocks_sample){
				    .asked_us = asked_us,
				    .there_us = asked_us + (int64_t)there_us + ahead_us,
				    .round_trip_us = there_us + back_us,
				    .at_us = at_us + there_us + back_us,
			    });
}

static void assert_within(const struct clocks *clocks, int64_t ahead_us, uint64_t now_us)
{
	int64_t wrong_us = clocks->ahead_us - ahead_us;

	ck_assert(clocks->is_known);
	ck_assert_int_le(wrong_us < 0 ? -wrong_us : wrong_us,
			 (int64_t)clocks_error_us(clocks, now_us));
}

/* However lopsided the way, the error that is told is never too small. */
START_TEST(difference_is_within_the_error_that_is_told)
{
	static const int64_t ahead[] = { 0, 1, -1, 37123, -81234567, INT64_C(3600000000) };
	static const uint64_t ways[] = { 0, 1, 2, 777, 90001 };

	for (size_t i = 0; i < ARRAY_LEN(ahead); i++)
		for (size_t j = 0; j < ARRAY_LEN(ways); j++)
			for (size_t k = 0; k < ARRAY_LEN(ways); k++) {
				struct clocks clocks = { 0 };

				ask(&clocks, NOW_US, ahead[i], ways[j], ways[k]);
				assert_within(&clocks, ahead[i], clocks.at_us);
				ck_assert_uint_le(clocks.error_us, (ways[j] + ways[k]) / 2 + 1);
			}
}
END_TEST

/* One answer that was delayed must not spoil a good one, and a good one replaces a bad one. */
START_TEST(smallest_round_trip_is_kept)
{
	struct clocks clocks = { 0 };

	ask(&clocks, NOW_US, 4000, 20000, 20000);
	ask(&clocks, NOW_US + 500000, 4000, 100, 300);
	ck_assert_uint_le(clocks.error_us, 201);
	ask(&clocks, NOW_US + 1000000, 4000, 80000, 100);
	ck_assert_uint_le(clocks.error_us, 201);
	assert_within(&clocks, 4000, NOW_US + 1080100);
}
END_TEST

/* What is known gets worse with time, until a sample that was worse once is better. */
START_TEST(sample_ages)
{
	struct clocks clocks = { 0 };

	ask(&clocks, NOW_US, 0, 50, 50);
	ck_assert_uint_eq(clocks_error_us(&clocks, clocks.at_us), 51);
	ck_assert_uint_eq(clocks_error_us(&clocks, clocks.at_us + 10000000), 51 + 5000);
	ask(&clocks, NOW_US + 10000000, 0, 1000, 1000);
	ck_assert_uint_eq(clocks.error_us, 1001);
}
END_TEST

/* A clock that was set in the middle of a move: what was known before is wrong now. */
START_TEST(clock_that_was_set_begins_anew)
{
	struct clocks clocks = { 0 };

	ask(&clocks, NOW_US, 0, 10, 10);
	ask(&clocks, NOW_US + 500000, -2000000, 3000, 3000);
	assert_within(&clocks, -2000000, clocks.at_us);
	ck_assert_uint_eq(clocks.error_us, 3001);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("clocks");
	TCase *tc = tcase_create("clocks");

	tcase_add_test(tc, difference_is_within_the_error_that_is_told);
	tcase_add_test(tc, smallest_round_trip_is_kept);
	tcase_add_test(tc, sample_ages);
	tcase_add_test(tc, clock_that_was_set_begins_anew);
	suite_add_tcase(s, tc);
	return s;
}
