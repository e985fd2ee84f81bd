/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What finds a machine by its id. */
#include <assert.h>
#include <search.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "machine/machine.h"

/* The nodes of the tree are the `id' members of the machines. */
static struct machine *machine_of_id(const char *id)
{
	return (struct machine *)(uintptr_t)(id - offsetof(struct machine, id));
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct machine *machines_find(const struct machines *machines, const char *id)
{
	const char *const *node = tfind(id, &machines->by_id, compare_ids);

	return node ? machine_of_id(*node) : NULL;
}

void machines_add(struct machines *machines, const struct machine *machine)
{
	const char *const *node = tsearch(machine->id, &machines->by_id, compare_ids);

	if (!node)
		abort(); /* out of memory */
	assert(*node == machine->id);
}

void machines_remove(struct machines *machines, const struct machine *machine)
{
	tdelete(machine->id, &machines->by_id, compare_ids);
}

void machines_note_end(struct machines *machines, int64_t ended_ms)
{
	if (ended_ms > machines->last_end_ms)
		machines->last_end_ms = ended_ms;
}

/* ---- looked up again ----------------------------------------------------- */

struct machine_ref {
	const struct machines *machines;
	char id[ID_UUID_SIZE];
	uint64_t number;
};

struct machine_ref *machine_ref_new(const struct machine *machine, uint64_t number)
{
	struct machine_ref *ref = xnew(struct machine_ref);

	ref->machines = machine->machines;
	memcpy(ref->id, machine->id, sizeof(ref->id));
	ref->number = number;
	return ref;
}

struct machine *machine_ref_take(struct machine_ref *ref, uint64_t *ret_number)
{
	struct machine *machine = machines_find(ref->machines, ref->id);

	if (ret_number)
		*ret_number = ref->number;
	free(ref);
	return machine;
}
