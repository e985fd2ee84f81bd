/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of hooks. */
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hook/sections.h"
#include "wire/peer_evacuation.h"

/* What waits for a hook's end looks again. */
void api_hook_changed(void *data, const struct hook_run *run)
{
	struct api *api = data;
	const struct event_hook event = { .run = *run, .at = clock_wall_ms() };

	evacuations_look(api->evacuations);
	autostart_look(api->autostart);
	bus_publish(api->bus, "hook", json_encode(event_hook_fields, &event));
}

bool api_hook_may_begin(void *data, const char *requester, struct err *err)
{
	const struct api *api = data;

	return evacuations_is_drained_for(api->evacuations, requester, err);
}

bool api_is_kept_empty(void *data)
{
	return hooks_is_running(((const struct api *)data)->hooks, NULL);
}

bool api_may_fill(struct http_request *req, const struct api *api)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	struct err err;

	if (!hooks_is_running(api->hooks, &why))
		return true;
	err_set(&err, ERR_CONFLICT, "the host must stay empty: %s", strbuf_str(&why));
	http_reply_err(req, &err);
	return false;
}

/* ---- what users see ------------------------------------------------------------------ */

static void show_section(struct api_list *list, const struct hooks *hooks,
			 const struct hook_section *section)
{
	struct hook_run *runs = xcalloc(HOOK_SHOWN_RUNS_MAX, sizeof(*runs));
	const struct hook_reply reply = {
		.name = section->name,
		.program = section->program,
		.url = section->url,
		.only_if = section->only_if,
		.timeout_s = section->timeout_s,
		.reboots = section->reboots,
		.restarts = section->restarts,
		.runs = runs,
		.run_count = hooks_newest(hooks, section->name, runs, HOOK_SHOWN_RUNS_MAX),
	};

	api_list_show(list, hook_reply_fields, &reply);
	free(runs);
}

void api_hooks_list(struct http_request *req, void *data)
{
	const struct hooks *hooks = ((const struct api *)data)->hooks;
	const struct hook_sections *sections = hooks_sections(hooks);
	const struct hook_section *section = NULL;
	struct api_list list = api_list_begin(req, data);

	while ((section = hook_sections_next(sections, section)))
		show_section(&list, hooks, section);
	api_list_reply(&list, NULL);
}

static void reply_run(struct http_request *req, const struct api *api, const char *id)
{
	struct hook_run *run = xnew(struct hook_run);
	struct err err;

	if (hooks_status(api->hooks, id, run)) {
		http_reply_as(req, 200, hook_run_fields, run);
	} else {
		err_set(&err, ERR_NOT_FOUND, "host '%s' has not begun a hook with the id '%.127s'",
			api->host_id, id);
		http_reply_err(req, &err);
	}
	free(run);
}

void api_hook_get(struct http_request *req, void *data)
{
	reply_run(req, data, http_param(req, "id"));
}

/* ---- what a conductor asks ------------------------------------------------------------- */

bool api_conducts(struct http_request *req, const struct api *api)
{
	struct err err;

	if (!api_sure(req, api))
		return false;
	if (hooks_conductor(api->hooks, http_caller_name(req), &err))
		return true;
	http_reply_err(req, &err);
	return false;
}

bool api_check_conductors_name(const char *requester, struct faults *faults)
{
	if (strncmp(requester, MAINTENANCE_WHO_PREFIX, strlen(MAINTENANCE_WHO_PREFIX)) == 0)
		return true;
	faults_add(faults, "/requester",
		   "must begin with '" MAINTENANCE_WHO_PREFIX
		   "': another host has no other requests here");
	return false;
}

static void on_begun(void *data, const struct hook_run *run, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		http_reply_as(data, run->state == HOOK_RUNNING ? 202 : 200, hook_run_fields, run);
}

void api_peer_hook_begin(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct hook_request request;

	if (!api_conducts(req, api))
		;
	else if (!hook_request_decode(http_body(req), &request, faults) ||
		 !api_check_conductors_name(request.requester, faults))
		http_reply_faults(req, faults);
	else
		hooks_begin(api->hooks, &request, http_caller_name(req), on_begun, req);
	faults_free(faults);
}

void api_peer_hook_get(struct http_request *req, void *data)
{
	if (api_conducts(req, data))
		reply_run(req, data, http_param(req, "id"));
}
