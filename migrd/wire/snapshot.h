/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/snapshot.h -- snapshots of a VM's disks: what users ask for and are shown.
 *
 * A snapshot is in the images themselves, with nothing of it in a record: its name there is NAME,
 * or NAME, a blank and the description.  QEMU keeps 255 bytes of that (QEMUSnapshotInfo of its
 * block/snapshot.h).  Thread: any.
 */
#ifndef MIGRD_WIRE_SNAPSHOT_H
#define MIGRD_WIRE_SNAPSHOT_H

#include "base/id.h"
#include "base/json.h"

#define SNAPSHOT_NAME_SIZE        64
#define SNAPSHOT_DESCRIPTION_SIZE 191
#define SNAPSHOT_FULL_SIZE        256

struct snapshot_request {
	char name[SNAPSHOT_NAME_SIZE];
	char description[SNAPSHOT_DESCRIPTION_SIZE]; /* "": none */
	bool freeze;                                 /* by the agent in the guest */
};
extern const struct json_field snapshot_request_fields[];

/* Sets all of *RET. */
bool snapshot_request_decode(struct json_object *obj, struct snapshot_request *ret,
			     struct faults *faults);
/* qemu-img takes a name of digits alone for the number of a snapshot, which another may have. */
bool snapshot_is_number(const char *name);
void snapshot_full_name(const struct snapshot_request *request, char ret[SNAPSHOT_FULL_SIZE]);
/* The length of the name in FULL; *RET_DESCRIPTION: the rest, "" if there is none. */
size_t snapshot_split(const char *full, const char **ret_description);

struct snapshot_reply {
	const char *name, *description; /* description NULL: none */
	int64_t created_at;
	bool complete;
	const char *const *disks, *const *missing;
	size_t disk_count, missing_count;
	uint64_t memory_bytes;
};
extern const struct json_field snapshot_reply_fields[];

#endif
