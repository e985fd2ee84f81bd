/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests that are saved to files and restored from them. */
#include "agents/migrctl/cmd_save.h"

#include <string.h>

#include "agents/migrctl/job.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

struct save_values {
	bool watch, live, paused, remove, stale_disks_ok;
};
#define VALUE(field) .offset = offsetof(struct save_values, field)

static const struct table_field show_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "kind", "kind", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "file", "file", TABLE_TEXT },
	{ "mode", "mode", TABLE_TEXT },
	{ "live", "live", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "reason", "reason", TABLE_TEXT },
	{ "error", "error.code", TABLE_TEXT },
	{ "error detail", "error.detail", TABLE_TEXT },
	{ "memory", "progress.ram_total_bytes", TABLE_BYTES },
	{ "to be written", "progress.ram_remaining_bytes", TABLE_BYTES },
	{ "written or read", "progress.ram_transferred_bytes", TABLE_BYTES },
	{ "created at", "created_at", TABLE_TEXT },
	{ "ended at", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },          { "KIND", "kind", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },          { "STATE", "state", TABLE_TEXT },
	{ "FILE", "file", TABLE_TEXT },      { "CREATED", "created_at", TABLE_TEXT },
	{ "ENDED", "ended_at", TABLE_TEXT }, { NULL, NULL, TABLE_TEXT },
};

/* The copies are part of the saved guest: who moves or removes the file must know them. */
static const struct table_field disk_fields[] = {
	{ "DISK", "id", TABLE_TEXT },
	{ "IMAGE", "image", TABLE_TEXT },
	{ "COPY", "copy", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static void print_line(struct json_object *job)
{
	char kind[TABLE_CELL_SIZE], id[TABLE_CELL_SIZE], vm[TABLE_CELL_SIZE],
		file[TABLE_WORDS_SIZE], state[TABLE_CELL_SIZE];

	printf("%s %s: VM %s, %s: %s", table_text(job, "kind", kind), table_text(job, "id", id),
	       table_text(job, "vm", vm), table_words(job, "file", file),
	       table_text(job, "state", state));
}

static const struct job_kind saves = {
	.path = "/v1/saves",
	.type = "save",
	.fields = show_fields,
	.list_fields = list_fields,
	.rows = "disks",
	.row_fields = disk_fields,
	.print = print_line,
};

/* ---- save and restore ---------------------------------------------------------------- */

/* A path for the daemon.  A relative FILE belongs to this host's working directory. */
static void add_file(struct json_object *body, const char *file)
{
	CLEANUP(free_charp) char *here = file[0] == '/' ? NULL : getcwd(NULL, 0);
	CLEANUP(free_charp) char *path = here ? xasprintf("%s/%s", here, file) : xstrdup(file);

	json_add_str(body, "file", path);
}

static bool run_save(struct cli_call *call, struct err *err)
{
	const struct save_values *values = call->values;
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "/save");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	add_file(body, call->words[1]);
	if (values->live)
		json_add_bool(body, "live", true);
	return job_start(call, &saves, path, body, values->watch, err);
}

static bool run_restore(struct cli_call *call, struct err *err)
{
	const struct save_values *values = call->values;
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	add_file(body, call->words[0]);
	if (values->paused)
		json_add_bool(body, "paused", true);
	if (values->remove)
		json_add_bool(body, "remove", true);
	if (values->stale_disks_ok)
		json_add_bool(body, "stale_disks_ok", true);
	return job_start(call, &saves, "/v1/vms/restore", body, values->watch, err);
}

#define OPTION_WATCH                                                            \
	{                                                                       \
		.name = "watch", .letter = 'w', .type = CLI_FLAG, VALUE(watch), \
		.help = "wait for the end",                                     \
	}

static const struct cli_option save_options[] = {
	{
		.name = "live",
		.type = CLI_FLAG,
		VALUE(live),
		.help = "the guest runs on; its memory is written as it is now",
	},
	OPTION_WATCH,
	{ .name = NULL },
};

static const struct cli_option restore_options[] = {
	{
		.name = "paused",
		.type = CLI_FLAG,
		VALUE(paused),
		.help = "leave the guest paused, also if it ran when it was saved",
	},
	{
		.name = "remove",
		.type = CLI_FLAG,
		VALUE(remove),
		.help = "remove the file when the guest is restored",
	},
	{
		.name = "stale-disks-ok",
		.type = CLI_FLAG,
		VALUE(stale_disks_ok),
		.help = "you vouch that the guest's disks are those of the time of the save",
	},
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_vm_save = {
	.noun = "vm",
	.verb = "save",
	.args = "VM FILE",
	.min_args = 2,
	.max_args = 2,
	.options = save_options,
	.values_size = sizeof(struct save_values),
	.summary = "save a guest to a file, and end it",
	.details = "The guest runs on while its memory is written for the first time.  A saved\n"
		   "guest that has the name FILE is replaced when this one is complete.\n"
		   "With --live it is not ended: the file can be restored when the VM is\n"
		   "stopped.  Its disks are copied to IMAGE.saved-ID beside their images.\n",
	.run = run_save,
};

const struct cli_command cmd_vm_restore = {
	.noun = "vm",
	.verb = "restore",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.options = restore_options,
	.values_size = sizeof(struct save_values),
	.summary = "let a guest go on that was saved to a file",
	.details = "A file is refused if its guest has run since: its disks are newer than the\n"
		   "memory in the file, which would destroy them.  One of --live brings its\n"
		   "disks; the present images become IMAGE.before-JOB.\n",
	.run = run_restore,
};

/* ---- look, cancel ---------------------------------------------------------------------- */

const struct cli_command cmd_save_list = {
	.noun = "save",
	.verb = "list",
	.summary = "the saves and restores of this host",
	.run = job_list,
	.data = &saves,
};

const struct cli_command cmd_save_show = {
	.noun = "save",
	.verb = "show",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "one save or restore",
	.run = job_show,
	.data = &saves,
};

const struct cli_command cmd_save_cancel = {
	.noun = "save",
	.verb = "cancel",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "cancel a save or a restore, and wait for its end",
	.details = "A guest that was to be saved runs on; a file that was to be restored stays as\n"
		   "it is.\n",
	.run = job_cancel,
	.data = &saves,
};
