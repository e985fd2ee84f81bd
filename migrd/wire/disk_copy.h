/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/disk_copy.h -- what the source of a move tells the destination of a local disk, which
 * makes an image like it for the copy.
 *
 * A struct disk_copy holds no pointers and may be copied.  Thread: any; pure.
 * Source: QEMU qapi/block-core.json (ImageInfo, ImageInfoSpecificQCow2), block/qcow2.c.
 */
#ifndef MIGRD_WIRE_DISK_COPY_H
#define MIGRD_WIRE_DISK_COPY_H

#include "wire/vm_def.h"

/* The version of the qcow2 format; the zero is that of new images. */
enum disk_copy_compat { DISK_COPY_COMPAT_1_1, DISK_COPY_COMPAT_0_10 };
/* The words for them, which qemu-img knows too; ended by NULL. */
extern const char *const disk_copy_compat_names[];

struct disk_copy {
	char id[VM_DEF_ID_SIZE];  /* of the disk in the definition */
	int format;               /* enum vm_def_disk_format */
	uint64_t virtual_bytes;   /* what the guest sees; a multiple of 512 */
	uint64_t allocated_bytes; /* what the image takes on the source, its backing files not */
	/* qcow2 only, 0 for raw: */
	uint64_t cluster_bytes;
	uint64_t refcount_bits;
	int compat; /* enum disk_copy_compat */
	bool lazy_refcounts;
	bool extended_l2;
	/* The path on the source of the backing file that the copy has too, so that only the image
	 * itself is copied; "": the copy has none. */
	char backing[VM_DEF_PATH_SIZE];
	int backing_format; /* enum vm_def_disk_format */
};

extern const struct json_field disk_copy_fields[];

/* Checks that QEMU can make such an image: ranges, powers of two, and what an old compat does
 * not have.  Members of qcow2 are not looked at for raw.  INVALID: the text does not
 * name the disk. */
bool disk_copy_check(const struct disk_copy *copy, struct err *err);

/* Fills *RET, but for the id, from QEMU's answer to query-named-block-nodes (flat) for the
 * format node NODE of a disk.  A size that is no multiple of 512 is rounded up, as QEMU does.
 * *RET_BACKING is the name of the image's backing file, "" if it has none; it belongs to NODES.
 * QEMU: there is no such node, or its answer lacks something.  CONFLICT: the image has another
 * format than a definition can name. */
bool disk_copy_read(struct json_object *nodes, const char *node, struct disk_copy *ret,
		    const char **ret_backing, struct err *err);

/* Fills the two members of *COPY, which was read for NODE, with the image's backing file; "": it has
 * none.  CONFLICT: another host cannot have it, or cannot know how to open it, and what to do. */
bool disk_copy_keep_backing(struct json_object *nodes, const char *node, struct disk_copy *copy,
			    struct err *err);

/* Counts what is only in the image of NODE, and not in a copy of its content: internal snapshots,
 * and bitmaps that are kept in it. */
void disk_copy_count_left(struct json_object *nodes, const char *node, size_t *ret_snapshots,
			  size_t *ret_bitmaps);

#endif
