/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A shutdown of this host: what it waits for, and who is told. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/event.h"

#define REQUESTER "logind"
#define RETRY_MS  2000

/* Until its guests are found again, a host counts as one that has some. */
bool api_has_guests(void *data)
{
	struct api *api = data;

	if (!api->is_ready)
		return true;
	for (struct vm *vm = vm_next(api->vms, NULL); vm; vm = vm_next(api->vms, vm_name(vm)))
		if (vm_qemu(vm) || vm_role(vm) == VM_ROLE_INCOMING)
			return true;
	return false;
}

void api_shutdown_changed(void *data)
{
	struct api *api = data;
	struct event_shutdown event = { .host = api->host_id, .at = clock_wall_ms() };

	shutdown_show(api->shutdown, &event.shutdown);
	bus_publish(api->bus, "shutdown", json_encode(event_shutdown_fields, &event));
}

/* ---- the evacuation of a host that goes down ------------------------------------------------- */

static struct evacuation *current(const struct api *api)
{
	struct evacuation *evac = evacuations_find(api->evacuations, "current");

	return evac && !evacuation_is_final(evac) ? evac : NULL;
}

static bool is_one_of(const char *state, const char *a, const char *b, const char *c)
{
	return strcmp(state, a) == 0 || strcmp(state, b) == 0 || (c && strcmp(state, c) == 0);
}

/* It empties the host, as its first request says. */
static bool empties(struct evacuation *evac)
{
	const struct evacuation_reply *shown = evacuation_show(evac);

	return !shown->ending && is_one_of(shown->state, "draining", "drained", NULL);
}

static void on_made_way(void *data, struct evacuation *evac, const struct err *err)
{
	(void)data;
	(void)evac;
	if (err)
		log_warning("shutdown", "evacuation", "reason=%s", err->msg);
}

/* One that has moved nothing yet, or has guests come back, ends for that of the shutdown. */
static void make_way(struct evacuation *evac)
{
	const struct evacuation_abort wish = { .why = "the host shuts down" };
	const struct evacuation_reply *shown = evacuation_show(evac);

	if (!shown->ending && is_one_of(shown->state, "planned", "waiting", "returning"))
		evacuation_abort(evac, &wish, REQUESTER, on_made_way, NULL);
}

/* NOT_FOUND: it is not there for logind. */
static void on_withdrawn(void *data, struct evacuation *evac, const struct err *err)
{
	(void)data;
	(void)evac;
	if (err && err->code != ERR_NOT_FOUND && err->code != ERR_TOO_LATE)
		log_error("shutdown", "not-withdrawn", "reason=%s", err->msg);
}

static void withdraw(struct api *api)
{
	struct evacuation *evac = current(api);

	if (evac)
		evacuation_withdraw(evac, REQUESTER, on_withdrawn, api);
}

/* Asked again: another host may be there by then, and an evacuation that is in the way ends. */
static void refused(struct api *api, const struct err *err)
{
	struct evacuation *other = current(api);

	if (strcmp(err->msg, api->shutdown_error) != 0)
		log_error("shutdown", "no-evacuation", "reason=%s", err->msg);
	snprintf(api->shutdown_error, sizeof(api->shutdown_error), "%s", err->msg);
	if (other && empties(other))
		return;
	if (other)
		make_way(other);
	loop_timer_start(api->shutdown_retry, RETRY_MS);
}

/* The shutdown may have been called off meanwhile. */
static void on_requested(void *data, struct evacuation *evac, const struct err *err)
{
	struct api *api = data;

	(void)evac;
	if (!api->shutdown_retry)
		return; /* the daemon stops */
	if (!err && !api->is_shutdown)
		withdraw(api);
	else if (err && api->is_shutdown)
		refused(api, err);
}

static void request_evacuation(struct api *api)
{
	struct evacuation_request *request = xnew(struct evacuation_request);

	memset(request, 0, sizeof(*request));
	snprintf(request->requester, sizeof(request->requester), REQUESTER);
	snprintf(request->why, sizeof(request->why), "the host shuts down");
	request->on_withdraw = EVACUATION_WITHDRAWN_STAY;
	request->stopped = EVACUATION_STOPPED_LEAVE;
	request->deadline_s = api->shutdown_limit_s < EVACUATION_DEADLINE_MAX_S
				      ? api->shutdown_limit_s
				      : EVACUATION_DEADLINE_MAX_S;
	request->on_deadline = EVACUATION_LATE_ABORT;
	evacuations_request(api->evacuations, request, REQUESTER, on_requested, api);
	free(request);
}

void api_shutdown_retry(void *data)
{
	struct api *api = data;

	if (api->has_evacuations && api->is_shutdown && api_has_guests(api))
		request_evacuation(api);
}

/* What has moved stays there, also after the reboot: a person may have it come back.  An
 * evacuation that empties the host already, with other wishes, goes on with those. */
void api_shutdown_evacuate(void *data, uint64_t limit_s)
{
	struct api *api = data;

	api->shutdown_is_off = false;
	api->is_shutdown = true;
	api->shutdown_limit_s = limit_s;
	api->shutdown_error[0] = '\0';
	if (api->has_evacuations)
		request_evacuation(api);
}

/* Comes once after each start, so also after the one that the host was emptied for. */
void api_shutdown_called_off(void *data)
{
	struct api *api = data;

	api->shutdown_is_off = true;
	api->is_shutdown = false;
	loop_timer_stop(api->shutdown_retry);
	if (api->has_evacuations)
		withdraw(api);
}

void api_shutdown_recovered(struct api *api)
{
	api->has_evacuations = true;
	if (api->shutdown_is_off)
		withdraw(api);
	api_shutdown_retry(api);
}
