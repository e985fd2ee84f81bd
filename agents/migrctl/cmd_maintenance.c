/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is to see and to steer of maintenances; cmd_maintenance_start.c orders one. */
#include "agents/migrctl/cmd_maintenance.h"

#include <string.h>

#include "agents/migrctl/maintenance_page.h"
#include "agents/migrctl/maintenance_watch.h"
#include "agents/migrctl/migrctl.h"
#include "base/clock.h"
#include "base/mem.h"

#define CURRENT "current" /* for the API: the one that has not ended, else the last */

struct maintenance_values {
	const char *id, *why;
	bool stay, watch;
};
#define VALUE(field) .offset = offsetof(struct maintenance_values, field)

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "HOSTS", "counts.total", TABLE_NUMBER },
	{ "DONE", "counts.done", TABLE_NUMBER },
	{ "FAILED", "counts.failed", TABLE_NUMBER },
	{ "SKIPPED", "counts.skipped", TABLE_NUMBER },
	{ "HOOK", "hook", TABLE_TEXT },
	{ "WAITS FOR GO OF", "waits_for", TABLE_TEXT },
	{ "CREATED", "created_at", TABLE_TEXT },
	{ "ENDED", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static void print_page(const struct cli_call *call, struct json_object *maintenance)
{
	if (migrctl_wants_json(call))
		migrctl_print_data(call, maintenance);
	else
		maintenance_page_print(stdout, maintenance, clock_wall_ms());
	fflush(stdout);
}

static bool is_one(struct json_object *maintenance, struct err *err)
{
	return (maintenance && json_get_str(maintenance, "id")) ||
	       err_set(err, ERR_PROTOCOL, "the answer is no maintenance");
}

/* ---- look ------------------------------------------------------------------------------ */

static bool run_list(struct cli_call *call, struct err *err)
{
	return migrctl_list(call, "/v1/maintenances", "", list_fields, err);
}

static bool get(struct cli_call *call, struct client *client, struct json_object **ret,
		struct err *err)
{
	CLEANUP(free_charp)
	char *path = client_path("/v1/maintenances/",
				 call->word_count > 0 ? call->words[0] : CURRENT, "");

	return client_get(client, path, ret, err) && is_one(*ret, err);
}

static bool run_show(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *maintenance = NULL;

	if (!client || !get(call, client, &maintenance, err))
		return false;
	print_page(call, maintenance);
	return true;
}

/* By its id from then on, since `current' may become another one. */
static bool run_watch(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *maintenance = NULL;

	return client && get(call, client, &maintenance, err) &&
	       maintenance_watch(call, client, json_get_str(maintenance, "id"), err);
}

const struct cli_command cmd_maintenance_list = {
	.noun = "maintenance",
	.verb = "list",
	.summary = "the maintenances that this host conducts, the newest first",
	.run = run_list,
};

const struct cli_command cmd_maintenance_show = {
	.noun = "maintenance",
	.verb = "show",
	.args = "[ID]",
	.max_args = 1,
	.summary = "what each host does, or how it ended",
	.details = "Without an ID: the one that has not ended, else the last.\n",
	.run = run_show,
};

const struct cli_command cmd_maintenance_watch = {
	.noun = "maintenance",
	.verb = "watch",
	.args = "[ID]",
	.max_args = 1,
	.summary = "follow one to its end",
	.details = "An interrupt ends the command, and not the maintenance.\n",
	.run = run_watch,
};

/* ---- steer ------------------------------------------------------------------------------- */

/* A host is the command's word, if it has one. */
static struct json_object *body_of(const struct cli_call *call)
{
	const struct maintenance_values *values = call->values;
	struct json_object *body = json_object_new_object();

	if (call->word_count > 0)
		json_add_str(body, "host", call->words[0]);
	if (values->why)
		json_add_str(body, "why", values->why);
	if (values->stay)
		json_add_bool(body, "stay", true);
	return body;
}

static bool steer(struct cli_call *call, const char *suffix, struct err *err)
{
	const struct maintenance_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp)
	char *path = client_path("/v1/maintenances/", values->id ? values->id : CURRENT, suffix);
	CLEANUP(json_putp) struct json_object *body = body_of(call);
	CLEANUP(json_putp) struct json_object *maintenance = NULL;
	struct client_request request = { .method = "POST", .path = path };

	request.body = json_text(body, &request.body_len);
	if (!client || !client_call(client, &request, &maintenance, err) ||
	    !is_one(maintenance, err))
		return false;
	if (values->watch)
		return maintenance_watch(call, client, json_get_str(maintenance, "id"), err);
	print_page(call, maintenance);
	return true;
}

