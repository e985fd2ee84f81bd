/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rate of a link from the arrivals of a short transfer, and the line that tells it. */
#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "stream/gauge.h"
#include "tests/lib/check_main.h"

#define RECORD 16384

static struct gauge gauge;

static void set_up(void)
{
	memset(&gauge, 0, sizeof(gauge));
}

/* COUNT records, one each EVERY_US, from FROM_US on. */
static void arrive(uint64_t from_us, uint64_t every_us, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ck_assert(gauge_note(&gauge, from_us + i * every_us, RECORD, gauge.bytes + RECORD));
}

static struct gauge_report judged(void)
{
	struct gauge_report report;

	gauge_judge(&gauge, &report);
	return report;
}

START_TEST(steady_arrivals_tell_the_rate)
{
	arrive(5000000, 160, 1875); /* 300 ms at 102.4 MB/s */
	ck_assert_uint_eq(judged().bytes, UINT64_C(1875) * RECORD);
	ck_assert_uint_eq(judged().us, 1874 * 160);
	ck_assert_uint_eq(judged().bytes_per_s, 102400000);
	ck_assert(!judged().is_growing);
}
END_TEST

/* What a queue on the way has let through at once is not the rate of the link. */
START_TEST(burst_in_the_beginning_does_not_count)
{
	arrive(0, 1, 64);
	arrive(1000, 1600, 180);
	ck_assert_uint_eq(judged().bytes_per_s, 10240000);
	ck_assert(!judged().is_growing);
}
END_TEST

/* Each round trip doubles it: a long way. */
START_TEST(growing_arrivals_tell_the_least)
{
	uint64_t at_us = 0;

	for (unsigned round = 0; round < 6; round++, at_us += 50000)
		arrive(at_us, 50, 4u << round);
	ck_assert(judged().is_growing);
	ck_assert_uint_gt(judged().bytes_per_s, 20000000);
}
END_TEST

START_TEST(too_little_tells_nothing)
{
	ck_assert_uint_eq(judged().bytes_per_s, 0);
	ck_assert_uint_eq(judged().bytes, 0);
	arrive(0, 100000, 3);
	ck_assert_uint_eq(judged().bytes_per_s, 0);
	ck_assert_uint_eq(judged().bytes, 3 * RECORD);
}
END_TEST

START_TEST(all_at_once_tells_nothing)
{
	arrive(7, 0, 100);
	ck_assert_uint_eq(judged().bytes_per_s, 0);
	ck_assert_uint_eq(judged().us, 0);
}
END_TEST

START_TEST(room_ends)
{
	for (unsigned i = 0; i + 1 < GAUGE_ARRIVALS_MAX; i++)
		ck_assert(gauge_note(&gauge, i, 1, i));
	ck_assert(!gauge_note(&gauge, GAUGE_ARRIVALS_MAX, 1, 1));
	ck_assert(!gauge_note(&gauge, GAUGE_ARRIVALS_MAX, 1, 1));
	ck_assert_uint_eq(judged().bytes, GAUGE_ARRIVALS_MAX);
}
END_TEST

/* ---- the line ---------------------------------------------------------- */

START_TEST(line_is_read_back)
{
	const struct gauge_report report = { 67108864, 300000, 223696213, true };
	char line[GAUGE_LINE_SIZE];
	struct gauge_report again;

	gauge_report_print(&report, line);
	ck_assert(gauge_report_parse(line, &again));
	ck_assert_uint_eq(again.bytes, report.bytes);
	ck_assert_uint_eq(again.us, report.us);
	ck_assert_uint_eq(again.bytes_per_s, report.bytes_per_s);
	ck_assert(again.is_growing);
}
END_TEST

static bool reads(const char *text)
{
	struct gauge_report report;
	char line[GAUGE_LINE_SIZE];

	memset(line, ' ', sizeof(line));
	memcpy(line, text, strlen(text));
	return gauge_report_parse(line, &report);
}

START_TEST(bad_lines_are_refused)
{
	static const char *const lines[] = {
		"",
		"1 2 3",
		"1 2 3 x",
		"-1 2 3 0",
		"1  2 3 0",
		"1,2,3,0 ",
		" 1 2 3 0",
		"9007199254740992 2 3 0",
		"99999999999999999999999999999999999999999999999999999999999999999999999999999999",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		ck_assert_msg(!reads(lines[i]), "%s", lines[i]);
	ck_assert(reads("1 2 3 0"));
	ck_assert(reads("1 2 3 1 of-a-newer-host 7"));
}
END_TEST

/* Digits to the last byte: nothing behind the line is read. */
START_TEST(line_without_an_end_is_refused)
{
	struct gauge_report report;
	char line[GAUGE_LINE_SIZE];

	memset(line, '0', sizeof(line));
	ck_assert(!gauge_report_parse(line, &report));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("gauge");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, steady_arrivals_tell_the_rate);
	tcase_add_test(tc, burst_in_the_beginning_does_not_count);
	tcase_add_test(tc, growing_arrivals_tell_the_least);
	tcase_add_test(tc, too_little_tells_nothing);
	tcase_add_test(tc, all_at_once_tells_nothing);
	tcase_add_test(tc, room_ends);
	tcase_add_test(tc, line_is_read_back);
	tcase_add_test(tc, bad_lines_are_refused);
	tcase_add_test(tc, line_without_an_end_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
