/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_move.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/summary.h"
#include "agents/migrctl/watch.h"
#include "agents/migrctl/when.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

/* A cancel is answered when the move has ended, its roll-back included. */
#define CANCEL_TIMEOUT_MS 300000

struct move_values {
	const char *to, *vm, *keep, *assert_dead, *why, *block_jobs, *multifd_compression,
		*postcopy, *policy, *priority;
	struct cli_number bandwidth, downtime_limit, multifd_channels, hold, seconds;
	const char *hold_then, *hold_until;
	bool watch, active, plan, timeline, passes, assert_same_disks, assert_same_cpu,
		assert_safe_cache;
	bool remove_source_disks;
	bool multifd, xbzrle, auto_converge, dry_run, force;
};

#define VALUE(field) .offset = offsetof(struct move_values, field)

#define OPTION_BANDWIDTH                                                                 \
	{                                                                                \
		.name = "bandwidth", .letter = 'b', .type = CLI_BYTES, VALUE(bandwidth), \
		.max = INT64_MAX, .arg = "BYTES",                                        \
		.help = "at most so much each second, such as 64M; 0: no limit",         \
	}
#define OPTION_DOWNTIME                                                                       \
	{                                                                                     \
		.name = "downtime-limit", .type = CLI_COUNT, VALUE(downtime_limit), .min = 1, \
		.max = 2000000, .arg = "MS",                                                  \
		.help = "how long the guest may stand still at the end, in milliseconds",     \
	}
#define MOVE_ARGS "ID|VM"

/* ---- which move ---------------------------------------------------------------------- */

/* The newest move of a list: ids are UUIDv7, which sort by time. */
static const char *newest_id(struct json_object *list)
{
	struct json_object *items = table_member(list, "items");
	size_t count = json_object_array_length(items);
	const char *newest = NULL;

	for (size_t i = 0; i < count; i++) {
		const char *id = json_get_str(json_object_array_get_idx(items, i), "id");

		if (id && (!newest || strcmp(id, newest) > 0))
			newest = id;
	}
	return newest;
}

/* The id of the move that WORD means; the caller frees it.  WORD is the id, or the name of a
 * VM, which means its active move, or (unless MUST_BE_ACTIVE) its latest one. */
static char *find_move(struct client *client, const char *word, bool must_be_active,
		       struct err *err)
{
	CLEANUP(free_charp) char *query = NULL;
	CLEANUP(free_charp) char *active = NULL;
	CLEANUP(json_putp) struct json_object *list = NULL;

	if (id_uuid_is_valid(word))
		return xstrdup(word);
	query = client_path("vm=", word, "");
	active = client_path("vm=", word, "&state=active");
	if (!client_list(client, "/v1/moves", active, &list, err))
		return NULL;
	if (!newest_id(list) && !must_be_active) {
		json_object_put(list);
		list = NULL;
		if (!client_list(client, "/v1/moves", query, &list, err))
			return NULL;
	}
	if (newest_id(list))
		return xstrdup(newest_id(list));
	err_set(err, ERR_NOT_FOUND, "VM '%s' %s", word,
		must_be_active ? "is not being moved" : "was never moved from or to this host");
	return NULL;
}

/* Client and move of a command whose argument is MOVE_ARGS. */
struct target {
	struct client *client;
	char *id;
};

static void target_fini(struct target *target)
{
	client_free(target->client);
	free(target->id);
}

static bool target_find(struct target *target, struct cli_call *call, bool must_be_active,
			struct err *err)
{
	target->client = migrctl_client(call, err);
	if (!target->client)
		return false;
	target->id = find_move(target->client, call->words[0], must_be_active, err);
	return target->id != NULL;
}

static char *target_path(const struct target *target, const char *suffix)
{
	return client_path("/v1/moves/", target->id, suffix);
}

/* ---- start --------------------------------------------------------------------------- */

static void add_limits(const struct move_values *values, struct json_object *obj)
{
	if (values->bandwidth.is_set)
		json_add_uint(obj, "bandwidth_bytes_per_s", values->bandwidth.value);
	if (values->downtime_limit.is_set)
		json_add_uint(obj, "downtime_limit_ms", values->downtime_limit.value);
}

