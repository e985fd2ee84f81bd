/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json_scan.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/json_path.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"

struct scan {
	const char *text, *end;
	const char *pos;
	const struct json_limits *limits;
	unsigned depth;
	size_t value_count;
	struct faults *faults;
	/* Keys of all objects that are still open, the innermost last. */
	char **keys;
	size_t key_count, key_size;
};

/* A fault of the grammar: says the line and column, and ends the scan. */
static bool broken(struct scan *scan, const struct json_path *path, const char *what)
{
	size_t line = 1, column = 1;

	for (const char *p = scan->text; p < scan->pos; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	json_path_fault(path, scan->faults, "line %zu, column %zu: %s", line, column, what);
	return false;
}

static int peek(const struct scan *scan)
{
	return scan->pos < scan->end ? (unsigned char)*scan->pos : -1;
}

static void skip_space(struct scan *scan)
{
	while (scan->pos < scan->end && memchr(" \t\r\n", *scan->pos, 4))
		scan->pos++;
}

static bool skip_char(struct scan *scan, char c)
{
	if (peek(scan) != c)
		return false;
	scan->pos++;
	return true;
}

/* ---- strings ----------------------------------------------------------- */

static bool hex4(struct scan *scan, uint32_t *ret_code)
{
	uint32_t code = 0;

	if (scan->end - scan->pos < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = scan->pos[i];

		if (c >= '0' && c <= '9')
			code = code * 16 + (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			code = code * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	scan->pos += 4;
	*ret_code = code;
	return true;
}

static void add_code_point(struct strbuf *out, uint32_t code)
{
	char utf8[4];
	size_t len;

	if (code < 0x80) {
		utf8[0] = (char)code;
		len = 1;
	} else if (code < 0x800) {
		utf8[0] = (char)(0xc0 | code >> 6);
		utf8[1] = (char)(0x80 | (code & 0x3f));
		len = 2;
	} else if (code < 0x10000) {
		utf8[0] = (char)(0xe0 | code >> 12);
		utf8[1] = (char)(0x80 | (code >> 6 & 0x3f));
		utf8[2] = (char)(0x80 | (code & 0x3f));
		len = 3;
	} else {
		utf8[0] = (char)(0xf0 | code >> 18);
		utf8[1] = (char)(0x80 | (code >> 12 & 0x3f));
		utf8[2] = (char)(0x80 | (code >> 6 & 0x3f));
		utf8[3] = (char)(0x80 | (code & 0x3f));
		len = 4;
	}
	strbuf_add(out, utf8, len);
}

/* Behind "\u". */
static bool scan_unicode(struct scan *scan, const struct json_path *path, struct strbuf *out)
{
	uint32_t code, low;

	if (!hex4(scan, &code))
		return broken(scan, path, "four hexadecimal digits must follow \\u");
	if (code == 0)
		return broken(scan, path, "a string may not contain U+0000");
	if (code >= 0xdc00 && code <= 0xdfff)
		return broken(scan, path, "a low surrogate without its high one");
	if (code >= 0xd800 && code <= 0xdbff) {
		if (!skip_char(scan, '\\') || !skip_char(scan, 'u') || !hex4(scan, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return broken(scan, path, "a high surrogate without its low one");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	add_code_point(out, code);
	return true;
}

/* Behind the backslash. */
static bool scan_escape(struct scan *scan, const struct json_path *path, struct strbuf *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	int c = peek(scan);
	const char *name = c > 0 ? strchr(names, c) : NULL;

	if (c == 'u') {
		scan->pos++;
		return scan_unicode(scan, path, out);
	}
	if (!name)
		return broken(scan, path, "no such escape in a string");
	scan->pos++;
	strbuf_add(out, values + (name - names), 1);
	return true;
}

/* At the opening quote; OUT gets the text with the escapes resolved. */
static bool scan_string(struct scan *scan, const struct json_path *path, struct strbuf *out)
{
	scan->pos++;
	for (;;) {
		int c = peek(scan);
		size_t len;

		if (c < 0)
			return broken(scan, path, "the string has no end");
		if (c < 0x20)
			return broken(scan, path, "a control character in a string: escape it");
		if (skip_char(scan, '"'))
			return true;
		if (skip_char(scan, '\\')) {
			if (!scan_escape(scan, path, out))
				return false;
			continue;
		}
		len = utf8_sequence(scan->pos, (size_t)(scan->end - scan->pos));
		if (len == 0)
			return broken(scan, path, "invalid UTF-8");
		strbuf_add(out, scan->pos, len);
		scan->pos += len;
	}
}

/* ---- numbers and words --------------------------------------------------- */

static size_t skip_digits(struct scan *scan)
{
	const char *start = scan->pos;

	while (peek(scan) >= '0' && peek(scan) <= '9')
		scan->pos++;
	return (size_t)(scan->pos - start);
}

/* The grammar of RFC 8259, section 6. */
static bool scan_number_text(struct scan *scan, const struct json_path *path, bool *ret_integer)
{
	skip_char(scan, '-');
	if (skip_char(scan, '0')) {
		if (skip_digits(scan) > 0)
			return broken(scan, path, "a number may not begin with 0");
	} else if (skip_digits(scan) == 0) {
		return broken(scan, path, "a number needs a digit here");
	}
	*ret_integer = true;
	if (skip_char(scan, '.')) {
		*ret_integer = false;
		if (skip_digits(scan) == 0)
			return broken(scan, path, "a digit must follow the point");
	}
	if (skip_char(scan, 'e') || skip_char(scan, 'E')) {
		*ret_integer = false;
		if (!skip_char(scan, '+'))
			skip_char(scan, '-');
		if (skip_digits(scan) == 0)
			return broken(scan, path, "the exponent needs a digit");
	}
	return true;
}

static bool integer_fits(const char *text)
{
	errno = 0;
	if (text[0] == '-')
		(void)strtoll(text, NULL, 10);
	else
		(void)strtoull(text, NULL, 10);
	return errno == 0;
}

static bool scan_number(struct scan *scan, const struct json_path *path)
{
	const char *start = scan->pos;
	CLEANUP(free_charp) char *number = NULL;
	bool integer = false;

	if (!scan_number_text(scan, path, &integer))
		return false;
	number = xstrndup(start, (size_t)(scan->pos - start));
	if (integer && !integer_fits(number))
		json_path_fault(path, scan->faults, "%.40s does not fit into 64 bits", number);
	else if (!integer && !isfinite(strtod(number, NULL)))
		json_path_fault(path, scan->faults, "%.40s is too large for a number", number);
	return true;
}

static bool scan_word(struct scan *scan, const struct json_path *path)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i]);

		if ((size_t)(scan->end - scan->pos) >= len && !memcmp(scan->pos, words[i], len)) {
			scan->pos += len;
			return true;
		}
	}
	return broken(scan, path,
		      scan->pos == scan->end ? "a value is missing at the end"
					     : "a value is wanted here");
}

/* ---- arrays and objects -------------------------------------------------- */

static bool scan_value(struct scan *scan, const struct json_path *path);

static bool scan_array(struct scan *scan, const struct json_path *path)
{
	struct json_path element = { .up = path };

	skip_space(scan);
	if (skip_char(scan, ']'))
		return true;
	for (;; element.index++) {
		if (!scan_value(scan, &element))
			return false;
		if (skip_char(scan, ']'))
			return true;
		if (!skip_char(scan, ','))
			return broken(scan, path, "',' or ']' is wanted here");
	}
}

static void push_key(struct scan *scan, char *key)
{
	if (scan->key_count == scan->key_size) {
		scan->key_size = scan->key_size ? scan->key_size * 2 : 64;
		scan->keys = xrealloc(scan->keys, scan->key_size * sizeof(scan->keys[0]));
	}
	scan->keys[scan->key_count++] = key;
}

static bool scan_member(struct scan *scan, const struct json_path *path)
{
	struct strbuf key = STRBUF_INIT;
	struct json_path member = { .up = path };

	skip_space(scan);
	if (peek(scan) != '"')
		return broken(scan, path, "a key in quotes is wanted here");
	strbuf_adds(&key, "");
	if (!scan_string(scan, path, &key)) {
		strbuf_fini(&key);
		return false;
	}
	push_key(scan, strbuf_take(&key));
	member.key = scan->keys[scan->key_count - 1];
	skip_space(scan);
	if (!skip_char(scan, ':'))
		return broken(scan, &member, "':' is wanted here");
	return scan_value(scan, &member);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The object at PATH has ended: its keys, from FIRST on, can be compared.
 * Sorting keeps a body with a hundred thousand keys cheap. */
static void end_keys(struct scan *scan, const struct json_path *path, size_t first)
{
	size_t count = scan->key_count - first, same;

	if (count > 1)
		qsort(scan->keys + first, count, sizeof(scan->keys[0]), compare_keys);
	for (size_t i = first; i < scan->key_count; i += same) {
		struct json_path member = { .up = path, .key = scan->keys[i] };

		same = 1;
		while (i + same < scan->key_count && !strcmp(scan->keys[i], scan->keys[i + same]))
			same++;
		if (same > 1)
			json_path_fault(&member, scan->faults, "the key is there %zu times", same);
	}
	while (scan->key_count > first)
		free(scan->keys[--scan->key_count]);
}

static bool scan_object(struct scan *scan, const struct json_path *path)
{
	size_t first = scan->key_count;

	skip_space(scan);
	if (skip_char(scan, '}'))
		return true;
	do {
		if (!scan_member(scan, path))
			return false;
	} while (skip_char(scan, ','));
	if (!skip_char(scan, '}'))
		return broken(scan, path, "',' or '}' is wanted here");
	end_keys(scan, path, first);
	return true;
}

/* At the opening bracket.  The recursion is as deep as max_depth at most. */
static bool scan_container(struct scan *scan, const struct json_path *path)
{
	bool is_array = peek(scan) == '[', ok;

	if (scan->depth == scan->limits->max_depth) {
		json_path_fault(path, scan->faults, "nested more than %u deep",
				scan->limits->max_depth);
		return false;
	}
	scan->pos++;
	scan->depth++;
	ok = is_array ? scan_array(scan, path) : scan_object(scan, path);
	scan->depth--;
	return ok;
}

static bool scan_string_value(struct scan *scan, const struct json_path *path)
{
	struct strbuf ignored = STRBUF_INIT;
	bool ok = scan_string(scan, path, &ignored);

	strbuf_fini(&ignored);
	return ok;
}

static bool scan_value(struct scan *scan, const struct json_path *path)
{
	size_t max = scan->limits->max_values;
	int c;
	bool ok;

	if (max && scan->value_count++ > max) {
		json_path_fault(path, scan->faults, "more than %zu values", max);
		return false;
	}
	skip_space(scan);
	c = peek(scan);
	if (c == '{' || c == '[')
		ok = scan_container(scan, path);
	else if (c == '"')
		ok = scan_string_value(scan, path);
	else if (c == '-' || (c >= '0' && c <= '9'))
		ok = scan_number(scan, path);
	else
		ok = scan_word(scan, path);
	skip_space(scan);
	return ok;
}

bool json_scan(const char *text, size_t len, const struct json_limits *limits,
	       struct faults *faults)
{
	struct scan scan = {
		.text = text, .end = text + len, .pos = text, .limits = limits, .faults = faults
	};
	const struct json_path root = { .key = "" };
	size_t before = faults->count;

	if (scan_value(&scan, &root) && scan.pos < scan.end)
		broken(&scan, &root, "nothing may follow the value");
	while (scan.key_count > 0)
		free(scan.keys[--scan.key_count]);
	free(scan.keys);
	return faults->count == before;
}
