/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What head and samples of a metric look like in each of the two formats. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "metrics/priv.h"

static const struct {
	const char *open, *text; /* name of the type */
	const char *suffix;      /* of each sample */
	bool is_named_so;        /* in METRICS_TEXT the metric has the suffix too */
} kinds[] = {
	[METRICS_GAUGE] = { "gauge", "gauge", "", false },
	[METRICS_COUNTER] = { "counter", "counter", "_total", true },
	[METRICS_HISTOGRAM] = { "histogram", "histogram", "", false },
	[METRICS_INFO] = { "info", "gauge", "_info", true },
};

void metrics_head(struct metrics_out *out)
{
	const struct metric *metric = out->metric;
	const bool is_open = out->format == METRICS_OPENMETRICS;
	const char *suffix =
		is_open || !kinds[metric->kind].is_named_so ? "" : kinds[metric->kind].suffix;

	strbuf_addf(out->text, "# HELP %s%s %s\n", metric->name, suffix, metric->help);
	strbuf_addf(out->text, "# TYPE %s%s %s\n", metric->name, suffix,
		    is_open ? kinds[metric->kind].open : kinds[metric->kind].text);
	if (is_open && *metric->unit)
		strbuf_addf(out->text, "# UNIT %s %s\n", metric->name, metric->unit);
}

/* ---- labels ---------------------------------------------------------------------------- */

/* Up to METRICS_VALUE_MAX bytes.  Both formats quote these three characters so. */
static void add_quoted(struct strbuf *text, const char *value)
{
	CLEANUP(free_charp) char *cut = xstrndup(value, METRICS_VALUE_MAX);
	CLEANUP(free_charp) char *good = NULL;

	utf8_trim(cut);
	good = utf8_repair(cut);
	for (const char *c = good; *c; c++) {
		if (*c == '\\' || *c == '"')
			strbuf_addf(text, "\\%c", *c);
		else if (*c == '\n')
			strbuf_adds(text, "\\n");
		else
			strbuf_add(text, c, 1);
	}
}

/* With the bound of a bucket, or NULL. */
static void add_labels(const struct metrics_out *out, const char *const *values, const char *le)
{
	const char *const *names = out->metric->labels;
	size_t count = 0;

	for (; count < METRICS_LABELS_MAX && names[count]; count++) {
		strbuf_addf(out->text, "%s%s=\"", count ? "," : "{", names[count]);
		add_quoted(out->text, values[count]);
		strbuf_adds(out->text, "\"");
	}
	if (le)
		strbuf_addf(out->text, "%sle=\042%s\042", count++ ? "," : "{", le);
	if (count)
		strbuf_adds(out->text, "}");
}

/* ---- samples --------------------------------------------------------------------------- */

/* Whole numbers up to 2^53, which a double holds, as such. */
static void add_value(struct strbuf *text, double value)
{
	if (value == floor(value) && fabs(value) < 0x1p53)
		strbuf_addf(text, " %.0f\n", value);
	else
		strbuf_addf(text, " %.15g\n", value);
}

static void add_sample(struct metrics_out *out, const char *suffix, const char *const *values,
		       const char *le, double value)
{
	strbuf_addf(out->text, "%s%s", out->metric->name, suffix);
	add_labels(out, values, le);
	add_value(out->text, value);
}

void metrics_add(struct metrics_out *out, double value, const char *const *values)
{
	add_sample(out, kinds[out->metric->kind].suffix, values, NULL, value);
}

/* OpenMetrics wants a bound always in the same words, with a point: 1.0, not 1. */
static void write_bound(double bound, char *ret, size_t size)
{
	snprintf(ret, size, bound == floor(bound) ? "%.1f" : "%g", bound);
}

void metrics_add_histogram(struct metrics_out *out, const struct histogram *histogram,
			   const struct histogram_kind *kind, const char *const *values)
{
	uint64_t below = 0;
	char le[32];

	for (size_t i = 0; i < kind->count; i++) {
		below += histogram->buckets[i];
		write_bound(kind->bounds[i], le, sizeof(le));
		add_sample(out, "_bucket", values, le, (double)below);
	}
	add_sample(out, "_bucket", values, "+Inf", (double)histogram->count);
	add_sample(out, "_sum", values, NULL, histogram->sum);
	add_sample(out, "_count", values, NULL, (double)histogram->count);
}
