/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_hold.h"

#include <string.h>

#include "agents/lib/units.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/when.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

struct hold_values {
	const char *reason, *owner, *until, *for_time, *vm;
};
#define VALUE(field) .offset = offsetof(struct hold_values, field)

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },         { "KIND", "kind", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },         { "OWNER", "owner", TABLE_TEXT },
	{ "UNTIL", "until", TABLE_TEXT },   { "APPLIES", "applies", TABLE_TEXT },
	{ "REASON", "reason", TABLE_TEXT }, { NULL, NULL, TABLE_TEXT },
};

static const struct table_field show_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "kind", "kind", TABLE_TEXT },
	{ "host", "host", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "VM uuid", "vm_uuid", TABLE_TEXT },
	{ "applies", "applies", TABLE_TEXT },
	{ "owner", "owner", TABLE_TEXT },
	{ "reason", "reason", TABLE_TEXT },
	{ "until", "until", TABLE_TEXT },
	{ "created by", "created_by", TABLE_TEXT },
	{ "created at", "created_at", TABLE_TEXT },
	{ "updated at", "updated_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field cordon_fields[] = {
	{ "cordoned", "cordoned", TABLE_TEXT },
	{ "creations under way", "creations_under_way", TABLE_NUMBER },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field party_fields[] = {
	{ "CORDONED BY", "by", TABLE_TEXT }, { "OF", "party", TABLE_TEXT },
	{ "SINCE", "since", TABLE_TEXT },    { "REASON", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool send(struct client *client, const char *method, const char *path,
		 struct json_object *body, const char *key, struct json_object **ret,
		 struct err *err)
{
	const char *text =
		body ? json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN) : NULL;
	const struct client_request request = {
		.method = method,
		.path = path,
		.body = text,
		.body_len = text ? strlen(text) : 0,
		.idempotency_key = key,
	};

	return client_call(client, &request, ret, err);
}

static bool add_end(const struct hold_values *values, struct json_object *body, struct err *err)
{
	char until[WHEN_SIZE];
	uint64_t seconds;

	if (!values->until == !values->for_time)
		return err_set(err, ERR_INVALID,
			       "a hold must end: give one of --for and --until, as `--for 2h'; it "
			       "can be renewed");
	if (values->until) {
		when_say(values->until, clock_wall_s(), until);
		json_add_str(body, "until", until);
		return true;
	}
	if (!units_parse_seconds(values->for_time, &seconds, err))
		return err_wrap(err, "--for");
	json_add_uint(body, "for_s", seconds);
	return true;
}

/* ---- add ------------------------------------------------------------------------- */

/* If the answer was lost, the request is sent again; the key makes sure that it makes no second
 * hold. */
static bool add(struct cli_call *call, const char *vm, struct err *err)
{
	const struct hold_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *hold = NULL;
	char key[ID_UUID_SIZE];

	if (vm)
		json_add_str(body, "vm", vm);
	if (values->owner)
		json_add_str(body, "owner", values->owner);
	json_add_str(body, "reason", values->reason);
	if (!client || !add_end(values, body, err))
		return false;
	id_uuid_new(key);
	if (!send(client, "POST", "/v1/holds", body, key, &hold, err) &&
	    (err->code != ERR_UNAVAILABLE || client_problem(client) ||
	     !send(client, "POST", "/v1/holds", body, key, &hold, err)))
		return false;
	migrctl_print_object(call, hold, show_fields);
	return true;
}

static bool run_add(struct cli_call *call, struct err *err)
{
	return add(call, call->words[0], err);
}

static bool run_host_hold(struct cli_call *call, struct err *err)
{
	return add(call, NULL, err);
}

#define OPTIONS_END                                                               \
	{                                                                         \
		.name = "for",                                                    \
		.type = CLI_TEXT,                                                 \
		VALUE(for_time),                                                  \
		.arg = "TIME",                                                    \
		.help = "from now on for that long: seconds, or 90m, 2h, 3d",     \
	},                                                                        \
	{                                                                         \
		.name = "until", .type = CLI_TEXT, VALUE(until), .arg = "MOMENT", \
		.help = "up to this moment: 02:00, or 2026-12-01T02:00:00Z",      \
	}

static const struct cli_option add_options[] = {
	{
		.name = "reason",
		.letter = 'r',
		.type = CLI_TEXT,
		VALUE(reason),
		.is_required = true,
		.arg = "TEXT",
		.help = "why, in one line; everybody is shown it",
	},
	OPTIONS_END,
	{
		.name = "owner",
		.type = CLI_TEXT,
		VALUE(owner),
		.arg = "TEXT",
		.help = "who wants it (default: you, by your certificate)",
	},
	{ .name = NULL },
};

#define ADD_DETAILS                                                                              \
	"Moves with the priorities `evacuation' and `balancing' wait, and those that a person\n" \
	"orders (`interactive') go on with a warning.  What has begun goes on too.  A hold\n"    \
	"ends by itself, 30 days from now at the latest, or with `hold remove'.\n"

const struct cli_command cmd_hold_add = {
	.noun = "hold",
	.verb = "add",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = add_options,
	.values_size = sizeof(struct hold_values),
	.summary = "keep evacuations and balancers from moving a guest, for some time",
	.details = ADD_DETAILS,
	.run = run_add,
};

const struct cli_command cmd_host_hold = {
	.noun = "host",
	.verb = "hold",
	.options = add_options,
	.values_size = sizeof(struct hold_values),
	.summary = "keep them from moving any guest to and from this host",
	.details = ADD_DETAILS,
	.run = run_host_hold,
};

/* ---- look -------------------------------------------------------------------------- */

static bool run_list(struct cli_call *call, struct err *err)
{
	const struct hold_values *values = call->values;
	CLEANUP(free_charp)
	char *query = values->vm ? client_path("vm=", values->vm, "") : xstrdup("");

	return migrctl_list(call, "/v1/holds", query, list_fields, err);
}

static const struct cli_option list_options[] = {
	{
		.name = "vm",
		.type = CLI_TEXT,
		VALUE(vm),
		.arg = "VM",
		.help = "only holds of this guest",
	},
	{ .name = NULL },
};

const struct cli_command cmd_hold_list = {
	.noun = "hold",
	.verb = "list",
	.options = list_options,
	.values_size = sizeof(struct hold_values),
	.summary = "what is held on this host, by whom, until when and why",
	.run = run_list,
};

static bool run_show(struct cli_call *call, struct err *err)
{
	return migrctl_show(call, "/v1/holds/", show_fields, err);
}

const struct cli_command cmd_hold_show = {
	.noun = "hold",
	.verb = "show",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "all about one hold",
	.run = run_show,
};

/* ---- change ------------------------------------------------------------------------- */

static bool run_renew(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/holds/", call->words[0], "");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *hold = NULL;

	if (!client || !add_end(call->values, body, err) ||
	    !send(client, "PATCH", path, body, NULL, &hold, err))
		return false;
	migrctl_print_object(call, hold, show_fields);
	return true;
}

static const struct cli_option renew_options[] = {
	OPTIONS_END,
	{ .name = NULL },
};

const struct cli_command cmd_hold_renew = {
	.noun = "hold",
	.verb = "renew",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = renew_options,
	.values_size = sizeof(struct hold_values),
	.summary = "let a hold end at another moment",
	.run = run_renew,
};

static bool run_remove(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/holds/", call->words[0], "");
	CLEANUP(json_putp) struct json_object *reply = NULL;

	return client && send(client, "DELETE", path, NULL, NULL, &reply, err);
}

const struct cli_command cmd_hold_remove = {
	.noun = "hold",
	.verb = "remove",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "end a hold now",
	.run = run_remove,
};

/* ---- the cordon ------------------------------------------------------------------------ */

static bool set_cordon(struct cli_call *call, const char *path, struct json_object *body,
		       struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *cordon = NULL;

	if (!client || !send(client, "POST", path, body, NULL, &cordon, err))
		return false;
	migrctl_print_object(call, cordon, cordon_fields);
	if (!migrctl_wants_json(call) && json_get_bool(cordon, "cordoned", false))
		table_print_rows(stdout, cordon, "cordons", party_fields);
	return true;
}

static bool run_cordon(struct cli_call *call, struct err *err)
{
	const struct hold_values *values = call->values;
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	json_add_str(body, "reason", values->reason);
	return set_cordon(call, "/v1/host/cordon", body, err);
}

static bool run_uncordon(struct cli_call *call, struct err *err)
{
	return set_cordon(call, "/v1/host/uncordon", NULL, err);
}

static const struct cli_option cordon_options[] = {
	{
		.name = "reason",
		.letter = 'r',
		.type = CLI_TEXT,
		VALUE(reason),
		.is_required = true,
		.arg = "TEXT",
		.help = "why, in one line; who is refused is told it",
	},
	{ .name = NULL },
};

const struct cli_command cmd_host_cordon = {
	.noun = "host",
	.verb = "cordon",
	.options = cordon_options,
	.values_size = sizeof(struct hold_values),
	.summary = "let no new guest come to this host",
	.details = "New guests are refused, those that are moved here too; what is under way goes\n"
		   "on.  Guests that are here run on, and may be stopped, started and moved away.\n"
		   "It lasts, also over restarts, until `host uncordon'.\n",
	.run = run_cordon,
};

const struct cli_command cmd_host_uncordon = {
	.noun = "host",
	.verb = "uncordon",
	.summary = "let new guests come again",
	.details = "While an evacuation empties the host, that keeps them away still.\n",
	.run = run_uncordon,
};
