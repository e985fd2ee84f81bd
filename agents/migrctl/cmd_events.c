/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_events.h"

#include <string.h>

#include "agents/migrctl/follow.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

#define SILENCE_MS 3600000

struct events_values {
	const char *type, *vm, *move, *about_host, *since;
	struct cli_number count;
};

#define VALUE(field) .offset = offsetof(struct events_values, field)

static const char *const types[] = { "vm",          "move",       "queue",    "save",
				     "refresh",     "evacuation", "hold",     "cordon",
				     "maintenance", "hook",       "shutdown", "autostart",
				     "qemu",        "monitor",    "backup",   NULL };

static const struct cli_option events_options[] = {
	{
		.name = "type",
		.type = CLI_CHOICE,
		VALUE(type),
		.choices = types,
		.arg = "vm|move|queue|save|refresh|evacuation|hold|cordon|maintenance|hook|"
		       "shutdown|autostart|qemu|monitor|backup",
		.help = "only events of this type",
	},
	{
		.name = "vm",
		.type = CLI_TEXT,
		VALUE(vm),
		.arg = "VM",
		.help = "only what is about this VM",
	},
	{
		.name = "move",
		.type = CLI_TEXT,
		VALUE(move),
		.arg = "ID",
		.help = "only what is about this move",
	},
	{
		.name = "about-host",
		.type = CLI_TEXT,
		VALUE(about_host),
		.arg = "HOST",
		.help = "only what is about this host",
	},
	{
		.name = "since",
		.type = CLI_TEXT,
		VALUE(since),
		.arg = "POSITION",
		.help = "what came after this too: the `position' of a list, or the id of an event",
	},
	{
		.name = "count",
		.type = CLI_COUNT,
		VALUE(count),
		.min = 1,
		.max = INT64_MAX,
		.arg = "N",
		.help = "end after N events (default: go on until interrupted)",
	},
	{ .name = NULL },
};

/* Prints "TYPE AT NAME STATE ID", without what the event does not have. */
static void print_event(const struct client_event *event)
{
	static const struct {
		const char *path, *inner_path;
	} columns[] = { { "at", "at" },          { "move.vm", "vm" },  { "vm.name", "name" },
			{ "vm.state", "state" }, { "move.state", "" }, { "move.id", "id" },
			{ "change", "" },        { "detail", "" } };
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj =
		json_parse(event->data, strlen(event->data), &json_limits_default, faults);
	char text[TABLE_CELL_SIZE];

	faults_free(faults);
	printf("%s", event->type);
	for (size_t i = 0; obj && i < ARRAY_LEN(columns); i++) {
		struct json_object *value = table_member(obj, columns[i].path);
		const char *path = value ? columns[i].path : columns[i].inner_path;

		if (*path && !json_object_is_type(table_member(obj, path), json_type_object) &&
		    table_text(obj, path, text)[0])
			printf("  %s", text);
	}
	printf("\n");
}

static bool wants_yaml(const struct cli_call *call)
{
	const struct migrctl_globals *globals = call->globals;

	return globals->output && strcmp(globals->output, "yaml") == 0;
}

/* One object a line, or a document of YAML each. */
static void print_data(const struct cli_call *call, const struct client_event *event)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj = wants_yaml(call) ? json_parse(event->data, strlen(event->data),
								&json_limits_default, faults)
						   : NULL;

	faults_free(faults);
	if (obj)
		migrctl_print_data(call, obj);
	else
		printf("%s\n", event->data);
}

/* False: it is none, but says that some are missing. */
static bool take_event(const struct cli_call *call, const struct client_event *event)
{
	if (migrctl_wants_json(call))
		print_data(call, event);
	else
		print_event(event);
	fflush(stdout);
	return strcmp(event->type, "gap") != 0;
}

/* The daemon leaves out what was not asked for, and tells what is missing of the rest. */
static char *path_of(const struct events_values *values)
{
	const struct {
		const char *key, *value;
	} rows[] = { { "type", values->type },
		     { "vm", values->vm },
		     { "move", values->move },
		     { "host", values->about_host },
		     { "after", values->since } };
	struct strbuf path = STRBUF_INIT;

	strbuf_adds(&path, "/v1/events");
	for (size_t i = 0, count = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(free_charp)
		char *value = rows[i].value ? client_path("", rows[i].value, "") : NULL;

		if (value)
			strbuf_addf(&path, "%s%s=%s", count++ ? "&" : "?", rows[i].key, value);
	}
	return strbuf_take(&path);
}

static void follow_finip(struct follow *follow)
{
	follow_fini(follow);
}

static bool run_events(struct cli_call *call, struct err *err)
{
	const struct events_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = path_of(values);
	CLEANUP(follow_finip) struct follow follow;
	uint64_t left = values->count.is_set ? values->count.value : UINT64_MAX;
	struct client_event event;
	enum follow_step what;

	follow_init(&follow, client, call->program->name);
	follow.path = path;
	follow.must_resume = true;
	if (!client)
		return false;
	while (left > 0) {
		what = follow_next(&follow, SILENCE_MS, &event, err);
		if (what == FOLLOW_FAILED)
			return false;
		if (what == FOLLOW_EVENT && take_event(call, &event) && left != UINT64_MAX)
			left--;
		if (ferror(stdout))
			return true; /* cli_main() reports the error, if one is worth it */
	}
	return true;
}

const struct cli_command cmd_events = {
	.noun = "events",
	.options = events_options,
	.values_size = sizeof(struct events_values),
	.summary = "what happens to guests and moves, as it happens",
	.details =
		"A line for each event; with -o json its JSON, one object a line.  Goes on across\n"
		"a restart of the daemon.  A line `gap' says that events are missing here; it is\n"
		"not counted.\n",
	.run = run_events,
};
