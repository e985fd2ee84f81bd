/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests that a new QEMU of the same host takes over. */
#include "agents/migrctl/cmd_refresh.h"

#include <string.h>

#include "agents/migrctl/job.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

struct refresh_values {
	bool watch;
	const char *emulator, *way;
};
#define VALUE(field) .offset = offsetof(struct refresh_values, field)

static const struct table_field show_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "emulator", "emulator", TABLE_TEXT },
	{ "way", "way", TABLE_TEXT },
	{ "from QEMU", "from_version", TABLE_TEXT },
	{ "to QEMU", "to_version", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "memory", "progress.ram_total_bytes", TABLE_BYTES },
	{ "to be copied", "progress.ram_remaining_bytes", TABLE_BYTES },
	{ "reason", "reason", TABLE_TEXT },
	{ "error", "error.code", TABLE_TEXT },
	{ "error detail", "error.detail", TABLE_TEXT },
	{ "blackout", "blackout_ms", TABLE_MS },
	{ "created at", "created_at", TABLE_TEXT },
	{ "ended at", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "FROM", "from_version", TABLE_TEXT },
	{ "TO", "to_version", TABLE_TEXT },
	{ "BLACKOUT", "blackout_ms", TABLE_MS },
	{ "CREATED", "created_at", TABLE_TEXT },
	{ "ENDED", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static void print_line(struct json_object *job)
{
	char id[TABLE_CELL_SIZE], vm[TABLE_CELL_SIZE], emulator[TABLE_WORDS_SIZE],
		state[TABLE_CELL_SIZE], blackout[TABLE_CELL_SIZE];

	printf("REFRESH %s: VM %s, %s: %s", table_text(job, "id", id), table_text(job, "vm", vm),
	       table_words(job, "emulator", emulator), table_text(job, "state", state));
	if (json_get_int(job, "blackout_ms", -1) >= 0)
		printf(", the guest stood still for %s ms",
		       table_text(job, "blackout_ms", blackout));
}

static const struct job_kind refreshes = {
	.path = "/v1/refreshes",
	.type = "refresh",
	.fields = show_fields,
	.list_fields = list_fields,
	.print = print_line,
};

/* ---- refresh ------------------------------------------------------------------------------ */

static bool run_refresh(struct cli_call *call, struct err *err)
{
	const struct refresh_values *values = call->values;
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "/refresh");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	if (values->emulator)
		json_add_str(body, "emulator", values->emulator);
	if (values->way)
		json_add_str(body, "way", values->way);
	return job_start(call, &refreshes, path, body, values->watch, err);
}

static const struct cli_option refresh_options[] = {
	{
		.name = "emulator",
		.type = CLI_TEXT,
		.arg = "PATH",
		VALUE(emulator),
		.help = "QEMU program on the daemon's host; else that of its configuration",
	},
	{
		.name = "way",
		.type = CLI_TEXT,
		.arg = "cpr-transfer|stream",
		VALUE(way),
		.help = "hand the memory over, or copy it; else the first that can be done",
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

const struct cli_command cmd_vm_refresh = {
	.noun = "vm",
	.verb = "refresh",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = refresh_options,
	.values_size = sizeof(struct refresh_values),
	.summary = "let a new QEMU of this host take a guest over",
	.details =
		"After an upgrade of QEMU the guest goes on in the new program, with its memory\n"
		"where it is if it was started with memory_share in its definition; else its\n"
		"memory is copied, and must fit into the host twice.\n"
		"If the new QEMU cannot take it over, it runs on in the old one.\n",
	.run = run_refresh,
};

/* ---- look, cancel ---------------------------------------------------------------------- */

const struct cli_command cmd_refresh_list = {
	.noun = "refresh",
	.verb = "list",
	.summary = "the refreshes of this host",
	.run = job_list,
	.data = &refreshes,
};

const struct cli_command cmd_refresh_show = {
	.noun = "refresh",
	.verb = "show",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "one refresh",
	.run = job_show,
	.data = &refreshes,
};

const struct cli_command cmd_refresh_cancel = {
	.noun = "refresh",
	.verb = "cancel",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "cancel a refresh, and wait for its end",
	.details = "The guest goes on in the old QEMU.  It is too late when the new one has it.\n",
	.run = job_cancel,
	.data = &refreshes,
};
