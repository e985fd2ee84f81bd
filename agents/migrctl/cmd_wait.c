/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits until a move or other work has come to a state. */
#include "agents/migrctl/cmd_wait.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* The daemon ends a request after so long; it is asked again then. */
#define ONE_WAIT_S 300
/* Beyond the time of a wait until the connection counts as dead. */
#define GRACE_S 30
/* Unless the user says another time. */
#define WAIT_S 3600

struct wait_values {
	const char *until;
	struct cli_number timeout;
};

static const struct cli_option wait_options[] = {
	{
		.name = "until",
		.type = CLI_TEXT,
		.offset = offsetof(struct wait_values, until),
		.arg = "STATE",
		.help = "the state to wait for (default: any in which it has ended)",
	},
	{
		.name = "timeout",
		.type = CLI_COUNT,
		.offset = offsetof(struct wait_values, timeout),
		.min = 1,
		.max = UINT64_C(30) * 86400,
		.arg = "SECONDS",
		.help = "wait at most so long (default: 3600)",
	},
	{ .name = NULL },
};

static const struct {
	const char *word, *path;
} kinds[] = {
	{ "move", "/v1/moves" },
	{ "queue", "/v1/queue" },
	{ "save", "/v1/saves" },
	{ "refresh", "/v1/refreshes" },
	{ "vm-backup", "/v1/backups" },
	{ "evacuation", "/v1/evacuations" },
	{ "maintenance", "/v1/maintenances" },
	{ "job", "/v1/jobs" },
};

static const struct table_field fields[] = {
	{ "id", "id", TABLE_TEXT },       { "vm", "vm", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT }, { "reason", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

const char *cmd_wait_kind(size_t i)
{
	return i < ARRAY_LEN(kinds) ? kinds[i].word : NULL;
}

const char *cmd_wait_path(const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].word, kind) == 0)
			return kinds[i].path;
	return NULL;
}

static bool no_kind(const char *word, struct err *err)
{
	struct strbuf words = STRBUF_INIT;
	bool ok;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		strbuf_addf(&words, "%s'%s'", i ? ", " : "", kinds[i].word);
	ok = err_set(err, ERR_INVALID, "there is no '%.64s' to wait for: there are %s", word,
		     strbuf_str(&words));
	strbuf_fini(&words);
	return ok;
}

static char *path_of(const struct cli_call *call, uint64_t seconds)
{
	const struct wait_values *values = call->values;
	CLEANUP(free_charp)
	char *prefix = xasprintf("%s/", cmd_wait_path(call->words[0]));
	CLEANUP(free_charp) char *place = client_path(prefix, call->words[1], "/wait");
	CLEANUP(free_charp)
	char *until = values->until ? client_path("&until=", values->until, "") : NULL;

	return xasprintf("%s?timeout=%llu%s", place, (unsigned long long)seconds,
			 until ? until : "");
}

/* One request; TIMEOUT when the daemon says that it has not come yet. */
static bool wait_for(const struct cli_call *call, struct client *client, uint64_t seconds,
		     struct json_object **ret, struct err *err)
{
	CLEANUP(free_charp) char *path = path_of(call, seconds);
	const struct client_request request = {
		.method = "GET",
		.path = path,
		.timeout_ms = (uint32_t)(seconds + GRACE_S) * 1000,
	};

	return client_call(client, &request, ret, err);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool run_wait(struct cli_call *call, struct err *err)
{
	const struct wait_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = NULL;
	CLEANUP(json_putp) struct json_object *found = NULL;
	uint64_t left = values->timeout.is_set ? values->timeout.value : WAIT_S;

	if (!cmd_wait_path(call->words[0]))
		return no_kind(call->words[0], err);
	client = migrctl_client(call, err);
	if (!client)
		return false;
	for (;;) {
		uint64_t seconds = least(left, ONE_WAIT_S);

		if (wait_for(call, client, seconds, &found, err))
			break;
		left -= seconds;
		if (err->code != ERR_TIMEOUT || !client_problem(client) || left == 0)
			return false;
	}
	migrctl_print_object(call, found, fields);
	return true;
}

const struct cli_command cmd_wait = {
	.noun = "wait",
	.args = "KIND ID",
	.min_args = 2,
	.max_args = 2,
	.options = wait_options,
	.values_size = sizeof(struct wait_values),
	.summary = "wait until a move, or other work, has come to a state",
	.details =
		"KIND is move, queue, save, refresh, vm-backup, evacuation, maintenance or job.\n"
		"Shows the object then.  Ends with 5 as soon as the state cannot come any more,\n"
		"and with 10 when it has not come in time.\n",
	.run = run_wait,
};
