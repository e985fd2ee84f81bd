/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/saved.h -- which file has the guest of a stopped VM (save/save.h).
 *
 * A save has an id, which the file has too.  The file is current as long as the record of the VM
 * has that id: a start empties it, together with the intent, before QEMU is there.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_SAVED_H
#define MIGRD_VM_SAVED_H

#include "vm/vm.h"

bool vm_is_saved(const struct vm *vm);
const char *vm_save_id(const struct vm *vm);  /* "": it is not saved */
const char *vm_saved_in(const struct vm *vm); /* path of the file; "": it is not saved */

/* A record of a VM at the end of a save or a restore. */
struct vm_saved {
	enum vm_intent intent;
	const char *id;   /* "": it is not saved */
	const char *path; /* NULL: likewise */
	bool has_arrived; /* its guest came from a file, and has not run yet */
};
/* The row that vm_set_saved() will make, to be committed before; borrowed strings. */
struct store_vm vm_saved_row(const struct vm *vm, const struct vm_saved *saved);
/* Call it when that row is on disk. */
void vm_set_saved(struct vm *vm, const struct vm_saved *saved);

/* For migrd/vm: sets the two members of the row; says in the reason where the guest is. */
void vm_note_saved(struct vm *vm, const char *id, const char *path);
void vm_say_saved(struct vm *vm);

#endif
