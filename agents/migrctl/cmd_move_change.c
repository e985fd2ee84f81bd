/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people ask of a move that runs. */
#include "agents/migrctl/cmd_move.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/move_page.h"
#include "agents/migrctl/move_target.h"
#include "base/mem.h"

/* A cancel is answered when the move has ended, its roll-back included. */
#define CANCEL_TIMEOUT_MS 300000

struct change_values {
	const char *policy, *priority, *keep, *assert_dead, *why;
	struct move_limits limits;
	struct cli_number seconds;
	bool force;
};

#define VALUE(field) .offset = offsetof(struct change_values, field)

/* The answer to a cancel, good or bad, names the owner. */
static void print_cancel(const struct cli_call *call, struct json_object *reply)
{
	char owner[TABLE_CELL_SIZE], state[TABLE_CELL_SIZE];
	bool is_cancelled = json_get_bool(reply, "cancelled", false);
	bool is_under_way = json_get_bool(reply, "under_way", false);

	if (migrctl_wants_json(call)) {
		migrctl_print_data(call, reply);
		return;
	}
	table_text(reply, "state", state);
	printf("%s; ", is_cancelled   ? "cancelled"
		       : is_under_way ? "the cancel is under way"
				      : "not cancelled");
	if (table_text(reply, "owner", owner)[0])
		printf("'%s' owns the guest", owner);
	else
		printf("it is not decided who owns the guest");
	if (state[0])
		printf(" (move: %s)", state);
	printf("\n");
}

static bool run_cancel(struct cli_call *call, struct err *err)
{
	CLEANUP(move_target_fini) struct move_target target = { NULL, NULL };
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct client_request request = { .method = "POST", .timeout_ms = CANCEL_TIMEOUT_MS };
	char detail[TABLE_CELL_SIZE];

	if (!move_target_find(&target, call, true, err))
		return false;
	path = move_target_path(&target, "/cancel");
	request.path = path;
	if (!client_call(target.client, &request, &reply, err)) {
		if (client_problem(target.client) && err->code == ERR_TOO_LATE)
			print_cancel(call, client_problem(target.client));
		return false;
	}
	print_cancel(call, reply);
	if (json_get_bool(reply, "cancelled", false) || json_get_bool(reply, "under_way", false))
		return true;
	table_text(reply, "detail", detail);
	return err_set(err, ERR_TOO_LATE, "%s", detail[0] ? detail : "the move was not cancelled");
}

/* An older daemon does not say what it did. */
static void print_did(const struct cli_call *call, struct json_object *move)
{
	char did[TABLE_WORDS_SIZE];

	if (!migrctl_wants_json(call) && json_get_str(move, "did"))
		printf("%s\n", table_words(move, "did", did));
}

/* A request to SUFFIX of the move. */
static bool run_request(struct cli_call *call, const char *suffix, struct json_object *body,
			struct err *err)
{
	CLEANUP(move_target_fini) struct move_target target = { NULL, NULL };
	CLEANUP(json_putp) struct json_object *move = NULL;
	CLEANUP(free_charp) char *path = NULL;

	if (!move_target_find(&target, call, true, err))
		return false;
	path = move_target_path(&target, suffix);
	if (!move_send(target.client, "POST", path, body, NULL, &move, err))
		return false;
	print_did(call, move);
	move_page_show(call, move);
	return true;
}

static bool run_postcopy(struct cli_call *call, struct err *err)
{
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	return run_request(call, "/postcopy", body, err);
}

static bool run_release(struct cli_call *call, struct err *err)
{
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	return run_request(call, "/release", body, err);
}

static bool run_finish(struct cli_call *call, struct err *err)
{
	const struct change_values *values = call->values;
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	json_add_bool(body, "force", values->force);
	return run_request(call, "/finish", body, err);
}

