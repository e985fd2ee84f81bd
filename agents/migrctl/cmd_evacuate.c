/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl host evacuate: asks for a host to be emptied, or what that would be like. */
#include <string.h>

#include "agents/migrctl/cmd_evacuation.h"
#include "agents/migrctl/evacuate_how.h"
#include "agents/migrctl/evacuation_page.h"
#include "agents/migrctl/evacuation_watch.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/when.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#define OPTIONS_MAX 64

struct evacuate_values {
	const char *requester, *why, *until, *on_withdraw, *state_id, *not_before, *window_until,
		*on_deadline;
	struct cli_number others_max, deadline;
	bool dry_run, watch, complete, approval;
	struct evacuate_how how;
};
#define VALUE(field) .offset = offsetof(struct evacuate_values, field)

static const char *const withdraw_choices[] = { "stay", "return", "keep", NULL };
static const char *const deadline_choices[] = { "pause", "abort", "leave", NULL };

/* ---- what is asked for --------------------------------------------------------------- */

static void add_texts(const struct evacuate_values *values, struct json_object *body)
{
	const struct {
		const char *key, *value;
	} texts[] = {
		{ "requester", values->requester },     { "why", values->why },
		{ "on_withdraw", values->on_withdraw }, { "state_id", values->state_id },
		{ "on_deadline", values->on_deadline },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].value)
			json_add_str(body, texts[i].key, texts[i].value);
}

static void add_moments(const struct evacuate_values *values, struct json_object *body)
{
	const struct {
		const char *key, *value;
	} moments[] = {
		{ "until", values->until },
		{ "not_before", values->not_before },
		{ "window_until", values->window_until },
	};
	char moment[WHEN_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
		if (!moments[i].value)
			continue;
		when_say(moments[i].value, clock_wall_s(), moment);
		json_add_str(body, moments[i].key, moment);
	}
}

static void add_flags(const struct evacuate_values *values, struct json_object *body)
{
	const struct {
		const char *key;
		bool value;
	} flags[] = {
		{ "dry_run", values->dry_run },
		{ "complete", values->complete },
		{ "approval", values->approval },
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].value)
			json_add_bool(body, flags[i].key, true);
}

static struct json_object *body_of(const struct evacuate_values *values)
{
	struct json_object *body = json_object_new_object();

	add_texts(values, body);
	add_moments(values, body);
	add_flags(values, body);
	if (values->others_max.is_set)
		json_add_uint(body, "others_max", values->others_max.value);
	if (values->deadline.is_set)
		json_add_uint(body, "deadline_s", values->deadline.value);
	evacuate_how_add(&values->how, body);
	return body;
}

/* ---- the request --------------------------------------------------------------------- */

/* A host empties itself, so a name is only compared: that of another host is a mistake which must
 * not empty this one. */
static bool is_meant(struct client *client, const char *wanted, struct err *err)
{
	CLEANUP(json_putp) struct json_object *host = NULL;
	const char *id;

	if (!client_get(client, "/v1/host", &host, err))
		return false;
	id = json_get_str(host, "id");
	if (!id)
		return err_set(err, ERR_PROTOCOL, "the answer does not name the host");
	return strcmp(id, wanted) == 0 ||
	       err_set(err, ERR_CONFLICT,
		       "this is host '%.64s', which empties itself and no other: run this on "
		       "'%.64s', or add --host ADDRESS of it",
		       id, wanted);
}

static bool ask(struct client *client, struct json_object *body, struct json_object **ret,
		struct err *err)
{
	char key[ID_UUID_SIZE];
	struct client_request request = {
		.method = "POST",
		.path = "/v1/evacuations",
		.idempotency_key = key,
	};

	id_uuid_new(key);
	request.body = json_text(body, &request.body_len);
	/* If the answer was lost, it is sent again; a request of the same requester takes the place
	 * of its former one. */
	if (!client_call(client, &request, ret, err) &&
	    (err->code != ERR_UNAVAILABLE || client_problem(client) ||
	     !client_call(client, &request, ret, err)))
		return false;
	return (*ret && json_get_str(*ret, "state")) ||
	       err_set(err, ERR_PROTOCOL, "the answer is no evacuation");
}

