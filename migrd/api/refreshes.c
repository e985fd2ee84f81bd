/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of refreshes. */
#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"

void api_refresh_changed(void *data, const struct refresh *refresh)
{
	struct api *api = data;
	const struct event_refresh event = { .refresh = refresh_show(refresh),
					     .at = clock_wall_ms() };

	bus_publish(api->bus, "refresh", json_encode(event_refresh_fields, &event));
	waits_look(api->waits, refresh_machine(refresh));
}

static void reply_refresh(struct http_request *req, int status, const struct refresh *refresh)
{
	const struct refresh_reply reply = refresh_show(refresh);

	http_reply_as(req, status, refresh_reply_fields, &reply);
}

static void on_started(void *data, const struct refresh *refresh, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		reply_refresh(data, 202, refresh);
}

/* A program of the caller's choice runs with the rights of this daemon. */
static bool may_choose(const struct http_request *req, const struct refresh_request *wish,
		       struct err *err)
{
	return !wish->emulator[0] || http_caller_role(req) >= HTTP_ROLE_ADMIN ||
	       err_set(err, ERR_FORBIDDEN,
		       "only an administrator may name the program of a VM's QEMU");
}

void api_vm_refresh(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct refresh_request wish;
	struct vm *vm = api_sure(req, api) ? api_vm_find(req, api) : NULL;
	struct err err;

	if (!vm)
		;
	else if (!refresh_request_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else if (!may_choose(req, &wish, &err))
		http_reply_err(req, &err);
	else if (api_is_dry_run(req))
		refreshes_try(api->refreshes, vm, &wish, api_on_tried, req);
	else
		refreshes_begin(api->refreshes, vm, &wish, on_started, req);
	faults_free(faults);
}

/* ---- look, cancel ------------------------------------------------------------------- */

static struct refresh *find(struct http_request *req, const struct api *api)
{
	struct refresh *refresh = refreshes_find(api->refreshes, http_param(req, "id"));
	struct err err;

	if (!refresh) {
		err_set(&err, ERR_NOT_FOUND, "there is no refresh '%.40s' on this host",
			http_param(req, "id"));
		http_reply_err(req, &err);
	}
	return refresh;
}

void api_refresh_get(struct http_request *req, void *data)
{
	const struct refresh *refresh = find(req, data);

	if (refresh)
		reply_refresh(req, 200, refresh);
}

void api_refresh_cancel(struct http_request *req, void *data)
{
	struct refresh *refresh = api_ready(req, data) ? find(req, data) : NULL;
	struct err err;

	if (!refresh)
		return;
	if (refresh_cancel(refresh, &err))
		reply_refresh(req, 202, refresh);
	else
		http_reply_err(req, &err);
}

/* There are STORE_REFRESHES_MAX and those that have not ended, so that a list needs no pages. */
void api_refreshes_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);
	struct refresh *refresh = refreshes_first(api->refreshes);

	for (; refresh; refresh = refresh_next(refresh)) {
		const struct refresh_reply reply = refresh_show(refresh);

		if (api_job_passes(req, reply.vm, reply.state, reply.final))
			api_list_show(&list, refresh_reply_fields, &reply);
	}
	api_list_reply(&list, NULL);
}
