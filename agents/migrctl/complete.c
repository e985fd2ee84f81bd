/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/complete.h"

#include <ctype.h>
#include <string.h>

#include "agents/migrctl/cmd_agent.h"
#include "agents/migrctl/cmd_wait.h"
#include "agents/migrctl/contexts.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/reach.h"
#include "base/mem.h"
#include "wire/schema.h"

#define ASK_MS     2000
#define VALUES_MAX 1000

/* ---- where values come from ------------------------------------------------------------ */

struct source;
typedef void add_fn(const struct source *source, const struct cli_place *place,
		    struct strbuf *text);

/* A row fits a place by all that it names. */
struct source {
	const char *noun;   /* NULL: any */
	const char *option; /* NULL: any, or an argument; "": an argument */
	const char *arg;    /* one alternative of the usage, without brackets and dots */
	add_fn *add;
	const char *path, *member; /* of a list of the daemon */
};

/* The shell expands what it is given, "<(command)" too, and a daemon may tell anything: only
 * what means itself there is offered. */
static void add_word(struct strbuf *text, const char *word)
{
	for (const char *c = word; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._:/%+,=-", *c))
			return;
	if (*word)
		strbuf_addf(text, "%s\n", word);
}

static bool ask(struct client *client, const char *path, struct json_object **ret_reply)
{
	const struct client_request request = { .method = "GET",
						.path = path,
						.timeout_ms = ASK_MS };
	struct err ignored;

	return client && client_call(client, &request, ret_reply, &ignored);
}

static struct client *client_for(const struct cli_place *place)
{
	struct client *client = NULL;
	struct reach reach;
	struct err ignored;

	if (reach_find(place->globals, &reach, &ignored))
		client = reach_client(&reach, place->globals, NULL, ASK_MS, &ignored);
	reach_fini(&reach);
	return client;
}

static void add_items(struct client *client, const char *path, const char *member,
		      struct strbuf *text)
{
	CLEANUP(json_putp) struct json_object *list = NULL;
	struct json_object *items;

	if (!ask(client, path, &list))
		return;
	items = table_member(list, "items");
	for (size_t i = 0; i < json_count(items) && i < VALUES_MAX; i++) {
		const char *word = json_get_str(json_object_array_get_idx(items, i), member);

		if (word)
			add_word(text, word);
	}
}

static void add_list(const struct source *source, const struct cli_place *place,
		     struct strbuf *text)
{
	CLEANUP(migrctl_client_freep) struct client *client = client_for(place);

	add_items(client, source->path, source->member, text);
}

/* The one under way, or the last, has a name beside its id. */
static void add_list_and_current(const struct source *source, const struct cli_place *place,
				 struct strbuf *text)
{
	add_word(text, "current");
	add_list(source, place, text);
}

static void add_hosts(const struct source *source, const struct cli_place *place,
		      struct strbuf *text)
{
	CLEANUP(migrctl_client_freep) struct client *client = client_for(place);
	CLEANUP(json_putp) struct json_object *host = NULL;

	(void)source;
	if (!ask(client, "/v1/host", &host))
		return;
	if (json_get_str(host, "id"))
		add_word(text, json_get_str(host, "id"));
	add_items(client, "/v1/peers", "id", text);
}

/* What the VM has that is the argument before. */
static void add_of_vm(const struct source *source, const struct cli_place *place,
		      struct strbuf *text)
{
	CLEANUP(migrctl_client_freep) struct client *client = NULL;
	CLEANUP(free_charp) char *path = NULL;

	if (place->word_count < 1)
		return;
	client = client_for(place);
	path = client_path("/v1/vms/", place->words[0], source->path);
	add_items(client, path, source->member, text);
}

static void add_contexts(const struct source *source, const struct cli_place *place,
			 struct strbuf *text)
{
	struct err ignored;
	struct contexts *contexts = contexts_read(&ignored);

	(void)source, (void)place;
	for (size_t i = 0; contexts && i < contexts->count; i++)
		add_word(text, contexts->list[i].name);
	contexts_free(contexts);
}

static void add_contexts_and_local(const struct source *source, const struct cli_place *place,
				   struct strbuf *text)
{
	add_contexts(source, place, text);
	add_word(text, CONTEXTS_LOCAL);
}

static void add_calls(const struct source *source, const struct cli_place *place,
		      struct strbuf *text)
{
	(void)source, (void)place;
	for (size_t i = 0; cmd_agent_call(i); i++)
		add_word(text, cmd_agent_call(i));
}

static void add_wait_kinds(const struct source *source, const struct cli_place *place,
			   struct strbuf *text)
{
	(void)source, (void)place;
	for (size_t i = 0; cmd_wait_kind(i); i++)
		add_word(text, cmd_wait_kind(i));
}

/* Of the kind that is there before. */
static void add_wait_ids(const struct source *source, const struct cli_place *place,
			 struct strbuf *text)
{
	CLEANUP(migrctl_client_freep) struct client *client = NULL;
	const char *path = place->word_count ? cmd_wait_path(place->words[0]) : NULL;

	if (!path)
		return;
	client = client_for(place);
	add_items(client, path, source->member, text);
}

static void add_schemas(const struct source *source, const struct cli_place *place,
			struct strbuf *text)
{
	(void)source, (void)place;
	for (size_t i = 0; wire_schema_name(i); i++)
		add_word(text, wire_schema_name(i));
}

static const struct source sources[] = {
	{ NULL, NULL, "VM", add_list, "/v1/vms", "name" },
	{ NULL, NULL, "HOST", add_hosts, NULL, NULL },
	{ NULL, "host-id", "ID", add_hosts, NULL, NULL },
	{ NULL, "context", "NAME", add_contexts_and_local, NULL, NULL },
	{ NULL, "policy", "NAME", add_list, "/v1/policies", "name" },
	{ "context", "", "NAME", add_contexts, NULL, NULL },
	{ "policy", "", "NAME", add_list, "/v1/policies", "name" },
	{ "vm", "", "NAME", add_list, "/v1/policies", "name" },
	{ "vm", "", "ID", add_of_vm, "/devices", "id" },
	{ "vm", "boot-order", "DEVICE", add_of_vm, "/devices", "id" },
	{ "vm", "remove", "DEVICE", add_of_vm, "/devices", "id" },
	{ "vm", "", "CALL", add_calls, NULL, NULL },
	{ "move", "", "ID", add_list, "/v1/moves?state=active", "id" },
	{ "queue", "", "ID", add_list, "/v1/queue?state=active", "id" },
	{ "snapshot", "", "SNAPSHOT", add_of_vm, "/snapshots", "name" },
	{ "save", "", "ID", add_list, "/v1/saves", "id" },
	{ "refresh", "", "ID", add_list, "/v1/refreshes", "id" },
	{ "vm-backup", "", "ID", add_list, "/v1/backups", "id" },
	{ "hold", "", "ID", add_list, "/v1/holds", "id" },
	{ "webhook", "", "ID", add_list, "/v1/webhooks", "id" },
	{ "evacuation", "", "ID", add_list_and_current, "/v1/evacuations", "id" },
	{ "maintenance", "", "ID", add_list_and_current, "/v1/maintenances", "id" },
	{ "maintenance", "id", "ID", add_list_and_current, "/v1/maintenances", "id" },
	{ "maintenance", "hook", "NAME", add_list, "/v1/hooks", "name" },
	{ "events", "move", "ID", add_list, "/v1/moves?state=active", "id" },
	{ "wait", "", "KIND", add_wait_kinds, NULL, NULL },
	{ "wait", "", "ID", add_wait_ids, NULL, "id" },
	{ "explain", "", "OBJECT", add_schemas, NULL, NULL },
};

static bool fits(const struct source *source, const struct cli_place *place, const char *arg)
{
	const char *noun = place->command ? place->command->noun : "";
	const char *option = place->option ? place->option->name : "";

	return (!source->noun || strcmp(source->noun, noun) == 0) &&
	       (!source->option || strcmp(source->option, option) == 0) &&
	       strcmp(source->arg, arg) == 0;
}

/* Takes the next alternative of a usage, "[ID|VM]" or "HOST[,HOST...]"; false: there is none. */
static bool next_alternative(const char **arg, char *ret, size_t size)
{
	size_t len;

	*arg += strspn(*arg, "[|");
	len = strcspn(*arg, "[]|.,=");
	snprintf(ret, size, "%.*s", (int)len, *arg);
	*arg += len;
	*arg += strcspn(*arg, "|");
	return len > 0;
}

void complete_value(const struct cli_place *place, struct strbuf *text)
{
	const char *rest = place->arg;
	char arg[64];

	while (next_alternative(&rest, arg, sizeof(arg)))
		for (size_t i = 0; i < ARRAY_LEN(sources); i++)
			if (fits(&sources[i], place, arg))
				sources[i].add(&sources[i], place, text);
}
