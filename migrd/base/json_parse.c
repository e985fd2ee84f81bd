/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text to tree.  The tree is json-c's, but the parser is our own: json-c's parser keeps the
 * last of two members with one key, clamps integers, takes NaN and control characters, and does
 * not say where in the document it is, even with JSON_TOKENER_STRICT (json-c 0.16, and 0.18,
 * whose strict mode refuses all that is not ASCII: json-c issue 892).
 *
 * A fault of the grammar ends the parse; others are collected, and the tree is dropped. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/json_path.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"

const struct json_limits json_limits_default = { .max_bytes = 1 << 20,
						 .max_depth = 16,
						 .max_values = 10000 };

struct parse {
	const char *text, *end;
	const char *pos;
	const struct json_limits *limits;
	unsigned depth;
	size_t value_count;
	struct faults *faults;
};

/* Aborts when json-c is out of memory. */
static struct json_object *made(struct json_object *obj)
{
	if (!obj)
		abort();
	return obj;
}

/* Adds a fault of the grammar, with line and column; returns false, which ends the parse. */
static bool broken(struct parse *parse, const struct json_path *path, const char *what)
{
	size_t line = 1, column = 1;

	for (const char *p = parse->text; p < parse->pos; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	json_path_fault(path, parse->faults, "line %zu, column %zu: %s", line, column, what);
	return false;
}

static int peek(const struct parse *parse)
{
	return parse->pos < parse->end ? (unsigned char)*parse->pos : -1;
}

static void skip_space(struct parse *parse)
{
	while (parse->pos < parse->end && memchr(" \t\r\n", *parse->pos, 4))
		parse->pos++;
}

static bool skip_char(struct parse *parse, char c)
{
	if (peek(parse) != c)
		return false;
	parse->pos++;
	return true;
}

/* ---- strings ----------------------------------------------------------- */

static bool hex4(struct parse *parse, uint32_t *ret_code)
{
	uint32_t code = 0;

	if (parse->end - parse->pos < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = parse->pos[i];

		if (c >= '0' && c <= '9')
			code = code * 16 + (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			code = code * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	parse->pos += 4;
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

/* Called behind "\u". */
static bool parse_unicode(struct parse *parse, const struct json_path *path, struct strbuf *out)
{
	uint32_t code, low;

	if (!hex4(parse, &code))
		return broken(parse, path, "four hexadecimal digits must follow \\u");
	if (code == 0)
		return broken(parse, path, "a string may not contain U+0000");
	if (code >= 0xdc00 && code <= 0xdfff)
		return broken(parse, path, "a low surrogate without its high one");
	if (code >= 0xd800 && code <= 0xdbff) {
		if (!skip_char(parse, '\\') || !skip_char(parse, 'u') || !hex4(parse, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return broken(parse, path, "a high surrogate without its low one");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	add_code_point(out, code);
	return true;
}

/* Called behind the backslash. */
static bool parse_escape(struct parse *parse, const struct json_path *path, struct strbuf *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	int c = peek(parse);
	const char *name = c > 0 ? strchr(names, c) : NULL;

	if (c == 'u') {
		parse->pos++;
		return parse_unicode(parse, path, out);
	}
	if (!name)
		return broken(parse, path, "no such escape in a string");
	parse->pos++;
	strbuf_add(out, values + (name - names), 1);
	return true;
}

/* Called at the opening quote; OUT gets the text with the escapes resolved. */
static bool parse_text(struct parse *parse, const struct json_path *path, struct strbuf *out)
{
	parse->pos++;
	strbuf_adds(out, "");
	for (;;) {
		int c = peek(parse);
		size_t len;

		if (c < 0)
			return broken(parse, path, "the string has no end");
		if (c < 0x20)
			return broken(parse, path, "a control character in a string: escape it");
		if (skip_char(parse, '"'))
			return true;
		if (skip_char(parse, '\\')) {
			if (!parse_escape(parse, path, out))
				return false;
			continue;
		}
		len = utf8_sequence(parse->pos, (size_t)(parse->end - parse->pos));
		if (len == 0)
			return broken(parse, path, "invalid UTF-8");
		strbuf_add(out, parse->pos, len);
		parse->pos += len;
	}
}

/* ---- numbers and words --------------------------------------------------- */

static size_t skip_digits(struct parse *parse)
{
	const char *start = parse->pos;

	while (peek(parse) >= '0' && peek(parse) <= '9')
		parse->pos++;
	return (size_t)(parse->pos - start);
}

/* Skips a number by the grammar of RFC 8259, section 6. */
static bool skip_number(struct parse *parse, const struct json_path *path, bool *ret_integer)
{
	skip_char(parse, '-');
	if (skip_char(parse, '0')) {
		if (skip_digits(parse) > 0)
			return broken(parse, path, "a number may not begin with 0");
	} else if (skip_digits(parse) == 0) {
		return broken(parse, path, "a number needs a digit here");
	}
	*ret_integer = true;
	if (skip_char(parse, '.')) {
		*ret_integer = false;
		if (skip_digits(parse) == 0)
			return broken(parse, path, "a digit must follow the point");
	}
	if (skip_char(parse, 'e') || skip_char(parse, 'E')) {
		*ret_integer = false;
		if (!skip_char(parse, '+'))
			skip_char(parse, '-');
		if (skip_digits(parse) == 0)
			return broken(parse, path, "the exponent needs a digit");
	}
	return true;
}

static struct json_object *positive(const char *text)
{
	uint64_t value = strtoull(text, NULL, 10);

	return value > INT64_MAX ? json_object_new_uint64(value)
				 : json_object_new_int64((int64_t)value);
}

static struct json_object *integer(struct parse *parse, const struct json_path *path,
				   const char *text)
{
	struct json_object *obj;

	errno = 0;
	obj = text[0] == '-' ? json_object_new_int64(strtoll(text, NULL, 10)) : positive(text);
	if (errno == ERANGE)
		json_path_fault(path, parse->faults, "%.40s does not fit into 64 bits", text);
	return obj;
}

static struct json_object *fraction(struct parse *parse, const struct json_path *path,
				    const char *text)
{
	double value = strtod(text, NULL);

	if (!isfinite(value))
		json_path_fault(path, parse->faults, "%.40s is too large for a number", text);
	return json_object_new_double_s(value, text); /* is written as it was read */
}

static bool parse_number(struct parse *parse, const struct json_path *path,
			 struct json_object **ret)
{
	const char *start = parse->pos;
	CLEANUP(free_charp) char *text = NULL;
	bool is_integer = false;

	if (!skip_number(parse, path, &is_integer))
		return false;
	text = xstrndup(start, (size_t)(parse->pos - start));
	*ret = made(is_integer ? integer(parse, path, text) : fraction(parse, path, text));
	return true;
}

static bool skip_word(struct parse *parse, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(parse->end - parse->pos) < len || memcmp(parse->pos, word, len) != 0)
		return false;
	parse->pos += len;
	return true;
}

/* For null *RET stays NULL, which is json-c's null. */
static bool parse_word(struct parse *parse, const struct json_path *path, struct json_object **ret)
{
	if (skip_word(parse, "null"))
		return true;
	if (skip_word(parse, "true"))
		*ret = made(json_object_new_boolean(true));
	else if (skip_word(parse, "false"))
		*ret = made(json_object_new_boolean(false));
	else
		return broken(parse, path,
			      parse->pos == parse->end ? "a value is missing at the end"
						       : "a value is wanted here");
	return true;
}

/* ---- arrays and objects -------------------------------------------------- */

static bool parse_value(struct parse *parse, const struct json_path *path,
			struct json_object **ret);

static bool parse_array(struct parse *parse, const struct json_path *path,
			struct json_object *array)
{
	struct json_path element = { .up = path };

	skip_space(parse);
	if (skip_char(parse, ']'))
		return true;
	for (;; element.index++) {
		struct json_object *value = NULL;
		bool ok = parse_value(parse, &element, &value);

		json_object_array_add(array, value);
		if (!ok)
			return false;
		if (skip_char(parse, ']'))
			return true;
		if (!skip_char(parse, ','))
			return broken(parse, path, "',' or ']' is wanted here");
	}
}

static bool parse_keyed(struct parse *parse, const struct json_path *path,
			struct json_object *object)
{
	struct json_object *value = NULL;
	bool ok;

	skip_space(parse);
	if (!skip_char(parse, ':'))
		return broken(parse, path, "':' is wanted here");
	ok = parse_value(parse, path, &value);
	if (json_object_object_get_ex(object, path->key, NULL))
		json_path_fault(path, parse->faults, "the key is there already");
	json_object_object_add(object, path->key, value);
	return ok;
}

static bool parse_member(struct parse *parse, const struct json_path *path,
			 struct json_object *object)
{
	struct strbuf key = STRBUF_INIT;
	struct json_path member = { .up = path };
	bool ok = false;

	skip_space(parse);
	if (peek(parse) != '"')
		return broken(parse, path, "a key in quotes is wanted here");
	if (parse_text(parse, path, &key)) {
		member.key = key.data;
		ok = parse_keyed(parse, &member, object);
	}
	strbuf_fini(&key);
	return ok;
}

static bool parse_object(struct parse *parse, const struct json_path *path,
			 struct json_object *object)
{
	skip_space(parse);
	if (skip_char(parse, '}'))
		return true;
	do {
		if (!parse_member(parse, path, object))
			return false;
	} while (skip_char(parse, ','));
	return skip_char(parse, '}') || broken(parse, path, "',' or '}' is wanted here");
}

/* Called at the opening bracket.  The recursion is at most max_depth deep. */
static bool parse_container(struct parse *parse, const struct json_path *path,
			    struct json_object **ret)
{
	bool is_array = peek(parse) == '[', ok;

	if (parse->depth == parse->limits->max_depth) {
		json_path_fault(path, parse->faults, "nested more than %u deep",
				parse->limits->max_depth);
		return false;
	}
	*ret = made(is_array ? json_object_new_array() : json_object_new_object());
	parse->pos++;
	parse->depth++;
	ok = (is_array ? parse_array : parse_object)(parse, path, *ret);
	parse->depth--;
	return ok;
}

static bool parse_string(struct parse *parse, const struct json_path *path,
			 struct json_object **ret)
{
	struct strbuf text = STRBUF_INIT;
	bool ok = parse_text(parse, path, &text);

	if (ok)
		*ret = made(json_object_new_string_len(text.data, (int)text.len));
	strbuf_fini(&text);
	return ok;
}

/* *RET must be NULL before.  Whatever it is afterwards, the caller adds to the tree, even the
 * first part of a broken value. */
static bool parse_value(struct parse *parse, const struct json_path *path, struct json_object **ret)
{
	size_t max = parse->limits->max_values;
	int c;
	bool ok;

	if (max && parse->value_count++ > max) {
		json_path_fault(path, parse->faults, "more than %zu values", max);
		return false;
	}
	skip_space(parse);
	c = peek(parse);
	if (c == '{' || c == '[')
		ok = parse_container(parse, path, ret);
	else if (c == '"')
		ok = parse_string(parse, path, ret);
	else if (c == '-' || (c >= '0' && c <= '9'))
		ok = parse_number(parse, path, ret);
	else
		ok = parse_word(parse, path, ret);
	skip_space(parse);
	return ok;
}

struct json_object *json_parse(const void *data, size_t len, const struct json_limits *limits,
			       struct faults *faults)
{
	struct parse parse = { .text = data,
			       .end = (const char *)data + len,
			       .pos = data,
			       .limits = limits,
			       .faults = faults };
	const struct json_path root = { .key = "" };
	struct json_object *obj = NULL;
	size_t before = faults->count;

	if (len > limits->max_bytes || len > INT_MAX)
		faults_add(faults, "", "%zu bytes are too many: at most %zu are taken", len,
			   limits->max_bytes);
	else if (parse_value(&parse, &root, &obj) && parse.pos < parse.end)
		broken(&parse, &root, "nothing may follow the value");
	else if (!obj && faults->count == before)
		faults_add(faults, "", "null is not a document");
	if (faults->count == before)
		return obj;
	json_object_put(obj);
	return NULL;
}

struct json_object *json_read_back(const char *text)
{
	static const struct json_limits any = { .max_bytes = INT_MAX, .max_depth = 64 };
	struct faults *faults = faults_new(); /* only their count is used */
	struct json_object *ret = text ? json_parse(text, strlen(text), &any, faults) : NULL;

	faults_free(faults);
	return ret;
}
