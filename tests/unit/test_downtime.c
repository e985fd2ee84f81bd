/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check_main.h"
#include "move/downtime.h"

/* The last passes may use all the downtime that the user allows; no pass may use more. */
START_TEST(limit_is_reached_and_never_passed)
{
	for (uint64_t limit_ms = 1; limit_ms < 3000; limit_ms += 7) {
		uint64_t last = 0;

		for (uint64_t pass = 0; pass < 12; pass++) {
			uint64_t ms = downtime_for_pass(limit_ms, pass);

			ck_assert_uint_ge(ms, 1);
			ck_assert_uint_le(ms, limit_ms);
			ck_assert_uint_ge(ms, last);
			last = ms;
		}
		ck_assert_uint_eq(last, limit_ms);
	}
}
END_TEST

/* The first passes allow a short pause: a guest that converges need not be paused for long. */
START_TEST(first_passes_aim_at_an_eighth)
{
	ck_assert_uint_eq(downtime_for_pass(300, 1), 37);
	ck_assert_uint_eq(downtime_for_pass(300, 3), 37);
	ck_assert_uint_eq(downtime_for_pass(300, 4), 75);
	ck_assert_uint_eq(downtime_for_pass(300, 6), 300);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("downtime");
	TCase *tc = tcase_create("downtime");

	tcase_add_test(tc, limit_is_reached_and_never_passed);
	tcase_add_test(tc, first_passes_aim_at_an_eighth);
	suite_add_tcase(s, tc);
	return s;
}
