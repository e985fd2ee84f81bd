/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of the check of the host. */
#include "api/api.h"

static void on_checked(void *data, struct json_object *report, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		http_reply(data, 200, json_object_get(report));
}

static void run_check(struct http_request *req, const struct api *api, bool repair)
{
	struct err err;

	if (api_ready(req, api) && !check_run(api->check, repair, on_checked, req, &err))
		http_reply_err(req, &err);
}

void api_host_check(struct http_request *req, void *data)
{
	run_check(req, data, false);
}

void api_host_repair(struct http_request *req, void *data)
{
	run_check(req, data, true);
}