static bool run_evacuate(struct cli_call *call, struct err *err)
{
	const struct evacuate_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *body = body_of(values);
	CLEANUP(json_putp) struct json_object *evacuation = NULL;

	if (!client || (call->word_count > 0 && !is_meant(client, call->words[0], err)) ||
	    !ask(client, body, &evacuation, err))
		return false;
	if (values->watch && !values->dry_run)
		return evacuation_watch(call, client, json_get_str(evacuation, "id"), false, err);
	if (migrctl_wants_json(call))
		migrctl_print_data(call, evacuation);
	else if (values->dry_run)
		evacuation_page_print_plan(stdout, evacuation);
	else
		evacuation_page_print(stdout, evacuation, clock_wall_ms());
	return true;
}

/* ---- options --------------------------------------------------------------------------- */

static const struct cli_option own_options[] = {
	{
		.name = "dry-run",
		.type = CLI_FLAG,
		VALUE(dry_run),
		.help = "only say who would go where, and how full the others would be",
	},
	{
		.name = "watch",
		.letter = 'w',
		.type = CLI_FLAG,
		VALUE(watch),
		.help = "follow it until the host is drained, as `evacuation watch' does",
	},
	{
		.name = "why",
		.type = CLI_TEXT,
		VALUE(why),
		.arg = "TEXT",
		.help = "the reason, for the record",
	},
	{
		.name = "requester",
		.type = CLI_TEXT,
		VALUE(requester),
		.arg = "NAME",
		.help = "who wants it (default: you); the same one's request replaces the former",
	},
	{
		.name = "until",
		.type = CLI_TEXT,
		VALUE(until),
		.arg = "TIME",
		.help = "the request is withdrawn then, such as 06:00 or 2026-12-01T06:00:00Z",
	},
	{
		.name = "on-withdraw",
		.type = CLI_CHOICE,
		VALUE(on_withdraw),
		.choices = withdraw_choices,
		.arg = "stay|return|keep",
		.help = "when nobody wants it any more: guests stay where they are (default), "
			"return, or it goes on",
	},
	{
		.name = "state-id",
		.type = CLI_TEXT,
		VALUE(state_id),
		.arg = "ID",
		.help = "of the plan that you have seen: refused if hosts and guests are not so "
			"any more",
	},
	{
		.name = "complete",
		.type = CLI_FLAG,
		VALUE(complete),
		.help = "refuse it if by the plan a guest would stay that may not",
	},
	{
		.name = "approval",
		.type = CLI_FLAG,
		VALUE(approval),
		.help = "nothing is moved before `evacuation approve'",
	},
	{
		.name = "not-before",
		.type = CLI_TEXT,
		VALUE(not_before),
		.arg = "TIME",
		.help = "nothing is moved before, such as 02:00",
	},
	{
		.name = "not-after",
		.type = CLI_TEXT,
		VALUE(window_until),
		.arg = "TIME",
		.help = "one that has not begun by then is aborted",
	},
	{
		.name = "deadline",
		.type = CLI_COUNT,
		VALUE(deadline),
		.min = 1,
		.max = 2592000,
		.arg = "SECONDS",
		.help = "it should be done in that time from its begin",
	},
	{
		.name = "on-deadline",
		.type = CLI_CHOICE,
		VALUE(on_deadline),
		.choices = deadline_choices,
		.arg = "pause|abort|leave",
		.help = "what is done then (default: pause)",
	},
	{
		.name = "others-max",
		.type = CLI_COUNT,
		VALUE(others_max),
		.max = 1000,
		.arg = "N",
		.help = "so many guests of other hosts may be moved to make room (default: 0)",
	},
};

static struct cli_option options[OPTIONS_MAX];

void cmd_evacuate_set_up(void)
{
	memcpy(options, own_options, sizeof(own_options));
	evacuate_how_add_options(options, ARRAY_LEN(own_options), OPTIONS_MAX,
				 offsetof(struct evacuate_values, how));
}

const struct cli_command cmd_host_evacuate = {
	.noun = "host",
	.verb = "evacuate",
	.args = "[HOST]",
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct evacuate_values),
	.summary = "empty this host of its guests",
	.details =
		"Returns when the request is on disk; it goes on by itself, also over restarts.\n"
		"Some may want it at once: the host is emptied one time.  HOST is compared with\n"
		"the name of this host, so that no other one is emptied by mistake.\n",
	.run = run_evacuate,
};
