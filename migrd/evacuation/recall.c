/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a restart: why no host takes a VM that is blocked is in the plan of the record, and is
 * shown until there is another plan. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evacuation/priv.h"

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct evac_vm *const *)a)->name, (*(struct evac_vm *const *)b)->name);
}

/* The VMs that are blocked, in the order of their names; the caller's. */
static struct evac_vm **blocked(const struct evacuation *evac, size_t *ret_count)
{
	struct evac_vm **list = xcalloc(evac->vm_count + 1, sizeof(struct evac_vm *));
	size_t count = 0;

	for (size_t i = 0; i < evac->vm_count; i++)
		if (evac->vms[i].state == EVAC_VM_BLOCKED)
			list[count++] = &evac->vms[i];
	qsort(list, count, sizeof(struct evac_vm *), by_name);
	*ret_count = count;
	return list;
}

static struct evac_vm *find(struct evac_vm **list, size_t count, const char *name)
{
	struct evac_vm wanted, *key = &wanted, **found;

	snprintf(wanted.name, sizeof(wanted.name), "%s", name);
	found = bsearch(&key, list, count, sizeof(struct evac_vm *), by_name);
	return found ? *found : NULL;
}

static struct json_object *list_of(struct json_object *obj, const char *key)
{
	struct json_object *list = NULL;

	return json_object_object_get_ex(obj, key, &list) ? list : NULL;
}

static void take(struct evac_vm *vm, struct json_object *rejected)
{
	size_t count = json_count(rejected);

	if (count > EVAC_REJECTED_OF_VM)
		count = EVAC_REJECTED_OF_VM;
	free(vm->rejected);
	vm->rejected = xcalloc(count + 1, sizeof(*vm->rejected));
	vm->rejected_count = count;
	for (size_t i = 0; i < count; i++) {
		struct json_object *one = json_object_array_get_idx(rejected, i);
		const char *host = json_get_str(one, "host"), *why = json_get_str(one, "why");

		snprintf(vm->rejected[i].host, sizeof(vm->rejected[i].host), "%s",
			 host ? host : "");
		snprintf(vm->rejected[i].why, sizeof(vm->rejected[i].why), "%s", why ? why : "");
	}
}

void evac_recall_rejected(struct evacuation *evac)
{
	struct json_object *stays = list_of(evac->plan, "stays");
	size_t count;
	struct evac_vm **list = blocked(evac, &count);

	for (size_t i = 0; i < json_count(stays); i++) {
		struct json_object *stay = json_object_array_get_idx(stays, i);
		const char *name = json_get_str(stay, "vm");
		struct evac_vm *vm = name ? find(list, count, name) : NULL;

		if (vm)
			take(vm, list_of(stay, "rejected"));
	}
	free(list);
}
