/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/strbuf.h"

/* RFC 3629, section 4: by first byte, the range of the second; the third and
 * fourth are always 80..BF. */
static const struct {
	uint8_t first_min, first_max, second_min, second_max;
	size_t len;
} forms[] = {
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static bool has_form(size_t form, const unsigned char *u, size_t left)
{
	if (u[0] < forms[form].first_min || u[0] > forms[form].first_max)
		return false;
	if (left < forms[form].len || u[1] < forms[form].second_min ||
	    u[1] > forms[form].second_max)
		return false;
	for (size_t i = 2; i < forms[form].len; i++)
		if ((u[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t utf8_sequence(const char *p, size_t left)
{
	const unsigned char *u = (const unsigned char *)p;

	if (left == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (has_form(i, u, left))
			return forms[i].len;
	return 0;
}

size_t utf8_valid_prefix(const char *s, size_t len)
{
	size_t pos = 0;

	while (pos < len) {
		size_t n = utf8_sequence(s + pos, len - pos);

		if (n == 0)
			break;
		pos += n;
	}
	return pos;
}

void utf8_trim(char *s)
{
	size_t len = strlen(s), start = len;

	while (start > 0 && len - start < 3 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0 || (unsigned char)s[start - 1] < 0xc0)
		return;
	if (utf8_sequence(s + start - 1, len - start + 1) == 0)
		s[start - 1] = '\0';
}

char *utf8_repair(const char *s)
{
	struct strbuf text = STRBUF_INIT;
	size_t left = strlen(s);

	strbuf_adds(&text, "");
	while (left > 0) {
		size_t good = utf8_valid_prefix(s, left);

		strbuf_add(&text, s, good);
		s += good;
		left -= good;
		if (left > 0) {
			strbuf_adds(&text, "\xef\xbf\xbd");
			s++;
			left--;
		}
	}
	return strbuf_take(&text);
}
