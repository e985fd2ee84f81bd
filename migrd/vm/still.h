/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/still.h -- a guest that shall run and stands still, since QEMU refused its `cont'.
 *
 * This is always reported: by the VM's reason, an event and a finding of the check of
 * the host.  If an image's lock was the reason, `cont' is repeated, without anybody's
 * help and without end.  Any other refusal is left to the user: after a refusal by an
 * image's format layer, QEMU (7.2 to 11.1) takes a second `cont' and runs the guest
 * without that disk.  Thread: loop.
 */
#ifndef MIGRD_VM_STILL_H
#define MIGRD_VM_STILL_H

#include "vm/vm.h"

/* The refusal ERR of a `cont' came from a lock, so repeating the `cont' is harmless. */
bool vm_cont_may_be_repeated(const struct err *err);
/* True: a guest that stands still has all its disks, by the answer BLOCKS to
 * query-block; else QEMU, naming the drive.  A `cont' that a format layer refused
 * leaves its drive without an image (block.c, bdrv_activate()), so QEMU itself tells of
 * a refusal that no record has.  To be checked before each `cont' that may not be the
 * first. */
bool vm_check_images(struct json_object *blocks, struct err *err);
/* QEMU has refused the `cont' of a guest that shall run. */
void vm_note_still(struct vm *vm, const struct err *err);
/* The guest runs, or shall not run any more. */
void vm_still_over(struct vm *vm);
/* The VM goes from memory. */
void vm_still_fini(struct vm *vm);
/* The guest shall run and could, but stands still, and no job holds the VM. */
bool vm_is_still(const struct vm *vm);

#endif
