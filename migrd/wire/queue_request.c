/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/queue_request.h"

#include <stdio.h>
#include <string.h>

const struct json_field queue_request_fields[] = {
	{ .key = "vm",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct queue_request, move.vm),
	  .check = move_check_vm,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
	  .help = "Name of a VM of this host." },
	{ .key = "to",
	  .type = JSON_STRINGS,
	  .required = true,
	  JSON_MEMBERS(struct queue_request, to, to_count),
	  .min = 1,
	  .check = move_check_host,
	  .pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
	  .help = "Host ids of the destinations, the preferred one first; one alone may also be a "
		  "string." },
	{ .key = "attempts_max",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct queue_request, attempts_max),
	  .min = 1,
	  .max = QUEUE_ATTEMPTS_MAX,
	  .help = "After so many attempts that failed it is given up; default: 10, or one for "
		  "each destination if those are more." },
	{ .key = "give_up_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct queue_request, give_up_s),
	  .min = 1,
	  .max = QUEUE_GIVE_UP_MAX_S,
	  .help = "After so many seconds no attempt is begun any more; default: no limit." },
	{ .key = "",
	  .type = JSON_PART,
	  .offset = offsetof(struct queue_request, move),
	  .fields = move_order_fields },
	{ 0 },
};

const struct json_field queue_patch_fields[] = {
	{ .key = "priority",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct queue_patch, priority),
	  .names = move_priority_names,
	  .help = "Its new priority." },
	{ 0 },
};

static bool check_hosts(const struct queue_request *request, struct faults *faults)
{
	bool ok = true;

	for (size_t i = 0; i < request->to_count; i++) {
		for (size_t j = 0; j < i; j++) {
			char pointer[32];

			if (strcmp(request->to[i], request->to[j]) != 0)
				continue;
			snprintf(pointer, sizeof(pointer), "/to/%zu", i);
			faults_add(faults, pointer, "host '%s' stands there twice", request->to[i]);
			ok = false;
		}
	}
	return ok;
}

/* OBJ with a list as `to'; the caller owns it. */
static struct json_object *with_list(struct json_object *obj)
{
	struct json_object *whole, *list, *to;

	if (!json_object_object_get_ex(obj, "to", &to) ||
	    json_object_get_type(to) != json_type_string)
		return json_object_get(obj);
	whole = json_object_new_object();
	json_object_object_foreach(obj, key, member)
	{
		json_object_object_add(whole, key, json_object_get(member));
	}
	list = json_object_new_array();
	json_object_array_add(list, json_object_get(to));
	json_object_object_add(whole, "to", list);
	return whole;
}

bool queue_request_decode(struct json_object *obj, struct queue_request *ret, struct faults *faults)
{
	struct json_object *whole = with_list(obj);
	bool ok;

	memset(ret, 0, sizeof(*ret));
	ok = json_decode(whole, queue_request_fields, ret, "", faults);
	json_object_put(whole);
	if (!ret->attempts_max)
		ret->attempts_max = ret->to_count > QUEUE_ATTEMPTS_DEFAULT ? ret->to_count
									   : QUEUE_ATTEMPTS_DEFAULT;
	ok = check_hosts(ret, faults) && ok;
	return move_order_check(&ret->move, faults) && ok;
}

bool queue_patch_decode(struct json_object *obj, struct queue_patch *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, queue_patch_fields, ret, "", faults);
}
