/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/bitmaps.h -- the bitmaps that are kept in the images of local disks, by which a backup knows
 * what has changed since another: which of them go along with a move.
 *
 * QEMU sends them with its migration (capability `dirty-bitmaps'), and then takes them for kept by
 * the other side: of a migration that was cancelled they are not stored in the image any more when
 * that QEMU ends (migration/block-dirty-bitmap.c, bdrv_dirty_bitmap_skip_store(); seen of 7.2, 10.0
 * and 11.1).  So copies are sent, which note what the originals note, and which only this QEMU has:
 * a cancel costs nothing.  The destination's have the names of the originals and are kept in its
 * image.  Thread: any; pure.
 */
#ifndef MIGRD_MOVE_BITMAPS_H
#define MIGRD_MOVE_BITMAPS_H

#include "qmp/block.h"
#include "wire/vm_def.h"

#define MOVE_BITMAPS_MAX 16 /* of one disk */

/* Names of copies begin so. */
#define MOVE_BITMAP_COPY VM_DEF_OWN_PREFIX "move-"

struct move_bitmaps {
	struct qmp_bitmap go[MOVE_BITMAPS_MAX]; /* names belong to the answer */
	size_t go_count;
	uint64_t go_bytes; /* as QEMU counts them: transfer_bitmaps_ms() */
	size_t stay_count; /* of those that are kept in the image */
};

/* Of all disks of a move. */
struct move_bitmap_sums {
	size_t go_count, stay_count;
	uint64_t go_bytes;
};

/* Looks at those of the node NODE, which is the image of DISK, in an answer to
 * query-named-block-nodes: which of them can be sent (the first MOVE_BITMAPS_MAX), and adds them
 * to SUMS. */
void move_bitmaps_choose(struct json_object *nodes, const char *node,
			 const struct vm_def_disk *disk, uint64_t virtual_bytes,
			 struct move_bitmap_sums *sums, struct move_bitmaps *ret);

/* Adds to ACTIONS, an array for `transaction', what makes a copy of each of BITMAPS, and to
 * MAPPING, the array block-bitmap-mapping, what sends them to the node that the destination has for
 * DISK. */
void move_bitmaps_add(const struct move_bitmaps *bitmaps, const char *node, const char *disk,
		      struct json_object *actions, struct json_object *mapping);
/* The first copy in an answer to query-named-block-nodes: the arguments of
 * block-dirty-bitmap-remove, which the caller owns; NULL: there is none. */
struct json_object *move_bitmaps_copy_left(struct json_object *nodes);

#endif