static bool run_go(struct cli_call *call, struct err *err)
{
	return steer(call, "/go", err);
}

static bool run_pause(struct cli_call *call, struct err *err)
{
	return steer(call, "/pause", err);
}

static bool run_resume(struct cli_call *call, struct err *err)
{
	return steer(call, "/resume", err);
}

static bool run_stop(struct cli_call *call, struct err *err)
{
	return steer(call, "/stop", err);
}

static bool run_abort(struct cli_call *call, struct err *err)
{
	return steer(call, "/abort", err);
}

static bool run_skip(struct cli_call *call, struct err *err)
{
	return steer(call, "/skip", err);
}

#define OPTION_ID                                                                 \
	{                                                                         \
		.name = "id", .type = CLI_TEXT, VALUE(id), .arg = "ID",           \
		.help = "which maintenance (default: the one that has not ended)" \
	}
#define OPTION_WHY                                                          \
	{                                                                   \
		.name = "why", .type = CLI_TEXT, VALUE(why), .arg = "TEXT", \
		.help = "the reason, for the record"                        \
	}
#define OPTION_WATCH                                                            \
	{                                                                       \
		.name = "watch", .letter = 'w', .type = CLI_FLAG, VALUE(watch), \
		.help = "follow it, as `maintenance watch' does"                \
	}

static const struct cli_option go_options[] = {
	OPTION_ID,
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_maintenance_go = {
	.noun = "maintenance",
	.verb = "go",
	.args = "[HOST]",
	.max_args = 1,
	.options = go_options,
	.values_size = sizeof(struct maintenance_values),
	.summary = "let a host go on that waits for a person",
	.details = "Without a HOST: the first that waits.\n",
	.run = run_go,
};

static const struct cli_option pause_options[] = {
	OPTION_ID,
	OPTION_WHY,
	{ .name = NULL },
};

const struct cli_command cmd_maintenance_pause = {
	.noun = "maintenance",
	.verb = "pause",
	.options = pause_options,
	.values_size = sizeof(struct maintenance_values),
	.summary = "begin no other host until `resume'; those under way go on",
	.run = run_pause,
};

static const struct cli_option resume_options[] = {
	OPTION_ID,
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_maintenance_resume = {
	.noun = "maintenance",
	.verb = "resume",
	.options = resume_options,
	.values_size = sizeof(struct maintenance_values),
	.summary = "let a paused one go on",
	.run = run_resume,
};

static const struct cli_option stop_options[] = {
	OPTION_ID,
	OPTION_WHY,
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_maintenance_stop = {
	.noun = "maintenance",
	.verb = "stop",
	.options = stop_options,
	.values_size = sizeof(struct maintenance_values),
	.summary = "end it when the hosts under way are done; the others are skipped",
	.run = run_stop,
};

static const struct cli_option abort_options[] = {
	OPTION_ID,
	{
		.name = "stay",
		.type = CLI_FLAG,
		VALUE(stay),
		.help = "what has moved stays where it is (default: it comes back)",
	},
	OPTION_WHY,
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_maintenance_abort = {
	.noun = "maintenance",
	.verb = "abort",
	.options = abort_options,
	.values_size = sizeof(struct maintenance_values),
	.summary = "end it, and undo what was begun with the hosts under way",
	.details = "A hook that runs is waited for, and one that fails leaves its host as\n"
		   "--on-failure of the order says.\n",
	.run = run_abort,
};

static const struct cli_option skip_options[] = {
	OPTION_ID,
	OPTION_WHY,
	{ .name = NULL },
};

const struct cli_command cmd_maintenance_skip = {
	.noun = "maintenance",
	.verb = "skip",
	.args = "HOST",
	.min_args = 1,
	.max_args = 1,
	.options = skip_options,
	.values_size = sizeof(struct maintenance_values),
	.summary = "leave out a host that was not begun yet",
	.run = run_skip,
};
