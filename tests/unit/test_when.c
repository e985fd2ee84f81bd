/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem.h"
#include "base/when.h"
#include "check_main.h"

START_TEST(moments_are_written_as_they_are_read)
{
	char text[WHEN_SIZE];
	int64_t ms;

	when_text(INT64_C(1796090400987), text);
	ck_assert_str_eq(text, "2026-12-01T02:00:00Z");
	ck_assert(when_parse(text, &ms));
	ck_assert_int_eq(ms, INT64_C(1796090400000));
	when_text(INT64_C(400000000000000), text); /* in the year 14645 */
	ck_assert_str_eq(text, "");
	when_text(INT64_MAX, text);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(moments_are_read)
{
	static const struct {
		const char *text;
		int64_t s; /* 0: it is none */
	} rows[] = {
		{ "2026-12-01T02:00:00Z", 1796090400 },
		{ "2026-12-01T02:00:00.987Z", 1796090400 },
		{ "2026-12-01T02:00:00+01:00", 1796086800 },
		{ "2026-12-01T02:00:00-01:30", 1796095800 },
		{ "2028-02-29T00:00:00Z", 1835395200 },
		{ "2026-12-31T23:59:60Z", 1798761599 },
		{ "2027-02-29T00:00:00Z", 0 },
		{ "2026-04-31T00:00:00Z", 0 },
		{ "2026-13-01T00:00:00Z", 0 },
		{ "2026-12-00T00:00:00Z", 0 },
		{ "2026-12-01T24:00:00Z", 0 },
		{ "2026-12-01T02:00:00", 0 },
		{ "2026-12-01T02:00:00.Z", 0 },
		{ "2026-12-01 02:00:00Z", 0 },
		{ "2026-12-01T02:00Z", 0 },
		{ "2026-12-01T02:00:00Zx", 0 },
		{ "2026-12-01T02:00:00+0100", 0 },
		{ "1969-12-31T23:59:59Z", 0 },
		{ "+026-12-01T02:00:00Z", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = -1;
		bool is_one = when_parse(rows[i].text, &ms);

		ck_assert_msg(is_one == (rows[i].s != 0), "%s", rows[i].text);
		ck_assert_msg(ms == (is_one ? rows[i].s * 1000 : -1), "%s: %lld", rows[i].text,
			      (long long)ms);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("when");
	TCase *tc = tcase_create("when");

	tcase_add_test(tc, moments_are_read);
	tcase_add_test(tc, moments_are_written_as_they_are_read);
	suite_add_tcase(s, tc);
	return s;
}
