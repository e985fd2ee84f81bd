/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

#define RECORD_SIZE 16384
#define VALUE_MAX   ERR_MSG_SIZE /* so that an err.msg is never cut */
/* Room for the quotation mark and the newline. */
#define ROOM_FOR_END 2

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

/* True for ASCII controls, and at the first byte of U+0080 to U+009F, which
 * terminals obey too. */
static bool is_control(const char *s)
{
	unsigned char c = (unsigned char)s[0];
	unsigned char next = c ? (unsigned char)s[1] : 0;

	return c < 0x20 || c == 0x7F || (c == 0xC2 && next >= 0x80 && next <= 0x9F);
}

struct line {
	char text[RECORD_SIZE];
	size_t len;
};

/* Appends one byte of *S (two of U+0080 to U+009F), escaped if need be, and moves
 * *S on; false: there is no room for it and the end of the record. */
static bool put_escaped(struct line *line, const char **s)
{
	static const char letters[] = "\nn\tt\rr";
	unsigned char c = (unsigned char)**s;
	char text[8] = { (char)c };

	for (size_t i = 0; i < sizeof(letters) - 1; i += 2)
		if (c == (unsigned char)letters[i])
			snprintf(text, sizeof(text), "\\%c", letters[i + 1]);
	if (is_control(*s) && text[0] != '\\')
		snprintf(text, sizeof(text), "\\x%02x", c == 0xC2 ? (unsigned char)*++*s : c);
	if (line->len + strlen(text) + ROOM_FOR_END > sizeof(line->text))
		return false;
	memcpy(line->text + line->len, text, strlen(text));
	line->len += strlen(text);
	++*s;
	return true;
}

static void put_text(struct line *line, const char *text)
{
	while (*text && put_escaped(line, &text))
		;
}

/* ---- values ---------------------------------------------------------------- */

/* True: S needs no quotes, as nothing in it looks like the end of a value or the start of a key. */
static bool is_plain_word(const char *s)
{
	for (const char *p = s; *p; p++)
		if (is_control(p) || strchr(" \"\\=", *p))
			return false;
	return *s != '\0';
}

static void put_quoted(struct line *line, const char *s)
{
	const char *end = s + strlen(s);

	put_text(line, "\"");
	while (s < end) {
		if (*s == '"' || *s == '\\')
			put_text(line, "\\");
		if (!put_escaped(line, &s))
			break;
	}
	if (line->len + 1 < sizeof(line->text))
		line->text[line->len++] = '"';
}

/* Writes at most PRECISION bytes of S, if that is not negative; never half a character. */
static void put_value(struct line *line, const char *s, int precision)
{
	char value[VALUE_MAX + 1];
	size_t max = precision >= 0 && precision < VALUE_MAX ? (size_t)precision : VALUE_MAX;
	size_t len = strnlen(s ? s : "", max);

	memcpy(value, s ? s : "", len);
	value[len] = '\0';
	if (len == max)
		utf8_trim(value);
	if (is_plain_word(value))
		put_text(line, value);
	else if (*value || (line->len && line->text[line->len - 1] == '='))
		put_quoted(line, value);
}

/* ---- conversions ------------------------------------------------------------ */

/* "%" flags, width, precision, length and letter, as in printf(3). */
struct conversion {
	char text[24];
	int precision; /* -1: none */
	char length;   /* 'L': ll; 'h' for hh too; '\0': none */
	char letter;
};

static const char *read_conversion(const char *fmt, struct conversion *ret)
{
	const char *p = fmt + 1;

	*ret = (struct conversion){ .precision = -1 };
	p += strspn(p, "-+ #0");
	p += strspn(p, "0123456789");
	if (*p == '.')
		ret->precision = (int)strtol(p + 1, NULL, 10);
	p += strspn(p, ".0123456789");
	for (; *p && strchr("hlzjt", *p); p++)
		ret->length = ret->length == 'l' && *p == 'l' ? 'L' : *p;
	ret->letter = *p++;
	assert(ret->letter && (size_t)(p - fmt) < sizeof(ret->text));
	memcpy(ret->text, fmt, (size_t)(p - fmt));
	return p;
}

#define PUT_NUMBER(type) snprintf(text, sizeof(text), conversion->text, va_arg(*ap, type))

static void put_number(struct line *line, const struct conversion *conversion, va_list *ap)
{
	char text[64] = "";

	assert(strchr("diuxXoc", conversion->letter));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the compiler has checked all of it */
	switch (conversion->length) {
	case 'L':
		PUT_NUMBER(unsigned long long);
		break;
	case 'l':
	case 'z':
	case 'j':
	case 't':
		PUT_NUMBER(unsigned long);
		break;
	default:
		PUT_NUMBER(unsigned int);
		break;
	}
#pragma GCC diagnostic pop
	put_text(line, text);
}

/* Only the value of a %s is foreign text; all else of FMT is our own. */
static void put_format(struct line *line, const char *fmt, va_list *ap)
{
	struct conversion conversion;
	char literal[2] = "";

	while (*fmt) {
		if (fmt[0] == '%' && fmt[1] != '%') {
			fmt = read_conversion(fmt, &conversion);
			if (conversion.letter == 's')
				put_value(line, va_arg(*ap, const char *), conversion.precision);
			else
				put_number(line, &conversion, ap);
			continue;
		}
		fmt += fmt[0] == '%';
		literal[0] = *fmt++;
		put_text(line, literal);
	}
}

/* <N>2026-11-21T07:00:00.123Z area=AREA event=EVENT */
static void put_head(struct line *line, enum log_level level, const char *area, const char *event)
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
	snprintf(line->text, sizeof(line->text), "%s%s.%03dZ area=%.32s event=%.64s", prefix, stamp,
		 (int)(now_ms % 1000), area, event);
	line->len = strlen(line->text);
}

void log_record(enum log_level level, const char *area, const char *event, const char *fmt, ...)
{
	int saved = errno;
	struct line line = { .len = 0 };
	size_t head;
	va_list ap;

	if (level > atomic_load(&max_level))
		return;
	put_head(&line, level, area, event);
	head = line.len;
	line.text[line.len++] = ' ';
	va_start(ap, fmt);
	put_format(&line, fmt, &ap);
	va_end(ap);
	if (line.len == head + 1)
		line.len = head;
	line.text[line.len++] = '\n';
	/* One write: records of several threads and processes do not mix.  There is
	 * nobody to tell that it failed. */
	if (write(STDERR_FILENO, line.text, line.len) < 0)
		errno = saved;
	errno = saved;
}
