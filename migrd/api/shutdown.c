/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A shutdown of this host: what it waits for, and who is told. */
#include "api/api.h"
#include "base/clock.h"
#include "wire/event.h"

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
