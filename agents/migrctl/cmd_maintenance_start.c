/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl maintenance start: orders a maintenance, or asks for its steps. */
#include <string.h>

#include "agents/lib/units.h"
#include "agents/migrctl/cmd_maintenance.h"
#include "agents/migrctl/evacuate_how.h"
#include "agents/migrctl/maintenance_page.h"
#include "agents/migrctl/maintenance_watch.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/when.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#define OPTIONS_MAX 64

struct start_values {
	const char *hook, *why, *state_id, *not_before, *vms, *on_failure, *version;
	const char *check, *evacuate, *hook_limit, *heal, *back;
	struct cli_number at_once, failures;
	bool dry_run, watch, by_rack, pause, spare, adopt;
	struct evacuate_how how;
};
#define VALUE(field) .offset = offsetof(struct start_values, field)

static const char *const vms_choices[] = { "back", "stay", NULL };
static const char *const failure_choices[] = { "keep", "return", NULL };

/* ---- what is asked for --------------------------------------------------------------- */

static void add_hosts(const struct cli_call *call, struct json_object *body)
{
	struct json_object *hosts = json_object_new_array();

	for (int i = 0; i < call->word_count; i++)
		json_object_array_add(hosts, json_object_new_string(call->words[i]));
	json_object_object_add(body, "hosts", hosts);
}

static void add_texts(const struct start_values *values, struct json_object *body)
{
	const struct {
		const char *key, *value;
	} texts[] = {
		{ "hook", values->hook },         { "why", values->why },
		{ "state_id", values->state_id }, { "back", values->vms },
		{ "version", values->version },   { "on_failure", values->on_failure },
	};
	char moment[WHEN_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].value)
			json_add_str(body, texts[i].key, texts[i].value);
	if (values->not_before) {
		when_say(values->not_before, clock_wall_s(), moment);
		json_add_str(body, "not_before", moment);
	}
}

static void add_flags(const struct start_values *values, struct json_object *body)
{
	const struct {
		const char *key;
		bool value;
	} flags[] = {
		{ "dry_run", values->dry_run }, { "by_rack", values->by_rack },
		{ "pause", values->pause },     { "spare", values->spare },
		{ "adopt", values->adopt },
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].value)
			json_add_bool(body, flags[i].key, true);
}

static bool add_limits(const struct start_values *values, struct json_object *body, struct err *err)
{
	const struct {
		const char *key, *option, *value;
	} limits[] = {
		{ "check_s", "--check-within", values->check },
		{ "evacuate_s", "--empty-within", values->evacuate },
		{ "hook_s", "--hook-within", values->hook_limit },
		{ "heal_s", "--healthy-within", values->heal },
		{ "return_s", "--back-within", values->back },
	};
	uint64_t seconds;

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		if (!limits[i].value)
			continue;
		if (!units_parse_seconds(limits[i].value, &seconds, err))
			return err_wrap(err, "%s", limits[i].option);
		json_add_uint(body, limits[i].key, seconds);
	}
	return true;
}

static bool make_body(const struct cli_call *call, struct json_object *body, struct err *err)
{
	const struct start_values *values = call->values;
	struct json_object *how = json_object_new_object();

	add_hosts(call, body);
	add_texts(values, body);
	add_flags(values, body);
	if (values->at_once.is_set)
		json_add_uint(body, "at_once", values->at_once.value);
	if (values->failures.is_set)
		json_add_uint(body, "failures", values->failures.value);
	evacuate_how_add(&values->how, how);
	json_object_object_add(body, "evacuation", how);
	return add_limits(values, body, err);
}

/* ---- the request --------------------------------------------------------------------- */

/* If the answer was lost, the request is sent again; the key makes sure that it orders no second
 * one. */
static bool ask(struct client *client, struct json_object *body, struct json_object **ret,
		struct err *err)
{
	char key[ID_UUID_SIZE];
	struct client_request request = {
		.method = "POST",
		.path = "/v1/maintenances",
		.idempotency_key = key,
	};

	id_uuid_new(key);
	request.body = json_text(body, &request.body_len);
	if (!client_call(client, &request, ret, err) &&
	    (err->code != ERR_UNAVAILABLE || client_problem(client) ||
	     !client_call(client, &request, ret, err)))
		return false;
	return (*ret && json_get_str(*ret, "state")) ||
	       err_set(err, ERR_PROTOCOL, "the answer is no maintenance");
}

static bool run_start(struct cli_call *call, struct err *err)
{
	const struct start_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *maintenance = NULL;

	if (!client || !make_body(call, body, err) || !ask(client, body, &maintenance, err))
		return false;
	if (values->watch && !values->dry_run)
		return maintenance_watch(call, client, json_get_str(maintenance, "id"), err);
	if (migrctl_wants_json(call))
		migrctl_print_data(call, maintenance);
	else if (values->dry_run)
		maintenance_page_print_plan(stdout, maintenance);
	else
		maintenance_page_print(stdout, maintenance, clock_wall_ms());
	return true;
}

