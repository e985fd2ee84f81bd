/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "base/number_list.h"
#include "check_main.h"

START_TEST(list_of_ranges_is_read)
{
	struct number_list list;

	ck_assert(number_list_parse("0-3,8,1023", &list));
	ck_assert_uint_eq(number_list_count(&list), 6);
	ck_assert(number_list_has(&list, 0) && number_list_has(&list, 3));
	ck_assert(number_list_has(&list, 8) && number_list_has(&list, 1023));
	ck_assert(!number_list_has(&list, 4));
}
END_TEST

START_TEST(nothing_is_the_empty_list)
{
	struct number_list list;

	ck_assert(number_list_parse("", &list));
	ck_assert_uint_eq(number_list_count(&list), 0);
}
END_TEST

static const char *const wrong[] = {
	"a",    "-",   "0-",   "-1",    "1-0", "0,",    ",0",
	"0,,1", "0 1", "1024", "00000", "0,0", "0-3,2", "0-1-2",
};

START_TEST(other_text_is_refused_and_leaves_the_list_alone)
{
	struct number_list list = { { 7 } };

	ck_assert(!number_list_parse(wrong[_i], &list));
	ck_assert_uint_eq(list.words[0], 7);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("number_list");
	TCase *tc = tcase_create("number_list");

	tcase_add_test(tc, list_of_ranges_is_read);
	tcase_add_test(tc, nothing_is_the_empty_list);
	tcase_add_loop_test(tc, other_text_is_refused_and_leaves_the_list_alone, 0,
			    ARRAY_LEN(wrong));
	suite_add_tcase(s, tc);
	return s;
}
