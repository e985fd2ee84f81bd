/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of the two formats a caller wants. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "metrics/metrics.h"

#define BLANKS " \t"

/* A media range of the header: "type/subtype; version=1.0.0; q=0.5". */
struct range {
	const char *text;
	size_t len; /* of the range, with its parameters */
};

static bool next_range(const char **at, struct range *ret)
{
	*at += strspn(*at, "," BLANKS);
	ret->text = *at;
	ret->len = strcspn(*at, ",");
	*at += ret->len;
	return ret->len > 0;
}

static size_t type_len(const struct range *range)
{
	size_t len = 0;

	while (len < range->len && !strchr(";" BLANKS, range->text[len]))
		len++;
	return len;
}

static bool is_type(const struct range *range, const char *type)
{
	return type_len(range) == strlen(type) && strncasecmp(range->text, type, strlen(type)) == 0;
}

/* The value of a parameter; NULL: it has none. */
static const char *parameter(const struct range *range, const char *name)
{
	const char *at = range->text, *end = range->text + range->len;
	size_t len = strlen(name);

	while ((at = memchr(at, ';', (size_t)(end - at)))) {
		at++;
		while (at < end && strchr(BLANKS, *at))
			at++;
		if ((size_t)(end - at) > len && strncasecmp(at, name, len) == 0 && at[len] == '=')
			return at + len + 1;
	}
	return NULL;
}

/* From 0 to 1; what is no number is 0.  It ends before the range does. */
static double quality(const struct range *range)
{
	const char *q = parameter(range, "q");
	double value = q ? strtod(q, NULL) : 1;

	return value >= 0 && value <= 1 ? value : 0;
}

/* This version is written; of another one nothing is known. */
static bool is_our_version(const struct range *range)
{
	const char *version = parameter(range, "version");

	return !version || strncmp(version, "1.0.0", strlen("1.0.0")) == 0;
}

enum metrics_format metrics_format_of(const char *accept)
{
	double open = 0, text = 0;
	struct range range;

	while (accept && next_range(&accept, &range)) {
		double q = quality(&range);

		if (is_type(&range, "application/openmetrics-text") && is_our_version(&range))
			open = q > open ? q : open;
		else if (is_type(&range, "text/plain"))
			text = q > text ? q : text;
	}
	return open > 0 && open >= text ? METRICS_OPENMETRICS : METRICS_TEXT;
}

const char *metrics_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}
