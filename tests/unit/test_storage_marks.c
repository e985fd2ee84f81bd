/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Marks of moves are found wherever a move makes images, and nothing else is taken for one. */
#include "storage/marks.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"

#define MOVE "018f0000-0000-7000-8000-0000000000a1"
#define VM   "018f0000-0000-7000-8000-000000000001"
#define MARK ".disk.raw.migrd-" MOVE

static struct storage_marks *marks;
static struct storage_rules rules;
static char dirs[600], tpm_dir[256];

static void make_dir(const char *name)
{
	ck_assert_int_eq(mkdir(scratch_path(name), 0700), 0);
}

static void setup(void)
{
	scratch_setup();
	make_dir("one");
	make_dir("two");
	make_dir("tpm");
	snprintf(tpm_dir, sizeof(tpm_dir), "%s", scratch_path("tpm"));
	snprintf(dirs, sizeof(dirs), "%s", scratch_path("one"));
	snprintf(dirs + strlen(dirs), sizeof(dirs) - strlen(dirs), ":%s", scratch_path("two"));
	rules = (struct storage_rules){ .dirs = dirs, .tpm_dir = tpm_dir };
}

static void teardown(void)
{
	storage_marks_free(TAKE_PTR(marks));
	scratch_teardown();
}

static void make_file(const char *name)
{
	struct err err;

	ck_assert_msg(file_write(scratch_path(name), "x", 1, 0600, &err), "%s", err.msg);
}

static void make_link(const char *from, const char *to)
{
	CLEANUP(free_charp) char *here = xstrdup(scratch_path(from));

	ck_assert_int_eq(link(here, scratch_path(to)), 0);
}

static void find(size_t count)
{
	storage_marks_free(marks);
	marks = storage_marks_find_blocking(&rules);
	ck_assert_uint_eq(marks->count, count);
}

START_TEST(mark_of_an_image_is_found_below_any_of_the_directories)
{
	char dir[256];

	make_dir("two/a");
	make_dir("two/a/b");
	make_file("two/a/b/" MARK);
	snprintf(dir, sizeof(dir), "%s", scratch_path("two/a/b"));
	find(1);
	ck_assert_str_eq(marks->list[0].dir, dir);
	ck_assert_str_eq(marks->list[0].name, "disk.raw");
	ck_assert_str_eq(marks->list[0].move, MOVE);
	ck_assert(!marks->list[0].is_tpm);
	ck_assert_int_eq(marks->list[0].beside, MARK_BESIDE_NOTHING);
	ck_assert_str_eq(marks->gap, "");
}
END_TEST

/* The mark of an image is another name of it; any other file there is not the move's. */
START_TEST(image_that_the_move_made_is_told_from_another)
{
	make_file("one/" MARK);
	make_file("one/disk.raw");
	find(1);
	ck_assert_int_eq(marks->list[0].beside, MARK_BESIDE_OTHER);
	ck_assert_int_eq(unlink(scratch_path("one/disk.raw")), 0);
	make_link("one/" MARK, "one/disk.raw");
	find(1);
	ck_assert_int_eq(marks->list[0].beside, MARK_BESIDE_MADE);
}
END_TEST

START_TEST(mark_of_the_state_of_a_tpm_is_found)
{
	make_file("tpm/." VM ".migrd-" MOVE);
	find(1);
	ck_assert(marks->list[0].is_tpm);
	ck_assert_str_eq(marks->list[0].name, VM);
	ck_assert_int_eq(marks->list[0].beside, MARK_BESIDE_NOTHING);
	make_dir("tpm/" VM);
	find(1);
	ck_assert_int_eq(marks->list[0].beside, MARK_BESIDE_MADE);
}
END_TEST

START_TEST(directory_below_another_is_told_once)
{
	make_dir("one/a");
	snprintf(dirs + strlen(dirs), sizeof(dirs) - strlen(dirs), ":%s", scratch_path("one/a"));
	make_file("one/a/" MARK);
	find(1);
}
END_TEST

START_TEST(other_names_are_no_marks)
{
	static const char *const names[] = {
		"disk.raw",     "disk.raw.moved-to-b-" MOVE, ".migrd-same-" MOVE,
		".migrd-" MOVE, "disk.raw.migrd-" MOVE,      ".disk.raw.migrd-no-uuid",
		MARK ".bak",
	};
	struct storage_mark mark;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ck_assert_msg(!storage_mark_parse(names[i], &mark), "%s", names[i]);
	ck_assert(storage_mark_parse(MARK, &mark));
}
END_TEST

/* A link may lead anywhere, also round in a circle. */
START_TEST(symbolic_link_to_a_directory_is_not_followed)
{
	CLEANUP(free_charp) char *two = xstrdup(scratch_path("two"));

	dirs[strcspn(dirs, ":")] = '\0'; /* only the first */
	make_file("two/" MARK);
	ck_assert_int_eq(symlink(two, scratch_path("one/link")), 0);
	find(0);
	ck_assert_str_eq(marks->gap, "");
}
END_TEST

START_TEST(what_is_too_deep_is_a_gap)
{
	char path[64] = "one";
	size_t len = strlen(path);

	for (int i = 0; i <= MARKS_DEPTH_MAX; i++) {
		len += (size_t)snprintf(path + len, sizeof(path) - len, "/d");
		make_dir(path);
	}
	find(0);
	ck_assert_ptr_nonnull(strstr(marks->gap, "too deep"));
}
END_TEST

START_TEST(more_marks_than_the_limit_are_a_gap)
{
	char name[96];

	for (int i = 0; i <= MARKS_MAX; i++) {
		snprintf(name, sizeof(name), "one/.%d.migrd-" MOVE, i);
		make_file(name);
	}
	find(MARKS_MAX);
	ck_assert_ptr_nonnull(strstr(marks->gap, "more than"));
}
END_TEST

START_TEST(directory_that_is_not_there_has_none)
{
	rules = (struct storage_rules){ .dirs = "/nowhere/at-all", .tpm_dir = "/nowhere" };
	find(0);
	ck_assert_str_eq(marks->gap, "");
	rules = (struct storage_rules){ 0 };
	find(0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("storage_marks");
	TCase *tc = tcase_create("storage_marks");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, mark_of_an_image_is_found_below_any_of_the_directories);
	tcase_add_test(tc, image_that_the_move_made_is_told_from_another);
	tcase_add_test(tc, mark_of_the_state_of_a_tpm_is_found);
	tcase_add_test(tc, directory_below_another_is_told_once);
	tcase_add_test(tc, other_names_are_no_marks);
	tcase_add_test(tc, symbolic_link_to_a_directory_is_not_followed);
	tcase_add_test(tc, what_is_too_deep_is_a_gap);
	tcase_add_test(tc, more_marks_than_the_limit_are_a_gap);
	tcase_add_test(tc, directory_that_is_not_there_has_none);
	suite_add_tcase(s, tc);
	return s;
}
