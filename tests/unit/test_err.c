/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "check_main.h"

/* err_set() returns false, so that a function can fail with `return err_set(...)'. */
START_TEST(err_set_returns_false_and_keeps_text)
{
	struct err err = { 0 };

	ck_assert(!err_set(&err, ERR_BUSY, "VM '%s' is busy", "vm1"));
	ck_assert(err_is_set(&err));
	ck_assert_int_eq(err.code, ERR_BUSY);
	ck_assert_str_eq(err.msg, "VM 'vm1' is busy");
}
END_TEST

/* The text tells a person where the failure was; a program decides by the code. */
START_TEST(err_wrapped_twice_keeps_code_and_order)
{
	struct err err = { 0 };

	err_set(&err, ERR_TIMEOUT, "no answer");
	ck_assert(!err_wrap(&err, "QMP"));
	ck_assert(!err_wrap(&err, "VM '%s'", "vm1"));
	ck_assert_int_eq(err.code, ERR_TIMEOUT);
	ck_assert_str_eq(err.msg, "VM 'vm1': QMP: no answer");
}
END_TEST

/* A full disk needs an operator, so callers must be able to tell it apart. */
START_TEST(err_errno_full_disk_is_no_space)
{
	struct err err = { 0 };

	errno = ENOSPC;
	ck_assert(!err_errno(&err, "cannot write '%s'", "x"));
	ck_assert_int_eq(err.code, ERR_NO_SPACE);
	ck_assert_str_eq(err.msg, "cannot write 'x': No space left on device");

	errno = EACCES;
	err_errno(&err, "cannot read");
	ck_assert_int_eq(err.code, ERR_INTERNAL);
	ck_assert_str_eq(err.msg, "cannot read: Permission denied");
}
END_TEST

/* Sooner or later a caller writes err_set(err, ..., "...: %s", err->msg). */
START_TEST(err_set_from_its_own_message_is_safe)
{
	struct err err = { 0 };

	err_set(&err, ERR_PEER, "inner");
	err_set(&err, ERR_CONFLICT, "outer: %s", err.msg);
	ck_assert_str_eq(err.msg, "outer: inner");
}
END_TEST

/* A message may become JSON: half a character would make the answer invalid. */
START_TEST(err_long_text_is_cut_between_characters)
{
	static const char *const chars[] = { "a", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x90\xA7" };

	for (size_t i = 0; i < 4; i++) {
		size_t size = strlen(chars[i]);
		struct err err = { 0 };
		char text[2 * ERR_MSG_SIZE] = "";

		for (size_t at = 0; at + size < sizeof(text); at += size)
			memcpy(text + at, chars[i], size);
		for (int shift = 0; shift < 4; shift++) {
			err_set(&err, ERR_INVALID, "%.*s%s", shift, "xxx", text);
			size_t len = strlen(err.msg) - strlen(ERR_CUT_MARK);

			ck_assert_uint_lt(len, ERR_MSG_SIZE - strlen(ERR_CUT_MARK));
			ck_assert_uint_gt(len, ERR_MSG_SIZE - strlen(ERR_CUT_MARK) - 6);
			ck_assert_str_eq(err.msg + len, ERR_CUT_MARK);
			ck_assert_uint_eq((len - (size_t)shift) % size, 0);
			err_wrap(&err, "%.*s", shift, "yyy");
			ck_assert_uint_lt(strlen(err.msg), ERR_MSG_SIZE);
		}
	}
}
END_TEST

/* A refusal may name several images with their paths, and must not be cut. */
START_TEST(err_text_of_a_thousand_bytes_is_whole)
{
	struct err err = { 0 };
	char text[1500];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_CONFLICT, "%s", text);
	ck_assert_str_eq(err.msg, text);
}
END_TEST

/* A wrapped text that is too long ends with one mark, not with one for each wrapping. */
START_TEST(err_wrapped_cut_text_is_marked_once)
{
	struct err err = { 0 };
	char text[2 * ERR_MSG_SIZE];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_CONFLICT, "%s", text);
	err_wrap(&err, "host 'b'");
	ck_assert_ptr_eq(strstr(err.msg, ERR_CUT_MARK),
			 err.msg + strlen(err.msg) - strlen(ERR_CUT_MARK));
}
END_TEST

/* API, exit codes and documents come from one table; a missing row would show as HTTP status
 * 0. */
START_TEST(err_table_every_code_is_complete_and_invertible)
{
	for (int i = 0; i < ERR_CODE_COUNT; i++) {
		enum err_code code = (enum err_code)i;

		ck_assert_ptr_nonnull(err_name(code));
		ck_assert_int_ge(err_http_status(code), 200);
		ck_assert_int_eq(err_exit_code(code) == 0, code == ERR_NONE);
		ck_assert_int_eq(err_from_name(err_name(code)), code);
	}
}
END_TEST

/* A peer of a later version may send a code that we do not know. */
START_TEST(err_from_unknown_name_is_internal)
{
	ck_assert_int_eq(err_from_name("new-in-2030"), ERR_INTERNAL);
	ck_assert_str_eq(err_name((enum err_code)9999), "internal");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("err");
	TCase *tc = tcase_create("err");

	tcase_add_test(tc, err_set_returns_false_and_keeps_text);
	tcase_add_test(tc, err_wrapped_twice_keeps_code_and_order);
	tcase_add_test(tc, err_errno_full_disk_is_no_space);
	tcase_add_test(tc, err_set_from_its_own_message_is_safe);
	tcase_add_test(tc, err_long_text_is_cut_between_characters);
	tcase_add_test(tc, err_text_of_a_thousand_bytes_is_whole);
	tcase_add_test(tc, err_wrapped_cut_text_is_marked_once);
	tcase_add_test(tc, err_table_every_code_is_complete_and_invertible);
	tcase_add_test(tc, err_from_unknown_name_is_internal);
	suite_add_tcase(s, tc);
	return s;
}
