/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guests of a host use, as a page that is renewed. */
#include "agents/migrctl/cmd_top.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

#define DELAY_S     2
#define DELAY_MAX_S 3600
#define ROUNDS_MAX  1000000

static const char *const sorts[] = { "cpu", "memory", "disk", "net", "name", NULL };

struct top_values {
	struct cli_number rounds, delay;
	const char *sort;
};

/* ---- a row: what an item says, summed up ---------------------------------------------------- */

static const struct table_field fields[] = {
	{ "NAME", "name", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "CPU", "cpu.percent", TABLE_PERCENT },
	{ "WAITS", "cpu.vcpu_wait_percent", TABLE_PERCENT },
	{ "RESIDENT", "memory.resident_bytes", TABLE_BYTES },
	{ "SWAP", "memory.swap_bytes", TABLE_BYTES },
	{ "READ/S", "read.bytes_per_s", TABLE_BYTES },
	{ "WRITE/S", "write.bytes_per_s", TABLE_BYTES },
	{ "RX/S", "rx.bytes_per_s", TABLE_BYTES },
	{ "TX/S", "tx.bytes_per_s", TABLE_BYTES },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field more[] = {
	{ "MEMORY", "memory.size_bytes", TABLE_BYTES },
	{ "BALLOON", "memory.balloon_bytes", TABLE_BYTES },
	{ "HUGE", "memory.huge_bytes", TABLE_BYTES },
	{ "READS/S", "read.ops_per_s", TABLE_NUMBER },
	{ "READ MS", "read.latency_ms", TABLE_NUMBER },
	{ "WRITES/S", "write.ops_per_s", TABLE_NUMBER },
	{ "WRITE MS", "write.latency_ms", TABLE_NUMBER },
	{ "WINDOW", "window_ms", TABLE_MS },
	{ "NOTE", "shown_note", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* The sum of LIST's members KIND.KEY; false: none of them is known. */
static bool sum(struct json_object *list, const char *kind, const char *key, double *ret)
{
	bool is_known = false;

	*ret = 0;
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *part = json_get_obj(json_object_array_get_idx(list, i), kind);
		struct json_object *value = table_member(part, key);

		if (!value)
			continue;
		is_known = true;
		*ret += json_object_get_double(value);
	}
	return is_known;
}

static void add_number(struct json_object *obj, const char *key, double value)
{
	char text[40];

	snprintf(text, sizeof(text), "%.1f", value);
	json_object_object_add(obj, key, json_object_new_double_s(value, text));
}

static void add_sum(struct json_object *row, struct json_object *list, const char *kind,
		    const char *key)
{
	struct json_object *into = json_get_obj(row, kind);
	double value;

	if (!into) {
		into = json_object_new_object();
		json_object_object_add(row, kind, into);
	}
	if (sum(list, kind, key, &value))
		add_number(into, key, value);
}

/* The mean over all drives, each request counted once. */
static void add_latency(struct json_object *row, struct json_object *disks, const char *kind)
{
	double ops = 0, weighted = 0;
	bool is_known = false;

	for (size_t i = 0; i < json_count(disks); i++) {
		struct json_object *io = json_get_obj(json_object_array_get_idx(disks, i), kind);
		struct json_object *latency = table_member(io, "latency_ms");
		double each = json_object_get_double(table_member(io, "ops_per_s"));

		is_known |= latency != NULL;
		ops += each;
		weighted += each * json_object_get_double(latency);
	}
	if (is_known)
		add_number(json_get_obj(row, kind), "latency_ms", ops > 0 ? weighted / ops : 0);
}

static void add_sums(struct json_object *row)
{
	struct json_object *disks = table_member(row, "disks"), *nics = table_member(row, "nics");
	struct json_object *note = table_member(row, "note");
	static const char *const ways[] = { "read", "write" };

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		add_sum(row, disks, ways[i], "bytes_per_s");
		add_sum(row, disks, ways[i], "ops_per_s");
		add_latency(row, disks, ways[i]);
	}
	add_sum(row, nics, "rx", "bytes_per_s");
	add_sum(row, nics, "tx", "bytes_per_s");
	if (!note)
		note = table_member(row, "disks_note");
	json_object_object_add(row, "shown_note", json_object_get(note));
}

/* ---- the order ------------------------------------------------------- */

static const struct {
	const char *sort, *first, *second; /* members, of which the sum counts */
} keys[] = {
	{ "cpu", "cpu.percent", "" },
	{ "memory", "memory.resident_bytes", "" },
	{ "disk", "read.bytes_per_s", "write.bytes_per_s" },
	{ "net", "rx.bytes_per_s", "tx.bytes_per_s" },
};

static double number(struct json_object *row, const char *path)
{
	return *path ? json_object_get_double(table_member(row, path)) : 0;
}

struct place {
	double weight;
	struct json_object *row; /* borrowed */
	size_t at;               /* in the list, which is in the order of names */
};

static int compare(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	if (left->weight < right->weight)
		return 1;
	if (left->weight > right->weight)
		return -1;
	return left->at < right->at ? -1 : 1;
}

static double weight_of(struct json_object *row, const char *sort)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(keys[i].sort, sort) == 0)
			return number(row, keys[i].first) + number(row, keys[i].second);
	return 0; /* by name */
}

