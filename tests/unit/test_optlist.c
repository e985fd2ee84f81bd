/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "wire/optlist.h"

static struct optlist list;
static struct err err;

static void parse(const char *text, const char *implied)
{
	ck_assert_msg(optlist_parse(text, implied, &list, &err), "%s", err.msg);
}

static void teardown(void)
{
	optlist_fini(&list);
}

static void assert_formats(const char *expected)
{
	CLEANUP(free_charp) char *text = optlist_format(&list);

	ck_assert_str_eq(text, expected);
}

/* A comma in a path is doubled, and must come out doubled again. */
START_TEST(text_with_doubled_commas_keeps_them)
{
	parse("file=/a,,b,if=none,x=,,,y=1,,", NULL);
	ck_assert_str_eq(optlist_get(&list, "file"), "/a,b");
	ck_assert_str_eq(optlist_get(&list, "x"), ",");
	ck_assert_str_eq(optlist_get(&list, "y"), "1,");
	assert_formats("file=/a,,b,if=none,x=,,,y=1,,");
}
END_TEST

START_TEST(first_word_has_the_implied_key_and_others_are_switches)
{
	parse("socket,server,path=/x=y,id=c", "backend");
	ck_assert_str_eq(optlist_get(&list, "backend"), "socket");
	ck_assert_str_eq(optlist_get(&list, "server"), "on");
	ck_assert_str_eq(optlist_get(&list, "path"), "/x=y");
	ck_assert_ptr_null(optlist_get(&list, "wait"));
	assert_formats("backend=socket,server,path=/x=y,id=c");
}
END_TEST

START_TEST(json_gets_dotted_keys)
{
	parse("{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/a,b\"},"
	      "\"read-only\":true,\"n\":[1,{\"k\":false}]}",
	      NULL);
	ck_assert_str_eq(optlist_get(&list, "file.filename"), "/a,b");
	ck_assert_str_eq(optlist_get(&list, "read-only"), "on");
	ck_assert_str_eq(optlist_get(&list, "n.0"), "1");
	ck_assert_str_eq(optlist_get(&list, "n.1.k"), "off");
}
END_TEST

START_TEST(key_that_is_repeated_counts_by_its_last)
{
	parse("a=1,b=2,a=3", NULL);
	ck_assert_str_eq(optlist_get(&list, "a"), "3");
	optlist_set(&list, "a", "4");
	assert_formats("b=2,a=4");
	optlist_remove(&list, "b");
	assert_formats("a=4");
}
END_TEST

START_TEST(stranger_is_named)
{
	static const char *const known[] = { "a", "b", NULL };

	parse("a=1,c,b=2", NULL);
	ck_assert_str_eq(optlist_stranger(&list, known), "c");
	optlist_remove(&list, "c");
	ck_assert_ptr_null(optlist_stranger(&list, known));
	ck_assert(optlist_is(&list, "a", "1", "x"));
	ck_assert(optlist_is(&list, "zz", "x", "x"));
	ck_assert(!optlist_is(&list, "zz", "y", "x"));
}
END_TEST

START_TEST(what_is_no_list_is_refused)
{
	static const char *const bad[] = { "=1",           "a=1,=2",           "a=1,,", "{", "{}x",
					   "{\"a\":null}", "{\"a\":1,\"a\":2}" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct optlist none = OPTLIST_INIT;
		bool ok = optlist_parse(bad[i], NULL, &none, &err);

		/* A comma at the end belongs to its value when it is doubled. */
		ck_assert_msg(ok == (i == 2), "%s", bad[i]);
		optlist_fini(&none);
	}
}
END_TEST

/* The text comes from others, so its size is limited. */
START_TEST(too_many_keys_and_bytes_are_refused)
{
	char keys[4 * OPTLIST_MAX + 16] = "";
	char *bytes = xcalloc(1, OPTLIST_MAX_BYTES + 2);

	for (unsigned i = 0; i <= OPTLIST_MAX; i++)
		memcpy(keys + strlen(keys), "k=v,", 5);
	ck_assert(!optlist_parse(keys, NULL, &list, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
	memset(bytes, 'a', OPTLIST_MAX_BYTES + 1);
	ck_assert(!optlist_parse(bytes, NULL, &list, &err));
	free(bytes);
}
END_TEST

START_TEST(full_list_has_room_for_what_we_add)
{
	char keys[4 * OPTLIST_MAX + 16] = "";

	for (unsigned i = 0; i < OPTLIST_MAX; i++)
		snprintf(keys + strlen(keys), 8, "%sk%02u", i ? "," : "", i);
	parse(keys, NULL);
	optlist_set(&list, "new", "1");
	optlist_set(&list, "newer", "2");
	ck_assert_uint_eq(list.count, OPTLIST_MAX + 2);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("optlist");
	TCase *tc = tcase_create("optlist");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, text_with_doubled_commas_keeps_them);
	tcase_add_test(tc, first_word_has_the_implied_key_and_others_are_switches);
	tcase_add_test(tc, json_gets_dotted_keys);
	tcase_add_test(tc, key_that_is_repeated_counts_by_its_last);
	tcase_add_test(tc, stranger_is_named);
	tcase_add_test(tc, what_is_no_list_is_refused);
	tcase_add_test(tc, too_many_keys_and_bytes_are_refused);
	tcase_add_test(tc, full_list_has_room_for_what_we_add);
	suite_add_tcase(s, tc);
	return s;
}
