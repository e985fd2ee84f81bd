/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Functions that the files of the routes share. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/mem.h"

bool api_is_dry_run(const struct http_request *req)
{
	const char *value = http_query(req, "dry_run");

	return value && strcmp(value, "true") == 0;
}

void api_reply_dry(struct http_request *req)
{
	http_reply(req, 204, NULL);
}

void api_on_tried(void *data, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		api_reply_dry(data);
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