/* A value for multifd turns it on. */
static void add_ways(const struct move_values *values, struct json_object *obj)
{
	struct json_object *multifd = json_object_new_object();

	if (values->multifd_channels.is_set)
		json_add_uint(multifd, "channels", values->multifd_channels.value);
	if (values->multifd_compression)
		json_add_str(multifd, "compression", values->multifd_compression);
	if (values->multifd || json_object_object_length(multifd) > 0)
		json_object_object_add(obj, "multifd", json_object_get(multifd));
	json_object_put(multifd);
	if (values->postcopy) {
		struct json_object *postcopy = json_object_new_object();

		json_add_str(postcopy, "start", values->postcopy);
		json_object_object_add(obj, "postcopy", postcopy);
	}
	if (values->xbzrle)
		json_add_bool(obj, "xbzrle", true);
	if (values->auto_converge)
		json_add_bool(obj, "auto_converge", true);
}

/* A hold without a time is refused by the daemon, which says why. */
static void add_hold(const struct move_values *values, struct json_object *obj)
{
	struct json_object *hold;

	char until[WHEN_SIZE];

	if (!values->hold.is_set && !values->hold_then && !values->hold_until)
		return;
	hold = json_object_new_object();
	if (values->hold_until) {
		when_say(values->hold_until, clock_wall_s(), until);
		json_add_str(hold, "until", until);
	}
	if (values->hold.is_set)
		json_add_uint(hold, "timeout_s", values->hold.value);
	if (values->hold_then)
		json_add_str(hold, "then", values->hold_then);
	json_object_object_add(obj, "hold", hold);
}

static void add_assertions(const struct move_values *values, struct json_object *obj)
{
	if (values->assert_same_disks)
		json_add_bool(obj, "assert_same_disks", true);
	if (values->assert_same_cpu)
		json_add_bool(obj, "assert_same_cpu", true);
	if (values->assert_safe_cache)
		json_add_bool(obj, "assert_safe_cache", true);
	if (values->remove_source_disks)
		json_add_bool(obj, "remove_source_disks", true);
}

static bool send(struct client *client, const char *method, const char *path,
		 struct json_object *body, const char *key, struct json_object **ret_move,
		 struct err *err)
{
	const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
	struct client_request request = {
		.method = method,
		.path = path,
		.body = text,
		.body_len = strlen(text),
		.idempotency_key = key,
	};

	if (!client_call(client, &request, ret_move, err))
		return false;
	if (!*ret_move || !json_get_str(*ret_move, "id"))
		return err_set(err, ERR_PROTOCOL, "the answer does not name the move");
	return true;
}

/* If the answer was lost, the request is sent again; the key makes sure that it starts no
 * second move. */
static bool start_move(struct client *client, struct json_object *body,
		       struct json_object **ret_move, struct err *err)
{
	char key[ID_UUID_SIZE];

	id_uuid_new(key);
	if (send(client, "POST", "/v1/moves", body, key, ret_move, err))
		return true;
	return err->code == ERR_UNAVAILABLE && !client_problem(client) &&
	       send(client, "POST", "/v1/moves", body, key, ret_move, err);
}

static void print_started(const struct cli_call *call, struct json_object *move)
{
	char id[TABLE_CELL_SIZE], vm[TABLE_CELL_SIZE];
	char source[TABLE_CELL_SIZE], destination[TABLE_CELL_SIZE];

	if (migrctl_wants_json(call))
		table_print_json(stdout, move);
	else
		printf("move %s: %s, %s -> %s\n", table_text(move, "id", id),
		       table_text(move, "vm", vm), table_text(move, "source", source),
		       table_text(move, "destination", destination));
	fflush(stdout);
}

/* ---- or only try --------------------------------------------------------------------- */

