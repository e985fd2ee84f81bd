/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/block.h -- QEMU's words for its block layer, as far as a move asks for them.
 *
 * Thread: any (pure).  Source: QEMU qapi/job.json (JobInfo), qapi/block-export.json,
 * qapi/block-core.json (XDbgBlockGraph, BlockDirtyInfo).
 */
#ifndef MIGRD_QMP_BLOCK_H
#define MIGRD_QMP_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

/* What uses the guest's disks beside the guest and ends with its QEMU. */
struct qmp_block_user {
	const char *what; /* "job", "export" */
	const char *id, *type;
};

/* The NUMBER-th that is at work in a reply of query-jobs or of query-block-exports, whose
 * strings it borrows.  Jobs that have concluded and wait to be dismissed do not count,
 * nor does the export BUT (may be NULL).  False: there are not so many. */
bool qmp_block_user_get(struct json_object *reply, const char *but, size_t number,
			struct qmp_block_user *ret);

/* From a reply of x-debug-query-block-graph: the names of the nodes that no other node
 * has below it; the caller owns the array.  *RET_INACTIVE: a device's disk is not this
 * QEMU's at the moment.  While an image is inactive its users have no permission on it
 * (block/block-backend.c, blk_root_inactivate), and an active one has at least one. */
struct json_object *qmp_block_roots(struct json_object *reply, bool *ret_inactive);

/* The NUMBER-th dirty bitmap that only this QEMU has, of query-named-block-nodes. */
bool qmp_transient_bitmap_get(struct json_object *reply, size_t number, const char **ret_node,
			      const char **ret_name);

#endif
