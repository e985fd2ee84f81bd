/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts a move, or only tries it. */
#include <assert.h>
#include <string.h>

#include "agents/migrctl/cmd_move.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/move_target.h"
#include "agents/migrctl/summary.h"
#include "agents/migrctl/watch.h"
#include "agents/migrctl/when.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

struct start_values {
	const char *to, *block_jobs, *multifd_compression, *postcopy, *policy, *priority,
		*hold_then, *hold_until;
	struct move_limits limits;
	struct cli_number multifd_channels, hold, outage_ping;
	bool multifd, xbzrle, auto_converge, assert_same_disks, assert_same_cpu, assert_safe_cache,
		remove_source_disks, dry_run, watch;
};

#define VALUE(field) .offset = offsetof(struct start_values, field)

/* ---- what is asked for --------------------------------------------------------------- */

/* A value for multifd turns it on. */
static void add_ways(const struct start_values *values, struct json_object *obj)
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
	if (values->outage_ping.is_set)
		json_add_uint(obj, "outage_ping_ms", values->outage_ping.value);
	if (values->xbzrle)
		json_add_bool(obj, "xbzrle", true);
	if (values->auto_converge)
		json_add_bool(obj, "auto_converge", true);
}

/* A hold without a time is refused by the daemon, which says why. */
static void add_hold(const struct start_values *values, struct json_object *obj)
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

static void add_assertions(const struct start_values *values, struct json_object *obj)
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

/* If the answer was lost, the request is sent again; the key makes sure that it starts no
 * second move. */
static bool start_move(struct client *client, struct json_object *body,
		       struct json_object **ret_move, struct err *err)
{
	char key[ID_UUID_SIZE];

	id_uuid_new(key);
	if (move_send(client, "POST", "/v1/moves", body, key, ret_move, err))
		return true;
	return err->code == ERR_UNAVAILABLE && !client_problem(client) &&
	       move_send(client, "POST", "/v1/moves", body, key, ret_move, err);
}

static void print_started(const struct cli_call *call, struct json_object *move)
{
	char id[TABLE_CELL_SIZE], vm[TABLE_CELL_SIZE];
	char source[TABLE_CELL_SIZE], destination[TABLE_CELL_SIZE];

	if (migrctl_wants_json(call))
		migrctl_print_data(call, move);
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

/* For people they are told of in words, as for how long is what counts. */
static void print_parties(struct json_object *trial)
{
	struct json_object *notices = table_member(trial, "notices");
	char party[TABLE_CELL_SIZE];

	for (size_t i = 0; i < json_count(notices); i++) {
		struct json_object *notice = json_object_array_get_idx(notices, i);
		long long delay_s = json_get_int(notice, "may_delay_s", 0);

		printf("%s%s %s is told before memory is sent, has %lld ms to answer, and ",
		       i ? "" : "\n",
		       json_get_bool(notice, "in_guest", false)
			       ? "the program in the guest of party"
			       : "party",
		       table_text(notice, "party", party),
		       (long long)json_get_int(notice, "timeout_ms", 0));
		if (delay_s)
			printf("may delay it for %lld s\n", delay_s);
		else
			printf("may not delay it\n");
	}
}

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
	print_parties(trial);
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
		migrctl_print_data(call, trial);
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
	const struct start_values *values = start_values;
	struct json_object *body = json_object_new_object();

	json_add_str(body, "vm", vm);
	if (values->to)
		json_add_str(body, "to", values->to);
	if (values->policy)
		json_add_str(body, "policy", values->policy);
	move_add_limits(&values->limits, body);
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
	const struct start_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *body = move_start_body(values, call->words[0]);
	CLEANUP(json_putp) struct json_object *move = NULL;

	if (client && values->dry_run)
		return try_move(call, client, body, err);
	if (!client || !start_move(client, body, &move, err))
		return false;
	if (!values->watch || !migrctl_wants_json(call))
		print_started(call, move);
	migrctl_print_warnings(move);
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
	OPTION_BANDWIDTH(struct start_values),
	OPTION_DOWNTIME(struct start_values),
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
		.name = "outage-ping",
		.type = CLI_COUNT,
		VALUE(outage_ping),
		.max = 1000,
		.arg = "MS",
		.help = "ask the guest so often for an answer, to measure the network outage",
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
	.values_size = sizeof(struct start_values),
	.summary = "move a guest to another host",
	.details = "Returns when the move is accepted; it goes on by itself.\n",
	.run = run_start,
};

static_assert(sizeof(struct start_values) <= sizeof(union move_start_space),
	      "values have room in what callers give");

static bool is_in(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

void move_start_add_options(struct cli_option *options, size_t count, size_t max, size_t offset,
			    const char *const *without)
{
	static const char *const of_one_move[] = { "to", "dry-run", "watch", NULL };

	for (const struct cli_option *option = start_options; option->name; option++) {
		if (is_in(option->name, of_one_move) || is_in(option->name, without))
			continue;
		assert(count + 1 < max);
		options[count] = *option;
		options[count++].offset += offset;
	}
}
