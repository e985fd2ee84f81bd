/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_host.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/peer_page.h"
#include "base/mem.h"

static const struct table_field host_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "version", "version", TABLE_TEXT },
	{ "protocol, oldest", "protocol.min", TABLE_NUMBER },
	{ "protocol, newest", "protocol.max", TABLE_NUMBER },
	{ "API address", "api_address", TABLE_TEXT },
	{ "data address", "data_address", TABLE_TEXT },
	{ "started at", "started_at", TABLE_TEXT },
	{ "boot id", "boot_id", TABLE_TEXT },
	{ "store", "store.id", TABLE_TEXT },
	{ "store epoch", "store.epoch", TABLE_NUMBER },
	{ "records in doubt", "store.doubt", TABLE_TEXT },
	{ "QEMU", "qemu_binary", TABLE_TEXT },
	{ "certificate until", "certificate.not_after", TABLE_TEXT },
	{ "certificate, days left", "certificate.days_left", TABLE_NUMBER },
	{ "reloaded at", "reload.at", TABLE_TEXT },
	{ "reload failed", "reload.error", TABLE_TEXT },
	{ "VMs", "vms.total", TABLE_NUMBER },
	{ "VMs running", "vms.running", TABLE_NUMBER },
	{ "moves active", "moves.active", TABLE_NUMBER },
	{ "memory", "memory_mib.total", TABLE_MIB },
	{ "memory available", "memory_mib.available", TABLE_MIB },
	{ "a shutdown waits", "shutdown.mode", TABLE_TEXT },
	{ "shutdown, at", "shutdown.stage", TABLE_TEXT },
	{ "shutdown, until", "shutdown.until", TABLE_TEXT },
	{ "logind", "shutdown.logind", TABLE_TEXT },
	{ "logind waits for migrd", "shutdown.delays", TABLE_TEXT },
	{ "logind refuses a shutdown", "shutdown.refuses", TABLE_TEXT },
	{ "shutdown, trouble", "shutdown.problem", TABLE_TEXT },
	{ "cordoned", "cordoned", TABLE_TEXT },
	{ "creations under way", "creations_under_way", TABLE_NUMBER },
	{ "held", "held", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field cordon_fields[] = {
	{ "CORDONED BY", "by", TABLE_TEXT }, { "OF", "party", TABLE_TEXT },
	{ "SINCE", "since", TABLE_TEXT },    { "REASON", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool run_show(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *host = NULL;
	const char *id;

	if (!client || !client_get(client, "/v1/host", &host, err))
		return false;
	id = json_get_str(host, "id");
	if (call->word_count && (!id || strcmp(call->words[0], id) != 0))
		return peer_page_print(call, client, call->words[0], err);
	migrctl_print_object(call, host, host_fields);
	if (!migrctl_wants_json(call) && json_get_bool(host, "cordoned", false))
		table_print_rows(stdout, host, "cordons", cordon_fields);
	return true;
}

/* ---- check --------------------------------------------------------------------- */

#define EXIT_FOUND 20 /* above all exit codes of errors (base/err.h) */

struct check_values {
	bool repair;
};

static const struct cli_option check_options[] = {
	{
		.name = "repair",
		.type = CLI_FLAG,
		.offset = offsetof(struct check_values, repair),
		.help = "remove what is provably safe to remove",
	},
	{ .name = NULL },
};

static const struct table_field finding_fields[] = {
	{ "KIND", "kind", TABLE_TEXT },
	{ "OBJECT", "object", TABLE_TEXT },
	{ "REPAIR", "repair", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* Prints explanation and remedy: "repair possible: remove the directory". */
static void print_words(struct json_object *item)
{
	char object[TABLE_CELL_SIZE], text[TABLE_WORDS_SIZE], repair[TABLE_CELL_SIZE];

	printf("\n%s:\n  %s\n", table_text(item, "object", object),
	       table_words(item, "explanation", text));
	if (strcmp(table_text(item, "repair", repair), "none") != 0)
		printf("  repair %s: %s\n", repair, table_words(item, "remedy", text));
	else
		printf("  %s\n", table_words(item, "remedy", text));
	if (json_get_str(item, "error"))
		printf("  %s\n", table_words(item, "error", text));
}

static void print_findings(struct json_object *report)
{
	struct json_object *items = table_member(report, "items");
	size_t count = items ? json_object_array_length(items) : 0;

	if (count == 0) {
		puts("nothing was found that should not be here");
		return;
	}
	table_print_list(stdout, report, finding_fields);
	for (size_t i = 0; i < count; i++)
		print_words(json_object_array_get_idx(items, i));
}

/* A report without the member "clean" counts as not clean. */
static bool run_check(struct cli_call *call, struct err *err)
{
	const struct check_values *values = call->values;
	const struct client_request request = {
		.method = values->repair ? "POST" : "GET",
		.path = values->repair ? "/v1/host/check/repair" : "/v1/host/check",
	};
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *report = NULL;

	if (!client || !client_call(client, &request, &report, err))
		return false;
	if (migrctl_wants_json(call))
		migrctl_print_data(call, report);
	else
		print_findings(report);
	call->exit_code = json_get_bool(report, "clean", false) ? 0 : EXIT_FOUND;
	return true;
}

const struct cli_command cmd_host_check = {
	.noun = "host",
	.verb = "check",
	.options = check_options,
	.values_size = sizeof(struct check_values),
	.summary = "what should not be on this host, and why",
	.details = "Exits with 0 when nothing is left to look at, with 20 otherwise.\n"
		   "A running guest is never touched.\n",
	.run = run_check,
};

const struct cli_command cmd_host_show = {
	.noun = "host",
	.verb = "show",
	.args = "[HOST]",
	.max_args = 1,
	.summary = "what this host is, has, and does, or knows of a peer and its guests",
	.details = "Of a peer that does not answer: which guests it had, and what may be done.\n",
	.run = run_show,
};
