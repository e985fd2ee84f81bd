/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shows moves. */
#include "agents/migrctl/cmd_move.h"

#include "agents/migrctl/cmd_fleet.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/move_page.h"
#include "agents/migrctl/move_target.h"
#include "agents/migrctl/watch.h"
#include "base/mem.h"

struct look_values {
	const char *vm;
	bool active, plan, timeline, passes, times, all_hosts;
};

#define VALUE(field) .offset = offsetof(struct look_values, field)

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },         { "VM", "vm", TABLE_TEXT },
	{ "SOURCE", "source", TABLE_TEXT }, { "DESTINATION", "destination", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },   { "DONE", "progress.percent", TABLE_PERCENT },
	{ "OWNER", "owner", TABLE_TEXT },   { "CREATED", "created_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field wide_fields[] = {
	{ "ENDED", "ended_at", TABLE_TEXT },
	{ "TOOK", "times.total_ms", TABLE_MS },
	{ "BLACKOUT", "measured.blackout_ms", TABLE_MS_ERROR },
	{ "SENT", "progress.ram_transferred_bytes", TABLE_BYTES },
	{ "POLICY", "policy.name", TABLE_TEXT },
	{ "REASON", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* The page leaves out what means nothing (move_page.c). */
const struct table_field move_show_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "VM uuid", "vm_uuid", TABLE_TEXT },
	{ "source", "source", TABLE_TEXT },
	{ "destination", "destination", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "reason", "reason", TABLE_TEXT },
	{ "held until", "held_until", TABLE_TEXT },
	{ "error", "error.code", TABLE_TEXT },
	{ "error detail", "error.detail", TABLE_TEXT },
	{ "owner", "owner", TABLE_TEXT },
	{ "generation", "generation", TABLE_NUMBER },
	{ "can be cancelled", "can_cancel", TABLE_TEXT },
	{ "done", "progress.percent", TABLE_PERCENT },
	{ "outlook", "progress.sentence", TABLE_TEXT },
	{ "still takes at least", "progress.eta_min_ms", TABLE_MS },
	{ "still takes at most", "progress.eta_max_ms", TABLE_MS },
	{ "forecast", "forecast.summary", TABLE_TEXT },
	{ "total time", "times.total_ms", TABLE_MS },
	{ "foreseen duration", "forecast.duration_ms.expected", TABLE_MS },
	{ "memory", "progress.ram_total_bytes", TABLE_BYTES },
	{ "sent", "progress.ram_transferred_bytes", TABLE_BYTES },
	{ "left", "progress.ram_remaining_bytes", TABLE_BYTES },
	{ "passes", "progress.passes", TABLE_NUMBER },
	{ "sending rate", "progress.throughput_mbit_per_s", TABLE_MBIT },
	{ "guest changes", "progress.dirty_pages_per_s", TABLE_PAGES_RATE },
	{ "expected blackout", "progress.expected_downtime_ms", TABLE_MS },
	{ "CPU throttle", "progress.throttle_percent", TABLE_PERCENT },
	{ "blackout", "measured.blackout_ms", TABLE_MS_ERROR },
	{ "QEMU's blackout", "times.qemu_downtime_ms", TABLE_MS },
	{ "foreseen blackout", "forecast.blackout_ms.expected", TABLE_MS },
	{ "no blackout known", "measured.blackout_note", TABLE_TEXT },
	{ "network outage", "measured.outage_ms", TABLE_MS_ERROR },
	{ "outage of NIC", "measured.outage_nic", TABLE_TEXT },
	{ "no outage known", "measured.outage_note", TABLE_TEXT },
	{ "brownout", "measured.brownout_percent", TABLE_PERCENT },
	{ "no brownout known", "measured.brownout_note", TABLE_TEXT },
	{ "policy", "policy.name", TABLE_TEXT },
	{ "policy from", "policy.from", TABLE_TEXT },
	{ "priority", "options.priority", TABLE_TEXT },
	{ "multifd channels", "options.multifd.channels", TABLE_NUMBER },
	{ "multifd compression", "options.multifd.compression", TABLE_TEXT },
	{ "post-copy", "options.postcopy.start", TABLE_TEXT },
	{ "outage ping", "options.outage_ping_ms", TABLE_MS },
	{ "bandwidth limit", "options.bandwidth_bytes_per_s", TABLE_RATE },
	{ "limit now", "progress.limit_bytes_per_s", TABLE_RATE },
	{ "why that limit", "progress.limit_why", TABLE_TEXT },
	{ "downtime limit", "options.downtime_limit_ms", TABLE_MS },
	{ "begun by", "began_by", TABLE_TEXT },
	{ "cancel asked by", "cancelled_by", TABLE_TEXT },
	{ "created at", "created_at", TABLE_TEXT },
	{ "updated at", "updated_at", TABLE_TEXT },
	{ "ended at", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field timeline_fields[] = {
	{ "AT", "at", TABLE_TEXT },
	{ "EVENT", "event", TABLE_TEXT },
	{ "DETAIL", "detail", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field pass_fields[] = {
	{ "PASS", "first", TABLE_NUMBER },
	{ "TO", "last", TABLE_NUMBER },
	{ "BEGAN", "began_ms", TABLE_MS },
	{ "TOOK", "duration_ms", TABLE_MS },
	{ "TO SEND", "to_send_bytes", TABLE_BYTES },
	{ "SENT", "sent_bytes", TABLE_BYTES },
	{ "CHANGED", "dirty_pages_per_s", TABLE_PAGES_RATE },
	{ "THROTTLE", "throttle_percent", TABLE_PERCENT },
	{ "DECISION", "decision", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field plan_fields[] = {
	{ "SETTING", "name", TABLE_TEXT },
	{ "VALUE", "value", TABLE_TEXT },
	{ "WHY", "why", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* What is told of the moves of all hosts has fewer members than GET /v1/moves. */
static const struct table_field all_fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "SOURCE", "source", TABLE_TEXT },
	{ "DESTINATION", "destination", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "HOST", "host", TABLE_TEXT },
	{ "CREATED", "created_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field all_wide_fields[] = {
	{ "ENDED", "ended_at", TABLE_TEXT },
	{ "REASON", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool run_list(struct cli_call *call, struct err *err)
{
	const struct look_values *values = call->values;
	CLEANUP(free_charp) char *query = NULL;

	if (values->vm)
		query = client_path("vm=", values->vm, values->active ? "&state=active" : "");
	else
		query = xstrdup(values->active ? "state=active" : "");
	if (values->all_hosts)
		return fleet_print(call, "moves", query, all_fields, all_wide_fields, err);
	return migrctl_list_wide(call, "/v1/moves", query, list_fields, wide_fields, err);
}

static bool show_list(const struct cli_call *call, const struct move_target *target,
		      const char *suffix, const struct table_field *fields, struct err *err)
{
	CLEANUP(free_charp) char *path = move_target_path(target, suffix);
	CLEANUP(json_putp) struct json_object *list = NULL;

	if (!client_list(target->client, path, "", &list, err))
		return false;
	migrctl_print_list(call, list, fields);
	return true;
}

/* Adds the members of LIST, whose values are at one of PATHS, to ROWS. */
static void add_settings(struct json_object *rows, struct json_object *list,
			 const char *const *paths)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct json_object *row = json_object_new_object();
		struct json_object *value = NULL;
		char name[TABLE_CELL_SIZE], why[TABLE_CELL_SIZE];

		for (const char *const *path = paths; *path && !value; path++)
			value = table_member(item, *path);
		json_add_str(row, "name", table_text(item, "name", name));
		json_object_object_add(row, "value", json_object_get(value));
		json_add_str(row, "why", table_text(item, "why", why));
		json_object_array_add(rows, row);
	}
}

static void print_plan(struct json_object *plan)
{
	static const char *const of_capability[] = { "on", NULL };
	static const char *const of_parameter[] = { "word", "number", NULL };
	CLEANUP(json_putp) struct json_object *list = json_object_new_object();
	struct json_object *rows = json_object_new_array();

	json_object_object_add(list, "items", rows);
	add_settings(rows, table_member(plan, "capabilities"), of_capability);
	add_settings(rows, table_member(plan, "parameters"), of_parameter);
	table_print_list(stdout, list, plan_fields);
}

static bool show_plan(const struct cli_call *call, const struct move_target *target,
		      struct err *err)
{
	CLEANUP(free_charp) char *path = move_target_path(target, "/plan");
	CLEANUP(json_putp) struct json_object *plan = NULL;

	if (!client_get(target->client, path, &plan, err))
		return false;
	if (migrctl_wants_json(call))
		migrctl_print_data(call, plan);
	else
		print_plan(plan);
	return true;
}

static bool run_show(struct cli_call *call, struct err *err)
{
	const struct look_values *values = call->values;
	CLEANUP(move_target_fini) struct move_target target = { NULL, NULL };
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(json_putp) struct json_object *move = NULL;

	if (!move_target_find(&target, call, false, err))
		return false;
	if (values->plan + values->timeline + values->passes + values->times > 1)
		return err_set(err, ERR_INVALID,
			       "--plan, --timeline, --passes and --times: one of them at a time");
	if (values->plan)
		return show_plan(call, &target, err);
	if (values->timeline)
		return show_list(call, &target, "/timeline", timeline_fields, err);
	if (values->passes)
		return show_list(call, &target, "/passes", pass_fields, err);
	path = move_target_path(&target, "");
	if (!client_get(target.client, path, &move, err))
		return false;
	if (values->times && !migrctl_wants_json(call))
		move_page_print_times(stdout, move);
	else
		move_page_show(call, move);
	return true;
}

static bool run_watch(struct cli_call *call, struct err *err)
{
	CLEANUP(move_target_fini) struct move_target target = { NULL, NULL };

	return move_target_find(&target, call, false, err) &&
	       watch_move(call, target.client, target.id, err);
}

static const struct cli_option list_options[] = {
	{
		.name = "vm",
		.type = CLI_TEXT,
		VALUE(vm),
		.arg = "VM",
		.help = "only moves of this guest",
	},
	{
		.name = "active",
		.type = CLI_FLAG,
		VALUE(active),
		.help = "only moves that are not over",
	},
	OPTION_ALL_HOSTS(struct look_values, all_hosts),
	{ .name = NULL },
};

static const struct cli_option show_options[] = {
	{
		.name = "plan",
		.type = CLI_FLAG,
		VALUE(plan),
		.help = "how it sends the guest and why so, instead",
	},
	{
		.name = "timeline",
		.type = CLI_FLAG,
		VALUE(timeline),
		.help = "what happened when, instead",
	},
	{
		.name = "passes",
		.type = CLI_FLAG,
		VALUE(passes),
		.help = "what each pass over its memory sent and took, instead",
	},
	{
		.name = "times",
		.type = CLI_FLAG,
		VALUE(times),
		.help = "how long each step took, instead",
	},
	{ .name = NULL },
};

const struct cli_command cmd_move_list = {
	.noun = "move",
	.verb = "list",
	.options = list_options,
	.values_size = sizeof(struct look_values),
	.summary = "moves from and to this host",
	.run = run_list,
};

const struct cli_command cmd_move_show = {
	.noun = "move",
	.verb = "show",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.options = show_options,
	.values_size = sizeof(struct look_values),
	.summary = "all about one move; of a VM, its active or latest",
	.run = run_show,
};

const struct cli_command cmd_move_watch = {
	.noun = "move",
	.verb = "watch",
	.args = MOVE_ARGS,
	.min_args = 1,
	.max_args = 1,
	.summary = "follow a move to its end",
	.details =
		"Shows a bar on a terminal and plain lines elsewhere, then the outcome.  The exit\n"
		"code is 0 only when the guest has arrived.  An interrupt ends the watching and\n"
		"not the move.  Waits up to a minute for a daemon that restarts.\n",
	.run = run_watch,
};