static bool run_delay(struct cli_call *call, struct err *err)
{
	const struct change_values *values = call->values;
	CLEANUP(json_putp) struct json_object *body = NULL;

	if (!values->seconds.is_set)
		return err_set(err, ERR_INVALID,
			       "say for how long: --seconds N, or 0 to let the move go on");
	body = json_object_new_object();
	json_add_uint(body, "delay_s", values->seconds.value);
	if (values->why)
		json_add_str(body, "reason", values->why);
	return run_request(call, "/delay", body, err);
}

/* What of a policy the move has now, and what it cannot have any more. */
static void print_changes(struct json_object *reply)
{
	struct json_object *changed = table_member(reply, "changed");
	struct json_object *kept = table_member(reply, "kept");
	char setting[TABLE_CELL_SIZE], why[TABLE_CELL_SIZE];

	for (size_t i = 0; i < json_count(changed); i++) {
		CLEANUP(free_charp)
		char *name = xstrdup(json_object_get_string(json_object_array_get_idx(changed, i)));

		cli_clean(name);
		printf("changed: %s\n", name);
	}
	for (size_t i = 0; i < json_count(kept); i++) {
		struct json_object *item = json_object_array_get_idx(kept, i);

		printf("kept: %s: %s\n", table_text(item, "setting", setting),
		       table_text(item, "why", why));
	}
}

static bool run_set(struct cli_call *call, struct err *err)
{
	const struct change_values *values = call->values;
	CLEANUP(move_target_fini) struct move_target target = { NULL, NULL };
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *move = NULL;
	CLEANUP(free_charp) char *path = NULL;

	if (!values->limits.bandwidth.is_set && !values->limits.downtime_limit.is_set &&
	    !values->policy && !values->priority)
		return err_set(err, ERR_INVALID,
			       "nothing to set: give --bandwidth, --downtime-limit, --policy or "
			       "--priority");
	move_add_limits(&values->limits, body);
	if (values->policy)
		json_add_str(body, "policy", values->policy);
	if (values->priority)
		json_add_str(body, "priority", values->priority);
	if (!move_target_find(&target, call, true, err))
		return false;
	path = move_target_path(&target, "");
	if (!move_send(target.client, "PATCH", path, body, NULL, &move, err))
		return false;
	print_did(call, move);
	move_page_show(call, move);
	if (values->policy && !migrctl_wants_json(call))
		print_changes(move);
	return true;
}

/* ---- resolve ------------------------------------------------------------------------- */

static bool run_resolve(struct cli_call *call, struct err *err)
{
	const struct change_values *values = call->values;
	CLEANUP(move_target_fini) struct move_target target = { NULL, NULL };
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(json_putp) struct json_object *move = NULL;
	CLEANUP(json_putp) struct json_object *body = NULL;

	if (!values->keep)
		return err_set(err, ERR_INVALID,
			       "say which side keeps the guest: --keep "
			       "source|destination");
	if (!move_target_find(&target, call, true, err))
		return false;
	body = json_object_new_object();
	json_add_str(body, "keep", values->keep);
	if (values->assert_dead)
		json_add_str(body, "assert_dead", values->assert_dead);
	if (values->why)
		json_add_str(body, "why", values->why);
	path = move_target_path(&target, "/resolve");
	if (!move_send(target.client, "POST", path, body, NULL, &move, err))
		return false;
	move_page_show(call, move);
	return true;
}

static const char *const keep_choices[] = { "source", "destination", NULL };

static const struct cli_option resolve_options[] = {
	{ .name = "keep",
	  .type = CLI_CHOICE,
	  VALUE(keep),
	  .choices = keep_choices,
	  .arg = "source|destination",
	  .help = "which side keeps the guest" },
	{ .name = "assert-dead",
	  .type = CLI_TEXT,
	  VALUE(assert_dead),
	  .arg = "HOST",
	  .help = "the host whose copy is given up: you have made sure that it does not run" },
	{ .name = "why", .type = CLI_TEXT, VALUE(why), .arg = "TEXT", .help = "for the record" },
	{ .name = NULL },
};

