/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/when.h"

#include <string.h>
#include <time.h>

/* COUNT digits, and no less; -1: they are not there. */
static int take_number(const char **text, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		char c = (*text)[i];

		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + (c - '0');
	}
	*text += count;
	return value;
}

static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* A fraction of a second is left out. */
static void skip_fraction(const char **text)
{
	size_t digits = **text == '.' ? strspn(*text + 1, "0123456789") : 0;

	if (digits)
		*text += 1 + digits;
}

/* "Z", or "+HH:MM": seconds east of it. */
static bool take_offset(const char **text, int *ret_s)
{
	int sign = **text == '-' ? -1 : 1, hours, minutes;

	*ret_s = 0;
	if (take(text, 'Z'))
		return true;
	if (!take(text, '+') && !take(text, '-'))
		return false;
	hours = take_number(text, 2);
	if (hours < 0 || hours > 23 || !take(text, ':'))
		return false;
	minutes = take_number(text, 2);
	*ret_s = sign * (hours * 60 + minutes) * 60;
	return minutes >= 0 && minutes <= 59;
}

static bool take_date(const char **text, struct tm *ret)
{
	ret->tm_year = take_number(text, 4) - 1900;
	if (!take(text, '-'))
		return false;
	ret->tm_mon = take_number(text, 2) - 1;
	if (!take(text, '-'))
		return false;
	ret->tm_mday = take_number(text, 2);
	return take(text, 'T');
}

static bool take_time(const char **text, struct tm *ret)
{
	ret->tm_hour = take_number(text, 2);
	if (!take(text, ':'))
		return false;
	ret->tm_min = take_number(text, 2);
	if (!take(text, ':'))
		return false;
	ret->tm_sec = take_number(text, 2);
	return ret->tm_hour >= 0 && ret->tm_hour <= 23 && ret->tm_min >= 0 && ret->tm_min <= 59 &&
	       ret->tm_sec >= 0 && ret->tm_sec <= 60;
}

bool when_parse(const char *text, int64_t *ret_ms)
{
	struct tm tm = { 0 }, same;
	int offset_s;
	time_t seconds;

	if (!take_date(&text, &tm) || !take_time(&text, &tm))
		return false;
	skip_fraction(&text);
	if (!take_offset(&text, &offset_s) || *text)
		return false;
	if (tm.tm_sec == 60) /* a leap second, which the clock does not have */
		tm.tm_sec = 59;
	same = tm;
	seconds = timegm(&same);
	/* The 31st of a month that has 30 days is the 1st of the next to timegm(). */
	if (same.tm_mday != tm.tm_mday || same.tm_mon != tm.tm_mon || seconds - offset_s <= 0)
		return false;
	*ret_ms = (int64_t)(seconds - offset_s) * 1000;
	return true;
}

void when_text(int64_t ms, char ret[WHEN_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(ret, WHEN_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) != 20)
		ret[0] = '\0';
}
