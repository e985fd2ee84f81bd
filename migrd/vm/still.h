/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/still.h -- a guest that shall run and stands still, since QEMU refused its `cont'.
 *
 * It is never silent: it has a reason, an event and a finding of the check of the host.
 * A refusal by an image's lock is tried again, by itself and for as long as it takes.  Any
 * other is left for a person: after a refusal by an image's format layer, QEMU (7.2 to
 * 11.1) takes a second `cont' and runs the guest without that disk.  Thread: loop.
 */
#ifndef MIGRD_VM_STILL_H
#define MIGRD_VM_STILL_H

#include "vm/vm.h"

/* The refusal ERR of a `cont' came from a lock, so that the next one is harmless. */
bool vm_cont_may_be_repeated(const struct err *err);
/* Has a guest that stands still all its disks, by the answer to query-block?  A `cont' that a
 * format layer refused leaves its drive without an image (block.c, bdrv_activate()), so QEMU
 * itself tells of a refusal that no record has: asked before each `cont' that may not be the
 * first.  QEMU with the drive, otherwise. */
bool vm_check_images(struct json_object *blocks, struct err *err);
/* QEMU has refused the `cont' of a guest that shall run. */
void vm_note_still(struct vm *vm, const struct err *err);
/* It runs, or shall not run any more. */
void vm_still_over(struct vm *vm);
/* The VM goes from memory. */
void vm_still_fini(struct vm *vm);
/* It shall run, could, stands still, and no job holds it. */
bool vm_is_still(const struct vm *vm);

#endif
