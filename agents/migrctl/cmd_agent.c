/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_agent.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"
#include "base/strbuf.h"

struct agent_values {
	struct cli_number lease;
};

/* ---- the agent's answers ---------------------------------------------------------- */

static const struct table_field info_fields[] = {
	{ "version", "version", TABLE_TEXT },
	{ "commands", "commands", TABLE_COUNT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field fs_fields[] = {
	{ "NAME", "name", TABLE_TEXT },
	{ "MOUNT POINT", "mount_point", TABLE_TEXT },
	{ "TYPE", "type", TABLE_TEXT },
	{ "USED", "used_bytes", TABLE_BYTES },
	{ "SIZE", "total_bytes", TABLE_BYTES },
	{ "DEVICES", "shown", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field network_fields[] = {
	{ "NAME", "name", TABLE_TEXT },
	{ "MAC", "mac", TABLE_TEXT },
	{ "ADDRESSES", "shown", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* Adds "192.0.2.1/24", or a plain string such as a device's name. */
static void add_words(struct strbuf *words, struct json_object *element)
{
	const char *address = json_get_str(element, "address");

	strbuf_adds(words, words->len > 0 ? " " : "");
	if (address)
		strbuf_addf(words, "%s/%d", address, (int)json_get_int(element, "prefix", 0));
	else
		strbuf_adds(words, json_object_get_string(element));
}

/* Gives each item a member "shown": the elements of its LIST in one cell. */
static void show_lists(struct json_object *reply, const char *list)
{
	struct json_object *items = NULL, *elements;

	json_object_object_get_ex(reply, "items", &items);
	for (size_t i = 0;
	     json_object_is_type(items, json_type_array) && i < json_object_array_length(items);
	     i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		CLEANUP(strbuf_fini) struct strbuf words = STRBUF_INIT;

		elements = NULL;
		json_object_object_get_ex(item, list, &elements);
		for (size_t j = 0; json_object_is_type(elements, json_type_array) &&
				   j < json_object_array_length(elements);
		     j++)
			add_words(&words, json_object_array_get_idx(elements, j));
		json_add_str(item, "shown", words.data ? words.data : "");
	}
}

static void print_fs_list(struct json_object *reply)
{
	show_lists(reply, "devices");
	table_print_list(stdout, reply, fs_fields);
}

static void print_network(struct json_object *reply)
{
	show_lists(reply, "addresses");
	table_print_list(stdout, reply, network_fields);
}

static void print_info(struct json_object *reply)
{
	table_print_object(stdout, reply, info_fields);
}

/* ---- requests to the agent -------------------------------------------------------- */

static const struct {
	const char *name;
	/* Printed after success; a %d stands for the number of file systems in the answer. */
	const char *text;
	void (*print)(struct json_object *reply);
} calls[] = {
	{ "ping", "the agent answers", NULL },     { "info", NULL, print_info },
	{ "freeze", "file systems frozen", NULL }, { "thaw", "file systems thawed", NULL },
	{ "shutdown", "shutting down", NULL },     { "set-time", "its clock is set", NULL },
	{ "fs-list", NULL, print_fs_list },        { "network", NULL, print_network },
};

const char *cmd_agent_call(size_t i)
{
	return i < ARRAY_LEN(calls) ? calls[i].name : NULL;
}

static void print_reply(const struct cli_call *call, size_t i, struct json_object *reply)
{
	int64_t count = json_get_int(reply, "file_systems", -1);

	if (migrctl_wants_json(call))
		migrctl_print_data(call, reply);
	else if (calls[i].print)
		calls[i].print(reply);
	else if (count >= 0)
		printf("%s: %lld %s\n", call->words[0], (long long)count, calls[i].text);
	else
		printf("%s: %s\n", call->words[0], calls[i].text);
}

static bool find_call(const char *name, size_t *ret_index, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		if (strcmp(calls[i].name, name) == 0) {
			*ret_index = i;
			return true;
		}
	}
	return err_set(err, ERR_INVALID,
		       "an agent has no '%s': there are ping, info, freeze, thaw, shutdown, "
		       "set-time, "
		       "fs-list, network",
		       name);
}

static bool run_agent(struct cli_call *call, struct err *err)
{
	const struct agent_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *suffix = xasprintf("/agent/%s", call->words[1]);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], suffix);
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct client_request request = { .method = "POST", .path = path };
	char body[64];
	size_t i;

	if (!client || !find_call(call->words[1], &i, err))
		return false;
	if (values->lease.is_set) {
		snprintf(body, sizeof(body), "{\"lease_ms\":%llu}",
			 (unsigned long long)values->lease.value * 1000);
		request.body = body;
		request.body_len = strlen(body);
	}
	if (!client_call(client, &request, &reply, err))
		return false;
	print_reply(call, i, reply);
	return true;
}

static const struct cli_option agent_options[] = {
	{
		.name = "lease",
		.type = CLI_COUNT,
		.offset = offsetof(struct agent_values, lease),
		.min = 1,
		.max = 3600,
		.arg = "SECONDS",
		.help = "with freeze: time until a thaw, whatever happens (default: 60)",
	},
	{ .name = NULL },
};

const struct cli_command cmd_vm_agent = {
	.noun = "vm",
	.verb = "agent",
	.args = "VM CALL",
	.min_args = 2,
	.max_args = 2,
	.options = agent_options,
	.values_size = sizeof(struct agent_values),
	.summary = "ask the agent in a guest: ping, info, freeze, thaw, shutdown, ...",
	.details = "CALL is one of\n"
		   "  ping      does it answer?\n"
		   "  info      its version and commands\n"
		   "  freeze    write all to the disks, and let nothing be written until `thaw',\n"
		   "            or until the lease is over; again: a new lease\n"
		   "  thaw      let the file systems be written to again\n"
		   "  shutdown  shut the guest down by its own program\n"
		   "  set-time  set the guest's clock to that of the host\n"
		   "  fs-list   its file systems\n"
		   "  network   its network interfaces\n",
	.run = run_agent,
};
