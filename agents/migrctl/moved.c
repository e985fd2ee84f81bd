/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/moved.h"

#include <stdio.h>
#include <string.h>

#include "agents/migrctl/reach.h"
#include "base/mem.h"

#define WAIT "/wait?timeout=15" /* seconds */
#define OUT  "MIGRATION_OUT"

static bool is_word(struct json_object *obj, const char *key, const char *word)
{
	const char *value = json_get_str(obj, key);

	return value && strcmp(value, word) == 0;
}

/* The newest move of VM; the caller puts it.  NULL: there is none, or *err. */
static struct json_object *last_move(struct client *client, const char *vm, struct err *err)
{
	CLEANUP(free_charp) char *path = client_path("/v1/moves?limit=1&vm=", vm, "");
	CLEANUP(json_putp) struct json_object *list = NULL;
	struct json_object *items;

	if (!client_get(client, path, &list, err))
		return NULL;
	items = table_member(list, "items");
	if (json_count(items))
		return json_object_get(json_object_array_get_idx(items, 0));
	err_set(err, ERR_NOT_FOUND, "VM '%s' was not moved", vm);
	return NULL;
}

/* Its QEMU ends before the record of the move does. */
static bool wait_for_end(struct client *client, struct json_object **move, struct err *err)
{
	const char *id = json_get_str(*move, "id");
	CLEANUP(free_charp) char *path = client_path("/v1/moves/", id ? id : "", WAIT);
	struct json_object *ended;

	if (!is_word(*move, "kind", OUT) || json_get_bool(*move, "final", true))
		return true;
	if (!client_get(client, path, &ended, err))
		return false;
	json_object_put(*move);
	*move = ended;
	return true;
}

static struct client *client_of(const struct cli_call *call, const char *host, struct err *err)
{
	struct client *client = NULL;
	struct reach reach;

	if (reach_find(call->globals, &reach, err)) {
		reach.peer = host;
		client = reach_client(&reach, call->globals, call->faults, 0, err);
	}
	reach_fini(&reach);
	if (!client)
		err_wrap(err, "the guest is on host '%s' now", host);
	return client;
}

struct client *moved_client(struct cli_call *call, struct client *from, const char *vm,
			    char ret_host[ID_NAME_SIZE], struct err *err)
{
	CLEANUP(json_putp) struct json_object *move = last_move(from, vm, err);
	const char *host;

	if (!move || !wait_for_end(from, &move, err))
		return NULL;
	host = json_get_str(move, "destination");
	if (!is_word(move, "kind", OUT) || !is_word(move, "state", "done") || !host) {
		err_set(err, ERR_NOT_FOUND, "VM '%s' was not moved away", vm);
		return NULL;
	}
	snprintf(ret_host, ID_NAME_SIZE, "%s", host);
	return client_of(call, ret_host, err);
}
