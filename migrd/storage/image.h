/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storage/image.h -- images of disks that a move copies: made, kept and removed here, put aside on
 * the host that they left.
 *
 * An image that a move makes has two names: PATH, and the mark `.NAME.migrd-MOVE' in the same
 * directory.  The mark says that this move made it, also after a crash: as long as it is there, a
 * rollback may remove the image, and no other file at PATH.  A move that has been completed keeps
 * the image by removing the mark.
 *
 * Every function may be called again after a crash in the middle of it, and syncs the directory
 * before it says that it is done.  Paths are absolute, MOVE is the id of a move.  Thread: a
 * worker; all of it may wait for storage.
 */
#ifndef MIGRD_STORAGE_IMAGE_H
#define MIGRD_STORAGE_IMAGE_H

#include "storage/place.h"
#include "wire/disk_copy.h"

/* ---- the destination ---------------------------------------------------------- */

/* An image that is to be made. */
struct image_wish {
	char path[VM_DEF_PATH_SIZE]; /* of storage_place() */
	uint64_t bytes;              /* what it will take */
	struct err err;              /* why it cannot be made; not set: it can */
};

/* Looks whether the images of the move can be made, all together: qemu-img is there; each
 * directory is there, inside of the dirs also behind its symbolic links, and can be written to;
 * no name is taken, twice wished for or too long; and each file system has room for all of its
 * images, else its first image gets the error.  Changes nothing.  A wish that has an error already
 * is not looked at. */
void image_look_blocking(const struct storage_rules *rules, const char *move,
			 struct image_wish *wishes, size_t count);

/* Makes an empty image at PATH, which storage_place() has given, and its mark; over the backing
 * file of COPY, if it has one, at the path that storage_place_base() gives.  What an earlier
 * try of the same move made there is removed first, so it must not be called once the image was
 * handed to a QEMU.  An error leaves nothing behind: INVALID for COPY, CONFLICT for the directory
 * or the name, TIMEOUT for qemu-img, NO_SPACE, INTERNAL. */
bool image_make_blocking(const struct storage_rules *rules, const struct disk_copy *copy,
			 const char *path, const char *move, struct err *err);
/* Removes the image at PATH if the move made it, then the mark.  Nothing there is fine. */
bool image_remove_blocking(const char *path, const char *move, struct err *err);
/* Removes the mark, so that the image stays for good.  No mark there is fine. */
bool image_keep_blocking(const char *path, const char *move, struct err *err);

/* ---- the source ------------------------------------------------------------------ */

/* Renames PATH to `PATH.moved-to-HOST-MOVE', and replaces nothing.  A symbolic link is renamed
 * itself, and what it leads to stays where it is.  NOT_FOUND: neither name is there.  CONFLICT: the
 * new name is taken, or PATH is no file. */
bool image_put_aside_blocking(const char *path, const char *host, const char *move,
			      struct err *err);
/* Removes the image at PATH; nothing there is fine.  Of a symbolic link that is the file to which
 * it leads, which QEMU had open, and the link, with those in between.  CONFLICT, and nothing is
 * removed: PATH leads to no file, or a link that neither root nor we have made leads to what is
 * not its owner's. */
bool image_discard_blocking(const char *path, struct err *err);

#endif
