/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/etag.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- sums ---------------------------------------------------------------- */

#define SUM_BEGIN UINT64_C(14695981039346656037) /* of FNV-1a, but with eight bytes a step */
#define SUM_PRIME UINT64_C(1099511628211)
#define SUM_CHARS 16 /* as text */

/* A step loses nothing, so that two texts that differ in one word have unlike sums; the shift
 * brings the upper half of a word to where the next step spreads it. */
static uint64_t step(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * SUM_PRIME;
	return sum ^ sum >> 32;
}

static void add(uint64_t *sum, const char *bytes, size_t len)
{
	uint64_t word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		*sum = step(*sum, word);
	}
	for (; len; bytes++, len--)
		*sum = step(*sum, (unsigned char)*bytes);
}

/* Its end is added too: "ab" and "c" are not "a" and "bc". */
static void add_text(uint64_t *sum, const char *text)
{
	add(sum, text, strlen(text) + 1);
}

/* The row of KEY; NULL: the table does not have it. */
static const struct json_field *row_of(const struct json_field *fields, const char *key)
{
	const struct json_field *found = NULL;

	for (; fields && fields->key && !found; fields++) {
		if (fields->type == JSON_PART)
			found = row_of(fields->fields, key);
		else if (strcmp(fields->key, key) == 0)
			found = fields;
	}
	return found;
}

static void add_value(uint64_t *sum, const struct json_field *fields, struct json_object *value);

static void add_members(uint64_t *sum, const struct json_field *fields, struct json_object *obj)
{
	json_object_object_foreach(obj, key, value)
	{
		const struct json_field *row = row_of(fields, key);

		if (row && row->is_passing)
			continue;
		add_text(sum, key);
		add_value(sum, row ? row->fields : NULL, value);
	}
}

static void add_elements(uint64_t *sum, const struct json_field *fields, struct json_object *array)
{
	for (size_t i = 0; i < json_object_array_length(array); i++)
		add_value(sum, fields, json_object_array_get_idx(array, i));
	add_text(sum, "]");
}

/* As deep as the tables are: below a value without a table it is a text. */
static void add_value(uint64_t *sum, const struct json_field *fields, struct json_object *value)
{
	if (fields && json_object_is_type(value, json_type_object))
		add_members(sum, fields, value);
	else if (fields && json_object_is_type(value, json_type_array))
		add_elements(sum, fields, value);
	else
		add_text(sum, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
}

void http_etag_make(const struct json_field *fields, struct json_object *obj, const char *text,
		    size_t len, char ret[HTTP_ETAG_SIZE])
{
	uint64_t whole = SUM_BEGIN, lasting = SUM_BEGIN;

	add(&whole, text, len);
	if (fields && obj)
		add_value(&lasting, fields, obj);
	else
		lasting = whole;
	snprintf(ret, HTTP_ETAG_SIZE, "\"%016" PRIx64 "-%016" PRIx64 "\"", lasting, whole);
}

/* ---- lists of tags --------------------------------------------------------- */

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* AT is at the quote that begins a tag.  NULL: the tag has no end. */
static const char *end_of_tag(const char *at)
{
	at = strchr(at + 1, '"');
	return at ? at + 1 : NULL;
}

/* If-Match never takes a weak tag (RFC 9110, section 13.1.1); there is none that we have sent. */
static bool is_same(const char *at, size_t len, const char *tag, bool lasting)
{
	size_t wanted = strlen(tag);

	if (len != wanted)
		return false;
	return strncmp(at, tag, lasting ? 1 + SUM_CHARS + 1 : len) == 0;
}

enum http_etag_verdict http_etag_compare(const char *list, const char *tag, bool lasting)
{
	enum http_etag_verdict verdict = HTTP_ETAG_NO;
	const char *at = skip_blanks(list);

	if (*at == '*')
		return *skip_blanks(at + 1) ? HTTP_ETAG_BAD : HTTP_ETAG_YES;
	for (;;) {
		bool is_weak = strncmp(at, "W/", 2) == 0;
		const char *begin = is_weak ? at + 2 : at;
		const char *end = *begin == '"' ? end_of_tag(begin) : NULL;

		if (!end)
			return HTTP_ETAG_BAD;
		if (!(is_weak && lasting) && is_same(begin, (size_t)(end - begin), tag, lasting))
			verdict = HTTP_ETAG_YES;
		at = skip_blanks(end);
		if (*at == '\0')
			return verdict;
		if (*at != ',')
			return HTTP_ETAG_BAD;
		at = skip_blanks(at + 1);
	}
}
