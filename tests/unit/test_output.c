/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The output of a QEMU: the log of limited size, and the words taken from it for messages.
 * tests/system/test_output.py checks that a real QEMU's output ends up in the log. */
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "output/rotate.h"
#include "qemu/priv.h"
#include "scratch.h"

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static char *text_of(const char *path)
{
	char *text = NULL;
	struct err err;
	size_t len;

	ck_assert(file_read(path, 1u << 20, &text, &len, &err));
	return text;
}

/* ---- the log ---------------------------------------------------------------- */

/* QEMU prints without end: both files together stay within the size and hold the newest
 * output. */
START_TEST(output_without_end_stays_bounded_and_keeps_its_end)
{
	const char *path = scratch_path("a.log"), *former = scratch_path("a.log.1");
	CLEANUP(free_charp) char *text = NULL;
	struct rotate log;
	char line[64];

	rotate_init(&log, path, ROTATE_SIZE_MIN);
	for (int i = 0; i < 10000; i++) {
		int len = snprintf(line, sizeof(line), "line %d\n", i);

		rotate_write(&log, line, (size_t)len);
		ck_assert_uint_le(size_of(path) + size_of(former), ROTATE_SIZE_MIN);
	}
	rotate_fini(&log);
	ck_assert_uint_gt(size_of(former), 0);
	text = text_of(path);
	ck_assert_ptr_nonnull(strstr(text, "line 9999\n"));
}
END_TEST

/* A single write is larger than all that may be kept. */
START_TEST(output_larger_than_the_log_keeps_its_end)
{
	const char *path = scratch_path("a.log"), *former = scratch_path("a.log.1");
	CLEANUP(free_charp) char *data = xcalloc(1, 100001);
	CLEANUP(free_charp) char *text = NULL;
	struct rotate log;

	memset(data, 'x', 100000);
	memcpy(data + 100000 - 4, "end\n", 4);
	rotate_init(&log, path, ROTATE_SIZE_MIN);
	rotate_write(&log, data, 100000);
	rotate_fini(&log);
	ck_assert_uint_le(size_of(path) + size_of(former), ROTATE_SIZE_MIN);
	text = text_of(path);
	ck_assert_ptr_nonnull(strstr(text, "end\n"));
}
END_TEST

/* The log cannot be written: only output is lost, and the log tells how much as soon as it can
 * be written. */
START_TEST(log_that_cannot_be_written_drops_counts_and_says_so)
{
	const char *path = scratch_path("gone/a.log");
	CLEANUP(free_charp) char *text = NULL;
	struct rotate log;

	rotate_init(&log, path, ROTATE_SIZE_MIN);
	rotate_write(&log, "12345", 5);
	rotate_write(&log, "67890", 5);
	ck_assert_int_eq(mkdir(scratch_path("gone"), 0700), 0);
	rotate_write(&log, "here\n", 5);
	rotate_fini(&log);
	text = text_of(path);
	ck_assert_str_eq(text, "\nmigrd-output: 10 bytes were dropped: No such file or "
			       "directory\nhere\n");
}
END_TEST

/* ---- the words --------------------------------------------------------------- */

/* A person needs the reason, not the warnings that QEMU prints around it. */
START_TEST(words_are_the_last_lines_that_are_no_warnings)
{
	static const struct {
		const char *output, *words;
	} cases[] = {
		{ "", "it printed nothing" },
		{ "\n\n", "it printed nothing" },
		{ "swtpm: Data client disconnected\n", "it printed nothing" },
		{ "no disk\nswtpm: Data client disconnected\n", "no disk" },
		{ "q: a: no such device\n", "q: a: no such device" },
		{ "q: a: no such device\nq: warning: machine type is deprecated\n",
		  "q: a: no such device" },
		{ "q: -M pc: warning: deprecated\nq: first\nq: second\n", "q: first; q: second" },
		{ "q: warning: one\nq: warning: two\n", "q: warning: one; q: warning: two" },
		{ "q: failed\n\nmigrd-output: it prints more than 1 MiB/s: some of it is lost\n",
		  "q: failed" },
		{ "without an end", "without an end" },
		{ "q: a very long line that stands before the one that tells the reason\nq: "
		  "short\r\n",
		  "q: short" },
	};
	char words[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		qemu_choose_words(cases[i].output, words, sizeof(words));
		ck_assert_str_eq(words, cases[i].words);
	}
}
END_TEST

/* A long line is cut before a whole character. */
START_TEST(words_of_one_long_line_are_cut)
{
	char words[8];

	qemu_choose_words("abcdef\xC3\xA4\xC3\xA4\n", words, sizeof(words));
	ck_assert_str_eq(words, "abcdef");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("output");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, scratch_setup, scratch_teardown);
	tcase_add_test(tc, output_without_end_stays_bounded_and_keeps_its_end);
	tcase_add_test(tc, output_larger_than_the_log_keeps_its_end);
	tcase_add_test(tc, log_that_cannot_be_written_drops_counts_and_says_so);
	suite_add_tcase(s, tc);
	tc = tcase_create("words");
	tcase_add_test(tc, words_are_the_last_lines_that_are_no_warnings);
	tcase_add_test(tc, words_of_one_long_line_are_cut);
	suite_add_tcase(s, tc);
	return s;
}
