/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Backups of guests' disks. */
#include "agents/migrctl/cmd_vmbackup.h"

#include "agents/migrctl/job.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

struct vmbackup_values {
	bool watch, incremental, no_fallback, compress, dry_run;
	const char *quiesce, *disks;
	struct cli_number bandwidth;
};
#define VALUE(field) .offset = offsetof(struct vmbackup_values, field)

static const struct table_field show_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "directory", "directory", TABLE_TEXT },
	{ "mode", "mode", TABLE_TEXT },
	{ "parent", "parent", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "reason", "reason", TABLE_TEXT },
	{ "error", "error.code", TABLE_TEXT },
	{ "error detail", "error.detail", TABLE_TEXT },
	{ "file systems", "quiesced", TABLE_TEXT },
	{ "taken at", "taken_at", TABLE_TEXT },
	{ "created at", "created_at", TABLE_TEXT },
	{ "ended at", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "MODE", "mode", TABLE_TEXT },
	{ "DIRECTORY", "directory", TABLE_TEXT },
	{ "TAKEN", "taken_at", TABLE_TEXT },
	{ "ENDED", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field disk_fields[] = {
	{ "DISK", "id", TABLE_TEXT },
	{ "MODE", "mode", TABLE_TEXT },
	{ "COPIED", "done_bytes", TABLE_BYTES },
	{ "OF", "total_bytes", TABLE_BYTES },
	{ "FILE", "file", TABLE_TEXT },
	{ "WHY FULL", "why_full", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static void print_line(struct json_object *job)
{
	char id[TABLE_CELL_SIZE], vm[TABLE_CELL_SIZE], directory[TABLE_WORDS_SIZE],
		state[TABLE_CELL_SIZE];

	printf("BACKUP %s: VM %s, %s: %s", table_text(job, "id", id), table_text(job, "vm", vm),
	       table_words(job, "directory", directory), table_text(job, "state", state));
}

static const struct job_kind vmbackups = {
	.path = "/v1/backups",
	.type = "backup",
	.fields = show_fields,
	.list_fields = list_fields,
	.rows = "disks",
	.row_fields = disk_fields,
	.print = print_line,
};

/* ---- backup ------------------------------------------------------------------------------- */

/* A relative DIRECTORY belongs to this host's working directory. */
static struct json_object *target(const char *directory)
{
	CLEANUP(free_charp) char *here = directory[0] == '/' ? NULL : getcwd(NULL, 0);
	CLEANUP(free_charp)
	char *path = here ? xasprintf("%s/%s", here, directory) : xstrdup(directory);
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "type", "file");
	json_add_str(obj, "directory", path);
	return obj;
}

/* The answer has no body. */
static bool try_backup(struct cli_call *call, const char *path, struct json_object *body,
		       struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *nothing = NULL;
	struct client_request request = { .method = "POST", .path = path };

	request.body = json_text(body, &request.body_len);
	if (!client || !client_call(client, &request, &nothing, err))
		return false;
	if (!migrctl_wants_json(call))
		printf("%s: a backup would be begun\n", call->words[0]);
	return true;
}

static bool run_backup(struct cli_call *call, struct err *err)
{
	const struct vmbackup_values *values = call->values;
	CLEANUP(free_charp)
	char *path = client_path("/v1/vms/", call->words[0],
				 values->dry_run ? "/backup?dry_run=true" : "/backup");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	json_object_object_add(body, "target", target(call->words[1]));
	if (values->incremental)
		json_add_str(body, "mode", "incremental");
	if (values->no_fallback)
		json_add_str(body, "fallback", "refuse");
	if (values->quiesce)
		json_add_str(body, "quiesce", values->quiesce);
	if (values->disks)
		json_object_object_add(body, "disks", migrctl_words(values->disks));
	if (values->bandwidth.is_set)
		json_add_int(body, "bandwidth_bytes_per_s", values->bandwidth.value);
	if (values->compress)
		json_add_bool(body, "compress", true);
	return values->dry_run ? try_backup(call, path, body, err)
			       : job_start(call, &vmbackups, path, body, values->watch, err);
}

static const char *const quiesces[] = { "auto", "require", "no", NULL };

static const struct cli_option backup_options[] = {
	{
		.name = "incremental",
		.letter = 'i',
		.type = CLI_FLAG,
		VALUE(incremental),
		.help = "only what has changed since the last backup in DIRECTORY",
	},
	{
		.name = "no-fallback",
		.type = CLI_FLAG,
		VALUE(no_fallback),
		.help = "fail rather than copy all of a disk whose changes are not known",
	},
	{
		.name = "quiesce",
		.type = CLI_CHOICE,
		VALUE(quiesce),
		.choices = quiesces,
		.arg = "auto|require|no",
		.help = "freeze the guest's file systems by its agent for a moment (default: auto)",
	},
	{
		.name = "disks",
		.type = CLI_TEXT,
		.arg = "ID,ID",
		VALUE(disks),
		.help = "only these disks",
	},
	{
		.name = "bandwidth",
		.type = CLI_BYTES,
		VALUE(bandwidth),
		.min = 1,
		.max = INT64_C(1) << 50,
		.arg = "BYTES",
		.help = "limit of the copy in bytes/s, such as 50M",
	},
	{
		.name = "compress",
		.type = CLI_FLAG,
		VALUE(compress),
		.help = "compress the images",
	},
	{
		.name = "dry-run",
		.type = CLI_FLAG,
		VALUE(dry_run),
		.help = "only say whether it would be begun",
	},
	{
		.name = "watch",
		.letter = 'w',
		.type = CLI_FLAG,
		VALUE(watch),
		.help = "wait for the end",
	},
	{ .name = NULL },
};

const struct cli_command cmd_vm_backup = {
	.noun = "vm",
	.verb = "backup",
	.args = "VM DIRECTORY",
	.min_args = 2,
	.max_args = 2,
	.options = backup_options,
	.values_size = sizeof(struct vmbackup_values),
	.summary = "back the disks of a guest up while it runs",
	.details = "DIRECTORY/ID gets an image for each disk, with the content of one moment, and\n"
		   "is there when all is complete.  An incremental backup needs those before it\n"
		   "in the same DIRECTORY.\n",
	.run = run_backup,
};

/* ---- look, cancel ---------------------------------------------------------------------- */

const struct cli_command cmd_vmbackup_list = {
	.noun = "vm-backup",
	.verb = "list",
	.summary = "the backups that this host has made",
	.run = job_list,
	.data = &vmbackups,
};

const struct cli_command cmd_vmbackup_show = {
	.noun = "vm-backup",
	.verb = "show",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "one backup of a guest's disks",
	.run = job_show,
	.data = &vmbackups,
};

const struct cli_command cmd_vmbackup_cancel = {
	.noun = "vm-backup",
	.verb = "cancel",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "cancel a backup of a guest's disks, and wait for its end",
	.details = "What was copied is removed, and the guest runs on.\n",
	.run = job_cancel,
	.data = &vmbackups,
};
