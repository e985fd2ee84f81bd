/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/virtqueues.h -- gathers the sizes of a guest's virtqueues from its QEMU, for a look at whether
 * another QEMU takes them.
 *
 * QEMU 10.0 gives virtqueues more entries than their queue-size says, and QEMU 11.1 refuses to load
 * such a guest (findings/virtqueues-of-10.0.13-are-larger-than-queue-size.sh).  Other versions have
 * what queue-size says, as far as was seen (7.2.22, 11.1.3).
 *
 * The walk only says what to ask next, and takes the answers; its owner asks, in the way that it
 * speaks to QEMU.  Thread: the owner's.
 */
#ifndef MIGRD_VM_VIRTQUEUES_H
#define MIGRD_VM_VIRTQUEUES_H

#include "base/json.h"
#include "qmp/conn.h"
#include "wire/evidence.h"

/* NULL (not known): false. */
bool virtqueues_may_be_large(const struct qmp_version *version);
/* A QEMU of VERSION refuses queues that are larger than its own. */
bool virtqueues_are_strict(const struct qmp_version *version);

#define VIRTQUEUES_SIZES_MAX 2 /* of one device */

struct virtqueues_walk {
	/* Gets the entries of the queues; at most EVIDENCE_QUEUES_MAX.  The owner's. */
	struct evidence *there;
	/* Gets for each of them the entries that a QEMU makes for which queue-size counts, as the
	 * properties in this one say; 0: not known.  NULL: not asked for.  The owner's. */
	struct evidence *room;
	struct json_object *devices; /* QEMU's answer to x-query-virtio; owned */
	size_t device;
	uint64_t queue;
	size_t size_count; /* that are known of DEVICE */
	uint64_t sizes[VIRTQUEUES_SIZES_MAX];
	bool is_over;
};

/* The next question: a command, and RET_ARGS for it (may be NULL), which is the caller's.  NULL:
 * all is gathered. */
const char *virtqueues_next(struct virtqueues_walk *walk, struct json_object **ret_args);
/* The answer to it; NULL: QEMU has answered with an error, as it does after the last queue of a
 * device. */
void virtqueues_take(struct virtqueues_walk *walk, struct json_object *result);
void virtqueues_walk_fini(struct virtqueues_walk *walk);

#endif
