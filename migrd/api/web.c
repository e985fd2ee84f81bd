/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /ui, GET /ui/{file}: the page; GET /v1/caller: what it may offer to its user. */
#include "web/web.h"
#include "api/api.h"
#include "wire/caller.h"

static void reply(struct http_request *req, const char *name)
{
	const struct http_file *file = web_find(name);
	struct err err;

	if (file) {
		http_reply_file(req, file);
		return;
	}
	err_set(&err, ERR_NOT_FOUND, "the page has no file '%s'", name);
	http_reply_err(req, &err);
}

void api_web_page(struct http_request *req, void *data)
{
	(void)data;
	reply(req, WEB_FIRST_PAGE);
}

void api_web_file(struct http_request *req, void *data)
{
	(void)data;
	reply(req, http_param(req, "file"));
}

void api_caller_get(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct caller_reply caller = { .name = http_caller_name(req),
					     .role = http_role_name(http_caller_role(req)),
					     .host = api->host_id };

	http_reply_as(req, 200, caller_reply_fields, &caller);
}
