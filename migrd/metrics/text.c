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

/* Samples are many: printf() would be most of what they cost. */
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void add_words(struct strbuf *text, const char *const *words)
{
	for (; *words; words++)
		strbuf_adds(text, *words);
}

void metrics_head(struct metrics_out *out)
{
	const struct metric *metric = out->metric;
	const bool is_open = out->format == METRICS_OPENMETRICS;
	const char *suffix =
		is_open || !kinds[metric->kind].is_named_so ? "" : kinds[metric->kind].suffix;

	add_words(out->text, WORDS("# HELP ", metric->name, suffix, " ", metric->help));
	add_words(out->text, WORDS("\n# TYPE ", metric->name, suffix, " ",
				   is_open ? kinds[metric->kind].open : kinds[metric->kind].text));
	if (is_open && *metric->unit)
		add_words(out->text, WORDS("\n# UNIT ", metric->name, " ", metric->unit));
	strbuf_add(out->text, "\n", 1);
}

/* ---- labels ---------------------------------------------------------------------------- */

static bool is_plain(const char *value)
{
	size_t len = 0;

	while (value[len] >= ' ' && value[len] <= '~' && value[len] != '\\' && value[len] != '"')
		len++;
	return value[len] == '\0' && len <= METRICS_VALUE_MAX;
}

/* Up to METRICS_VALUE_MAX bytes.  Both formats quote these three characters so. */
static void add_repaired(struct strbuf *text, const char *value)
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

static void add_quoted(struct strbuf *text, const char *value)
{
	if (is_plain(value))
		strbuf_adds(text, value);
	else
		add_repaired(text, value);
}

/* TEXT gets what is between the braces. */
static void add_labels(struct strbuf *text, const char *const *names, const char *const *values)
{
	for (size_t i = 0; i < METRICS_LABELS_MAX && names[i]; i++) {
		add_words(text, WORDS(i ? "," : "", names[i], "=\""));
		add_quoted(text, values[i]);
		strbuf_add(text, "\"", 1);
	}
}

/* ---- samples --------------------------------------------------------------------------- */

/* With DECIMALS, if not 0, behind a point.  Returns where the text in BUFFER begins. */
static const char *write_number(char buffer[32], uint64_t number, unsigned decimals)
{
	char *at = buffer + 31;

	*at = '\0';
	for (unsigned digits = 0; number || digits <= decimals; digits++) {
		if (decimals && digits == decimals)
			*--at = '.';
		*--at = (char)('0' + number % 10);
		number /= 10;
	}
	return at;
}

/* Whole numbers up to 2^53, which a double holds, as such. */
static void add_value(struct strbuf *text, double value)
{
	char number[32];

	if (value != floor(value) || fabs(value) >= 0x1p53)
		strbuf_addf(text, " %.15g\n", value);
	else if (signbit(value))
		strbuf_addf(text, " %.0f\n", value);
	else
		add_words(text, WORDS(" ", write_number(number, (uint64_t)value, 0), "\n"));
}

static void add_sample(struct metrics_out *out, const char *suffix, const char *const *values,
		       double value)
{
	add_words(out->text, WORDS(out->metric->name, suffix));
	if (out->metric->labels[0]) {
		strbuf_add(out->text, "{", 1);
		add_labels(out->text, out->metric->labels, values);
		strbuf_add(out->text, "}", 1);
	}
	add_value(out->text, value);
}

void metrics_add(struct metrics_out *out, double value, const char *const *values)
{
	add_sample(out, kinds[out->metric->kind].suffix, values, value);
}

/* OpenMetrics wants a bound always in the same words, with a point: 1.0, not 1.  Bounds have up to
 * five decimals. */
static const char *write_bound(char buffer[32], double bound)
{
	static const unsigned factors[] = { 1, 10, 100, 1000, 10000, 100000 };

	for (unsigned decimals = 1; decimals < sizeof(factors) / sizeof(*factors); decimals++) {
		double scaled = round(bound * factors[decimals]);

		if (bound >= 1e-4 && bound < 1e6 && scaled / factors[decimals] == bound)
			return write_number(buffer, (uint64_t)scaled, decimals);
	}
	snprintf(buffer, 32, bound == floor(bound) ? "%.1f" : "%g", bound);
	return buffer;
}

void metrics_add_histogram(struct metrics_out *out, const struct histogram *histogram,
			   const struct histogram_kind *kind, const char *const *values)
{
	CLEANUP(strbuf_fini) struct strbuf head = STRBUF_INIT; /* of each bucket */
	uint64_t below = 0;
	char le[32];

	add_words(&head, WORDS(out->metric->name, "_bucket{"));
	add_labels(&head, out->metric->labels, values);
	strbuf_adds(&head, out->metric->labels[0] ? ",le=\"" : "le=\"");
	for (size_t i = 0; i <= kind->count; i++) {
		bool is_last = i == kind->count;

		below = is_last ? histogram->count : below + histogram->buckets[i];
		strbuf_add(out->text, head.data, head.len);
		add_words(out->text,
			  WORDS(is_last ? "+Inf" : write_bound(le, kind->bounds[i]), "\"}"));
		add_value(out->text, (double)below);
	}
	add_sample(out, "_sum", values, histogram->sum);
	add_sample(out, "_count", values, (double)histogram->count);
}
