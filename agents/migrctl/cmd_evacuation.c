/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is to see and to steer of evacuations; cmd_evacuate.c begins one. */
#include "agents/migrctl/cmd_evacuation.h"

#include <string.h>

#include "agents/migrctl/evacuation_page.h"
#include "agents/migrctl/evacuation_watch.h"
#include "agents/migrctl/migrctl.h"
#include "base/clock.h"
#include "base/mem.h"

#define CURRENT "current" /* for the API: the one that has not ended, else the last */

struct evacuation_values {
	const char *moves, *why, *vms, *state_id, *requester;
	struct cli_number give_up;
	bool active, back, keep_cordon, watch;
};
#define VALUE(field) .offset = offsetof(struct evacuation_values, field)

static const char *const moves_choices[] = { "finish", "cancel", NULL };
static const char *const vms_choices[] = { "back", "stay", NULL };

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "LEFT", "counts.left", TABLE_NUMBER },
	{ "OF", "counts.total", TABLE_NUMBER },
	{ "BLOCKED BY", "blocked_by", TABLE_TEXT },
	{ "CREATED", "created_at", TABLE_TEXT },
	{ "ENDED", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* The path of the evacuation that the command names, with SUFFIX; the caller frees it. */
static char *path_of(const struct cli_call *call, const char *suffix)
{
	return client_path("/v1/evacuations/", call->word_count > 0 ? call->words[0] : CURRENT,
			   suffix);
}

static void print_page(const struct cli_call *call, struct json_object *evacuation)
{
	if (migrctl_wants_json(call))
		migrctl_print_data(call, evacuation);
	else
		evacuation_page_print(stdout, evacuation, clock_wall_ms());
	fflush(stdout);
}

/* ---- look ------------------------------------------------------------------------------ */

static bool run_list(struct cli_call *call, struct err *err)
{
	return migrctl_list(call, "/v1/evacuations", "", list_fields, err);
}

static bool get(struct cli_call *call, struct client *client, struct json_object **ret,
		struct err *err)
{
	CLEANUP(free_charp) char *path = path_of(call, "");

	if (!client_get(client, path, ret, err))
		return false;
	return (*ret && json_get_str(*ret, "id")) ||
	       err_set(err, ERR_PROTOCOL, "the answer is no evacuation");
}

static bool run_show(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *evacuation = NULL;

	if (!client || !get(call, client, &evacuation, err))
		return false;
	print_page(call, evacuation);
	return true;
}

/* By its id from then on, since `current' may become another one. */
static bool run_watch(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *evacuation = NULL;

	return client && get(call, client, &evacuation, err) &&
	       evacuation_watch(call, client, json_get_str(evacuation, "id"), false, err);
}

const struct cli_command cmd_evacuation_list = {
	.noun = "evacuation",
	.verb = "list",
	.summary = "the evacuations of this host, the newest first",
	.run = run_list,
};

const struct cli_command cmd_evacuation_show = {
	.noun = "evacuation",
	.verb = "show",
	.args = "[ID]",
	.max_args = 1,
	.summary = "how many are left, which one blocks, when it ends, how full others get",
	.details = "Without an ID: the one that has not ended, else the last.\n",
	.run = run_show,
};

const struct cli_command cmd_evacuation_watch = {
	.noun = "evacuation",
	.verb = "watch",
	.args = "[ID]",
	.max_args = 1,
	.summary = "follow one until the host is drained",
	.details = "An interrupt ends the command, and not the evacuation.\n",
	.run = run_watch,
};

/* ---- steer ------------------------------------------------------------------------------- */

static void add_text(struct json_object *body, const char *key, const char *value)
{
	if (value)
		json_add_str(body, key, value);
}

static void add_flag(struct json_object *body, const char *key, bool value)
{
	if (value)
		json_add_bool(body, key, true);
}

static struct json_object *body_of(const struct evacuation_values *values)
{
	struct json_object *body = json_object_new_object();

	add_text(body, "moves", values->moves);
	add_text(body, "vms", values->vms);
	add_text(body, "state_id", values->state_id);
	add_text(body, "requester", values->requester);
	add_text(body, "why", values->why);
	if (values->give_up.is_set)
		json_add_uint(body, "give_up_s", values->give_up.value);
	add_flag(body, "back", values->back);
	add_flag(body, "keep_cordon", values->keep_cordon);
	return body;
}

static bool is_ending(struct json_object *evacuation)
{
	const char *state = json_get_str(evacuation, "state");

	return json_get_str(evacuation, "ending") || (state && strcmp(state, "returning") == 0);
}

/* UNTIL_END: what is watched is the end, if it has one, and not an empty host. */
static bool steer(struct cli_call *call, const char *suffix, bool until_end, struct err *err)
{
	const struct evacuation_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = path_of(call, suffix);
	CLEANUP(json_putp) struct json_object *body = body_of(values);
	CLEANUP(json_putp) struct json_object *evacuation = NULL;
	struct client_request request = { .method = "POST", .path = path };

	request.body = json_text(body, &request.body_len);
	if (!client || !client_call(client, &request, &evacuation, err))
		return false;
	if (!evacuation || !json_get_str(evacuation, "id"))
		return err_set(err, ERR_PROTOCOL, "the answer is no evacuation");
	if (values->watch)
		return evacuation_watch(call, client, json_get_str(evacuation, "id"),
					until_end && is_ending(evacuation), err);
	print_page(call, evacuation);
	return true;
}

static bool run_approve(struct cli_call *call, struct err *err)
{
	return steer(call, "/approve", false, err);
}

static bool run_pause(struct cli_call *call, struct err *err)
{
	return steer(call, "/pause", false, err);
}

static bool run_resume(struct cli_call *call, struct err *err)
{
	return steer(call, "/resume", false, err);
}

static bool run_abort(struct cli_call *call, struct err *err)
{
	return steer(call, "/abort", true, err);
}

static bool run_return(struct cli_call *call, struct err *err)
{
	return steer(call, "/return", true, err);
}

static bool run_withdraw(struct cli_call *call, struct err *err)
{
	return steer(call, "/withdraw", true, err);
}

#define OPTION_MOVES                                                                         \
	{                                                                                    \
		.name = "moves", .type = CLI_CHOICE, VALUE(moves), .choices = moves_choices, \
		.arg = "finish|cancel",                                                      \
		.help = "what becomes of moves under way (default: they finish)"             \
	}
#define OPTION_WHY                                                          \
	{                                                                   \
		.name = "why", .type = CLI_TEXT, VALUE(why), .arg = "TEXT", \
		.help = "the reason, for the record"                        \
	}
#define OPTION_WATCH                                                            \
	{                                                                       \
		.name = "watch", .letter = 'w', .type = CLI_FLAG, VALUE(watch), \
		.help = "follow it, as `evacuation watch' does"                 \
	}

static const struct cli_option approve_options[] = {
	{
		.name = "state-id",
		.type = CLI_TEXT,
		VALUE(state_id),
		.arg = "ID",
		.help = "of the plan that you have seen: refused if hosts and guests are not so "
			"any more",
	},
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_evacuation_approve = {
	.noun = "evacuation",
	.verb = "approve",
	.args = "[ID]",
	.max_args = 1,
	.options = approve_options,
	.values_size = sizeof(struct evacuation_values),
	.summary = "let one begin that waits for approval",
	.run = run_approve,
};

static const struct cli_option pause_options[] = {
	OPTION_MOVES,
	OPTION_WHY,
	{ .name = NULL },
};

const struct cli_command cmd_evacuation_pause = {
	.noun = "evacuation",
	.verb = "pause",
	.args = "[ID]",
	.max_args = 1,
	.options = pause_options,
	.values_size = sizeof(struct evacuation_values),
	.summary = "begin no more moves until `resume'",
	.run = run_pause,
};

static const struct cli_option resume_options[] = {
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_evacuation_resume = {
	.noun = "evacuation",
	.verb = "resume",
	.args = "[ID]",
	.max_args = 1,
	.options = resume_options,
	.values_size = sizeof(struct evacuation_values),
	.summary = "let a paused one go on",
	.run = run_resume,
};

static const struct cli_option abort_options[] = {
	OPTION_MOVES,
	{
		.name = "back",
		.type = CLI_FLAG,
		VALUE(back),
		.help = "what has moved comes back (default: it stays where it is)",
	},
	{
		.name = "keep-cordon",
		.type = CLI_FLAG,
		VALUE(keep_cordon),
		.help = "the host takes no new guests afterwards either",
	},
	OPTION_WHY,
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_evacuation_abort = {
	.noun = "evacuation",
	.verb = "abort",
	.args = "[ID]",
	.max_args = 1,
	.options = abort_options,
	.values_size = sizeof(struct evacuation_values),
	.summary = "end one before the host is empty, whoever wants it",
	.details = "`evacuation withdraw' takes back one request, and leaves those of others.\n",
	.run = run_abort,
};

static const struct cli_option return_options[] = {
	{
		.name = "vms",
		.type = CLI_CHOICE,
		VALUE(vms),
		.choices = vms_choices,
		.arg = "back|stay",
		.help = "its guests come back (default), or stay where they are",
	},
	{
		.name = "give-up",
		.type = CLI_COUNT,
		VALUE(give_up),
		.min = 1,
		.max = 2592000,
		.arg = "SECONDS",
		.help = "one that is not back by then stays where it is (default: only a host that "
			"does not answer is given up, after an hour)",
	},
	OPTION_WHY,
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_evacuation_return = {
	.noun = "evacuation",
	.verb = "return",
	.args = "[ID]",
	.max_args = 1,
	.options = return_options,
	.values_size = sizeof(struct evacuation_values),
	.summary = "the host takes guests again, and gets its own back",
	.run = run_return,
};

static const struct cli_option withdraw_options[] = {
	{
		.name = "requester",
		.type = CLI_TEXT,
		VALUE(requester),
		.arg = "NAME",
		.help = "whose request (default: yours)",
	},
	OPTION_WATCH,
	{ .name = NULL },
};

const struct cli_command cmd_evacuation_withdraw = {
	.noun = "evacuation",
	.verb = "withdraw",
	.args = "[ID]",
	.max_args = 1,
	.options = withdraw_options,
	.values_size = sizeof(struct evacuation_values),
	.summary = "take a request back; others may still want the host empty",
	.run = run_withdraw,
};
