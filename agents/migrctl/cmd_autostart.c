/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_autostart.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

struct autostart_values {
	struct cli_number order;
};

static const struct cli_option autostart_options[] = {
	{
		.name = "order",
		.type = CLI_COUNT,
		.offset = offsetof(struct autostart_values, order),
		.min = 0,
		.max = 1000000,
		.arg = "N",
		.help = "guests are begun with the lowest first (0 unless it was said)",
	},
	{ .name = NULL },
};

static bool fill(const struct cli_call *call, struct json_object *body, struct err *err)
{
	const struct autostart_values *values = call->values;
	const char *word = call->word_count > 1 ? call->words[1] : "";

	if (word[0] && strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
		return err_set(err, ERR_INVALID, "'%s': on or off", word);
	if (word[0])
		json_add_bool(body, "autostart", strcmp(word, "on") == 0);
	if (values->order.is_set)
		json_add_uint(body, "autostart_order", values->order.value);
	return true;
}

static bool run_autostart(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = NULL;
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *vm = NULL;
	struct json_object *definition;
	struct client_request request = { .method = "GET", .path = path };
	static const struct table_field fields[] = {
		{ "name", "name", TABLE_TEXT },
		{ "autostart", "definition.autostart", TABLE_TEXT },
		{ "order", "definition.autostart_order", TABLE_NUMBER },
		{ "waits", "autostart", TABLE_TEXT },
		{ NULL, NULL, TABLE_TEXT },
	};

	if (!fill(call, body, err))
		return false;
	if (json_object_object_length(body)) {
		request.method = "PATCH";
		request.body = json_text(body, &request.body_len);
	}
	client = migrctl_client(call, err);
	if (!client || !client_call(client, &request, &vm, err))
		return false;
	definition = json_object_object_get(vm, "definition");
	json_add_bool(definition, "autostart", json_get_bool(definition, "autostart", false));
	migrctl_print_object(call, vm, fields);
	return true;
}

const struct cli_command cmd_vm_autostart = {
	.noun = "vm",
	.verb = "autostart",
	.args = "VM [on|off]",
	.min_args = 1,
	.max_args = 2,
	.options = autostart_options,
	.values_size = sizeof(struct autostart_values),
	.summary = "have a guest started when its host was booted, or not, or tell which",
	.details =
		"Whatever it was before the boot, unless another host has it or may have it; not\n"
		"while the host is being emptied.  It goes with the guest when it is moved, and "
		"so\n"
		"does a start that is still to come.\n",
	.run = run_autostart,
};
