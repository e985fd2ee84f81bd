/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_fleet.h"

#include <stdio.h>
#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/id.h"
#include "base/mem.h"

#define PAGES_MAX 1000

/* ---- all pages ---------------------------------------------------------------------- */

static void add_items(struct json_object *page, struct json_object *items)
{
	struct json_object *list = table_member(page, "items");

	for (size_t i = 0; i < json_count(list); i++)
		json_object_array_add(items, json_object_get(json_object_array_get_idx(list, i)));
}

/* HOSTS: {id: the worst that a page said of it}. */
static void add_hosts(struct json_object *page, struct json_object *hosts)
{
	struct json_object *list = table_member(page, "hosts");

	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *host = json_object_array_get_idx(list, i);
		struct json_object *known = NULL;
		const char *id = json_get_str(host, "id");

		if (!id || (json_object_object_get_ex(hosts, id, &known) &&
			    !json_get_bool(known, "answered", false)))
			continue;
		json_object_object_add(hosts, id, json_object_get(host));
	}
}

static struct json_object *get_page(struct client *client, const char *path, const char *after,
				    struct err *err)
{
	CLEANUP(free_charp) char *full = after ? client_path("&after=", after, "") : xstrdup("");
	CLEANUP(free_charp) char *whole = xasprintf("%s%s", path, full);
	struct json_object *page = NULL;

	return client_get(client, whole, &page, err) ? page : NULL;
}

/* {"items": [...], "hosts": {ID: host}} of all pages; the caller puts it. */
static struct json_object *ask(struct client *client, const char *what, const char *query,
			       struct err *err)
{
	CLEANUP(json_putp) struct json_object *all = json_object_new_object();
	CLEANUP(free_charp)
	char *path = xasprintf("/v1/fleet/%s?limit=1000%s%s", what, *query ? "&" : "", query);
	CLEANUP(free_charp) char *after = NULL;
	struct json_object *items = json_object_new_array();
	struct json_object *hosts = json_object_new_object();

	json_object_object_add(all, "items", items);
	json_object_object_add(all, "hosts", hosts);
	for (unsigned n = 0; n < PAGES_MAX; n++) {
		CLEANUP(json_putp) struct json_object *page = get_page(client, path, after, err);
		const char *next = json_get_str(page, "next");

		if (!page)
			return NULL;
		add_items(page, items);
		add_hosts(page, hosts);
		if (!next)
			return TAKE_PTR(all);
		free(after);
		after = xstrdup(next);
	}
	err_set(err, ERR_PROTOCOL, "the list does not end");
	return NULL;
}

/* ---- who was not heard ---------------------------------------------------------------- */

/* "b, c"; "": all were. */
static void list_silent(struct json_object *hosts, struct strbuf *text)
{
	json_object_object_foreach(hosts, id, host)
	{
		if (!json_get_bool(host, "answered", false))
			strbuf_addf(text, "%s%s", text->len ? ", " : "", id);
	}
}

static void warn_of_silent(struct json_object *hosts)
{
	json_object_object_foreach(hosts, id, host)
	{
		const char *detail = json_get_str(host, "detail");
		CLEANUP(free_charp) char *text = NULL;

		if (json_get_bool(host, "answered", false))
			continue;
		text = xasprintf("host '%s' was not heard: %s", id,
				 detail ? detail : "it does not say why");
		cli_clean(text);
		fprintf(stderr, "migrctl: warning: %s\n", text);
	}
}

/* As the answer has it: the hosts are a list again. */
static struct json_object *as_list(struct json_object *hosts)
{
	struct json_object *list = json_object_new_array();

	json_object_object_foreach(hosts, id, host)
	{
		(void)id;
		json_object_array_add(list, json_object_get(host));
	}
	return list;
}

static void print(const struct cli_call *call, struct json_object *all,
		  const struct table_field *fields, const struct table_field *more)
{
	CLEANUP(json_putp) struct json_object *hosts = json_object_get(table_member(all, "hosts"));

	json_object_object_add(all, "hosts", as_list(hosts));
	migrctl_print_wide(call, all, fields, more);
	fflush(stdout);
	warn_of_silent(hosts);
}

bool fleet_print(struct cli_call *call, const char *what, const char *query,
		 const struct table_field *fields, const struct table_field *more, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp)
	struct json_object *all = client ? ask(client, what, query, err) : NULL;

	if (all)
		print(call, all, fields, more);
	return all != NULL;
}

/* ---- vm find -------------------------------------------------------------------------- */

static const struct table_field find_fields[] = {
	{ "NAME", "name", TABLE_TEXT },   { "HOST", "host", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT }, { "UUID", "uuid", TABLE_TEXT },
	{ "JOB", "job", TABLE_TEXT },     { NULL, NULL, TABLE_TEXT },
};

static const struct table_field find_more[] = {
	{ "GENERATION", "generation", TABLE_NUMBER },
	{ "MEMORY", "memory_mib", TABLE_MIB },
	{ "VCPUS", "vcpus", TABLE_NUMBER },
	{ "QEMU", "qemu_version", TABLE_TEXT },
	{ "ELSEWHERE", "elsewhere", TABLE_TEXT },
	{ "LABELS", "labels", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* The caller frees it. */
static char *query_of(const char *word)
{
	const char *key = id_uuid_is_valid(word) ? "uuid=" : strchr(word, '=') ? "label=" : "name=";

	return client_path(key, word, "");
}

static bool not_found(const char *word, struct json_object *hosts, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf silent = STRBUF_INIT;

	list_silent(hosts, &silent);
	if (!silent.len)
		return err_set(err, ERR_NOT_FOUND, "no host has a VM '%.300s'", word);
	return err_set(err, ERR_UNAVAILABLE,
		       "no host that was heard has a VM '%.300s'; not heard: %s", word,
		       strbuf_str(&silent));
}

static bool run_find(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *query = query_of(call->words[0]);
	CLEANUP(json_putp)
	struct json_object *all = client ? ask(client, "vms", query, err) : NULL;
	struct json_object *hosts;

	if (!all)
		return false;
	hosts = table_member(all, "hosts");
	if (!json_count(table_member(all, "items"))) {
		warn_of_silent(hosts);
		return not_found(call->words[0], hosts, err);
	}
	print(call, all, find_fields, find_more);
	return true;
}

const struct cli_command cmd_vm_find = {
	.noun = "vm",
	.verb = "find",
	.args = "VM|UUID|KEY=VALUE",
	.min_args = 1,
	.max_args = 1,
	.summary = "which host has a guest of this name, uuid or label",
	.details =
		"The daemon asks all hosts that it knows.  One that does not answer is named; a\n"
		"guest that was not found may be there.\n",
	.run = run_find,
};
