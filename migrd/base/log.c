/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"

#define TEXT_SIZE 4096
/* A byte becomes four at most. */
#define RECORD_SIZE (4 * TEXT_SIZE + 256)

static const struct level_def {
	const char *name;
	int priority; /* syslog(3); what the journal reads from <N> */
} level_defs[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

static _Atomic enum log_level max_level = LOG_LEVEL_INFO;
static pthread_once_t terminal_once = PTHREAD_ONCE_INIT;
static bool is_terminal;

static void look_for_terminal(void)
{
	is_terminal = isatty(STDERR_FILENO);
}

void log_set_level(enum log_level level)
{
	atomic_store(&max_level, level);
}

bool log_level_from_name(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_defs); i++) {
		if (strcmp(level_defs[i].name, name) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* ASCII controls, and the first byte of U+0080 to U+009F, which terminals obey
 * as well. */
static bool is_control(const char *s)
{
	unsigned char c = (unsigned char)s[0];
	unsigned char next = c ? (unsigned char)s[1] : 0;

	return c < 0x20 || c == 0x7F || (c == 0xC2 && next >= 0x80 && next <= 0x9F);
}

/* Appends one byte of *S, or two, escaped; false when there is no room. */
static bool put_escaped(char *buf, size_t size, size_t *len, const char **s)
{
	static const char letters[] = "\nn\tt\rr";
	unsigned char c = (unsigned char)**s;
	char text[8] = { (char)c };

	for (size_t i = 0; i < sizeof(letters) - 1; i += 2)
		if (c == (unsigned char)letters[i])
			snprintf(text, sizeof(text), "\\%c", letters[i + 1]);
	if (is_control(*s) && text[0] != '\\')
		snprintf(text, sizeof(text), "\\x%02x", c == 0xC2 ? (unsigned char)*++*s : c);
	if (*len + strlen(text) >= size)
		return false;
	memcpy(buf + *len, text, strlen(text) + 1);
	*len += strlen(text);
	++*s;
	return true;
}

const char *log_quote(char *buf, size_t size, const char *s)
{
	bool is_plain = *s != '\0';
	size_t len = 0;

	for (const char *p = s; *p; p++)
		if (is_control(p) || strchr(" \"\\=", *p))
			is_plain = false;
	if (is_plain && strlen(s) < size)
		return s;
	buf[len++] = '"';
	while (*s && len + 8 < size) {
		if (*s == '"' || *s == '\\')
			buf[len++] = '\\';
		put_escaped(buf, size, &len, &s);
	}
	buf[len++] = '"';
	buf[len] = '\0';
	return buf;
}

/* <N>2026-11-21T07:00:00.123Z area=AREA event=EVENT */
static size_t put_head(char *buf, size_t size, enum log_level level, const char *area,
		       const char *event)
{
	int64_t now_ms = clock_wall_ms();
	time_t now = (time_t)(now_ms / 1000);
	char stamp[32];
	char prefix[8] = "";
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	pthread_once(&terminal_once, look_for_terminal);
	if (!is_terminal)
		snprintf(prefix, sizeof(prefix), "<%d>", level_defs[level].priority);
	snprintf(buf, size, "%s%s.%03dZ area=%.32s event=%.64s", prefix, stamp,
		 (int)(now_ms % 1000), area, event);
	return strlen(buf);
}

void log_record(enum log_level level, const char *area, const char *event, const char *fmt, ...)
{
	int saved = errno;
	char text[TEXT_SIZE];
	char record[RECORD_SIZE];
	const char *p = text;
	size_t len;
	va_list ap;

	if (level > atomic_load(&max_level))
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	len = put_head(record, sizeof(record), level, area, event);
	if (*p)
		record[len++] = ' ';
	while (*p && put_escaped(record, sizeof(record) - 1, &len, &p))
		;
	record[len++] = '\n';
	/* One write: records of several threads and processes do not mix.  There is
	 * nobody to tell that it failed. */
	if (write(STDERR_FILENO, record, len) < 0)
		errno = saved;
	errno = saved;
}
