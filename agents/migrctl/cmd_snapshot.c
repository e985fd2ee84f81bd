/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of the disks of guests. */
#include "agents/migrctl/cmd_snapshot.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

/* Large images, of which there may be many, take their time (snapshot/work.c). */
#define CHANGE_TIMEOUT_MS (3600u * 1000)

static const struct table_field list_fields[] = {
	{ "NAME", "name", TABLE_TEXT },
	{ "CREATED", "created_at", TABLE_TEXT },
	{ "COMPLETE", "complete", TABLE_TEXT },
	{ "DISKS", "disks", TABLE_TEXT },
	{ "MISSING", "missing", TABLE_TEXT },
	{ "DESCRIPTION", "description", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

struct snapshot_values {
	const char *description; /* create only, as freeze */
	bool freeze, dry_run;
};

static bool call_it(struct cli_call *call, const char *method, const char *path,
		    struct json_object *body, struct json_object **ret, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	struct client_request request = { .method = method,
					  .path = path,
					  .timeout_ms = CHANGE_TIMEOUT_MS };

	if (!client)
		return false;
	if (body)
		request.body = json_text(body, &request.body_len);
	return client_call(client, &request, ret, err);
}

static const char *query_of(const struct cli_call *call)
{
	const struct snapshot_values *values = call->values;

	return values->dry_run ? "?dry_run=true" : "";
}

static void say(const struct cli_call *call, const char *name, const char *what)
{
	const struct snapshot_values *values = call->values;

	if (!migrctl_wants_json(call))
		printf("%s: snapshot %s %s%s\n", call->words[0], name,
		       values->dry_run ? "would be " : "is ", what);
}

/* "/v1/vms/VM/snapshots/NAME" and SUFFIX; the caller frees it. */
static char *path_of(const struct cli_call *call, const char *suffix)
{
	CLEANUP(free_charp) char *vm = client_path("/v1/vms/", call->words[0], "/snapshots/");

	return client_path(vm, call->words[1], suffix);
}

static bool run_create(struct cli_call *call, struct err *err)
{
	const struct snapshot_values *values = call->values;
	CLEANUP(free_charp) char *suffix = xasprintf("/snapshots%s", query_of(call));
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], suffix);
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *reply = NULL;

	json_add_str(body, "name", call->words[1]);
	if (values->description)
		json_add_str(body, "description", values->description);
	if (values->freeze)
		json_add_bool(body, "freeze", true);
	if (!call_it(call, "POST", path, body, &reply, err))
		return false;
	if (reply && migrctl_wants_json(call))
		migrctl_print_data(call, reply);
	say(call, call->words[1], "made");
	return true;
}

static bool run_list(struct cli_call *call, struct err *err)
{
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "/snapshots");

	return migrctl_list(call, path, "", list_fields, err);
}

static bool run_delete(struct cli_call *call, struct err *err)
{
	CLEANUP(free_charp) char *path = path_of(call, query_of(call));
	CLEANUP(json_putp) struct json_object *reply = NULL;

	if (!call_it(call, "DELETE", path, NULL, &reply, err))
		return false;
	say(call, call->words[1], "deleted");
	return true;
}

static bool run_revert(struct cli_call *call, struct err *err)
{
	CLEANUP(free_charp) char *suffix = xasprintf("/revert%s", query_of(call));
	CLEANUP(free_charp) char *path = path_of(call, suffix);
	CLEANUP(json_putp) struct json_object *reply = NULL;

	if (!call_it(call, "POST", path, NULL, &reply, err))
		return false;
	if (reply && migrctl_wants_json(call))
		migrctl_print_data(call, reply);
	say(call, call->words[1], "what its disks are again");
	return true;
}

#define VALUE(member) .offset = offsetof(struct snapshot_values, member)
#define DRY_RUN                                                      \
	{                                                            \
		.name = "dry-run", .type = CLI_FLAG, VALUE(dry_run), \
		.help = "only say whether it would be done",         \
	}

static const struct cli_option create_options[] = {
	{
		.name = "description",
		.type = CLI_TEXT,
		VALUE(description),
		.arg = "TEXT",
		.help = "one line, which is kept with it",
	},
	{
		.name = "freeze",
		.type = CLI_FLAG,
		VALUE(freeze),
		.help = "have the agent in the guest freeze its file systems for that moment",
	},
	DRY_RUN,
	{ .name = NULL },
};
static const struct cli_option options[] = { DRY_RUN, { .name = NULL } };

const struct cli_command cmd_snapshot_create = {
	.noun = "snapshot",
	.verb = "create",
	.args = "VM NAME",
	.min_args = 2,
	.max_args = 2,
	.options = create_options,
	.values_size = sizeof(struct snapshot_values),
	.summary = "keep what is on a guest's disks now, also while it runs",
	.details =
		"All disks to which the guest may write must be qcow2. Its memory is not in it:\n"
		"for that there is `vm save --live'.\n",
	.run = run_create,
};

const struct cli_command cmd_snapshot_list = {
	.noun = "snapshot",
	.verb = "list",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.summary = "snapshots of a guest's disks, oldest first",
	.run = run_list,
};

const struct cli_command cmd_snapshot_delete = {
	.noun = "snapshot",
	.verb = "delete",
	.args = "VM SNAPSHOT",
	.min_args = 2,
	.max_args = 2,
	.options = options,
	.values_size = sizeof(struct snapshot_values),
	.summary = "forget one, also while the guest runs",
	.run = run_delete,
};

const struct cli_command cmd_snapshot_revert = {
	.noun = "snapshot",
	.verb = "revert",
	.args = "VM SNAPSHOT",
	.min_args = 2,
	.max_args = 2,
	.options = options,
	.values_size = sizeof(struct snapshot_values),
	.summary = "make the disks of a stopped guest what they were at a snapshot",
	.details = "What the guest has written since is lost, unless it is in another snapshot.\n",
	.run = run_revert,
};
