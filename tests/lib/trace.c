/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINES_MAX 2048

static char lines[LINES_MAX][96];
static size_t line_count;

void trace_add(const char *fmt, ...)
{
	va_list ap;

	ck_assert_uint_lt(line_count, LINES_MAX);
	va_start(ap, fmt);
	vsnprintf(lines[line_count++], sizeof(lines[0]), fmt, ap);
	va_end(ap);
}

void trace_clear(void)
{
	line_count = 0;
}

static bool is_line(size_t i, const char *what)
{
	size_t len = strlen(what);

	return strncmp(lines[i], what, len) == 0 && (lines[i][len] == ' ' || !lines[i][len]);
}

size_t trace_count(const char *what)
{
	size_t count = 0;

	for (size_t i = 0; i < line_count; i++)
		count += is_line(i, what);
	return count;
}

static void print_all(void)
{
	for (size_t i = 0; i < line_count; i++)
		fprintf(stderr, "trace %zu: %s\n", i, lines[i]);
}

void trace_assert(const char *first, ...)
{
	const char *line = first;
	size_t i = 0;
	va_list ap;

	va_start(ap, first);
	for (; line && i < line_count && strcmp(lines[i], line) == 0; i++)
		line = va_arg(ap, const char *);
	va_end(ap);
	if (line || i < line_count)
		print_all();
	ck_assert_msg(!line && i == line_count, "line %zu: expected '%s', found '%s'", i,
		      line ? line : "the end", i < line_count ? lines[i] : "the end");
}

static size_t find(const char *what)
{
	size_t i = 0;

	while (i < line_count && !is_line(i, what))
		i++;
	return i;
}

void trace_assert_order(const char *first, const char *then)
{
	if (find(first) >= find(then))
		print_all();
	ck_assert_msg(find(first) < find(then), "'%s' is not before '%s'", first, then);
}

void trace_assert_empty(void)
{
	ck_assert_msg(line_count == 0, "there is '%s'", lines[0]);
}
