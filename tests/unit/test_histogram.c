/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/histogram.h"
#include "check_main.h"

static const struct histogram_kind kind = { .bounds = { 0.5, 1, 2 }, .count = 3 };

/* A value that is a bound belongs below it, as Prometheus's `le' says. */
START_TEST(value_on_a_bound_counts_below_it)
{
	struct histogram histogram = { 0 };

	histogram_add(&histogram, &kind, 0);
	histogram_add(&histogram, &kind, 1);
	histogram_add(&histogram, &kind, 1.5);
	histogram_add(&histogram, &kind, 2.5);
	ck_assert_uint_eq(histogram.buckets[0], 1);
	ck_assert_uint_eq(histogram.buckets[1], 1);
	ck_assert_uint_eq(histogram.buckets[2], 1);
	ck_assert_uint_eq(histogram.buckets[HISTOGRAM_BOUNDS_MAX], 1);
	ck_assert_uint_eq(histogram.count, 4);
	ck_assert_double_eq(histogram.sum, 5);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tc = tcase_create("histogram");

	tcase_add_test(tc, value_on_a_bound_counts_below_it);
	suite_add_tcase(suite, tc);
	return suite;
}
