/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMs that are started after a boot of the host: when they may be, and what is told of them. */
#include "api/api.h"
#include "base/clock.h"
#include "wire/event.h"

/* A cordon alone keeps no guest from starting that is here. */
bool api_may_autostart(void *data, struct strbuf *why)
{
	const struct api *api = data;

	return !hooks_is_running(api->hooks, why) && !evacuations_is_on(api->evacuations, why);
}

void api_start_lost(void *data, const struct move *move, const char *reason)
{
	const struct api *api = data;
	const struct store_move *row = move_row(move);
	const struct event_autostart event = {
		.vm = row->vm_name,
		.vm_uuid = row->vm_uuid,
		.host = api->host_id,
		.result = autostart_result_names[AUTOSTART_GAVE_UP],
		.reason = reason,
		.at = clock_wall_ms(),
	};

	bus_publish(api->bus, "autostart", json_encode(event_autostart_fields, &event));
}

void api_autostart_told(void *data, const struct autostart_told *told)
{
	const struct api *api = data;
	int64_t now = clock_wall_ms();
	const struct event_autostart event = {
		.vm = vm_name(told->vm),
		.vm_uuid = vm_uuid(told->vm),
		.host = api->host_id,
		.result = autostart_result_names[told->result],
		.reason = told->reason,
		.tries = told->tries,
		.again_at = told->again_ms ? now + (int64_t)told->again_ms : 0,
		.at = now,
	};

	bus_publish(api->bus, "autostart", json_encode(event_autostart_fields, &event));
}
