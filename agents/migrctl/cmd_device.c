/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_device.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

#define TIMEOUT_MAX_S 100

static const struct table_field fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "KIND", "kind", TABLE_TEXT },
	{ "PCI ADDRESS", "pci_address", TABLE_TEXT },
	{ "SIZE", "size_mib", TABLE_MIB },
	{ "SLOT", "slot", TABLE_NUMBER },
	{ "CPU", "index", TABLE_NUMBER },
	{ "MAC", "mac", TABLE_TEXT },
	{ "DRIVER", "driver", TABLE_TEXT },
	{ "TRAY", "tray", TABLE_TEXT },
	{ "PATH", "path", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool run_devices(struct cli_call *call, struct err *err)
{
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "/devices");

	return migrctl_list(call, path, "", fields, err);
}

static bool run_attach(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "/devices");
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	CLEANUP(json_putp) struct json_object *device = NULL;
	struct client_request request = { .method = "POST", .path = path };
	char id[TABLE_CELL_SIZE], place[TABLE_CELL_SIZE];

	if (!client || !migrctl_read_file(call->words[1], &text, err))
		return false;
	request.body = text.data;
	request.body_len = text.len;
	if (!client_call(client, &request, &device, err))
		return false;
	if (migrctl_wants_json(call)) {
		migrctl_print_data(call, device);
		return true;
	}
	table_text(device, "pci_address", place);
	printf("%s: %s is attached%s%s\n", call->words[0], table_text(device, "id", id),
	       *place ? " in " : "", place);
	return true;
}

struct detach_values {
	struct cli_number timeout;
};

static bool run_detach(struct cli_call *call, struct err *err)
{
	const struct detach_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *devices = client_path("/v1/vms/", call->words[0], "/devices/");
	CLEANUP(free_charp) char *query = NULL;
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct client_request request = { .method = "DELETE" };

	if (!client)
		return false;
	if (values->timeout.is_set)
		query = xasprintf("?timeout_ms=%llu",
				  (unsigned long long)values->timeout.value * 1000);
	path = client_path(devices, call->words[1], query ? query : "");
	request.path = path;
	if (!client_call(client, &request, &reply, err))
		return false;
	if (!migrctl_wants_json(call))
		printf("%s: %s is detached\n", call->words[0], call->words[1]);
	return true;
}

static const struct cli_option detach_options[] = {
	{
		.name = "timeout",
		.type = CLI_COUNT,
		.offset = offsetof(struct detach_values, timeout),
		.min = 1,
		.max = TIMEOUT_MAX_S,
		.arg = "SECONDS",
		.help = "how long the guest may take to let go of it (default: 20)",
	},
	{ .name = NULL },
};

/* ---- what is in a CD drive --------------------------------------------------- */

#define TRAY_TIMEOUT_MAX_S 60

static const char *const formats[] = { "raw", "qcow2", NULL };

struct medium_values {
	const char *format; /* insert only */
	bool force;
	struct cli_number timeout;
};

static char *medium_path(const struct cli_call *call, const char *query)
{
	CLEANUP(free_charp) char *devices = client_path("/v1/vms/", call->words[0], "/devices/");
	CLEANUP(free_charp) char *end = xasprintf("/medium%s", query);

	return client_path(devices, call->words[1], end);
}

static bool run_insert(struct cli_call *call, struct err *err)
{
	const struct medium_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = medium_path(call, "");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *drive = NULL;
	struct client_request request = { .method = "PUT", .path = path };

	if (!client)
		return false;
	json_add_str(body, "path", call->words[2]);
	if (values->format)
		json_add_str(body, "format", values->format);
	if (values->force)
		json_add_bool(body, "force", true);
	if (values->timeout.is_set)
		json_add_uint(body, "timeout_ms", values->timeout.value * 1000);
	request.body = json_text(body, &request.body_len);
	if (!client_call(client, &request, &drive, err))
		return false;
	if (migrctl_wants_json(call))
		migrctl_print_data(call, drive);
	else
		printf("%s: %s has %s in it\n", call->words[0], call->words[1], call->words[2]);
	return true;
}

