/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store has of the daemon's earlier run goes to the services that own it. */
#include "service.h"

static void add_vm(void *data, void *row)
{
	vms_add_row(data, row);
}

static void add_move(void *data, void *row)
{
	moves_add_row(data, row);
}

static void add_save(void *data, void *row)
{
	saves_add_row(data, row);
}

static void add_refresh(void *data, void *row)
{
	refreshes_add_row(data, row);
}

static void add_vmbackup(void *data, void *row)
{
	vmbackups_add_row(data, row);
}

static void add_policy(void *data, void *row)
{
	policies_add_row(data, row);
}

static void add_hold(void *data, void *row)
{
	holds_add_row(data, row);
}

static void add_queue_entry(void *data, void *row)
{
	queue_add_row(data, row);
}

static void add_evacuation(void *data, void *row)
{
	evacuations_add_row(data, row);
}

static void add_hook(void *data, void *row)
{
	hooks_add_row(data, row);
}

static void add_maintenance(void *data, void *row)
{
	maintenances_add_row(data, row);
}

static void add_answer(void *data, void *row)
{
	answers_add_row(data, row);
}

static void add_webhook(void *data, void *row)
{
	webhooks_add_row(data, row);
}

static void add_delivery(void *data, void *row)
{
	webhooks_add_delivery_row(data, row);
}

static bool start_records(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	return store_load_blocking(api->store, STORE_POLICY, add_policy, api->policies, err) &&
	       store_load_blocking(api->store, STORE_HOLD, add_hold, api->holds, err) &&
	       store_load_blocking(api->store, STORE_VM, add_vm, api->vms, err) &&
	       store_load_blocking(api->store, STORE_MOVE, add_move, api->moves, err) &&
	       store_load_blocking(api->store, STORE_SAVE, add_save, api->saves, err) &&
	       store_load_blocking(api->store, STORE_REFRESH, add_refresh, api->refreshes, err) &&
	       store_load_blocking(api->store, STORE_VMBACKUP, add_vmbackup, api->vmbackups, err) &&
	       store_load_blocking(api->store, STORE_QUEUE, add_queue_entry, api->queue, err) &&
	       store_load_blocking(api->store, STORE_EVACUATION, add_evacuation, api->evacuations,
				   err) &&
	       store_load_blocking(api->store, STORE_HOOK, add_hook, api->hooks, err) &&
	       store_load_blocking(api->store, STORE_MAINTENANCE, add_maintenance,
				   api->maintenances, err) &&
	       store_load_blocking(api->store, STORE_ANSWER, add_answer, api->answers, err) &&
	       store_load_blocking(api->store, STORE_WEBHOOK, add_webhook, api->webhooks, err) &&
	       store_load_blocking(api->store, STORE_DELIVERY, add_delivery, api->webhooks, err);
}

const struct service service_records = { start_records, NULL, NULL };