static const struct cli_option finish_options[] = {
	{ .name = "force",
	  .type = CLI_FLAG,
	  VALUE(force),
	  .help = "stop the guest now, for as long as the rest takes" },
	{ .name = NULL },
};

static const struct cli_option delay_options[] = {
	{ .name = "seconds",
	  .type = CLI_COUNT,
	  .max = 86400,
	  VALUE(seconds),
	  .arg = "N",
	  .help = "how long the move is to wait from now on; 0: it may go on" },
	{ .name = "why", .type = CLI_TEXT, VALUE(why), .arg = "TEXT", .help = "for people" },
	{ .name = NULL },
};

static const char *const priority_choices[] = { "interactive", "evacuation", "balancing", NULL };

static const struct cli_option set_options[] = {
	{ .name = "policy",
	  .letter = 'p',
	  .type = CLI_TEXT,
	  VALUE(policy),
	  .arg = "NAME",
	  .help = "take what can still be had of another policy" },
	OPTION_BANDWIDTH(struct change_values),
	OPTION_DOWNTIME(struct change_values),
	{
		.name = "priority",
		.type = CLI_CHOICE,
		VALUE(priority),
		.choices = priority_choices,
		.arg = "interactive|evacuation|balancing",
		.help = "its part of the host's budget of bandwidth",
	},
	{ .name = NULL },
};

const struct cli_command cmd_move_cancel = {
	.noun = "move",
	.verb = "cancel",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.summary = "end a move; says who owns the guest then",
	.details =
		"Waits for the end.  The exit code is 0 when the move was cancelled and the guest\n"
		"is where it was, or when the cancel is under way and the guest stays where it\n"
		"is; that of `too-late' when it had already gone too far.\n",
	.run = run_cancel,
};

const struct cli_command cmd_move_delay = {
	.noun = "move",
	.verb = "delay",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.options = delay_options,
	.values_size = sizeof(struct change_values),
	.summary = "delay a move as a party that was told of it",
	.details =
		"For a party of the host's configuration that may delay moves: your certificate\n"
		"has its name.\n",
	.run = run_delay,
};

const struct cli_command cmd_move_postcopy = {
	.noun = "move",
	.verb = "postcopy",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.summary = "let the guest run on the destination before all its memory is there",
	.details =
		"For a move that was started with --postcopy.  From then on the guest cannot come\n"
		"back: it fetches the rest of its memory from the source.\n",
	.run = run_postcopy,
};

const struct cli_command cmd_move_finish = {
	.noun = "move",
	.verb = "finish",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.options = finish_options,
	.values_size = sizeof(struct change_values),
	.summary = "end the transfer as soon as it can be, and say what that costs",
	.details =
		"The guest is stopped as soon as the rest fits into what the policy of the move\n"
		"allows; with --force at once, for as long as the rest takes.  The answer says "
		"how\n"
		"much is left.  Until all is sent, `move cancel' calls the guest back.\n",
	.run = run_finish,
};

const struct cli_command cmd_move_release = {
	.noun = "move",
	.verb = "release",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.summary = "let a held move go on",
	.details = "For a move that waits before memory is sent, since it was started with --hold\n"
		   "or a party has asked for a delay.\n",
	.run = run_release,
};

const struct cli_command cmd_move_resolve = {
	.noun = "move",
	.verb = "resolve",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.options = resolve_options,
	.values_size = sizeof(struct change_values),
	.summary = "decide for two hosts that cannot know who has the guest",
	.details =
		"For a move that is stuck: its reason says what is known of both sides.  The\n"
		"record keeps who decided, when and why.  For administrators and fencing agents.\n",
	.run = run_resolve,
};

const struct cli_command cmd_move_set = {
	.noun = "move",
	.verb = "set",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.options = set_options,
	.values_size = sizeof(struct change_values),
	.summary = "change the limits of a move that is under way",
	.run = run_set,
};