static const struct table_field trial_fields[] = {
	{ "forecast", "forecast.summary", TABLE_TEXT },
	{ "mode", "forecast.mode", TABLE_TEXT },
	{ "converges", "forecast.converges", TABLE_TEXT },
	{ "duration", "forecast.duration_ms.expected", TABLE_MS },
	{ "at least", "forecast.duration_ms.low", TABLE_MS },
	{ "at most", "forecast.duration_ms.high", TABLE_MS },
	{ "blackout", "forecast.blackout_ms.expected", TABLE_MS },
	{ "blackout at most", "forecast.blackout_ms.high", TABLE_MS },
	{ "to be sent", "forecast.bytes.expected", TABLE_BYTES },
	{ "passes", "forecast.passes.expected", TABLE_NUMBER },
	{ "memory", "forecast.basis.memory_bytes", TABLE_BYTES },
	{ "not zero", "forecast.basis.nonzero_bytes", TABLE_BYTES },
	{ "written set", "forecast.basis.dirty_set_bytes", TABLE_BYTES },
	{ "link", "forecast.basis.link_bytes_per_s", TABLE_RATE },
	{ "probed", "link.probe_bytes", TABLE_BYTES },
	{ "largest packet", "link.mtu_bytes", TABLE_BYTES },
	{ NULL, NULL, TABLE_TEXT },
};

static bool blocks(struct json_object *reason)
{
	return json_get_bool(reason, "blocks", true);
}

static size_t count_reasons(struct json_object *reasons, bool blocking)
{
	size_t count = 0;

	for (size_t i = 0; i < json_count(reasons); i++)
		count += blocks(json_object_array_get_idx(reasons, i)) == blocking;
	return count;
}

/* With the host that found it: "host b, vm: ...". */
static void print_reasons(struct json_object *trial, bool blocking)
{
	struct json_object *reasons = table_member(trial, "reasons");
	char check[TABLE_CELL_SIZE], host[TABLE_CELL_SIZE], detail[TABLE_WORDS_SIZE];
	size_t number = 0;

	for (size_t i = 0; i < json_count(reasons); i++) {
		struct json_object *reason = json_object_array_get_idx(reasons, i);
		const char *side = json_get_str(reason, "side");

		if (blocks(reason) != blocking)
			continue;
		if (blocking)
			printf("  %zu. ", ++number);
		else
			printf("  warning: ");
		printf("host %s, %s: %s\n", table_text(trial, side ? side : "source", host),
		       table_text(reason, "check", check), table_words(reason, "detail", detail));
	}
}

/* The answer to the question comes first. */
static void print_trial(struct json_object *trial)
{
	size_t count = count_reasons(table_member(trial, "reasons"), true);
	char vm[TABLE_CELL_SIZE], source[TABLE_CELL_SIZE], destination[TABLE_CELL_SIZE];

	printf("%s, %s -> %s: ", table_text(trial, "vm", vm), table_text(trial, "source", source),
	       table_text(trial, "destination", destination));
	if (count)
		printf("not possible now, for %zu reason%s:\n", count, count == 1 ? "" : "s");
	else if (json_get_bool(trial, "possible", false))
		printf("the move would begin\n");
	else
		printf("not known: host %s could not be asked\n", destination);
	print_reasons(trial, true);
	print_reasons(trial, false);
	printf("\n");
	table_print_object(stdout, trial, trial_fields);
}

/* Success says that the move would begin, so a script need not read the answer. */
static bool try_move(const struct cli_call *call, struct client *client, struct json_object *body,
		     struct err *err)
{
	CLEANUP(json_putp) struct json_object *trial = NULL;
	struct client_request request = {
		.method = "POST",
		.path = "/v1/moves?dry_run=true",
		.body = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN),
	};

	request.body_len = strlen(request.body);
	if (!client_call(client, &request, &trial, err))
		return false;
	if (!trial || !table_member(trial, "forecast"))
		return err_set(err, ERR_PROTOCOL,
			       "the answer is no forecast: this host has an older migrd");
	if (migrctl_wants_json(call))
		table_print_json(stdout, trial);
	else
		print_trial(trial);
	fflush(stdout);
	if (json_get_bool(trial, "possible", false))
		return true;
	if (count_reasons(table_member(trial, "reasons"), true))
		return err_set(err, ERR_CONFLICT, "the move is not possible now");
	return err_set(err, ERR_CONFLICT, "host '%s' could not be asked, so nothing is certain",
		       json_get_str(body, "to"));
}

struct json_object *move_start_body(const void *start_values, const char *vm)
{
	const struct move_values *values = start_values;
	struct json_object *body = json_object_new_object();

