/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot/work.h -- snapshots of images that no QEMU of this host has open, by qemu-img.
 *
 * qemu-img locks the image, as a QEMU does, so that an image which is open on another host is
 * refused where the storage has locks.  Thread: a worker; all of it may wait for storage.
 */
#ifndef MIGRD_SNAPSHOT_WORK_H
#define MIGRD_SNAPSHOT_WORK_H

#include "snapshot/images.h"

/* Reads what the images have.  IS_SHARED: also if somebody writes to them.  Errors: CONFLICT, it
 * cannot be opened, with qemu-img's words; TIMEOUT. */
bool snapshot_look_blocking(const char *qemu_img, struct snapshot_images *images, bool is_shared,
			    struct err *err);
/* All images get FULL, or none: what was made is deleted again. */
bool snapshot_create_blocking(const char *qemu_img, const struct snapshot_images *images,
			      const char *full, struct err *err);
/* Those that have it lose it, one after another; may be called again. */
bool snapshot_delete_blocking(const char *qemu_img, const struct snapshot_images *images,
			      const char *name, struct err *err);
/* Makes the content of each image what it was at the snapshot, one after another; may be called
 * again, and must be if it fails or is broken off, since some images or a part of one may be as
 * they were.  Dirty bitmaps are removed first: they do not know what changes by this, and QEMU
 * refuses it while they are there (bdrv_snapshot_goto() of its block/snapshot.c). */
bool snapshot_revert_blocking(const char *qemu_img, const struct snapshot_images *images,
			      const char *name, struct err *err);

#endif