/* {"items": the same, the one that uses most first}; the caller puts it. */
static struct json_object *sorted(struct json_object *list, const char *sort)
{
	struct json_object *items = table_member(list, "items"), *ret = json_object_new_object();
	struct json_object *array = json_object_new_array();
	size_t count = json_count(items);
	CLEANUP(free_charp) char *memory = xcalloc(count ? count : 1, sizeof(struct place));
	struct place *places = (struct place *)(void *)memory;

	for (size_t i = 0; i < count; i++) {
		struct json_object *row = json_object_array_get_idx(items, i);

		places[i] = (struct place){ weight_of(row, sort), row, i };
	}
	qsort(places, count, sizeof(*places), compare);
	for (size_t i = 0; i < count; i++)
		json_object_array_add(array, json_object_get(places[i].row));
	json_object_object_add(ret, "items", array);
	return ret;
}

/* ---- rounds ---------------------------------------------------------- */

static bool get(struct cli_call *call, struct client *client, struct json_object **ret,
		struct err *err)
{
	CLEANUP(free_charp)
	char *path = call->word_count ? client_path("/v1/vms/", call->words[0], "/stats") : NULL;
	struct json_object *one = NULL, *items;

	if (!path)
		return client_list(client, "/v1/stats", "", ret, err);
	if (!client_get(client, path, &one, err))
		return false;
	items = json_object_new_array();
	json_object_array_add(items, one);
	*ret = json_object_new_object();
	json_object_object_add(*ret, "items", items);
	return true;
}

static void print(struct cli_call *call, struct json_object *list, const char *sort, bool is_screen)
{
	CLEANUP(json_putp) struct json_object *rows = NULL;
	struct json_object *items = table_member(list, "items");

	if (migrctl_wants_json(call)) {
		migrctl_print_data(call, list);
		return;
	}
	for (size_t i = 0; i < json_count(items); i++)
		add_sums(json_object_array_get_idx(items, i));
	rows = sorted(list, sort);
	if (is_screen)
		printf("\033[H\033[J"); /* ECMA-48: CUP to the first place, then ED */
	migrctl_print_wide(call, rows, fields, more);
	fflush(stdout);
}

/* Rates need two looks, so the first is not shown. */
static bool run_top(struct cli_call *call, struct err *err)
{
	const struct top_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	const char *sort = values->sort ? values->sort : sorts[0];
	bool is_screen = isatty(STDOUT_FILENO) && !migrctl_wants_json(call);
	uint64_t rounds = values->rounds.is_set ? values->rounds.value : is_screen ? UINT64_MAX : 1;
	int delay_ms = (int)(values->delay.is_set ? values->delay.value : DELAY_S) * 1000;

	if (!client)
		return false;
	for (uint64_t round = 0; round <= rounds; round++) {
		CLEANUP(json_putp) struct json_object *list = NULL;

		if (!get(call, client, &list, err))
			return false;
		if (round > 0)
			print(call, list, sort, is_screen && rounds > 1);
		if (round < rounds)
			poll(NULL, 0, delay_ms);
	}
	return true;
}

#define VALUE(member) .offset = offsetof(struct top_values, member)

static const struct cli_option options[] = {
	{
		.name = "count",
		.letter = 'n',
		.type = CLI_COUNT,
		VALUE(rounds),
		.min = 1,
		.max = ROUNDS_MAX,
		.arg = "N",
		.help = "show them so often (default: on a terminal until Ctrl-C, else once)",
	},
	{
		.name = "delay",
		.letter = 'd',
		.type = CLI_COUNT,
		VALUE(delay),
		.min = 1,
		.max = DELAY_MAX_S,
		.arg = "SECONDS",
		.help = "time between two looks, over which rates are (default: 2)",
	},
	{
		.name = "sort",
		.letter = 's',
		.type = CLI_CHOICE,
		VALUE(sort),
		.choices = sorts,
		.arg = "KEY",
		.help = "who uses most of it comes first: cpu, memory, disk or net; or by name "
			"(default: cpu)",
	},
	{ .name = NULL },
};

const struct cli_command cmd_vm_top = {
	.noun = "vm",
	.verb = "top",
	.args = "[VM]",
	.min_args = 0,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct top_values),
	.summary = "what guests use of CPU, memory, disks and network",
	.details = "100 % of CPU is one CPU of the host. WAITS: how much of the time its vCPUs\n"
		   "wanted to run and had no CPU. Rates are over the time between two looks.\n",
	.run = run_top,
};
