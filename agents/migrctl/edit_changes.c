/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/edit_changes.h"

#include <string.h>

#include "base/mem.h"

/* ---- objects: what is left out is removed by a null -------------------------------- */

/* RFC 7386. */
static struct json_object *merge_of(struct json_object *before, struct json_object *after)
{
	struct json_object *patch = json_object_new_object(), *former, *value;

	json_object_object_foreach(after, key, now)
	{
		value = NULL;
		if (!json_object_object_get_ex(before, key, &former))
			value = json_object_get(now);
		else if (json_object_equal(former, now))
			continue;
		else if (json_object_is_type(former, json_type_object) &&
			 json_object_is_type(now, json_type_object))
			value = merge_of(former, now);
		else
			value = json_object_get(now);
		json_object_object_add(patch, key, value);
	}
	json_object_object_foreach(before, gone, ignored)
	{
		(void)ignored;
		if (!json_object_object_get_ex(after, gone, NULL))
			json_object_object_add(patch, gone, NULL);
	}
	return patch;
}

static bool merge(const char *key, struct json_object *before, struct json_object *after,
		  struct json_object *body, struct err *err)
{
	CLEANUP(json_putp) struct json_object *none = json_object_new_object();

	if (after && !json_object_is_type(after, json_type_object))
		return err_set(err, ERR_INVALID, "'%s' must be an object", key);
	json_object_object_add(body, key, merge_of(before ? before : none, after ? after : none));
	return true;
}

/* ---- values -------------------------------------------------------------------------- */

static bool value(const char *key, struct json_object *before, struct json_object *after,
		  struct json_object *body, struct err *err)
{
	(void)before;
	if (!after)
		return err_set(err, ERR_INVALID, "'%s' cannot be taken out: give it another value",
			       key);
	json_object_object_add(body, key, json_object_get(after));
	return true;
}

static bool flag(const char *key, struct json_object *before, struct json_object *after,
		 struct json_object *body, struct err *err)
{
	(void)before;
	(void)err;
	json_object_object_add(body, key,
			       after ? json_object_get(after) : json_object_new_boolean(false));
	return true;
}

static bool number(const char *key, struct json_object *before, struct json_object *after,
		   struct json_object *body, struct err *err)
{
	(void)before;
	(void)err;
	json_object_object_add(body, key, after ? json_object_get(after) : json_object_new_int(0));
	return true;
}

static bool text(const char *key, struct json_object *before, struct json_object *after,
		 struct json_object *body, struct err *err)
{
	(void)before;
	(void)err;
	json_object_object_add(body, key,
			       after ? json_object_get(after) : json_object_new_string(""));
	return true;
}

/* ---- devices -------------------------------------------------------------------------- */

static const char *id_of(struct json_object *device)
{
	return json_object_is_type(device, json_type_object) ? json_get_str(device, "id") : NULL;
}

static struct json_object *device_of(struct json_object *list, const char *id)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *device = json_object_array_get_idx(list, i);

		if (id_of(device) && strcmp(id_of(device), id) == 0)
			return device;
	}
	return NULL;
}

static void add_to(struct json_object *body, const char *key, struct json_object *item)
{
	struct json_object *list = NULL;

	if (!json_object_object_get_ex(body, key, &list)) {
		list = json_object_new_array();
		json_object_object_add(body, key, list);
	}
	json_object_array_add(list, item);
}

static bool devices(const char *key, struct json_object *before, struct json_object *after,
		    struct json_object *body, struct err *err)
{
	if (after && !json_object_is_type(after, json_type_array))
		return err_set(err, ERR_INVALID, "'%s' must be a list", key);
	for (size_t i = 0; i < json_count(after); i++) {
		struct json_object *device = json_object_array_get_idx(after, i);
		const char *id = id_of(device);

		if (!id)
			return err_set(err, ERR_INVALID, "'%s': element %zu has no id", key, i);
		if (!json_object_equal(device_of(before, id), device))
			add_to(body, key, json_object_get(device));
	}
	for (size_t i = 0; i < json_count(before); i++) {
		const char *id = id_of(json_object_array_get_idx(before, i));

		if (id && !device_of(after, id))
			add_to(body, "remove", json_object_new_string(id));
	}
	return true;
}

/* ---- the members ----------------------------------------------------------------------- */

static const struct {
	const char *key;
	bool (*change)(const char *key, struct json_object *before, struct json_object *after,
		       struct json_object *body, struct err *err);
	const char *instead; /* of what cannot be changed so */
} members[] = {
	{ "memory_mib", value, NULL },
	{ "vcpus", value, NULL },
	{ "cpu_model", value, NULL },
	{ "disks", devices, NULL },
	{ "nics", devices, NULL },
	{ "cdroms", devices, NULL },
	{ "labels", merge, NULL },
	{ "placement", merge, NULL },
	{ "policy", text, NULL },
	{ "autostart", flag, NULL },
	{ "autostart_order", number, NULL },
	{ "name", NULL, "`migrctl vm rename' does that" },
	{ "next", NULL, "change the member itself: it takes the place of what waits" },
	{ "firmware", NULL,
	  "the variables in its image would be lost or not fit; to have another, delete the VM's "
	  "record (its images stay) and create it anew, with an image of variables that fits" },
	{ "memory_devices", NULL, "`migrctl vm attach' and `detach' do that" },
	{ "vcpu_devices", NULL, "`migrctl vm attach' and `detach' do that" },
	{ "devices", NULL, "`migrctl vm attach' and `detach' do that" },
	{ NULL, NULL, "it stays as it was when the VM was created" },
};

static bool change(const char *key, struct json_object *before, struct json_object *after,
		   struct json_object *body, struct err *err)
{
	size_t i = 0;

	while (members[i].key && strcmp(members[i].key, key) != 0)
		i++;
	if (members[i].change)
		return members[i].change(key, before, after, body, err);
	return err_set(err, ERR_INVALID, "'%.100s' cannot be changed here: %s", key,
		       members[i].instead);
}

bool edit_changes(struct json_object *before, struct json_object *after, struct json_object *body,
		  struct err *err)
{
	json_object_object_foreach(after, key, now)
	{
		struct json_object *former = NULL;
		bool was_there = json_object_object_get_ex(before, key, &former);

		if ((!was_there || !json_object_equal(former, now)) &&
		    !change(key, former, now, body, err))
			return false;
	}
	json_object_object_foreach(before, gone, former)
	{
		if (!json_object_object_get_ex(after, gone, NULL) &&
		    !change(gone, former, NULL, body, err))
			return false;
	}
	return true;
}
