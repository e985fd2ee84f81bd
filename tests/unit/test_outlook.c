/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "check_main.h"
#include "move/outlook.h"

#define MIB (UINT64_C(1) << 20)

static const struct outlook_basis flowing = {
	.stage = OUTLOOK_MEMORY,
	.peer = "b",
	.pass = 8, /* of which on the guest may stand still for all that is allowed */
	.total_bytes = 8192 * MIB,
	.left_bytes = 2000 * MIB,
	.bytes_per_s = 900 * MIB,
	.is_dirty_known = true,
	.dirty_bytes_per_s = 600 * MIB,
	.limit_ms = 300,
};

START_TEST(guest_that_converges_has_an_end_and_a_range)
{
	struct outlook outlook = outlook_of(&flowing);

	ck_assert_str_eq(outlook.sentence,
			 "the guest changes 600 MiB/s, and 900 MiB/s are sent: 5 more passes, then "
			 "it stands still for about 291 ms");
	ck_assert(outlook.has_min);
	ck_assert_uint_gt(outlook.min_ms, 2000);
	ck_assert_uint_lt(outlook.min_ms, 6000);
	/* With a quarter less sent and a third more changed it never ends. */
	ck_assert(!outlook.has_max);
}
END_TEST

START_TEST(range_has_both_ends_when_the_worst_case_ends_too)
{
	struct outlook_basis basis = flowing;
	struct outlook outlook;

	basis.dirty_bytes_per_s = 100 * MIB;
	outlook = outlook_of(&basis);
	ck_assert(outlook.has_min && outlook.has_max);
	ck_assert_uint_lt(outlook.min_ms, 2500);
	ck_assert_uint_gt(outlook.max_ms, outlook.min_ms);
	ck_assert_ptr_nonnull(strstr(outlook.sentence, "1 more pass, then"));
}
END_TEST

START_TEST(guest_that_is_too_fast_has_no_end_in_sight)
{
	struct outlook_basis basis = flowing;
	struct outlook outlook;

	basis.dirty_bytes_per_s = 950 * MIB;
	basis.throttle_percent = 40;
	outlook = outlook_of(&basis);
	ck_assert_str_eq(outlook.sentence, "the guest changes 950 MiB/s (its CPUs are slowed down "
					   "by 40 %), and 900 MiB/s are sent: no end is in sight");
	ck_assert(!outlook.has_max);
	basis.can_switch = true;
	ck_assert_ptr_nonnull(strstr(outlook_of(&basis).sentence, "before its memory"));
}
END_TEST

/* A rate of 0 in the first pass is no rate: QEMU has not looked yet. */
START_TEST(first_pass_has_no_latest_end)
{
	struct outlook_basis basis = flowing;
	struct outlook outlook;

	basis.pass = 1;
	basis.is_dirty_known = false;
	basis.dirty_bytes_per_s = 0;
	outlook = outlook_of(&basis);
	ck_assert(outlook.has_min && !outlook.has_max);
	ck_assert_ptr_nonnull(strstr(outlook.sentence, "2.0 GiB left at 900 MiB/s"));
}
END_TEST

/* Rates of 0, and the largest that JSON can say. */
START_TEST(extremes_are_survived)
{
	static const uint64_t values[] = { 0, 1, UINT64_C(1) << 53, UINT64_MAX };

	for (int stage = OUTLOOK_READY; stage <= OUTLOOK_BACK; stage++)
		for (size_t i = 0; i < 4 * 4 * 4; i++) {
			struct outlook_basis basis = flowing;

			basis.stage = (enum outlook_stage)stage;
			basis.left_bytes = values[i % 4];
			basis.bytes_per_s = basis.disk_bytes_per_s = values[i / 4 % 4];
			basis.dirty_bytes_per_s = values[i / 16];
			basis.disk_left_bytes = values[i % 4] / 2;
			ck_assert_uint_gt(strlen(outlook_of(&basis).sentence), 0);
		}
}
END_TEST

START_TEST(other_stages_say_what_is_waited_for)
{
	struct outlook_basis basis = flowing;

	basis.stage = OUTLOOK_READY;
	ck_assert_str_eq(outlook_of(&basis).sentence, "host 'b' gets ready");
	basis.stage = OUTLOOK_ASKED;
	ck_assert_str_eq(outlook_of(&basis).sentence,
			 "the move is held before memory is sent, as was asked for");
	basis.stage = OUTLOOK_TOLD;
	ck_assert_str_eq(outlook_of(&basis).sentence,
			 "memory waits for the parties that were told of the move");
	basis.stage = OUTLOOK_STILL;
	ck_assert_str_eq(outlook_of(&basis).sentence,
			 "the guest stands still until host 'b' has the rest and lets it run");
	basis.stage = OUTLOOK_DISKS;
	basis.disk_left_bytes = 3000 * MIB;
	basis.disk_bytes_per_s = 100 * MIB;
	ck_assert_str_eq(outlook_of(&basis).sentence,
			 "local disks have 2.9 GiB left at 100 MiB/s, then memory is sent");
	ck_assert(outlook_of(&basis).has_min);
	basis.stage = OUTLOOK_FETCH;
	ck_assert_str_eq(outlook_of(&basis).sentence, "the guest runs on host 'b', and 2.0 GiB of "
						      "its memory follow at 900 MiB/s");
	ck_assert(outlook_of(&basis).has_max);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("outlook");
	TCase *tc = tcase_create("outlook");

	tcase_add_test(tc, guest_that_converges_has_an_end_and_a_range);
	tcase_add_test(tc, range_has_both_ends_when_the_worst_case_ends_too);
	tcase_add_test(tc, guest_that_is_too_fast_has_no_end_in_sight);
	tcase_add_test(tc, first_pass_has_no_latest_end);
	tcase_add_test(tc, extremes_are_survived);
	tcase_add_test(tc, other_stages_say_what_is_waited_for);
	suite_add_tcase(s, tc);
	return s;
}
