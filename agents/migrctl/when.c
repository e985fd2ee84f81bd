/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The moment at which the host's clock shows HOUR:MINUTE, DAYS after today. */
static time_t moment(int64_t now_s, const struct tm *of_day, int days)
{
	time_t now = (time_t)now_s;
	struct tm tm;

	localtime_r(&now, &tm);
	tm.tm_mday += days;
	tm.tm_hour = of_day->tm_hour;
	tm.tm_min = of_day->tm_min;
	tm.tm_sec = 0;
	tm.tm_isdst = -1;
	return mktime(&tm);
}

void when_say(const char *text, int64_t now_s, char ret[WHEN_SIZE])
{
	struct tm of_day = { 0 }, utc;
	const char *end = strptime(text, "%H:%M", &of_day);
	time_t at;

	snprintf(ret, WHEN_SIZE, "%s", text);
	if (!end || *end)
		return;
	at = moment(now_s, &of_day, 0);
	if (at <= (time_t)now_s)
		at = moment(now_s, &of_day, 1);
	gmtime_r(&at, &utc);
	strftime(ret, WHEN_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
