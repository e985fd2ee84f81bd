/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves that wait for their turn. */
#include "agents/migrctl/cmd_queue.h"

#include <stdlib.h>
#include <string.h>

#include "agents/migrctl/cmd_move.h"
#include "agents/migrctl/migrctl.h"
#include "base/id.h"
#include "base/mem.h"

#define ADD_OPTIONS_MAX 64

struct queue_values {
	const char *to, *priority, *vm;
	struct cli_number attempts_max, give_up;
	bool active;
	union move_start_space start; /* of `queue add' */
};
#define VALUE(field) .offset = offsetof(struct queue_values, field)

static const char *const priority_choices[] = { "interactive", "evacuation", "balancing", NULL };

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "PRIORITY", "priority", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "PLACE", "position", TABLE_NUMBER },
	{ "FAILED", "attempts_made", TABLE_NUMBER },
	{ "REASON", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field show_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "VM uuid", "vm_uuid", TABLE_TEXT },
	{ "to", "to", TABLE_TEXT },
	{ "priority", "priority", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "place", "position", TABLE_NUMBER },
	{ "reason", "reason", TABLE_TEXT },
	{ "starts about", "expected_start.expected", TABLE_TEXT },
	{ "starts at the earliest", "expected_start.earliest", TABLE_TEXT },
	{ "starts at the latest", "expected_start.latest", TABLE_TEXT },
	{ "ends about", "expected_end.expected", TABLE_TEXT },
	{ "ends at the earliest", "expected_end.earliest", TABLE_TEXT },
	{ "ends at the latest", "expected_end.latest", TABLE_TEXT },
	{ "would take alone", "forecast.duration_ms", TABLE_MS },
	{ "foreseen by", "forecast.by", TABLE_TEXT },
	{ "next attempt at", "next_attempt_at", TABLE_TEXT },
	{ "move", "move", TABLE_TEXT },
	{ "failed attempts", "attempts_made", TABLE_NUMBER },
	{ "attempts at most", "attempts_max", TABLE_NUMBER },
	{ "gives up at", "give_up_at", TABLE_TEXT },
	{ "error", "error.code", TABLE_TEXT },
	{ "error detail", "error.detail", TABLE_TEXT },
	{ "created by", "created_by", TABLE_TEXT },
	{ "cancel asked by", "cancelled_by", TABLE_TEXT },
	{ "created at", "created_at", TABLE_TEXT },
	{ "updated at", "updated_at", TABLE_TEXT },
	{ "ended at", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field attempt_fields[] = {
	{ "BEGAN", "began_at", TABLE_TEXT }, { "HOST", "host", TABLE_TEXT },
	{ "MOVE", "move", TABLE_TEXT },      { "ERROR", "code", TABLE_TEXT },
	{ "REASON", "reason", TABLE_TEXT },  { NULL, NULL, TABLE_TEXT },
};

static void print_entry(const struct cli_call *call, struct json_object *entry)
{
	migrctl_print_object(call, entry, show_fields);
	if (!migrctl_wants_json(call))
		table_print_rows(stdout, entry, "attempts", attempt_fields);
}

static bool send(struct client *client, const char *method, const char *path,
		 struct json_object *body, const char *key, struct json_object **ret,
		 struct err *err)
{
	const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
	const struct client_request request = {
		.method = method,
		.path = path,
		.body = text,
		.body_len = strlen(text),
		.idempotency_key = key,
	};

	if (!client_call(client, &request, ret, err))
		return false;
	return (*ret && json_get_str(*ret, "id")) ||
	       err_set(err, ERR_PROTOCOL, "the answer does not name the entry");
}

/* ---- add --------------------------------------------------------------------------------- */

/* If the answer was lost, the request is sent again; the key makes sure that it makes no second
 * entry. */
static bool run_add(struct cli_call *call, struct err *err)
{
	const struct queue_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp)
	struct json_object *body = move_start_body(values->start.bytes, call->words[0]);
	CLEANUP(json_putp) struct json_object *entry = NULL;
	char key[ID_UUID_SIZE];

	json_object_object_add(body, "to", migrctl_words(values->to));
	if (values->attempts_max.is_set)
		json_add_uint(body, "attempts_max", values->attempts_max.value);
	if (values->give_up.is_set)
		json_add_uint(body, "give_up_s", values->give_up.value);
	id_uuid_new(key);
	if (!client)
		return false;
	if (!send(client, "POST", "/v1/queue", body, key, &entry, err) &&
	    (err->code != ERR_UNAVAILABLE || client_problem(client) ||
	     !send(client, "POST", "/v1/queue", body, key, &entry, err)))
		return false;
	print_entry(call, entry);
	return true;
}

static const struct cli_option own_options[] = {
	{
		.name = "to",
		.letter = 't',
		.type = CLI_TEXT,
		VALUE(to),
		.is_required = true,
		.arg = "HOST[,HOST...]",
		.help = "the ids of the hosts it may go to, the preferred one first",
	},
	{
		.name = "attempts-max",
		.type = CLI_COUNT,
		VALUE(attempts_max),
		.min = 1,
		.max = 100,
		.arg = "N",
		.help = "give up after so many attempts that failed (default: 10)",
	},
	{
		.name = "give-up",
		.type = CLI_COUNT,
		VALUE(give_up),
		.min = 1,
		.max = 2592000,
		.arg = "SECONDS",
		.help = "begin no attempt any more after that time",
	},
};

static struct cli_option add_options[ADD_OPTIONS_MAX];

