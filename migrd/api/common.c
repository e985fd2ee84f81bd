/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What several routes do alike. */
#include "api/api.h"
#include "base/mem.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000

bool api_page_get(struct http_request *req, struct api_page *ret)
{
	const char *text = http_query(req, "limit");
	char *end = NULL;
	unsigned long limit = text ? strtoul(text, &end, 10) : PAGE_DEFAULT;
	struct err err;

	if (text && (*text < '0' || *text > '9' || *end || limit < 1 || limit > PAGE_MAX)) {
		err_set(&err, ERR_INVALID, "limit must be a number from 1 to %d", PAGE_MAX);
		http_reply_err(req, &err);
		return false;
	}
	ret->limit = limit;
	ret->after = http_query(req, "after");
	return true;
}

struct json_object *api_list(struct json_object *items, const char *next)
{
	struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, "items", items);
	json_add_str(obj, "next", next);
	return obj;
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
