/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/words.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "base/utf8.h"

/* U+0080 to U+009F steer a terminal too; in UTF-8 they begin with 0xc2. */
static bool is_control(const char *p, size_t len)
{
	const unsigned char first = (unsigned char)p[0];

	if (len == 1)
		return iscntrl(first) && first != '\n' && first != '\t';
	return len == 2 && first == 0xc2 && (unsigned char)p[1] < 0xa0;
}

void hook_words(const char *data, size_t len, char ret[HOOK_WORDS_SIZE])
{
	size_t at = 0, out = 0;

	assert(len < HOOK_WORDS_SIZE);
	while (at < len) {
		const size_t size = utf8_sequence(data + at, len - at);

		if (!size) {
			ret[out++] = '?';
			at++;
			continue;
		}
		if (!is_control(data + at, size)) {
			memcpy(ret + out, data + at, size);
			out += size;
		}
		at += size;
	}
	while (out > 0 && isspace((unsigned char)ret[out - 1]))
		out--;
	ret[out] = '\0';
}
