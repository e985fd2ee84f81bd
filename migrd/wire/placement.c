/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/placement.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/labels.h"

static const char *const evacuation_names[] = {
	[PLACEMENT_LEAVE] = "leave",
	[PLACEMENT_RESTART] = "restart",
	[PLACEMENT_SAVE] = "save",
	[PLACEMENT_EVACUATION_COUNT] = NULL,
};

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "no name: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first";
	return !*value || id_name_is_valid(value);
}

static bool check_host(const char *value, const char **ret_why)
{
	*ret_why = "no host id: 1 to 63 of a-z 0-9 -, no '-' at either end";
	return id_host_is_valid(value);
}

#define NAME_PATTERN "^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$"
#define NAME(member_, help_)                                                                  \
	{                                                                                     \
		.key = #member_, .type = JSON_STRING, JSON_MEMBER(struct placement, member_), \
		.check = check_name, .pattern = NAME_PATTERN, .help = help_                   \
	}
#define LABELS(member_, help_)                                                                 \
	{                                                                                      \
		.key = #member_, .type = JSON_SCALARS, JSON_MEMBER(struct placement, member_), \
		.pattern = LABEL_VALUE_PATTERN, .help = help_                                  \
	}

const struct json_field placement_fields[] = {
	NAME(group, "Name of a group of which a host has one member at most; default: none."),
	NAME(affinity, "Name of a group whose members should be on one host; default: none."),
	LABELS(requires, "At most 8 labels that its host must have; default: none."),
	LABELS(forbids, "At most 8 labels that its host may not have; default: none."),
	LABELS(prefers, "At most 8 labels that its host should have; default: none."),
	{ .key = "pins",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct placement, pins, pin_count),
	  .check = check_host,
	  .pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
	  .help = "Ids of the hosts on which it may run; default: all." },
	{ .key = "priority",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct placement, priority),
	  .max = PLACEMENT_PRIORITY_MAX,
	  .help = "VMs with the highest priority leave a host first, and are the last to be left "
		  "without a place; default: 0." },
	{ .key = "on_evacuation",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct placement, on_evacuation),
	  .names = evacuation_names,
	  .help = "What an evacuation of its host does if the VM cannot be moved: leave it there, "
		  "stop it and start it again at the end, or save it to a file; default: leave." },
	{ 0 },
};

/* ---- checks ---------------------------------------------------------------- */

static void check_list(const char *labels, const char *pointer, const char *member,
		       struct faults *faults)
{
	CLEANUP(json_putp) struct json_object *obj = labels[0] ? json_read_back(labels) : NULL;
	char at[sizeof(faults->list[0].pointer)];

	if (!obj)
		return;
	snprintf(at, sizeof(at), "%s/%s", pointer, member);
	labels_check(obj, at, false, faults);
	if (json_object_object_length(obj) > PLACEMENT_LABELS_MAX)
		faults_add(faults, at, "%d labels, and %d are the most",
			   json_object_object_length(obj), PLACEMENT_LABELS_MAX);
}

static void check_pins(const struct placement *placement, const char *pointer,
		       struct faults *faults)
{
	char at[sizeof(faults->list[0].pointer)];

	for (size_t i = 1; i < placement->pin_count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(placement->pins[i], placement->pins[k]) != 0)
				continue;
			snprintf(at, sizeof(at), "%s/pins/%zu", pointer, i);
			faults_add(faults, at, "host '%s' is there twice", placement->pins[i]);
		}
	}
}

bool placement_check(const struct placement *placement, const char *pointer, struct faults *faults)
{
	size_t former = faults->count;

	check_list(placement->requires, pointer, "requires", faults);
	check_list(placement->forbids, pointer, "forbids", faults);
	check_list(placement->prefers, pointer, "prefers", faults);
	check_pins(placement, pointer, faults);
	return faults->count == former;
}

bool placement_is_empty(const struct placement *placement)
{
	return !placement->group[0] && !placement->affinity[0] && !placement->requires[0] &&
	       !placement->forbids[0] && !placement->prefers[0] && !placement->pin_count &&
	       !placement->priority && placement->on_evacuation == PLACEMENT_LEAVE;
}

/* ---- changes ---------------------------------------------------------------- */

static void set(struct json_object *obj, const char *key, struct json_object *value)
{
	if (value)
		json_object_object_add(obj, key, json_object_get(value));
	else
		json_object_object_del(obj, key);
}

/* Two deep, as a placement is. */
static void merge(struct json_object *obj, struct json_object *changes)
{
	json_object_object_foreach(changes, key, value)
	{
		struct json_object *into;

		if (!json_object_is_type(value, json_type_object)) {
			set(obj, key, value);
			continue;
		}
		into = json_get_obj(obj, key);
		if (!into) {
			into = json_object_new_object();
			json_object_object_add(obj, key, into);
		}
		json_object_object_foreach(value, label, wanted)
		{
			set(into, label, wanted);
		}
	}
}

bool placement_pins_allow(const struct placement *placement, const char *host)
{
	for (size_t i = 0; i < placement->pin_count; i++)
		if (strcmp(placement->pins[i], host) == 0)
			return true;
	return placement->pin_count == 0;
}

bool placement_change(struct placement *placement, struct json_object *changes, const char *pointer,
		      struct faults *faults)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(placement_fields, placement);
	struct placement *fresh = xnew(struct placement);
	bool ok;

	if (!json_object_is_type(changes, json_type_object)) {
		faults_add(faults, pointer, "an object is wanted");
		free(fresh);
		return false;
	}
	merge(obj, changes);
	ok = json_decode(obj, placement_fields, fresh, pointer, faults) &&
	     placement_check(fresh, pointer, faults);
	if (ok)
		*placement = *fresh;
	free(fresh);
	return ok;
}

bool placement_check_changes(struct json_object *changes, const char *pointer,
			     struct faults *faults)
{
	struct placement *none = xnew(struct placement);
	bool ok = placement_change(none, changes, pointer, faults);

	free(none);
	return ok;
}