	json_add_str(body, "vm", vm);
	if (values->to)
		json_add_str(body, "to", values->to);
	if (values->policy)
		json_add_str(body, "policy", values->policy);
	add_limits(values, body);
	if (values->priority)
		json_add_str(body, "priority", values->priority);
	if (values->block_jobs)
		json_add_str(body, "block_jobs", values->block_jobs);
	add_ways(values, body);
	add_hold(values, body);
	add_assertions(values, body);
	return body;
}

static bool run_start(struct cli_call *call, struct err *err)
{
	const struct move_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *body = move_start_body(values, call->words[0]);
	CLEANUP(json_putp) struct json_object *move = NULL;

	if (client && values->dry_run)
		return try_move(call, client, body, err);
	if (!client || !start_move(client, body, &move, err))
		return false;
	if (!values->watch || !migrctl_wants_json(call))
		print_started(call, move);
	return !values->watch || watch_move(call, client, json_get_str(move, "id"), err);
}

static const char *const hold_choices[] = { "cancel", "release", NULL };
static const char *const priority_choices[] = { "interactive", "evacuation", "balancing", NULL };
static const char *const postcopy_choices[] = { "manual", "first-pass", "at-once", NULL };

static const struct cli_option start_options[] = {
	{
		.name = "to",
		.letter = 't',
		.type = CLI_TEXT,
		VALUE(to),
		.is_required = true,
		.arg = "HOST",
		.help = "the id of the host it goes to",
	},
	{
		.name = "policy",
		.letter = 'p',
		.type = CLI_TEXT,
		VALUE(policy),
		.arg = "NAME",
		.help = "how it may treat its guest; default: as the VM says",
	},
	OPTION_BANDWIDTH,
	OPTION_DOWNTIME,
	{
		.name = "priority",
		.type = CLI_CHOICE,
		VALUE(priority),
		.choices = priority_choices,
		.arg = "interactive|evacuation|balancing",
		.help = "who comes first where moves share a host (default: interactive)",
	},
	{
		.name = "block-jobs",
		.type = CLI_TEXT,
		VALUE(block_jobs),
		.arg = "refuse|wait|cancel",
		.help = "what becomes of block jobs and exports of its disks",
	},
	{
		.name = "multifd",
		.type = CLI_FLAG,
		VALUE(multifd),
		.help = "memory goes over several connections at once",
	},
	{
		.name = "multifd-channels",
		.type = CLI_COUNT,
		VALUE(multifd_channels),
		.min = 1,
		.max = 16,
		.arg = "N",
		.help = "how many (default: half of the CPUs of the smaller host, 2 to 8)",
	},
	{
		.name = "multifd-compression",
		.type = CLI_TEXT,
		VALUE(multifd_compression),
		.arg = "none|zlib|zstd",
		.help = "compression of memory on them",
	},
	{
		.name = "postcopy",
		.type = CLI_CHOICE,
		VALUE(postcopy),
		.choices = postcopy_choices,
		.arg = "manual|first-pass|at-once",
		.help = "the guest may run there before all its memory is there",
	},
	{
		.name = "xbzrle",
		.type = CLI_FLAG,
		VALUE(xbzrle),
		.help = "of a page that is sent again only the changed bytes go out",
	},
	{
		.name = "auto-converge",
		.type = CLI_FLAG,
		VALUE(auto_converge),
		.help = "slow the guest down if it changes memory faster than it is sent",
	},
	{
		.name = "assert-same-disks",
		.type = CLI_FLAG,
		VALUE(assert_same_disks),
		.help = "you vouch that the guest's images are the same on both hosts",
	},
	{
		.name = "assert-same-cpu",
		.type = CLI_FLAG,
		VALUE(assert_same_cpu),
		.help = "you vouch that the guest bears the loss of features of its CPU",
	},
	{
		.name = "assert-safe-cache",
		.type = CLI_FLAG,
		VALUE(assert_safe_cache),
		.help = "you vouch that no write to a shared disk with cache unsafe is lost",
	},
	{
		.name = "remove-source-disks",
		.type = CLI_FLAG,
		VALUE(remove_source_disks),
		.help = "do not keep the images of disks that were copied",
	},
	{
		.name = "hold",
		.type = CLI_COUNT,
		VALUE(hold),
		.min = 1,
		.max = 604800,
		.arg = "SECONDS",
		.help = "wait so long for `move release' before memory is sent",
	},
	{
		.name = "hold-until",
		.type = CLI_TEXT,
		VALUE(hold_until),
		.arg = "TIME",
		.help = "wait up to then, such as 02:00 or 2026-12-01T02:00:00Z",
	},
	{
		.name = "hold-then",
		.type = CLI_CHOICE,
		VALUE(hold_then),
		.choices = hold_choices,
		.arg = "cancel|release",
		.help = "what happens when nobody has released it (default: with --hold cancel, "
			"with --hold-until release)",
	},
	{
		.name = "dry-run",
		.type = CLI_FLAG,
		VALUE(dry_run),
		.help = "only say whether it would go, and what it would be like",
	},
	{
		.name = "watch",
		.letter = 'w',
		.type = CLI_FLAG,
		VALUE(watch),
		.help = "follow it to its end, as `move watch' does",
	},
	{ .name = NULL },
};