/* ---- options --------------------------------------------------------------------------- */

#define OPTION_LIMIT(name_, member, help_)                                                   \
	{                                                                                    \
		.name = name_, .type = CLI_TEXT, VALUE(member), .arg = "TIME", .help = help_ \
	}

static const struct cli_option own_options[] = {
	{
		.name = "dry-run",
		.type = CLI_FLAG,
		VALUE(dry_run),
		.help = "only say the steps, one after another, and how full hosts would get",
	},
	{
		.name = "watch",
		.letter = 'w',
		.type = CLI_FLAG,
		VALUE(watch),
		.help = "follow it to its end, as `maintenance watch' does",
	},
	{
		.name = "hook",
		.type = CLI_TEXT,
		VALUE(hook),
		.arg = "NAME",
		.help = "what is done with an empty host: section [hook NAME] of its own "
			"configuration (default: it waits for `maintenance go')",
	},
	{
		.name = "at-once",
		.type = CLI_COUNT,
		VALUE(at_once),
		.min = 1,
		.max = 32,
		.arg = "N",
		.help = "so many hosts at a time (default: 1)",
	},
	{
		.name = "by-rack",
		.type = CLI_FLAG,
		VALUE(by_rack),
		.help = "those at a time are all of one rack",
	},
	{
		.name = "pause",
		.type = CLI_FLAG,
		VALUE(pause),
		.help = "each host waits for `maintenance go' before it is begun",
	},
	{
		.name = "failures",
		.type = CLI_COUNT,
		VALUE(failures),
		.min = 1,
		.max = 256,
		.arg = "N",
		.help = "when so many hosts have failed, no other is begun (default: 1)",
	},
	{
		.name = "vms",
		.type = CLI_CHOICE,
		VALUE(vms),
		.choices = vms_choices,
		.arg = "back|stay",
		.help = "afterwards a host gets its guests back (default), or they stay where they "
			"are",
	},
	{
		.name = "on-failure",
		.type = CLI_CHOICE,
		VALUE(on_failure),
		.choices = failure_choices,
		.arg = "keep|return",
		.help = "an empty host that fails stays empty and takes no guests (default), or "
			"gets its own back",
	},
	{
		.name = "want-version",
		.type = CLI_TEXT,
		VALUE(version),
		.arg = "TEXT",
		.help = "a host is healthy only when its coordinator says that it is this one, "
			"such "
			"as \"migrd 0.2.0\"",
	},
	{
		.name = "spare",
		.type = CLI_FLAG,
		VALUE(spare),
		.help = "a host is not begun, and has failed, if the others could not lose one "
			"more of them while it is empty",
	},
	{
		.name = "adopt",
		.type = CLI_FLAG,
		VALUE(adopt),
		.help = "take over hosts that an earlier maintenance alone has emptied",
	},
	{
		.name = "why",
		.type = CLI_TEXT,
		VALUE(why),
		.arg = "TEXT",
		.help = "the reason, for the record",
	},
	{
		.name = "state-id",
		.type = CLI_TEXT,
		VALUE(state_id),
		.arg = "ID",
		.help = "of the dry run that you have seen: refused if hosts and guests are not so "
			"any more",
	},
	{
		.name = "not-before",
		.type = CLI_TEXT,
		VALUE(not_before),
		.arg = "TIME",
		.help = "no host is begun before, such as 02:00",
	},
	OPTION_LIMIT("check-within", check,
		     "a host that is not ready to begin by then is skipped, or has failed if a "
		     "guest has no place (default: 60s)"),
	OPTION_LIMIT("empty-within", evacuate,
		     "one that is not empty by then has failed, and is filled again (default: 1d)"),
	OPTION_LIMIT("hook-within", hook_limit, "the hook has to end by then (default: 1h)"),
	OPTION_LIMIT("healthy-within", heal,
		     "after the hook it has to be ready by then (default: 15m)"),
	OPTION_LIMIT("back-within", back, "its guests have to be back by then (default: 1d)"),
};

static struct cli_option options[OPTIONS_MAX];

void cmd_maintenance_set_up(void)
{
	memcpy(options, own_options, sizeof(own_options));
	evacuate_how_add_options(options, ARRAY_LEN(own_options), OPTIONS_MAX,
				 offsetof(struct start_values, how));
}

const struct cli_command cmd_maintenance_start = {
	.noun = "maintenance",
	.verb = "start",
	.args = "HOST...",
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct start_values),
	.summary = "empty hosts, run a hook on each, and fill them again, one after another",
	.details =
		"Returns when the order is on disk: this host conducts it, also over restarts, "
		"and\n"
		"comes last if it is one of them.  Each host is checked again right before it is\n"
		"begun.  A TIME is in seconds, or as 90m, 2h, 3d.\n",
	.run = run_start,
};
