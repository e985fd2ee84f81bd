/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/path.h"

#include <string.h>

#include "base/mem.h"
#include "tests/lib/check_main.h"

START_TEST(plain_paths_are_plain)
{
	static const char *const plain[] = { "/", "/a", "/a/b.c", "/.a", "/a/..b", "/...", "/a b" };

	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		ck_assert_msg(path_is_plain(plain[i], strlen(plain[i])), "%s", plain[i]);
}
END_TEST

START_TEST(paths_with_strange_components_are_not)
{
	static const char *const strange[] = { "",      "a",    "a/b",   "//",     "/a/",
					       "/a//b", "//a",  "/.",    "/..",    "/./a",
					       "/../a", "/a/.", "/a/..", "/a/./b", "/a/../b" };

	for (size_t i = 0; i < ARRAY_LEN(strange); i++)
		ck_assert_msg(!path_is_plain(strange[i], strlen(strange[i])), "%s", strange[i]);
}
END_TEST

static const char *below(const char *path, const char *dir)
{
	const char *rest = path_below(path, dir, strlen(dir));

	return rest ? rest : "not below";
}

START_TEST(whole_components_count)
{
	ck_assert_str_eq(below("/a/b", "/a"), "/b");
	ck_assert_str_eq(below("/a", "/a"), "");
	ck_assert_str_eq(below("/ab", "/a"), "not below");
	ck_assert_str_eq(below("/a", "/a/b"), "not below");
	ck_assert_str_eq(below("/a", "/"), "/a");
	ck_assert_str_eq(below("/", "/"), "");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("path");
	TCase *tc = tcase_create("path");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, plain_paths_are_plain);
	tcase_add_test(tc, paths_with_strange_components_are_not);
	tcase_add_test(tc, whole_components_count);
	return s;
}
