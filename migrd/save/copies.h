/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* save/copies.h -- the disks of a guest that gets a background snapshot, and the variables
 * of its firmware.
 *
 * A copy is `IMAGE.saved-ID' beside the image, ID being that of the save: the content of the disk
 * at the moment of which memory and devices are in the file.  QEMU writes it while it has a second
 * name, its mark (storage/image.h); so a rollback removes what this save has made, and nothing
 * else.
 *
 * A restore gives it the name of the image, whose former content becomes `IMAGE.before-JOB', JOB
 * being the id of the restore.  Whatever a crash leaves of that, the names alone tell what is to be
 * done next, or undone.  Nothing is copied and nothing removed.
 *
 * Paths come from the definition of the VM, never from the file of the save.  Thread: a worker; all
 * of it may wait for storage.
 */
#ifndef MIGRD_SAVE_COPIES_H
#define MIGRD_SAVE_COPIES_H

#include "save/file.h"
#include "wire/disk_copy.h"

/* The NUMBER-th (from 0) image to which the guest of DEF may write: those of its disks, in their
 * order, then the variables of its firmware.  NULL: there are fewer. */
const struct vm_def_disk *save_copies_image(const struct vm_def *def, size_t number);

/* ---- a save --------------------------------------------------------------------- */

/* Fills HEAD's disks from its definition: id, image and copy of each save_copies_image().
 * CONFLICT: one is no plain file, or migrd may not write beside it. */
bool save_copies_find_blocking(struct save_file *head, struct err *err);
/* Makes an empty image for each; MADE has what QEMU says of them, in the order of HEAD's disks.
 * QEMU_IMG as of struct storage_rules.  An error leaves nothing behind that
 * save_copies_drop_blocking() does not remove. */
bool save_copies_make_blocking(const char *qemu_img, const struct save_file *head,
			       const struct disk_copy *made, struct err *err);
/* Syncs them; may be called again. */
bool save_copies_sync_blocking(const struct save_file *head, struct err *err);
/* Syncs them, and notes in HEAD what is checked later. */
bool save_copies_note_blocking(struct save_file *head, struct err *err);
/* They stay for good. */
bool save_copies_keep_blocking(const struct save_file *head, struct err *err);
/* Removes the copies of the save FORMER ("": none) of the same VM, whose file HEAD's has replaced. */
bool save_copies_forget_blocking(const struct save_file *head, const char *former, struct err *err);
/* Removes what was made, unless it is kept. */
bool save_copies_drop_blocking(const struct save_file *head, struct err *err);

/* ---- a restore ------------------------------------------------------------------- */

/* HEAD was read from a file.  Sets the paths of its disks, and looks whether each copy is there as
 * it was: its length and the time of its last change.  CONFLICT, with all reasons; INVALID: the
 * disks in HEAD are not those of its definition. */
bool save_copies_check_blocking(struct save_file *head, struct err *err);
/* Puts each copy in the place of its image.  May be called again after a crash in the middle of
 * it. */
bool save_copies_place_blocking(const struct save_file *head, const char *job, struct err *err);
/* The contrary; nothing to be done is fine.  CONFLICT: somebody else has given a file the name of
 * an image meanwhile. */
bool save_copies_take_back_blocking(const struct save_file *head, const char *job, struct err *err);

#endif
