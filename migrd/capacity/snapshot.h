/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capacity/snapshot.h -- what a host has told at a moment: itself, and its guests.
 *
 * It is made guest by guest, and then never changes; pictures share it, so that taking one copies
 * no names.  Private to the layer.  Thread: loop; any may read one that a picture has.
 */
#ifndef MIGRD_CAPACITY_SNAPSHOT_H
#define MIGRD_CAPACITY_SNAPSHOT_H

#include "plan/plan.h"
#include "wire/capacity.h"

/* A guest, as small as it can be.  Texts and lists are the snapshot's; NULL: none. */
struct snapshot_vm {
	char name[ID_NAME_SIZE], uuid[ID_UUID_SIZE];
	char state[CAPACITY_WORD_SIZE];
	const char *why, *hold; /* not movable; no automaton may move it */
	const char *group, *affinity;
	uint64_t memory_mib, huge_page_mib, vcpus, dirty_bytes_per_s, forecast_bytes;
	double load;
	struct plan_labels requires, forbids, prefers;
	struct plan_names pins;
	struct plan_bounds bounds;
	unsigned priority;
	enum placement_evacuation on_evacuation;
	const char *text; /* as JSON, by capacity_vm_told_fields */
};

struct snapshot {
	unsigned refs;
	struct capacity_told host;
	struct plan_labels labels; /* of the host */
	struct plan_nodes nodes;   /* likewise */
	struct snapshot_vm *vms;   /* in the order in which they were added */
	size_t vm_count, vm_size;
	size_t bytes; /* of memory */
	void **blocks;
	size_t block_count, block_size;
};

struct snapshot *snapshot_new(void);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* accepts NULL */
/* At most CAPACITY_VMS_MAX. */
void snapshot_add(struct snapshot *snapshot, const struct capacity_vm_told *told);
/* Once. */
void snapshot_set_host(struct snapshot *snapshot, const struct capacity_told *host);

#endif