static bool run_eject(struct cli_call *call, struct err *err)
{
	const struct medium_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(strbuf_fini) struct strbuf query = STRBUF_INIT;
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct client_request request = { .method = "DELETE" };

	if (!client)
		return false;
	strbuf_addf(&query, "?force=%s", values->force ? "true" : "false");
	if (values->timeout.is_set)
		strbuf_addf(&query, "&timeout_ms=%llu",
			    (unsigned long long)values->timeout.value * 1000);
	path = medium_path(call, query.data);
	request.path = path;
	if (!client_call(client, &request, &reply, err))
		return false;
	if (!migrctl_wants_json(call))
		printf("%s: %s is empty\n", call->words[0], call->words[1]);
	return true;
}

#define TRAY_OPTIONS                                                                     \
	{                                                                                \
		.name = "force",                                                         \
		.type = CLI_FLAG,                                                        \
		.offset = offsetof(struct medium_values, force),                         \
		.help = "open the tray even if the guest has locked it",                 \
	},                                                                               \
	{                                                                                \
		.name = "timeout", .type = CLI_COUNT,                                    \
		.offset = offsetof(struct medium_values, timeout), .min = 1,             \
		.max = TRAY_TIMEOUT_MAX_S, .arg = "SECONDS",                             \
		.help = "how long a guest that has locked the tray may take to open it " \
			"(default: 5)",                                                  \
	}

static const struct cli_option insert_options[] = {
	{
		.name = "format",
		.type = CLI_CHOICE,
		.offset = offsetof(struct medium_values, format),
		.choices = formats,
		.arg = "FORMAT",
		.help = "of the medium's image: raw (the default) or qcow2",
	},
	TRAY_OPTIONS,
	{ .name = NULL },
};

static const struct cli_option eject_options[] = { TRAY_OPTIONS, { .name = NULL } };

/* ---- the commands ------------------------------------------------------------ */

const struct cli_command cmd_vm_devices = {
	.noun = "vm",
	.verb = "devices",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.summary = "the devices of a guest, with their places",
	.run = run_devices,
};

const struct cli_command cmd_vm_attach = {
	.noun = "vm",
	.verb = "attach",
	.args = "VM FILE",
	.min_args = 2,
	.max_args = 2,
	.summary = "add a device, by a JSON file ('-': standard input)",
	.details =
		"The device is an element of a list of the definition, with its kind:\n"
		"  {\"kind\":\"disk\", \"id\":\"data\", \"path\":\"/srv/data.raw\", "
		"\"format\":\"raw\"}\n"
		"  {\"kind\":\"nic\", \"id\":\"net1\", \"type\":\"tap\", \"ifname\":\"tap1\"}\n"
		"  {\"kind\":\"memory\", \"id\":\"more\", \"size_mib\":1024}\n"
		"  {\"kind\":\"vcpu\", \"id\":\"cpu2\"}\n"
		"  {\"kind\":\"shared_memory\", \"id\":\"shm\", \"path\":\"/dev/shm/x\", "
		"\"size_mib\":4}\n"
		"  {\"kind\":\"generic\", \"id\":\"rng\", \"driver\":\"virtio-rng-pci\", "
		"\"properties\":{}}\n"
		"  {\"kind\":\"cdrom\", \"id\":\"cd0\", \"bus\":\"sata\", "
		"\"path\":\"/srv/x.iso\"} (while it is stopped)\n"
		"A guest that runs has it at once; of one that is stopped the definition has it.\n",
	.run = run_attach,
};

const struct cli_command cmd_vm_detach = {
	.noun = "vm",
	.verb = "detach",
	.args = "VM ID",
	.min_args = 2,
	.max_args = 2,
	.options = detach_options,
	.values_size = sizeof(struct detach_values),
	.summary = "remove a device; a guest that runs is asked for it",
	.run = run_detach,
};

const struct cli_command cmd_vm_insert = {
	.noun = "vm",
	.verb = "insert",
	.args = "VM ID FILE",
	.min_args = 3,
	.max_args = 3,
	.options = insert_options,
	.values_size = sizeof(struct medium_values),
	.summary = "put a medium into a CD drive, in place of what is in there",
	.details = "FILE is an absolute path on the guest's host.\n",
	.run = run_insert,
};

const struct cli_command cmd_vm_eject = {
	.noun = "vm",
	.verb = "eject",
	.args = "VM ID",
	.min_args = 2,
	.max_args = 2,
	.options = eject_options,
	.values_size = sizeof(struct medium_values),
	.summary = "take the medium out of a CD drive",
	.run = run_eject,
};
