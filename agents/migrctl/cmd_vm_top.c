/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guests of a host use, as a page that is renewed. */
#include "agents/migrctl/cmd_vm_top.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/vm_figures.h"
#include "base/mem.h"

#define DELAY_S     2
#define DELAY_MAX_S 3600
#define ROUNDS_MAX  1000000

struct top_values {
	struct cli_number rounds, delay;
	const char *sort;
};

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
		vm_figures_sum(json_object_array_get_idx(items, i));
	rows = vm_figures_sorted(list, sort);
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
	const char *sort = values->sort ? values->sort : vm_figures_sorts[0];
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
		.choices = vm_figures_sorts,
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
