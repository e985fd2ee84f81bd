/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two formats of GET /metrics, which of them a caller gets, and the rules that names follow. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "check_main.h"
#include "metrics/priv.h"

/* ---- which format ------------------------------------------------------------------- */

static void assert_format(const char *accept, enum metrics_format wanted)
{
	ck_assert_msg(metrics_format_of(accept) == wanted, "%s", accept);
}

/* The first is what Prometheus 2.42 sends. */
START_TEST(openmetrics_is_for_who_asks_for_it)
{
	assert_format("application/openmetrics-text;version=1.0.0,"
		      "application/openmetrics-text;version=0.0.1;q=0.75,"
		      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		      METRICS_OPENMETRICS);
	assert_format("Application/OpenMetrics-Text ; charset=utf-8", METRICS_OPENMETRICS);
	assert_format("text/plain, application/openmetrics-text", METRICS_OPENMETRICS);
	assert_format("text/plain;q=0.3 , application/openmetrics-text; q=0.4",
		      METRICS_OPENMETRICS);
}
END_TEST

START_TEST(text_is_for_all_others)
{
	static const char *const accepts[] = {
		NULL,
		"",
		",, ,",
		"*/*",
		"text/*",
		"text/plain",
		"application/json",
		"application/openmetrics-text;q=0",
		"application/openmetrics-text;q=0.1, text/plain;q=0.2",
		"application/openmetrics-text;version=2.0.0",
		"application/openmetrics-text;q=x",
		"application/openmetrics-text;q=nan",
		"application/openmetrics-text;q=7",
		"application/openmetrics-texts",
		"application/openmetrics-text;",
	};

	for (size_t i = 0; i < ARRAY_LEN(accepts) - 1; i++)
		assert_format(accepts[i], METRICS_TEXT);
	assert_format(accepts[ARRAY_LEN(accepts) - 1], METRICS_OPENMETRICS);
}
END_TEST

/* ---- samples -------------------------------------------------------------------------- */

static struct strbuf text;

static void tear_down(void)
{
	strbuf_fini(&text);
}

static struct metrics_out out_of(const struct metric *metric, enum metrics_format format)
{
	return (struct metrics_out){ .text = &text, .format = format, .metric = metric };
}

START_TEST(counter_has_its_suffix_in_the_name_or_at_the_samples)
{
	static const struct metric metric = { .name = "x",
					      .kind = METRICS_COUNTER,
					      .unit = "",
					      .labels = { "of" },
					      .help = "Of x." };
	struct metrics_out open = out_of(&metric, METRICS_OPENMETRICS);
	struct metrics_out classic = out_of(&metric, METRICS_TEXT);

	metrics_head(&open);
	metrics_add(&open, 3, LABELS("a"));
	ck_assert_str_eq(strbuf_str(&text), "# HELP x Of x.\n# TYPE x counter\n"
					    "x_total{of=\"a\"} 3\n");
	strbuf_clear(&text);
	metrics_head(&classic);
	metrics_add(&classic, 3, LABELS("a"));
	ck_assert_str_eq(strbuf_str(&text), "# HELP x_total Of x.\n# TYPE x_total counter\n"
					    "x_total{of=\"a\"} 3\n");
}
END_TEST

START_TEST(info_is_a_gauge_where_there_is_no_such_type)
{
	static const struct metric metric = {
		.name = "x", .kind = METRICS_INFO, .unit = "", .labels = { "v" }, .help = "Of x."
	};
	struct metrics_out open = out_of(&metric, METRICS_OPENMETRICS);
	struct metrics_out classic = out_of(&metric, METRICS_TEXT);

	metrics_head(&open);
	metrics_head(&classic);
	metrics_add(&classic, 1, LABELS("1"));
	ck_assert_str_eq(strbuf_str(&text), "# HELP x Of x.\n# TYPE x info\n"
					    "# HELP x_info Of x.\n# TYPE x_info gauge\n"
					    "x_info{v=\"1\"} 1\n");
}
END_TEST

/* Buckets of both formats count all that is below; OpenMetrics wants the same words for a bound. */
START_TEST(histogram_is_cumulative)
{
	static const struct metric metric = { .name = "x_seconds",
					      .kind = METRICS_HISTOGRAM,
					      .unit = "seconds",
					      .labels = { "of" },
					      .help = "Of x." };
	static const struct histogram_kind kind = { .bounds = { 0.025, 1, 60 }, .count = 3 };
	struct metrics_out out = out_of(&metric, METRICS_OPENMETRICS);
	struct histogram histogram = { 0 };

	histogram_add(&histogram, &kind, 0.01);
	histogram_add(&histogram, &kind, 0.5);
	histogram_add(&histogram, &kind, 100.25);
	metrics_head(&out);
	metrics_add_histogram(&out, &histogram, &kind, LABELS("a"));
	ck_assert_str_eq(strbuf_str(&text), "# HELP x_seconds Of x.\n"
					    "# TYPE x_seconds histogram\n"
					    "# UNIT x_seconds seconds\n"
					    "x_seconds_bucket{of=\"a\",le=\"0.025\"} 1\n"
					    "x_seconds_bucket{of=\"a\",le=\"1.0\"} 2\n"
					    "x_seconds_bucket{of=\"a\",le=\"60.0\"} 2\n"
					    "x_seconds_bucket{of=\"a\",le=\"+Inf\"} 3\n"
					    "x_seconds_sum{of=\"a\"} 100.76\n"
					    "x_seconds_count{of=\"a\"} 3\n");
}
END_TEST

