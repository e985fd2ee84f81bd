/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* More reasons than are told one by one. */
#include <string.h>

#include "check_main.h"
#include "preflight/reasons.h"

static struct preflight_reasons reasons;

static void setup(void)
{
	memset(&reasons, 0, sizeof(reasons));
}

static void add(size_t count)
{
	for (size_t i = 0; i < count; i++)
		preflight_add(&reasons, "disks", "reason %zu", i);
}

static void warn(size_t count)
{
	for (size_t i = 0; i < count; i++)
		preflight_warn(&reasons, "mac", "warning %zu", i);
}

static const struct preflight_reason *row(size_t i)
{
	ck_assert_uint_lt(i, reasons.count);
	return &reasons.list[i];
}

START_TEST(as_many_as_fit_are_told_and_nothing_else)
{
	warn(PREFLIGHT_REASONS_MAX - 1);
	ck_assert(!preflight_blocks(&reasons));
	add(1);
	ck_assert(preflight_blocks(&reasons));
	ck_assert_uint_eq(reasons.count, PREFLIGHT_REASONS_MAX);
}
END_TEST

/* It must not be taken for a guest that nothing speaks against. */
START_TEST(reason_that_blocks_takes_the_place_of_a_warning)
{
	struct err err = { 0 };

	warn(PREFLIGHT_REASONS_MAX);
	add(1);
	ck_assert(preflight_blocks(&reasons));
	ck_assert_str_eq(row(PREFLIGHT_REASONS_MAX - 1)->text, "reason 0");
	ck_assert_str_eq(row(PREFLIGHT_REASONS_MAX - 1)->check, "disks");
	ck_assert(!row(PREFLIGHT_REASONS_MAX - 1)->is_warning);
	ck_assert_str_eq(row(PREFLIGHT_REASONS_MAX)->check, "more");
	ck_assert(row(PREFLIGHT_REASONS_MAX)->is_warning);
	ck_assert_str_eq(row(PREFLIGHT_REASONS_MAX)->text,
			 "1 more warning, told when some of the others are gone");
	ck_assert(!preflight_to_err(&reasons, &err));
	ck_assert_str_eq(err.msg, "reason 0");
}
END_TEST

START_TEST(reasons_beyond_are_counted_in_a_row_of_their_own)
{
	struct err err = { 0 };

	add(PREFLIGHT_REASONS_MAX + 2);
	warn(3);
	ck_assert_uint_eq(reasons.count, PREFLIGHT_ROWS_MAX);
	ck_assert_str_eq(row(PREFLIGHT_REASONS_MAX)->text,
			 "2 more reasons, told when some of the others are gone");
	ck_assert(!row(PREFLIGHT_REASONS_MAX)->is_warning);
	ck_assert_str_eq(row(PREFLIGHT_REASONS_MAX + 1)->text,
			 "3 more warnings, told when some of the others are gone");
	ck_assert(!preflight_to_err(&reasons, &err));
	ck_assert_msg(strstr(err.msg, "34 reasons: reason 0; ") == err.msg, "%s", err.msg);
	ck_assert_ptr_nonnull(strstr(err.msg, "; reason 31; 2 more reasons, told when"));
}
END_TEST

/* Warnings leave one after the other, and reasons that come then are counted apart. */
START_TEST(many_of_both_kinds_in_any_order)
{
	warn(PREFLIGHT_REASONS_MAX + 5);
	add(PREFLIGHT_REASONS_MAX + 7);
	ck_assert_uint_eq(reasons.count, PREFLIGHT_ROWS_MAX);
	for (size_t i = 0; i < PREFLIGHT_REASONS_MAX; i++)
		ck_assert(!row(i)->is_warning);
	ck_assert_str_eq(row(PREFLIGHT_REASONS_MAX)->text,
			 "37 more warnings, told when some of the others are gone");
	ck_assert_str_eq(row(PREFLIGHT_REASONS_MAX + 1)->text,
			 "7 more reasons, told when some of the others are gone");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("preflight_reasons");
	TCase *tc = tcase_create("more than there is room for");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, as_many_as_fit_are_told_and_nothing_else);
	tcase_add_test(tc, reason_that_blocks_takes_the_place_of_a_warning);
	tcase_add_test(tc, reasons_beyond_are_counted_in_a_row_of_their_own);
	tcase_add_test(tc, many_of_both_kinds_in_any_order);
	suite_add_tcase(s, tc);
	return s;
}
