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

/* From a reply of x-debug-query-block-graph: the names of the nodes that are not below another
 * node; the caller owns the array.  *RET_INACTIVE: a device's disk is inactive, so not this
 * QEMU's at the moment.  The users of an inactive image have no permission on it
 * (block/block-backend.c, blk_root_inactivate); those of an active one have at least one. */
struct json_object *qmp_block_roots(struct json_object *reply, bool *ret_inactive);

/* Gets the NUMBER-th (from 0) dirty bitmap that is not persistent, so that only this QEMU has
 * it, from a reply of query-named-block-nodes, whose strings it borrows. */
bool qmp_transient_bitmap_get(struct json_object *reply, size_t number, const char **ret_node,
			      const char **ret_name);

#endif
