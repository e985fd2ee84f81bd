/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/gauge.h"

#include <stdio.h>
#include <string.h>

#define US_PER_S 1000000
/* Fewer arrivals tell more of the size of a record than of the link. */
#define ARRIVALS_MIN 4
/* Percent of the third quarter's rate. */
#define GROWING    130
#define NUMBER_MAX (UINT64_C(1) << 53)

bool gauge_note(struct gauge *gauge, uint64_t now_us, size_t bytes, uint64_t received)
{
	if (gauge->count == GAUGE_ARRIVALS_MAX)
		return false;
	gauge->bytes += bytes;
	gauge->arrivals[gauge->count++] = (struct gauge_arrival){ now_us, received };
	return gauge->count < GAUGE_ARRIVALS_MAX;
}

/* The first arrival that is not before QUARTER quarters of the time. */
static size_t at_quarter(const struct gauge *gauge, unsigned quarter)
{
	const struct gauge_arrival *list = gauge->arrivals;
	uint64_t all_us = list[gauge->count - 1].at_us - list[0].at_us;
	uint64_t from_us = list[0].at_us + all_us * quarter / 4;
	size_t i = 0;

	while (i + 1 < gauge->count && list[i].at_us < from_us)
		i++;
	return i;
}

/* 0: both came at the same time. */
static uint64_t rate_between(const struct gauge *gauge, size_t from, size_t to)
{
	const struct gauge_arrival *a = &gauge->arrivals[from], *b = &gauge->arrivals[to];
	uint64_t us = b->at_us - a->at_us;

	return us ? (b->received - a->received) * US_PER_S / us : 0;
}

void gauge_judge(const struct gauge *gauge, struct gauge_report *ret)
{
	const struct gauge_arrival *list = gauge->arrivals;
	size_t last = gauge->count ? gauge->count - 1 : 0, half, quarter;
	uint64_t late, later;

	*ret = (struct gauge_report){ .bytes = gauge->bytes,
				      .us = list[last].at_us - list[0].at_us };
	if (gauge->count < ARRIVALS_MIN)
		return;
	half = at_quarter(gauge, 2);
	quarter = at_quarter(gauge, 3);
	if (last - half < ARRIVALS_MIN)
		half = 0;
	ret->bytes_per_s = rate_between(gauge, half, last);
	if (last - quarter < ARRIVALS_MIN || half == 0)
		return;
	late = rate_between(gauge, half, quarter);
	later = rate_between(gauge, quarter, last);
	ret->is_growing = later > late / 100 * GROWING;
	if (ret->is_growing)
		ret->bytes_per_s = later;
}

void gauge_report_print(const struct gauge_report *report, char ret_line[GAUGE_LINE_SIZE])
{
	int len = snprintf(ret_line, GAUGE_LINE_SIZE, "%llu %llu %llu %u ",
			   (unsigned long long)report->bytes, (unsigned long long)report->us,
			   (unsigned long long)report->bytes_per_s, report->is_growing);

	memset(ret_line + len, ' ', (size_t)(GAUGE_LINE_SIZE - len));
}

/* A word of digits, with the blank behind it. */
static bool take_number(const char **at, const char *end, uint64_t *ret)
{
	uint64_t value = 0;
	const char *from = *at;

	while (*at < end && **at >= '0' && **at <= '9' && value < NUMBER_MAX)
		value = value * 10 + (uint64_t)(*(*at)++ - '0');
	if (*at == from || *at == end || **at != ' ' || value >= NUMBER_MAX)
		return false;
	(*at)++;
	*ret = value;
	return true;
}

bool gauge_report_parse(const char *line, struct gauge_report *ret)
{
	const char *end = line + GAUGE_LINE_SIZE;
	struct gauge_report report;
	uint64_t growing;

	if (!take_number(&line, end, &report.bytes) || !take_number(&line, end, &report.us) ||
	    !take_number(&line, end, &report.bytes_per_s) || !take_number(&line, end, &growing))
		return false;
	report.is_growing = growing != 0;
	*ret = report;
	return true;
}
