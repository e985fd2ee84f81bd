/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot/images.h -- which snapshots the images of a VM have.
 *
 * The images are those of the disks to which the guest may write, by its definition.  Pure
 * functions on what QEMU or qemu-img tells, which may be of any shape.  Thread: any.
 * Source: QEMU qapi/block-core.json (ImageInfo, SnapshotInfo, Qcow2BitmapInfo).
 */
#ifndef MIGRD_SNAPSHOT_IMAGES_H
#define MIGRD_SNAPSHOT_IMAGES_H

#include "wire/snapshot.h"
#include "wire/vm_def.h"

/* So many are looked at of an image; qcow2 itself allows 65,536. */
#define SNAPSHOTS_MAX      100
#define SNAPSHOT_NODE_SIZE 32 /* QEMU's own limit is 31 bytes */

struct snapshot_seen {
	char full[SNAPSHOT_FULL_SIZE]; /* its name in the image */
	int64_t created_ms;
	uint64_t memory_bytes;
};

struct snapshot_image {
	char disk[VM_DEF_ID_SIZE];
	char path[VM_DEF_PATH_SIZE];
	int format;
	char node[SNAPSHOT_NODE_SIZE]; /* of a running guest; "": not known */
	struct snapshot_seen *list;    /* owned */
	size_t count;
	char **bitmaps; /* names of its dirty bitmaps; owned */
	size_t bitmap_count;
};

struct snapshot_images {
	struct snapshot_image list[VM_DEF_DISK_MAX];
	size_t count;
};

/* The images of DEF, without what is in them. */
void snapshot_images_init(struct snapshot_images *images, const struct vm_def *def);
void snapshot_images_fini(struct snapshot_images *images);
/* INFO: of IMAGE, of query-block or of `qemu-img info'; what was known before is forgotten.  LIMIT:
 * it has too many. */
bool snapshot_image_take(struct snapshot_image *image, struct json_object *info, struct err *err);
/* BLOCKS: the answer to query-block.  CONFLICT: a disk is not there. */
bool snapshot_images_take_blocks(struct snapshot_images *images, const struct vm_def *def,
				 struct json_object *blocks, struct err *err);

/* The name that IMAGE has for snapshot NAME; NULL: it has none.  *RET_COUNT: so many have it. */
const char *snapshot_image_find(const struct snapshot_image *image, const char *name,
				size_t *ret_count);

/* ---- what forbids it ------------------------------------------------------------------- */

/* CONFLICT: the guest may write to what can have no snapshot, or to nothing. */
bool snapshot_judge_definition(const struct vm_def *def, struct err *err);
/* EXISTS: an image has one of that name. */
bool snapshot_judge_create(const struct snapshot_images *images, const char *name, struct err *err);
/* NOT_FOUND; CONFLICT: an image has two of that name, or it is a number. */
bool snapshot_judge_delete(const struct snapshot_images *images, const char *name, struct err *err);
/* The same; CONFLICT: an image does not have it. */
bool snapshot_judge_revert(const struct snapshot_images *images, const char *name, struct err *err);

/* ---- what is shown ------------------------------------------------------------------------ */

/* An array of snapshots, the oldest first; the caller's. */
struct json_object *snapshot_images_json(const struct snapshot_images *images);

#endif