void cmd_queue_set_up(void)
{
	static const char *const without[] = { NULL };

	memcpy(add_options, own_options, sizeof(own_options));
	move_start_add_options(add_options, ARRAY_LEN(own_options), ADD_OPTIONS_MAX,
			       offsetof(struct queue_values, start), without);
}

const struct cli_command cmd_queue_add = {
	.noun = "queue",
	.verb = "add",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = add_options,
	.values_size = sizeof(struct queue_values),
	.summary = "move a guest when it is its turn",
	.details =
		"Returns when the entry is on disk; it goes on by itself, also over restarts.  If\n"
		"a host does not take the guest, the next one is asked, and after the last one\n"
		"all of them again, some time later.\n",
	.run = run_add,
};

/* ---- look ----------------------------------------------------------------------------------- */

static bool run_list(struct cli_call *call, struct err *err)
{
	const struct queue_values *values = call->values;
	CLEANUP(free_charp) char *query = NULL;

	if (values->vm)
		query = client_path("vm=", values->vm, values->active ? "&state=active" : "");
	else
		query = xstrdup(values->active ? "state=active" : "");
	return migrctl_list(call, "/v1/queue", query, list_fields, err);
}

/* The path of the entry that WORD means, with SUFFIX; the caller frees it.  WORD is the id, or the
 * name of a VM, which means its entry that has not ended, else (unless MUST_BE_ACTIVE) its newest.
 */
static char *path_of(struct client *client, const char *word, bool must_be_active,
		     const char *suffix, struct err *err)
{
	CLEANUP(free_charp) char *active = client_path("vm=", word, "&state=active");
	CLEANUP(free_charp) char *any = client_path("vm=", word, "");
	CLEANUP(json_putp) struct json_object *list = NULL;
	const char *id;

	if (id_uuid_is_valid(word))
		return client_path("/v1/queue/", word, suffix);
	if (!client_list(client, "/v1/queue", active, &list, err))
		return NULL;
	if (!json_count(table_member(list, "items")) && !must_be_active) {
		json_object_put(TAKE_PTR(list));
		if (!client_list(client, "/v1/queue", any, &list, err))
			return NULL;
	}
	id = json_get_str(json_object_array_get_idx(table_member(list, "items"), 0), "id");
	if (id)
		return client_path("/v1/queue/", id, suffix);
	err_set(err, ERR_NOT_FOUND, "VM '%s' has no entry in the queue%s", word,
		must_be_active ? " that has not ended" : "");
	return NULL;
}

static bool run_show(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *entry = NULL;
	CLEANUP(free_charp)
	char *path = client ? path_of(client, call->words[0], false, "", err) : NULL;

	if (!path || !client_get(client, path, &entry, err))
		return false;
	print_entry(call, entry);
	return true;
}

static const struct cli_option list_options[] = {
	{
		.name = "vm",
		.type = CLI_TEXT,
		VALUE(vm),
		.arg = "VM",
		.help = "only entries of this guest",
	},
	{
		.name = "active",
		.type = CLI_FLAG,
		VALUE(active),
		.help = "only entries that have not ended",
	},
	{ .name = NULL },
};

const struct cli_command cmd_queue_list = {
	.noun = "queue",
	.verb = "list",
	.options = list_options,
	.values_size = sizeof(struct queue_values),
	.summary = "the queue of moves away from this host",
	.run = run_list,
};

const struct cli_command cmd_queue_show = {
	.noun = "queue",
	.verb = "show",
	.args = "ID|VM",
	.min_args = 1,
	.max_args = 1,
	.summary = "one entry, and its attempts",
	.run = run_show,
};

/* ---- change ----------------------------------------------------------- */

/* Of a cancel there is nothing; an older daemon does not say it. */
static void print_did(const struct cli_call *call, struct json_object *entry)
{
	char did[TABLE_WORDS_SIZE];

	if (!migrctl_wants_json(call) && json_get_str(entry, "did"))
		printf("%s\n", table_words(entry, "did", did));
}

static bool change(struct cli_call *call, const char *method, const char *suffix,
		   struct json_object *body, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *entry = NULL;
	CLEANUP(free_charp)
	char *path = client ? path_of(client, call->words[0], true, suffix, err) : NULL;

	if (!path || !send(client, method, path, body, NULL, &entry, err))
		return false;
	print_did(call, entry);
	print_entry(call, entry);
	return true;
}

static bool run_cancel(struct cli_call *call, struct err *err)
{
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	return change(call, "POST", "/cancel", body, err);
}

static bool run_set(struct cli_call *call, struct err *err)
{
	const struct queue_values *values = call->values;
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	json_add_str(body, "priority", values->priority);
	return change(call, "PATCH", "", body, err);
}

const struct cli_command cmd_queue_cancel = {
	.noun = "queue",
	.verb = "cancel",
	.args = "ID|VM",
	.min_args = 1,
	.max_args = 1,
	.summary = "end an entry; its move is cancelled, if one is under way",
	.details = "It is too late when the guest is being handed over: the move goes on then.\n",
	.run = run_cancel,
};

static const struct cli_option set_options[] = {
	{
		.name = "priority",
		.type = CLI_CHOICE,
		VALUE(priority),
		.is_required = true,
		.choices = priority_choices,
		.arg = "interactive|evacuation|balancing",
		.help = "who comes first",
	},
	{ .name = NULL },
};

const struct cli_command cmd_queue_set = {
	.noun = "queue",
	.verb = "set",
	.args = "ID|VM",
	.min_args = 1,
	.max_args = 1,
	.options = set_options,
	.values_size = sizeof(struct queue_values),
	.summary = "change the priority of an entry",
	.run = run_set,
};
