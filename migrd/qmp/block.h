/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/block.h -- decodes QEMU's answers about its block layer, as far as a move needs them.
 *
 * Thread: any (pure).  Source: QEMU qapi/job.json (JobInfo), qapi/block-export.json,
 * qapi/block-core.json (XDbgBlockGraph, BlockDirtyInfo).
 */
#ifndef MIGRD_QMP_BLOCK_H
#define MIGRD_QMP_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/* A user of the guest's disks beside the guest, which ends with its QEMU. */
struct qmp_block_user {
	const char *what; /* "job", "export" */
	const char *id, *type;
};

/* Gets the NUMBER-th (from 0) job or export that is at work, from a reply of query-jobs or of
 * query-block-exports, whose strings it borrows.  Jobs that have concluded and wait to be
 * dismissed do not count, nor does the export BUT (may be NULL).  False: there are fewer. */
bool qmp_block_user_get(struct json_object *reply, const char *but, size_t number,
			struct qmp_block_user *ret);

enum qmp_job_status {
	QMP_JOB_RUNS, /* or has not begun, waits, is about to end */
	QMP_JOB_READY, /* a mirror's two images are the same, but for the writes under way */
	QMP_JOB_CONCLUDED,
};

struct qmp_job {
	enum qmp_job_status status;
	const char *error; /* of a concluded job; "": it ended well; borrowed */
	uint64_t done, total; /* bytes, for a job that copies; TOTAL grows */
};

/* Gets the job ID from a reply of query-jobs, whose strings it borrows; false: there is none. */
bool qmp_job_get(struct json_object *reply, const char *id, struct qmp_job *ret);

/* From a reply of query-block: the block node of the device ID (as in "/machine/peripheral/ID/virtio-backend"),
 * borrowed; NULL: there is no such device, or it has no image. */
const char *qmp_block_node(struct json_object *reply, const char *id);

/* What the files below the image of the device ID take, from the same reply; 0: there are none, or
 * QEMU does not tell. */
uint64_t qmp_block_below_bytes(struct json_object *reply, const char *id);

/* The same for the path of what has the image, such as block_set_io_throttle wants it. */
const char *qmp_block_device(struct json_object *reply, const char *id);
/* The same for the group of its limits of I/O; NULL: it has no limit. */
const char *qmp_block_limits(struct json_object *reply, const char *id);

/* From a reply of x-debug-query-block-graph: the names of the nodes that are not below another
 * node; the caller owns the array.  *RET_INACTIVE: a device's disk is inactive, so not this
 * QEMU's at the moment.  The users of an inactive image have no permission on it
 * (block/block-backend.c, blk_root_inactivate); those of an active one have at least one. */
struct json_object *qmp_block_roots(struct json_object *reply, bool *ret_inactive);

/* A dirty bitmap of a node; its name is borrowed. */
struct qmp_bitmap {
	const char *name;
	bool is_recording;
	bool is_persistent;
	bool is_inconsistent; /* it was not closed as it must be, and says nothing */
	bool is_busy;         /* a job or an export uses it */
	uint64_t granularity; /* bytes of the disk for each bit; 0: QEMU does not tell */
};
/* Gets the NUMBER-th (from 0) bitmap with a name of the node NODE, from a reply of
 * query-named-block-nodes; false: there are fewer. */
bool qmp_bitmap_get(struct json_object *reply, const char *node, size_t number,
		    struct qmp_bitmap *ret);
/* A reply of query-named-block-nodes has the node NODE. */
bool qmp_node_is_there(struct json_object *reply, const char *node);

/* Gets the NUMBER-th (from 0) dirty bitmap that is not persistent, so that only this QEMU has
 * it, from a reply of query-named-block-nodes, whose strings it borrows. */
bool qmp_transient_bitmap_get(struct json_object *reply, size_t number, const char **ret_node,
			      const char **ret_name);

#endif
