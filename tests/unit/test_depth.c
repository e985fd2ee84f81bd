/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much waits in front of a link. */
#include "stream/depth.h"
#include "tests/lib/check_main.h"

#define MIB 1048576.0

/* What waits in the end in front of a link that takes MIB_PER_S. */
static size_t settle(size_t depth, double mib_per_s)
{
	size_t former = 0;

	for (int i = 0; i < 20; i++) {
		former = depth;
		depth = depth_next(depth, depth,
				   (uint64_t)((double)depth / (mib_per_s * MIB) * 1e6));
	}
	ck_assert_uint_eq(depth, former); /* it does not swing */
	return depth;
}

START_TEST(what_waits_is_what_the_link_takes_in_a_moment)
{
	static const struct {
		double mib_per_s;
		size_t least, most;
	} cases[] = {
		{ 0.01, DEPTH_MIN_BYTES, DEPTH_MIN_BYTES },
		{ 1, DEPTH_MIN_BYTES, DEPTH_MIN_BYTES },
		{ 3, DEPTH_MIN_BYTES, 64 << 10 },
		{ 8, 64 << 10, 128 << 10 },
		{ 50, DEPTH_MAX_BYTES, DEPTH_MAX_BYTES },
		{ 5000, DEPTH_MAX_BYTES, DEPTH_MAX_BYTES },
	};

	for (size_t from = DEPTH_MIN_BYTES; from <= DEPTH_MAX_BYTES; from *= 2) {
		size_t depth = settle(from, cases[_i].mib_per_s);

		ck_assert_uint_ge(depth, cases[_i].least);
		ck_assert_uint_le(depth, cases[_i].most);
	}
}
END_TEST

/* A short read tells as much of the link as a long one. */
START_TEST(short_read_counts_by_its_rate)
{
	ck_assert_uint_eq(depth_next(64 << 10, 1 << 10, 1), 128 << 10);
	ck_assert_uint_eq(depth_next(64 << 10, 1 << 10, 200), 64 << 10);
	ck_assert_uint_eq(depth_next(64 << 10, 1 << 10, 1000), 32 << 10);
	ck_assert_uint_eq(depth_next(64 << 10, 0, 1000), 128 << 10);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("depth");
	TCase *tc = tcase_create("depth");

	tcase_add_loop_test(tc, what_waits_is_what_the_link_takes_in_a_moment, 0, 6);
	tcase_add_test(tc, short_read_counts_by_its_rate);
	suite_add_tcase(s, tc);
	return s;
}
