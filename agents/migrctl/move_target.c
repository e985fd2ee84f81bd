/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/move_target.h"

#include <stdlib.h>
#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/id.h"
#include "base/mem.h"

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

void move_target_fini(struct move_target *target)
{
	client_free(target->client);
	free(target->id);
}

bool move_target_find(struct move_target *target, struct cli_call *call, bool must_be_active,
		      struct err *err)
{
	target->client = migrctl_client(call, err);
	if (!target->client)
		return false;
	target->id = find_move(target->client, call->words[0], must_be_active, err);
	return target->id != NULL;
}

char *move_target_path(const struct move_target *target, const char *suffix)
{
	return client_path("/v1/moves/", target->id, suffix);
}

bool move_send(struct client *client, const char *method, const char *path,
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

void move_add_limits(const struct move_limits *limits, struct json_object *obj)
{
	if (limits->bandwidth.is_set)
		json_add_uint(obj, "bandwidth_bytes_per_s", limits->bandwidth.value);
	if (limits->downtime_limit.is_set)
		json_add_uint(obj, "downtime_limit_ms", limits->downtime_limit.value);
}
