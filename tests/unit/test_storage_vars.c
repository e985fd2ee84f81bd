/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The variables of a new guest's firmware are a copy of the template: all of it, or nothing. */
#include "storage/vars.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"
#include "wire/vm_def.h"

static struct err err;

static void write_text(const char *name, const char *text)
{
	if (!file_write(scratch_path(name), text, strlen(text), 0644, &err))
		ck_abort_msg("%s", err.msg);
}

static void assert_text(const char *name, const char *expected)
{
	CLEANUP(free_charp) char *text = NULL;
	size_t len;

	if (!file_read(scratch_path(name), 100, &text, &len, &err))
		ck_abort_msg("%s", err.msg);
	ck_assert_str_eq(text, expected);
}

static bool make(const char *template)
{
	return vars_make_blocking(scratch_path("vars"), *template ? scratch_path(template) : "",
				  &err);
}

static void assert_refused(const char *template, enum err_code code, const char *words)
{
	ck_assert(!make(template));
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
	ck_assert_int_ne(access(scratch_path("vars"), F_OK), 0);
	ck_assert_int_ne(access(scratch_path(".vars.migrd-new"), F_OK), 0);
}

START_TEST(variables_are_a_copy_of_the_template)
{
	struct stat st;

	write_text("template", "all of it");
	ck_assert_msg(make("template"), "%s", err.msg);
	assert_text("vars", "all of it");
	ck_assert_int_eq(stat(scratch_path("vars"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_uint_eq(st.st_nlink, 1);
}
END_TEST

START_TEST(variables_that_are_there_stay)
{
	write_text("template", "new");
	write_text("vars", "old");
	ck_assert_msg(make("template"), "%s", err.msg);
	assert_text("vars", "old");
	ck_assert_msg(make(""), "%s", err.msg);
}
END_TEST

/* A crash has left half of a copy, or its second name. */
START_TEST(unfinished_copy_is_made_anew)
{
	write_text("template", "all of it");
	write_text(".vars.migrd-new", "all o");
	ck_assert_msg(make("template"), "%s", err.msg);
	assert_text("vars", "all of it");
	ck_assert_int_eq(link(scratch_path("vars"), scratch_path(".vars.migrd-new")), 0);
	ck_assert_msg(make("template"), "%s", err.msg);
	ck_assert_int_ne(access(scratch_path(".vars.migrd-new"), F_OK), 0);
	assert_text("vars", "all of it");
}
END_TEST

START_TEST(template_that_is_none_is_refused)
{
	assert_refused("", ERR_NOT_FOUND, "vars_template");
	assert_refused("nowhere", ERR_INTERNAL, "nowhere");
	write_text("empty", "");
	assert_refused("empty", ERR_INVALID, "no image of variables");
	ck_assert_int_eq(mkdir(scratch_path("dir"), 0700), 0);
	assert_refused("dir", ERR_INVALID, "no image of variables");
	ck_assert_int_eq(mkfifo(scratch_path("fifo"), 0600), 0);
	assert_refused("fifo", ERR_INVALID, "no image of variables");
	write_text("large", "x");
	ck_assert_int_eq(truncate(scratch_path("large"), VM_DEF_FIRMWARE_BYTES_MAX + 1), 0);
	assert_refused("large", ERR_INVALID, "no image of variables");
}
END_TEST

START_TEST(directory_that_is_not_there_is_named)
{
	ck_assert(!vars_make_blocking(scratch_path("no/vars"), "", &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "make it"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("storage_vars");
	TCase *tc = tcase_create("vars");

	tcase_add_checked_fixture(tc, scratch_setup, scratch_teardown);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, variables_are_a_copy_of_the_template);
	tcase_add_test(tc, variables_that_are_there_stay);
	tcase_add_test(tc, unfinished_copy_is_made_anew);
	tcase_add_test(tc, template_that_is_none_is_refused);
	tcase_add_test(tc, directory_that_is_not_there_is_named);
	return s;
}
