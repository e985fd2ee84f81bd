/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Functions that the files of the routes share. */
#include <stdio.h>

#include "api/api.h"
#include "base/mem.h"

struct api_page api_page_of(const struct http_request *req)
{
	return (struct api_page){ http_query_uint(req, "limit"), http_query(req, "after") };
}

#define LIST_BEGIN "{\"items\":["

void api_list_add(struct strbuf *list, const char *item, size_t len)
{
	strbuf_adds(list, list->len ? "," : LIST_BEGIN);
	strbuf_add(list, item, len);
}

void api_list_show(struct strbuf *list, const struct json_field *fields, const void *item)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(fields, item);
	size_t len;
	const char *text = json_text(obj, &len);

	api_list_add(list, text, len);
}

/* NEXT is a name or an id, in which nothing has to be escaped. */
void api_list_reply(struct http_request *req, struct strbuf *list, const char *next)
{
	size_t len;

	if (!list->len)
		strbuf_adds(list, LIST_BEGIN);
	if (next)
		strbuf_addf(list, "],\"next\":\"%s\"}", next);
	else
		strbuf_adds(list, "],\"next\":null}");
	len = list->len;
	http_reply_json(req, 200, strbuf_take(list), len);
}

bool api_key_is_valid(const char *key, struct err *err)
{
	return id_name_is_valid(key) ||
	       err_set(err, ERR_INVALID,
		       "Idempotency-Key: 1 to 63 of letters, digits, '.', '_' and '-', a letter or "
		       "digit first");
}

struct api_pending *api_pending_new(struct http_request *req, struct api *api, const char *name,
				    int status)
{
	struct api_pending *pending = xnew(struct api_pending);

	pending->req = req;
	pending->api = api;
	pending->status = status;
	snprintf(pending->name, sizeof(pending->name), "%s", name);
	return pending;
}

bool api_ready(struct http_request *req, const struct api *api)
{
	struct err err;

	if (api->is_ready)
		return true;
	err_set(&err, ERR_UNAVAILABLE, "the coordinator is finding its guests again; try again");
	http_reply_err(req, &err);
	return false;
}

bool api_sure(struct http_request *req, const struct api *api)
{
	struct err err;

	if (!api_ready(req, api))
		return false;
	if (newest_is_sure(api->newest, &err))
		return true;
	http_reply_err(req, &err);
	return false;
}
