/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_host.h"

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

static const struct table_field host_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "version", "version", TABLE_TEXT },
	{ "protocol, oldest", "protocol.min", TABLE_NUMBER },
	{ "protocol, newest", "protocol.max", TABLE_NUMBER },
	{ "API address", "api_address", TABLE_TEXT },
	{ "data address", "data_address", TABLE_TEXT },
	{ "started at", "started_at", TABLE_TEXT },
	{ "boot id", "boot_id", TABLE_TEXT },
	{ "QEMU", "qemu_binary", TABLE_TEXT },
	{ "VMs", "vms.total", TABLE_NUMBER },
	{ "VMs running", "vms.running", TABLE_NUMBER },
	{ "moves active", "moves.active", TABLE_NUMBER },
	{ "memory", "memory_mib.total", TABLE_MIB },
	{ "memory available", "memory_mib.available", TABLE_MIB },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field peer_fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "ADDRESS", "address", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool run_show(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *host = NULL;

	if (!client || !client_get(client, "/v1/host", &host, err))
		return false;
	migrctl_print_object(call, host, host_fields);
	return true;
}

static bool run_list(struct cli_call *call, struct err *err)
{
	return migrctl_list(call, "/v1/peers", "", peer_fields, err);
}

const struct cli_command cmd_host_show = {
	.noun = "host",
	.verb = "show",
	.summary = "what this host is, has, and does",
	.run = run_show,
};

const struct cli_command cmd_host_list = {
	.noun = "host",
	.verb = "list",
	.summary = "the peers this host knows",
	.run = run_list,
};
