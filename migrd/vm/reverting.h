/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/reverting.h -- the disks of a stopped VM are being made what they were at a snapshot.
 *
 * Disks are reverted one after another, so in between they are of different times.  That is in the
 * record from before the first until after the last, and as long as it is there no start and no job
 * begins (vm/entry.h).  A restart does not go on by itself: a person may want another snapshot.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_REVERTING_H
#define MIGRD_VM_REVERTING_H

#include "vm/vm.h"

/* On disk when DONE is called; after an error it is as before.  The caller has the sync slot. */
void vm_begin_reverting(struct vm *vm, const char *name, store_done_fn *done, void *data);
/* All disks are as they are wanted.  That counts at once: a record that cannot be written is
 * written later, at the latest by a start. */
void vm_end_reverting(struct vm *vm, store_done_fn *done, void *data);

/* For migrd/vm: says it in the reason; false and why: no start and no job may begin. */
void vm_say_reverting(struct vm *vm);
bool vm_is_whole(const struct vm *vm, struct err *err);

#endif
