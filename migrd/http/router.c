/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a raw path to a route: no I/O, no state. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "http/internal.h"
#include "wire/problem.h"

#define PAIRS_FIRST 4

/* ---- pairs ------------------------------------------------------------- */

bool http_pairs_add(struct http_pairs *pairs, char *key, char *value)
{
	if (pairs->count == HTTP_PAIRS_MAX) {
		free(key);
		free(value);
		return false;
	}
	if (pairs->count == pairs->size) {
		pairs->size = pairs->size ? 2 * pairs->size : PAIRS_FIRST;
		pairs->list = xrealloc(pairs->list, pairs->size * sizeof(*pairs->list));
	}
	pairs->list[pairs->count].key = key;
	pairs->list[pairs->count].value = value;
	pairs->count++;
	return true;
}

void http_pairs_clear(struct http_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->list[i].key);
		free(pairs->list[i].value);
	}
	free(pairs->list);
	*pairs = (struct http_pairs){ 0 };
}

const char *http_pairs_get(const struct http_pairs *pairs, const char *key)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (strcmp(pairs->list[i].key, key) == 0)
			return pairs->list[i].value;
	return NULL;
}

const char *http_pairs_get_nocase(const struct http_pairs *pairs, const char *key)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (strcasecmp(pairs->list[i].key, key) == 0)
			return pairs->list[i].value;
	return NULL;
}

/* ---- decoding ---------------------------------------------------------- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* UTF-8 without control characters: what may appear in a name or a log. */
static bool is_clean_text(const char *text)
{
	size_t len = strlen(text);

	if (utf8_valid_prefix(text, len) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

static bool decode_escape(const char *text, size_t left, char *ret)
{
	int high = left > 2 ? hex_value(text[1]) : -1;
	int low = left > 2 ? hex_value(text[2]) : -1;

	if (high < 0 || low < 0 || (high | low) == 0)
		return false;
	*ret = (char)(high * 16 + low);
	return true;
}

/* %XX (and '+') to text; false for bad escapes, control characters, and what
 * is not UTF-8. */
static bool decode(const char *text, size_t len, bool is_plus_space, char **ret)
{
	CLEANUP(free_charp) char *out = xcalloc(1, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '+' && is_plus_space) {
			c = ' ';
		} else if (c == '%') {
			if (!decode_escape(text + i, len - i, &c))
				return false;
			i += 2;
		}
		out[n++] = c;
	}
	if (!is_clean_text(out))
		return false;
	*ret = TAKE_PTR(out);
	return true;
}

bool http_parse_query(const char *raw, struct http_pairs *query)
{
	while (raw && *raw) {
		size_t len = strcspn(raw, "&");
		size_t key_len = strcspn(raw, "=&");
		size_t skip = key_len < len ? key_len + 1 : len;
		CLEANUP(free_charp) char *key = NULL;
		char *value = NULL;

		if (!decode(raw, key_len, true, &key) ||
		    !decode(raw + skip, len - skip, true, &value) ||
		    !http_pairs_add(query, TAKE_PTR(key), value))
			return false;
		raw += len;
		raw += *raw == '&';
	}
	return true;
}

/* ---- matching ---------------------------------------------------------- */

enum match { MATCH_NO, MATCH_YES, MATCH_BAD };

static enum match match_param(const char *name, size_t name_len, const char *value,
			      size_t value_len, struct http_pairs *params)
{
	char *text = NULL;

	if (value_len == 0)
		return MATCH_NO;
	if (!decode(value, value_len, false, &text))
		return MATCH_BAD;
	return http_pairs_add(params, xstrndup(name, name_len), text) ? MATCH_YES : MATCH_BAD;
}

/* A parameter is a whole segment of PATTERN: "/v1/vms/{name}/start". */
static enum match match_path(const char *pattern, const char *path, struct http_pairs *params)
{
	enum match match = MATCH_YES;

	while (match == MATCH_YES) {
		size_t want_len, have_len;

		for (; *pattern && *pattern != '{' && *pattern == *path; pattern++)
			path++;
		if (*pattern != '{')
			return *pattern == *path ? MATCH_YES : MATCH_NO;
		want_len = strcspn(pattern, "/");
		have_len = strcspn(path, "/");
		match = match_param(pattern + 1, want_len - 2, path, have_len, params);
		pattern += want_len;
		path += have_len;
	}
	return match;
}

/* HEAD is GET without the body, which the library leaves out by itself. */
static bool method_fits(const struct http_route *route, const char *method)
{
	if (strcmp(method, "HEAD") == 0 && !route->is_stream)
		method = "GET";
	return strcmp(route->method, method) == 0;
}

const struct http_route *http_route_find(const struct http_route *routes, const char *method,
					 const char *path, struct http_pairs *params,
					 struct strbuf *allow, struct err *err)
{
	bool is_bad = false;

	for (const struct http_route *route = routes; route->method; route++) {
		enum match match = match_path(route->path, path, params);

		if (match == MATCH_YES && method_fits(route, method))
			return route;
		http_pairs_clear(params);
		is_bad |= match == MATCH_BAD;
		if (match == MATCH_YES)
			strbuf_addf(allow, "%s%s", allow->len ? ", " : "", route->method);
	}
	if (allow->len)
		err_set(err, ERR_METHOD, "this path has no method %s, only %s", method,
			strbuf_str(allow));
	else if (is_bad)
		err_set(err, ERR_INVALID, "the path is not UTF-8 text in percent-encoding");
	else
		err_set(err, ERR_NOT_FOUND, "%s", PROBLEM_NO_PATH);
	return NULL;
}

/* ---- roles ------------------------------------------------------------- */

bool http_role_may(enum http_role caller, enum http_role needed)
{
	if (needed == HTTP_ROLE_NONE)
		return true;
	if (needed == HTTP_ROLE_PEER || caller == HTTP_ROLE_PEER)
		return caller == needed;
	return caller >= needed;
}

const char *http_role_name(enum http_role role)
{
	static const char *const names[] = {
		[HTTP_ROLE_NONE] = "none",         [HTTP_ROLE_VIEWER] = "viewer",
		[HTTP_ROLE_OPERATOR] = "operator", [HTTP_ROLE_ADMIN] = "admin",
		[HTTP_ROLE_PEER] = "peer",
	};

	return names[role];
}
