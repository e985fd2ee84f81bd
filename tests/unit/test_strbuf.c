/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"

/* Printing an empty buffer must not print "(null)". */
START_TEST(strbuf_empty_is_empty_text)
{
	struct strbuf sb = STRBUF_INIT;

	ck_assert_str_eq(strbuf_str(&sb), "");
	strbuf_clear(&sb);
	strbuf_consume(&sb, 10);
	strbuf_add(&sb, NULL, 0);
	ck_assert_str_eq(strbuf_str(&sb), "");
	strbuf_fini(&sb);
	strbuf_fini(&sb);
}
END_TEST

/* Everything that is read from a socket is added here in pieces. */
START_TEST(strbuf_many_small_pieces_stay_in_order)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;

	for (int i = 0; i < 10000; i++)
		strbuf_addf(&sb, "%04d", i);
	ck_assert_uint_eq(sb.len, 40000);
	ck_assert_uint_eq(strlen(sb.data), 40000);
	ck_assert_int_eq(memcmp(sb.data + 4 * 1234, "1234", 4), 0);
}
END_TEST

/* Formatted text that does not fit at first is formatted again, and not cut. */
START_TEST(strbuf_long_format_is_whole)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "<");
	strbuf_addf(&sb, "%5000d", 7);
	strbuf_adds(&sb, ">");
	ck_assert_uint_eq(sb.len, 5002);
	ck_assert_str_eq(sb.data + 5000, "7>");
}
END_TEST

/* A text that fills the buffer exactly must not lose its last byte. */
START_TEST(strbuf_format_at_every_length_around_the_size_is_whole)
{
	for (int width = 60; width < 70; width++) {
		struct strbuf sb = STRBUF_INIT;

		strbuf_addf(&sb, "%*d", width, 7);
		ck_assert_uint_eq(sb.len, (size_t)width);
		ck_assert_int_eq(sb.data[width - 1], '7');
		ck_assert_int_eq(sb.data[width], '\0');
		strbuf_fini(&sb);
	}
}
END_TEST

/* Lines are taken off the front while the rest is still arriving. */
START_TEST(strbuf_consumed_keeps_the_rest_and_its_end)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;

	strbuf_add(&sb, "one\0two", 7);
	strbuf_consume(&sb, 4);
	ck_assert_str_eq(strbuf_str(&sb), "two");
	ck_assert_uint_eq(sb.len, 3);
	strbuf_consume(&sb, 3);
	ck_assert_str_eq(strbuf_str(&sb), "");
}
END_TEST

/* The caller owns the text that it took; the buffer must not free it again. */
START_TEST(strbuf_taken_text_leaves_an_empty_buffer)
{
	struct strbuf sb = STRBUF_INIT;
	char *text;

	strbuf_adds(&sb, "text");
	text = strbuf_take(&sb);
	ck_assert_str_eq(text, "text");
	ck_assert_uint_eq(sb.len, 0);
	free(text);
	text = strbuf_take(&sb);
	ck_assert_str_eq(text, "");
	free(text);
	strbuf_fini(&sb);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("strbuf");
	TCase *tc = tcase_create("strbuf");

	tcase_add_test(tc, strbuf_empty_is_empty_text);
	tcase_add_test(tc, strbuf_many_small_pieces_stay_in_order);
	tcase_add_test(tc, strbuf_long_format_is_whole);
	tcase_add_test(tc, strbuf_format_at_every_length_around_the_size_is_whole);
	tcase_add_test(tc, strbuf_consumed_keeps_the_rest_and_its_end);
	tcase_add_test(tc, strbuf_taken_text_leaves_an_empty_buffer);
	suite_add_tcase(s, tc);
	return s;
}