static const struct metric plain = { .name = "x", .kind = METRICS_GAUGE, .unit = "", .help = "." };
static const struct metric named = {
	.name = "x", .kind = METRICS_GAUGE, .unit = "", .labels = { "why" }, .help = "."
};

START_TEST(value_is_exact_where_it_can_be)
{
	struct metrics_out out = out_of(&plain, METRICS_TEXT);

	metrics_add(&out, 0, NULL);
	metrics_add(&out, 1099511627776.0, NULL);
	metrics_add(&out, 1764518461.123, NULL);
	metrics_add(&out, -0.25, NULL);
	metrics_add(&out, 1e300, NULL);
	ck_assert_str_eq(strbuf_str(&text),
			 "x 0\nx 1099511627776\nx 1764518461.123\nx -0.25\nx 1e+300\n");
}
END_TEST

/* A reason may have any characters, and what a peer has said. */
START_TEST(label_is_quoted_repaired_and_cut)
{
	struct metrics_out out = out_of(&named, METRICS_TEXT);
	char longer[METRICS_VALUE_MAX + 10];

	metrics_add(&out, 1, LABELS("a \"b\"\\\n\xff."));
	ck_assert_str_eq(strbuf_str(&text), "x{why=\"a \\\"b\\\"\\\\\\n\xef\xbf\xbd.\"} 1\n");
	strbuf_clear(&text);
	/* The limit is in the middle of a character. */
	memset(longer, 'a', sizeof(longer));
	memcpy(longer + METRICS_VALUE_MAX - 1, "\xc3\xa4", 2);
	longer[sizeof(longer) - 1] = '\0';
	metrics_add(&out, 1, LABELS(longer));
	ck_assert_uint_eq(text.len, strlen("x{why=\"\"} 1\n") + METRICS_VALUE_MAX - 1);
	ck_assert_uint_eq(utf8_valid_prefix(text.data, text.len), text.len);
}
END_TEST

/* ---- the table -------------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* As OpenMetrics and promtool want it: the unit is the end of the name, and no name is another
 * one's with the end of a sample. */
START_TEST(names_follow_the_rules)
{
	static const char *const ends[] = { "_total",  "_info",  "_created",
					    "_bucket", "_count", "_sum" };

	for (size_t i = 0; i < metrics_table_count; i++) {
		const struct metric *metric = &metrics_table[i];
		char unit[64];

		snprintf(unit, sizeof(unit), "_%s", metric->unit);
		ck_assert_msg(!*metric->unit || ends_in(metric->name, unit), "%s", metric->name);
		ck_assert_msg(!strpbrk(metric->help, "\\\"\n|"), "%s", metric->name);
		ck_assert_msg(*metric->source && !strchr(metric->source, '|'), "%s", metric->name);
		ck_assert_ptr_nonnull(metric->read);
		for (size_t k = 0; k < ARRAY_LEN(ends); k++)
			ck_assert_msg(!ends_in(metric->name, ends[k]), "%s", metric->name);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(metric->name, metrics_table[k].name);
	}
}
END_TEST

/* ---- the process -------------------------------------------------------------------------- */

START_TEST(process_knows_itself)
{
	struct process before, after;
	FILE *file;

	process_look(&before);
	ck_assert(before.is_known);
	ck_assert_uint_ge(before.threads, 1);
	ck_assert_uint_gt(before.resident_bytes, 1 << 16);
	ck_assert_uint_gt(before.virtual_bytes, before.resident_bytes);
	ck_assert_uint_ge(before.fds, 1);
	file = fopen("/dev/null", "re");
	ck_assert_ptr_nonnull(file);
	process_look(&after);
	ck_assert_uint_eq(after.fds, before.fds + 1);
	ck_assert_double_ge(after.cpu_s, before.cpu_s);
	fclose(file);
	ck_assert_int_gt(process_started_ms(), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tc = tcase_create("metrics");

	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, openmetrics_is_for_who_asks_for_it);
	tcase_add_test(tc, text_is_for_all_others);
	tcase_add_test(tc, counter_has_its_suffix_in_the_name_or_at_the_samples);
	tcase_add_test(tc, info_is_a_gauge_where_there_is_no_such_type);
	tcase_add_test(tc, histogram_is_cumulative);
	tcase_add_test(tc, value_is_exact_where_it_can_be);
	tcase_add_test(tc, label_is_quoted_repaired_and_cut);
	tcase_add_test(tc, names_follow_the_rules);
	tcase_add_test(tc, process_knows_itself);
	suite_add_tcase(suite, tc);
	return suite;
}
