/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the VMs of this host were when a plan was begun. */
#include <stdio.h>
#include <string.h>

#include "evacuation/priv.h"
#include "vm/vm.h"

static bool is_busy(const struct vm *vm)
{
	return vm_job(vm) || !vm_is_active(vm);
}

static struct evac_seen_vm *add(struct evac_seen *seen)
{
	if (seen->count == seen->size) {
		seen->size = seen->size ? seen->size * 2 : 16;
		seen->list = xrealloc(seen->list, seen->size * sizeof(*seen->list));
	}
	return &seen->list[seen->count++];
}

static int compare(const void *a, const void *b)
{
	return strcmp((*(struct evac_seen_vm *const *)a)->uuid,
		      (*(struct evac_seen_vm *const *)b)->uuid);
}

static void sort(struct evac_seen *seen)
{
	seen->by_uuid = xcalloc(seen->count + 1, sizeof(struct evac_seen_vm *));
	for (size_t i = 0; i < seen->count; i++)
		seen->by_uuid[i] = &seen->list[i];
	qsort(seen->by_uuid, seen->count, sizeof(struct evac_seen_vm *), compare);
}

struct evac_seen *evac_seen_new(const struct evacuations *evacs,
				const struct evacuation_request *request)
{
	struct evac_seen *seen = xnew(struct evac_seen);
	struct vms *vms = evacs->env.vms;

	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm))) {
		struct evac_seen_vm *mine;

		if (vm_role(vm) == VM_ROLE_FORMER)
			continue;
		mine = add(seen);
		*mine = (struct evac_seen_vm){ .is_stopped = vm_is_stopped(vm),
					       .is_busy = is_busy(vm) };
		snprintf(mine->uuid, sizeof(mine->uuid), "%s", vm_uuid(vm));
		snprintf(mine->name, sizeof(mine->name), "%s", vm_name(vm));
		if (mine->is_stopped && request->stopped != EVACUATION_STOPPED_LEAVE)
			mine->definition = xstrdup(vm_definition(vm));
	}
	sort(seen);
	return seen;
}

void evac_seen_free(struct evac_seen *seen)
{
	if (!seen)
		return;
	for (size_t i = 0; i < seen->count; i++)
		free(seen->list[i].definition);
	free(seen->list);
	free(seen->by_uuid);
	free(seen);
}

static int compare_uuid(const void *uuid, const void *vm)
{
	return strcmp(uuid, (*(struct evac_seen_vm *const *)vm)->uuid);
}

const struct evac_seen_vm *evac_seen_find(const struct evac_seen *seen, const char *uuid)
{
	struct evac_seen_vm *const *found = bsearch(uuid, seen->by_uuid, seen->count,
						    sizeof(struct evac_seen_vm *), compare_uuid);

	return found ? *found : NULL;
}

bool evac_seen_is_right(const struct evac_seen *seen, const struct evacuations *evacs,
			const char *uuid)
{
	const struct evac_seen_vm *was = evac_seen_find(seen, uuid);
	const struct vm *vm = vm_find_uuid(evacs->env.vms, uuid);

	return was && vm && was->is_stopped == vm_is_stopped(vm) && was->is_busy == is_busy(vm);
}