const struct cli_command cmd_move_start = {
	.noun = "move",
	.verb = "start",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = start_options,
	.values_size = sizeof(struct move_values),
	.summary = "move a guest to another host",
	.details = "Returns when the move is accepted; it goes on by itself.\n",
	.run = run_start,
};

/* ---- look ----------------------------------------------------------------------------- */

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },         { "VM", "vm", TABLE_TEXT },
	{ "SOURCE", "source", TABLE_TEXT }, { "DESTINATION", "destination", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },   { "DONE", "progress.percent", TABLE_PERCENT },
	{ "OWNER", "owner", TABLE_TEXT },   { "CREATED", "created_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field show_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "VM uuid", "vm_uuid", TABLE_TEXT },
	{ "kind", "kind", TABLE_TEXT },
	{ "source", "source", TABLE_TEXT },
	{ "destination", "destination", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "reason", "reason", TABLE_TEXT },
	{ "error", "error.code", TABLE_TEXT },
	{ "error detail", "error.detail", TABLE_TEXT },
	{ "owner", "owner", TABLE_TEXT },
	{ "generation", "generation", TABLE_NUMBER },
	{ "can be cancelled", "can_cancel", TABLE_TEXT },
	{ "policy", "policy.name", TABLE_TEXT },
	{ "policy from", "policy.from", TABLE_TEXT },
	{ "priority", "options.priority", TABLE_TEXT },
	{ "done", "progress.percent", TABLE_PERCENT },
	{ "outlook", "progress.sentence", TABLE_TEXT },
	{ "takes at least", "progress.eta_min_ms", TABLE_MS },
	{ "takes at most", "progress.eta_max_ms", TABLE_MS },
	{ "RAM", "progress.ram_total_bytes", TABLE_BYTES },
	{ "sent", "progress.ram_transferred_bytes", TABLE_BYTES },
	{ "left", "progress.ram_remaining_bytes", TABLE_BYTES },
	{ "passes", "progress.passes", TABLE_NUMBER },
	{ "throughput", "progress.throughput_mbit_per_s", TABLE_MBIT },
	{ "dirty pages/s", "progress.dirty_pages_per_s", TABLE_NUMBER },
	{ "expected downtime", "progress.expected_downtime_ms", TABLE_MS },
	{ "CPU throttle", "progress.throttle_percent", TABLE_PERCENT },
	{ "blackout, measured", "measured.blackout_ms", TABLE_MS },
	{ "blackout, error", "measured.blackout_error_ms", TABLE_MS },
	{ "no blackout known", "measured.blackout_note", TABLE_TEXT },
	{ "network outage", "measured.outage_ms", TABLE_MS },
	{ "outage, error", "measured.outage_error_ms", TABLE_MS },
	{ "outage of NIC", "measured.outage_nic", TABLE_TEXT },
	{ "no outage known", "measured.outage_note", TABLE_TEXT },
	{ "brownout", "measured.brownout_percent", TABLE_PERCENT },
	{ "no brownout known", "measured.brownout_note", TABLE_TEXT },
	{ "multifd channels", "options.multifd.channels", TABLE_NUMBER },
	{ "multifd compression", "options.multifd.compression", TABLE_TEXT },
	{ "post-copy", "options.postcopy.start", TABLE_TEXT },
	{ "held until", "held_until", TABLE_TEXT },
	{ "bandwidth limit", "options.bandwidth_bytes_per_s", TABLE_RATE },
	{ "limit now", "progress.limit_bytes_per_s", TABLE_RATE },
	{ "why that limit", "progress.limit_why", TABLE_TEXT },
	{ "downtime limit", "options.downtime_limit_ms", TABLE_MS },
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

static const struct table_field notice_fields[] = {
	{ "PARTY", "party", TABLE_TEXT },  { "BEFORE", "before", TABLE_TEXT },
	{ "TOLD", "told_at", TABLE_TEXT }, { "DELAYED UNTIL", "delayed_until", TABLE_TEXT },
	{ "AFTER", "after", TABLE_TEXT },  { "REASON", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field pass_fields[] = {
	{ "PASS", "first", TABLE_NUMBER },
	{ "TO", "last", TABLE_NUMBER },
	{ "BEGAN", "began_ms", TABLE_MS },
	{ "TOOK", "duration_ms", TABLE_MS },
	{ "TO SEND", "to_send_bytes", TABLE_BYTES },
	{ "SENT", "sent_bytes", TABLE_BYTES },
	{ "DIRTY PAGES/S", "dirty_pages_per_s", TABLE_NUMBER },
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

static bool run_list(struct cli_call *call, struct err *err)
{
	const struct move_values *values = call->values;
	CLEANUP(free_charp) char *query = NULL;

	if (values->vm)
		query = client_path("vm=", values->vm, values->active ? "&state=active" : "");
	else
		query = xstrdup(values->active ? "state=active" : "");
	return migrctl_list(call, "/v1/moves", query, list_fields, err);
}

static bool show_list(const struct cli_call *call, const struct target *target, const char *suffix,
		      const struct table_field *fields, struct err *err)
{
	CLEANUP(free_charp) char *path = target_path(target, suffix);
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

static bool show_plan(const struct cli_call *call, const struct target *target, struct err *err)
{
	CLEANUP(free_charp) char *path = target_path(target, "/plan");
	CLEANUP(json_putp) struct json_object *plan = NULL;

	if (!client_get(target->client, path, &plan, err))
		return false;
	if (migrctl_wants_json(call))
		table_print_json(stdout, plan);
	else
		print_plan(plan);
	return true;
}

/* Who is told of MOVE, and who has asked for what. */
static void print_notices(struct json_object *move)
{
	struct json_object *notices = table_member(move, "notices");
	CLEANUP(json_putp) struct json_object *list = json_object_new_object();

	if (!json_count(notices))
		return;
	json_object_object_add(list, "items", json_object_get(notices));
	putchar('\n');
	table_print_list(stdout, list, notice_fields);
}

static bool run_show(struct cli_call *call, struct err *err)
{
	const struct move_values *values = call->values;
	CLEANUP(target_fini) struct target target = { NULL, NULL };
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(json_putp) struct json_object *move = NULL;

	if (!target_find(&target, call, false, err))
		return false;
	if (values->plan + values->timeline + values->passes > 1)
		return err_set(err, ERR_INVALID,
			       "--plan, --timeline and --passes: one of them at a time");
	if (values->plan)
		return show_plan(call, &target, err);
	if (values->timeline)
		return show_list(call, &target, "/timeline", timeline_fields, err);
	if (values->passes)
		return show_list(call, &target, "/passes", pass_fields, err);
	path = target_path(&target, "");
	if (!client_get(target.client, path, &move, err))
		return false;
	if (migrctl_wants_json(call))
		table_print_json(stdout, move);
	else
		summary_print_fields(stdout, move, show_fields);
	if (!migrctl_wants_json(call))
		print_notices(move);
	return true;
}

static bool run_watch(struct cli_call *call, struct err *err)
{
	CLEANUP(target_fini) struct target target = { NULL, NULL };

	return target_find(&target, call, false, err) &&
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
	{ .name = NULL },
};

const struct cli_command cmd_move_list = {
	.noun = "move",
	.verb = "list",
	.options = list_options,
	.values_size = sizeof(struct move_values),
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
	.values_size = sizeof(struct move_values),
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

/* ---- change --------------------------------------------------------------------------- */

/* The answer to a cancel, good or bad, names the owner. */
static void print_cancel(const struct cli_call *call, struct json_object *reply)
{
	char owner[TABLE_CELL_SIZE], state[TABLE_CELL_SIZE];
	bool is_cancelled = json_get_bool(reply, "cancelled", false);
	bool is_under_way = json_get_bool(reply, "under_way", false);

	if (migrctl_wants_json(call)) {
		table_print_json(stdout, reply);
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
	CLEANUP(target_fini) struct target target = { NULL, NULL };
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct client_request request = { .method = "POST", .timeout_ms = CANCEL_TIMEOUT_MS };
	char detail[TABLE_CELL_SIZE];

	if (!target_find(&target, call, true, err))
		return false;
	path = target_path(&target, "/cancel");
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
	CLEANUP(target_fini) struct target target = { NULL, NULL };
	CLEANUP(json_putp) struct json_object *move = NULL;
	CLEANUP(free_charp) char *path = NULL;

	if (!target_find(&target, call, true, err))
		return false;
	path = target_path(&target, suffix);
	if (!send(target.client, "POST", path, body, NULL, &move, err))
		return false;
	print_did(call, move);
	migrctl_print_object(call, move, show_fields);
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
	const struct move_values *values = call->values;
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	json_add_bool(body, "force", values->force);
	return run_request(call, "/finish", body, err);
}

static bool run_delay(struct cli_call *call, struct err *err)
{
	const struct move_values *values = call->values;
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
	const struct move_values *values = call->values;
	CLEANUP(target_fini) struct target target = { NULL, NULL };
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *move = NULL;
	CLEANUP(free_charp) char *path = NULL;

	if (!values->bandwidth.is_set && !values->downtime_limit.is_set && !values->policy)
		return err_set(err, ERR_INVALID,
			       "nothing to set: give --bandwidth, --downtime-limit or --policy");
	add_limits(values, body);
	if (values->policy)
		json_add_str(body, "policy", values->policy);
	if (!target_find(&target, call, true, err))
		return false;
	path = target_path(&target, "");
	if (!send(target.client, "PATCH", path, body, NULL, &move, err))
		return false;
	print_did(call, move);
	migrctl_print_object(call, move, show_fields);
	if (values->policy && !migrctl_wants_json(call))
		print_changes(move);
	return true;
}

/* ---- resolve ------------------------------------------------------------------------- */

static bool run_resolve(struct cli_call *call, struct err *err)
{
	const struct move_values *values = call->values;
	CLEANUP(target_fini) struct target target = { NULL, NULL };
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(json_putp) struct json_object *move = NULL;
	CLEANUP(json_putp) struct json_object *body = NULL;

	if (!values->keep)
		return err_set(err, ERR_INVALID,
			       "say which side keeps the guest: --keep "
			       "source|destination");
	if (!target_find(&target, call, true, err))
		return false;
	body = json_object_new_object();
	json_add_str(body, "keep", values->keep);
	if (values->assert_dead)
		json_add_str(body, "assert_dead", values->assert_dead);
	if (values->why)
		json_add_str(body, "why", values->why);
	path = target_path(&target, "/resolve");
	if (!send(target.client, "POST", path, body, NULL, &move, err))
		return false;
	migrctl_print_object(call, move, show_fields);
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

static const struct cli_option set_options[] = {
	{ .name = "policy",
	  .letter = 'p',
	  .type = CLI_TEXT,
	  VALUE(policy),
	  .arg = "NAME",
	  .help = "take what can still be had of another policy" },
	OPTION_BANDWIDTH,
	OPTION_DOWNTIME,
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
	.values_size = sizeof(struct move_values),
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
	.values_size = sizeof(struct move_values),
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
	.values_size = sizeof(struct move_values),
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
	.values_size = sizeof(struct move_values),
	.summary = "change the limits of a move that is under way",
	.run = run_set,
};
