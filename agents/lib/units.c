/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/units.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Six digits after the point count, so that the product in scale() fits 64 bits. */
#define FRACTION_SCALE 1000000u

static const struct {
	const char *suffix;
	uint64_t bytes;
} suffixes[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "k", 1ull << 10 },
	{ "M", 1ull << 20 },
	{ "G", 1ull << 30 },
	{ "T", 1ull << 40 },
	{ "kiB", 1ull << 10 },
	{ "MiB", 1ull << 20 },
	{ "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 },
	{ "kB", 1000ull },
	{ "MB", 1000000ull },
	{ "GB", 1000000000ull },
	{ "TB", 1000000000000ull },
};

static bool find_suffix(const char *text, uint64_t *ret_bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		/* A small b means bits elsewhere, so "64Mb" is refused. */
		if (strcasecmp(text, suffixes[i].suffix) == 0 && !strchr(text, 'b')) {
			*ret_bytes = suffixes[i].bytes;
			return true;
		}
	}
	return false;
}

/* The digits at *P; false when there is none or they do not fit. */
static bool take_digits(const char **p, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); (*p)++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**p - '0'), &value))
			return false;
	*ret_value = value;
	return true;
}

/* The digits after a point, in millionths; further ones are dropped. */
static bool take_fraction(const char **p, uint64_t *ret_millionths)
{
	uint64_t value = 0, unit = FRACTION_SCALE;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); (*p)++) {
		unit /= 10;
		value += unit * (uint64_t)(**p - '0');
	}
	*ret_millionths = value;
	return true;
}

static bool scale(uint64_t whole, uint64_t millionths, uint64_t unit, uint64_t *ret_bytes)
{
	uint64_t bytes;

	/* unit <= 2^40 and millionths < 2^20: their product fits. */
	return !__builtin_mul_overflow(whole, unit, &bytes) &&
	       !__builtin_add_overflow(bytes, millionths * unit / FRACTION_SCALE, ret_bytes);
}

bool units_parse_bytes(const char *text, uint64_t *ret_bytes, struct err *err)
{
	const char *p = text;
	uint64_t whole, millionths = 0, unit, bytes;

	if (!take_digits(&p, &whole))
		return err_set(err, ERR_INVALID, "'%s' is no size (such as 64M or 1.5GiB)", text);
	if (*p == '.' && (p++, !take_fraction(&p, &millionths)))
		return err_set(err, ERR_INVALID, "'%s': no digit follows the point", text);
	if (!find_suffix(p, &unit))
		return err_set(err, ERR_INVALID,
			       "'%s': unknown unit '%s' (k, M, G, T and KiB, ... are powers of "
			       "1024; kB, MB, GB, TB of 1000)",
			       text, p);
	if (!scale(whole, millionths, unit, &bytes))
		return err_set(err, ERR_INVALID, "'%s' is too large", text);
	*ret_bytes = bytes;
	return true;
}

bool units_parse_seconds(const char *text, uint64_t *ret_s, struct err *err)
{
	static const struct {
		const char *suffix;
		uint64_t s;
	} spans[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	const char *p = text;
	uint64_t count, seconds;

	if (!take_digits(&p, &count))
		return err_set(err, ERR_INVALID, "'%s' is no time (such as 90m or 2h)", text);
	for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
		if (strcmp(p, spans[i].suffix) != 0)
			continue;
		if (__builtin_mul_overflow(count, spans[i].s, &seconds))
			return err_set(err, ERR_INVALID, "'%s' is too long", text);
		*ret_s = seconds;
		return true;
	}
	return err_set(err, ERR_INVALID, "'%s': unknown unit '%s' (s, m, h, d)", text, p);
}

bool units_parse_count(const char *text, uint64_t *ret_value, struct err *err)
{
	const char *p = text;
	uint64_t value;

	if (!take_digits(&p, &value) || *p != '\0')
		return err_set(err, ERR_INVALID, "'%s' is no whole number", text);
	*ret_value = value;
	return true;
}

void units_bytes(uint64_t bytes, char ret_text[UNITS_SIZE])
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t i = 0;

	/* 1023.96 would be shown as 1024.0 */
	while (value >= 1023.95 && i + 1 < ARRAY_LEN(names)) {
		value /= 1024;
		i++;
	}
	snprintf(ret_text, UNITS_SIZE, "%.*f %s", i > 0 ? 1 : 0, value, names[i]);
}

static void two_units(char *text, uint64_t high, const char *high_name, uint64_t low,
		      const char *low_name)
{
	snprintf(text, UNITS_SIZE, "%llu %s %02llu %s", (unsigned long long)high, high_name,
		 (unsigned long long)low, low_name);
}

void units_duration(uint64_t ms, char ret_text[UNITS_SIZE])
{
	uint64_t tenths = ms / 100 + (ms % 100 >= 50), s = tenths / 10;

	if (ms < 1000)
		snprintf(ret_text, UNITS_SIZE, "%llu ms", (unsigned long long)ms);
	else if (s < 60)
		snprintf(ret_text, UNITS_SIZE, "%llu.%llu s", (unsigned long long)s,
			 (unsigned long long)(tenths % 10));
	else if (s < 3600)
		two_units(ret_text, s / 60, "min", s % 60, "s");
	else if (s < 86400)
		two_units(ret_text, s / 3600, "h", s / 60 % 60, "min");
	else
		two_units(ret_text, s / 86400, "d", s / 3600 % 24, "h");
}
