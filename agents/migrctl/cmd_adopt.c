/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_adopt.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

struct adopt_values {
	const char *qmp;
	const char *name;
	bool disks_shared;
	bool yes;
};

/* The daemon may have another working directory, so it gets an absolute path. */
static char *address_of(const char *path)
{
	CLEANUP(free_charp) char *dir = path[0] == '/' ? NULL : getcwd(NULL, 0);

	return xasprintf("unix:%s%s%s", dir ? dir : "", dir ? "/" : "", path);
}

static bool post(struct client *client, const struct adopt_values *values, const char *confirm,
		 struct json_object **ret, struct err *err)
{
	CLEANUP(free_charp) char *qmp = address_of(values->qmp);
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	struct client_request request = { .method = "POST", .path = "/v1/vms/adopt" };

	json_add_str(body, "qmp", qmp);
	if (values->name)
		json_add_str(body, "name", values->name);
	json_add_bool(body, "disks_shared", values->disks_shared);
	json_add_bool(body, "dry_run", !confirm);
	if (confirm)
		json_add_str(body, "confirm", confirm);
	request.body = json_object_to_json_string(body);
	request.body_len = strlen(request.body);
	return client_call(client, &request, ret, err);
}

static void print_notes(FILE *out, struct json_object *found)
{
	struct json_object *notes = table_member(found, "notes");
	char option[TABLE_CELL_SIZE], note[TABLE_WORDS_SIZE];

	for (size_t i = 0; notes && i < json_object_array_length(notes); i++) {
		struct json_object *item = json_object_array_get_idx(notes, i);

		fprintf(out, "note: %s: %s\n", table_text(item, "option", option),
			table_words(item, "note", note));
	}
}

static void print_found(FILE *out, struct json_object *found)
{
	char version[TABLE_CELL_SIZE], state[TABLE_CELL_SIZE], pid[TABLE_CELL_SIZE];

	table_print_json(out, table_member(found, "definition"));
	fprintf(out, "QEMU %s, pid %s, %s\n", table_text(found, "qemu_version", version),
		table_text(found, "pid", pid), table_text(found, "state", state));
	print_notes(out, found);
}

/* Asks on the terminal; no answer means no. */
static bool is_confirmed(const struct adopt_values *values, struct err *err)
{
	char answer[16];

	if (values->yes)
		return true;
	fprintf(stderr, "Take it over? [y/N] ");
	fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return true;
	return err_set(err, ERR_CANCELLED, "nothing was taken over; --yes does it without asking");
}

static bool run_adopt(struct cli_call *call, struct err *err)
{
	const struct adopt_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *found = NULL;
	CLEANUP(json_putp) struct json_object *vm = NULL;
	char confirm[TABLE_CELL_SIZE], text[TABLE_CELL_SIZE], state[TABLE_CELL_SIZE];

	if (!client || !post(client, values, NULL, &found, err))
		return false;
	if (!values->yes || !migrctl_wants_json(call))
		print_found(migrctl_wants_json(call) ? stderr : stdout, found);
	if (!is_confirmed(values, err) ||
	    !post(client, values, table_text(found, "confirm", confirm), &vm, err))
		return false;
	if (migrctl_wants_json(call))
		migrctl_print_data(call, vm);
	else
		printf("%s: adopted, %s\n", table_text(vm, "name", text),
		       table_text(vm, "state", state));
	return true;
}

#define VALUE(field) .offset = offsetof(struct adopt_values, field)
static const struct cli_option options[] = {
	{
		.name = "qmp",
		.type = CLI_TEXT,
		VALUE(qmp),
		.is_required = true,
		.arg = "SOCKET",
		.help = "the UNIX socket of its QMP monitor",
	},
	{
		.name = "name",
		.type = CLI_TEXT,
		VALUE(name),
		.arg = "NAME",
		.help = "name of the guest (default: QEMU's -name)",
	},
	{
		.name = "disks-shared",
		.type = CLI_FLAG,
		VALUE(disks_shared),
		.help = "both hosts of a move see its images at the same paths",
	},
	{
		.name = "yes",
		.type = CLI_FLAG,
		VALUE(yes),
		.help = "do not ask",
	},
	{ .name = NULL },
};

const struct cli_command cmd_vm_adopt = {
	.noun = "vm",
	.verb = "adopt",
	.options = options,
	.values_size = sizeof(struct adopt_values),
	.summary = "take over a QEMU that somebody else started",
	.details =
		"Shows the definition that was made of its command line and of what it says of\n"
		"itself, with notes, and asks.  What could not be carried over to another host is\n"
		"refused by its name.  CD drives keep what is in them now: 'vm insert' and\n"
		"'vm eject' change that afterwards.  The guest does not notice.\n",
	.run = run_adopt,
};
