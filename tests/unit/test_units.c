/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Amounts as people write and read them. */
#include "agents/lib/units.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"

/* MiB and MB differ by only a few percent, so a limit with the wrong unit would hardly be
 * noticed. */
START_TEST(bytes_each_unit_has_its_factor)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "7B", 7 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "64M", 64ull << 20 },
		{ "64m", 64ull << 20 },
		{ "1.5GiB", 3ull << 29 },
		{ "2T", 2ull << 40 },
		{ "1kB", 1000 },
		{ "10MB", 10000000 },
		{ "0.5k", 512 },
		{ "1.0000009k", 1024 },
		{ "18446744073709551615", UINT64_MAX },
	};
	struct err err = { ERR_NONE, "" };
	uint64_t bytes;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ck_assert_msg(units_parse_bytes(rows[i].text, &bytes, &err), "%s: %s", rows[i].text,
			      err.msg);
		ck_assert_msg(bytes == rows[i].bytes, "%s: %llu", rows[i].text,
			      (unsigned long long)bytes);
	}
}
END_TEST

START_TEST(seconds_each_unit_has_its_factor)
{
	static const struct {
		const char *text;
		uint64_t s;
	} rows[] = { { "0", 0 },      { "90", 90 },   { "90s", 90 },
		     { "90m", 5400 }, { "2h", 7200 }, { "30d", 2592000 } };
	static const char *const wrong[] = { "",
					     "h",
					     "-1h",
					     "1.5h",
					     "1 h",
					     "2h30m",
					     "1w",
					     "1H",
					     "300000000000000000d",
					     "18446744073709551616" };
	struct err err = { ERR_NONE, "" };
	uint64_t s = 4711;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		ck_assert_msg(!units_parse_seconds(wrong[i], &s, &err), "'%s' was taken", wrong[i]);
		ck_assert_int_eq(err.code, ERR_INVALID);
		ck_assert_uint_eq(s, 4711);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ck_assert_msg(units_parse_seconds(rows[i].text, &s, &err), "%s: %s", rows[i].text,
			      err.msg);
		ck_assert_uint_eq(s, rows[i].s);
	}
}
END_TEST

/* A bandwidth that is misread would starve or flood a move. */
START_TEST(bytes_wrong_text_refused_output_untouched)
{
	static const char *const rows[] = {
		"",
		"M",
		"-1",
		" 1",
		"1 M",
		"1.M",
		"1..5M",
		"64Mb",
		"64Mbit",
		"0x10",
		"1e9",
		"1,5M",
		"12Q",
		"1iB",
		"18446744073709551616",
		"16777216T",
		"99999999999999999999999999",
	};
	struct err err;
	uint64_t bytes = 77;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ck_assert_msg(!units_parse_bytes(rows[i], &bytes, &err), "'%s' was taken", rows[i]);
		ck_assert_int_eq(err.code, ERR_INVALID);
	}
	ck_assert_uint_eq(bytes, 77);
}
END_TEST

START_TEST(count_only_digits_accepted)
{
	struct err err;
	uint64_t value = 0;

	ck_assert(units_parse_count("300", &value, &err));
	ck_assert_uint_eq(value, 300);
	ck_assert(!units_parse_count("300ms", &value, &err));
	ck_assert(!units_parse_count("", &value, &err));
	ck_assert(!units_parse_count("-3", &value, &err));
	ck_assert_uint_eq(value, 300);
}
END_TEST

START_TEST(bytes_shown_with_one_decimal)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 512ull << 20, "512.0 MiB" },
		{ 1048575, "1.0 MiB" }, /* not 1024.0 KiB */
		{ UINT64_MAX, "16.0 EiB" },
	};
	char text[UNITS_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		units_bytes(rows[i].bytes, text);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

START_TEST(duration_shown_in_two_units)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "0 ms" },
		{ 999, "999 ms" },
		{ 12345, "12.3 s" },
		{ 59999, "1 min 00 s" },
		{ 200000, "3 min 20 s" },
		{ 7500000, "2 h 05 min" },
		{ 273600000, "3 d 04 h" },
		{ UINT64_MAX, "213503982334 d 14 h" },
	};
	char text[UNITS_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		units_duration(rows[i].ms, text);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("units");
	TCase *tc = tcase_create("units");

	tcase_add_test(tc, bytes_each_unit_has_its_factor);
	tcase_add_test(tc, bytes_wrong_text_refused_output_untouched);
	tcase_add_test(tc, seconds_each_unit_has_its_factor);
	tcase_add_test(tc, count_only_digits_accepted);
	tcase_add_test(tc, bytes_shown_with_one_decimal);
	tcase_add_test(tc, duration_shown_in_two_units);
	suite_add_tcase(s, tc);
	return s;
}
