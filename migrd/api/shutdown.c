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

static void on_requested(void *data, struct evacuation *evac, const struct err *err)
{
	(void)data;
	(void)evac;
	if (err)
		log_error("shutdown", "no-evacuation", "reason=%s", err->msg);
}

/* What has moved stays there, also after the reboot: a person may have it come back.  An
 * evacuation that is under way with other wishes goes on with those. */
void api_shutdown_evacuate(void *data, uint64_t limit_s)
{
	struct api *api = data;
	struct evacuation_request *request = xnew(struct evacuation_request);

	memset(request, 0, sizeof(*request));
	snprintf(request->requester, sizeof(request->requester), REQUESTER);
	snprintf(request->why, sizeof(request->why), "the host shuts down");
	request->on_withdraw = EVACUATION_WITHDRAWN_STAY;
	request->stopped = EVACUATION_STOPPED_LEAVE;
	request->deadline_s =
		limit_s < EVACUATION_DEADLINE_MAX_S ? limit_s : EVACUATION_DEADLINE_MAX_S;
	request->on_deadline = EVACUATION_LATE_ABORT;
	api->shutdown_is_off = false;
	evacuations_request(api->evacuations, request, REQUESTER, on_requested, api);
	free(request);
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
	struct evacuation *evac = evacuations_find(api->evacuations, "current");

	if (evac && !evacuation_is_final(evac))
		evacuation_withdraw(evac, REQUESTER, on_withdrawn, api);
}

/* Comes once after each start, so also after the one that the host was emptied for. */
void api_shutdown_called_off(void *data)
{
	struct api *api = data;

	api->shutdown_is_off = true;
	if (api->has_evacuations)
		withdraw(api);
}

void api_shutdown_recovered(struct api *api)
{
	api->has_evacuations = true;
	if (api->shutdown_is_off)
		withdraw(api);
}
