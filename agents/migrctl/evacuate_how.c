/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/evacuate_how.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define VALUE(field) .offset = offsetof(struct evacuate_how, field)

static const char *const stopped_choices[] = { "move", "leave", NULL };

static const struct cli_option own_options[] = {
	{
		.name = "may-leave",
		.type = CLI_FLAG,
		VALUE(may_leave),
		.help = "a guest that cannot move may stay, if its placement says so too",
	},
	{
		.name = "may-stop",
		.type = CLI_FLAG,
		VALUE(may_stop),
		.help = "it may be stopped, and is started at the end, if its placement says so "
			"too",
	},
	{
		.name = "powerdown",
		.type = CLI_COUNT,
		VALUE(powerdown),
		.min = 1,
		.max = 3600,
		.arg = "SECONDS",
		.help = "so long it may take to power off before it is stopped (default: 60)",
	},
	{
		.name = "may-save",
		.type = CLI_TEXT,
		VALUE(save_dir),
		.arg = "DIRECTORY",
		.help = "it may be saved there, and is restored at the end, likewise",
	},
	{
		.name = "stopped",
		.type = CLI_CHOICE,
		VALUE(stopped),
		.choices = stopped_choices,
		.arg = "move|leave",
		.help = "guests that do not run (default: move)",
	},
};

void evacuate_how_add_options(struct cli_option *options, size_t count, size_t max, size_t offset)
{
	static const char *const without[] = { "priority", NULL };

	assert(count + ARRAY_LEN(own_options) < max);
	for (size_t i = 0; i < ARRAY_LEN(own_options); i++) {
		options[count] = own_options[i];
		options[count++].offset += offset;
	}
	move_start_add_options(options, count, max, offset + offsetof(struct evacuate_how, start),
			       without);
}

void evacuate_how_add(const struct evacuate_how *how, struct json_object *body)
{
	struct json_object *move = move_start_body(how->start.bytes, "");

	if (how->may_leave)
		json_add_bool(body, "may_leave", true);
	if (how->may_stop)
		json_add_bool(body, "may_stop", true);
	if (how->powerdown.is_set)
		json_add_uint(body, "powerdown_s", how->powerdown.value);
	if (how->save_dir) {
		json_add_bool(body, "may_save", true);
		json_add_str(body, "save_dir", how->save_dir);
	}
	if (how->stopped)
		json_add_str(body, "stopped", how->stopped);
	json_object_object_del(move, "vm");
	json_object_object_add(body, "move", move);
}
