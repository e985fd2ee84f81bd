/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/mem.h"

/* ---- some of the members -------------------------------------------------------- */

/* AT is behind the opening quote; returns behind the closing one. */
static const char *skip_string(const char *at)
{
	while (*at != '"')
		at += *at == '\\' ? 2 : 1;
	return at + 1;
}

/* Behind a value: at the ',' or '}' that ends it. */
static const char *skip_value(const char *at)
{
	unsigned depth = 0;

	for (;;) {
		switch (*at) {
		case '"':
			at = skip_string(at + 1);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return at;
			depth--;
			break;
		case ',':
			if (depth == 0)
				return at;
			break;
		default:
			break;
		}
		at++;
	}
}

/* NAMES has commas between them, and was checked. */
static bool is_named(const char *names, const char *name, size_t len)
{
	while (*names) {
		size_t each = strcspn(names, ",");

		if (each == len && strncmp(names, name, len) == 0)
			return true;
		names += each;
		names += *names == ',';
	}
	return false;
}

/* ITEM is an object that this program wrote on one line, so it is read without a check. */
static void add_some(struct strbuf *text, const char *item, const char *names)
{
	const char *at = item + 1;
	bool is_first = true;

	strbuf_adds(text, "{");
	while (*at == '"') {
		const char *key = at + 1, *behind_key = skip_string(key);
		const char *end = skip_value(behind_key + 1);

		if (is_named(names, key, (size_t)(behind_key - 1 - key))) {
			if (!is_first)
				strbuf_adds(text, ",");
			strbuf_add(text, at, (size_t)(end - at));
			is_first = false;
		}
		at = *end == ',' ? end + 1 : end;
	}
	strbuf_adds(text, "}");
}

/* ---- a list ------------------------------------------------------------------------- */

#define LIST_BEGIN "{\"items\":["

struct api_list api_list_begin(struct http_request *req, const struct api *api)
{
	return (struct api_list){
		.req = req, .api = api, .text = STRBUF_INIT, .fields = http_query(req, "fields")
	};
}

void api_list_add(struct api_list *list, const char *item, size_t len)
{
	strbuf_adds(&list->text, list->text.len ? "," : LIST_BEGIN);
	if (!list->fields) {
		strbuf_add(&list->text, item, len);
		return;
	}
	add_some(&list->text, item, list->fields);
	http_charge(list->req, len);
}

void api_list_show(struct api_list *list, const struct json_field *fields, const void *item)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(fields, item);
	size_t len;
	const char *text = json_text(obj, &len);

	api_list_add(list, text, len);
}

void api_list_reply(struct api_list *list, const char *next)
{
	struct strbuf *text = &list->text;
	char position[BUS_ID_SIZE];
	size_t len;

	bus_position(list->api->bus, position);
	if (!text->len)
		strbuf_adds(text, LIST_BEGIN);
	if (next)
		strbuf_addf(text, "],\"next\":\"%s\"", next);
	else
		strbuf_adds(text, "],\"next\":null");
	strbuf_addf(text, ",\"position\":\"%s\"}", position);
	len = text->len;
	http_reply_json(list->req, 200, strbuf_take(text), len);
}

/* ---- pages ------------------------------------------------------------------------------ */

struct api_page api_page_of(const struct http_request *req)
{
	return (struct api_page){ http_query_uint(req, "limit"), http_query(req, "after") };
}

bool api_cursor_of(const struct http_request *req, struct api_cursor *ret)
{
	const char *text = http_query(req, "after");
	const char *point = text ? strchr(text, '.') : NULL;
	size_t digits = text ? strspn(text, "0123456789") : 0;

	if (!text)
		return false;
	*ret = (struct api_cursor){ .ms = -1 };
	if (point && digits > 0 && digits < 19 && text + digits == point) {
		ret->ms = strtoll(text, NULL, 10);
		text = point + 1;
	}
	snprintf(ret->id, sizeof(ret->id), "%s", text);
	return true;
}

void api_cursor_text(const char *id, int64_t ms, char ret[API_CURSOR_SIZE])
{
	snprintf(ret, API_CURSOR_SIZE, "%" PRId64 ".%s", ms, id);
}

void api_cursor_unknown(struct http_request *req, const struct api_cursor *cursor)
{
	struct err err;

	err_set(&err, ERR_INVALID,
		"after: '%.40s' is no cursor of this list: take `next' of a page, or begin without "
		"'after'",
		cursor->id);
	http_reply_err(req, &err);
}

/* ---- filters ------------------------------------------------------------------------------ */

bool api_state_passes(const char *wanted, const char *state, bool is_final)
{
	if (!wanted)
		return true;
	if (strcmp(wanted, "active") == 0)
		return !is_final;
	if (strcmp(wanted, "final") == 0)
		return is_final;
	return strcmp(wanted, state) == 0;
}

bool api_job_passes(const struct http_request *req, const char *vm, const char *state,
		    bool is_final)
{
	const char *wanted = http_query(req, "vm");

	return (!wanted || strcmp(wanted, vm) == 0) &&
	       api_state_passes(http_query(req, "state"), state, is_final);
}
