/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/about.h -- what people say of a VM, and no guest sees: its labels, the policy of its moves and
 * its placement; and what they change of the guest itself (wire/vm_edit.h).
 *
 * They are members of the definition, and change while the VM runs or is stopped.  Of the guest
 * itself, what QEMU takes only when it starts waits in `next' of the definition for that.
 * Thread: loop.
 */
#ifndef MIGRD_VM_ABOUT_H
#define MIGRD_VM_ABOUT_H

#include "vm/vm.h"
#include "wire/vm_request.h"

/* REQUEST is copied.  Waits for its turn (vm/entry.h), whose errors it may give: BUSY during a
 * move, which has sent the definition already.  LIMIT: too many labels; INVALID: what would come of
 * it is no placement, or no definition; CONFLICT: what is to be changed now cannot be while the
 * guest runs, or its guest is in a file.  With an error nothing has changed. */
void vm_change_about(struct vm *vm, const struct vm_patch_request *request, vm_done_fn *done,
		     void *data);

/* The same without a change: whether it would be made. */
bool vm_try_about(struct vm *vm, const struct vm_patch_request *request, struct err *err);

/* A start: what waits for it is made in DEF, a copy of the definition.  INVALID: it would be no
 * definition any more. */
bool vm_take_next(const struct vm *vm, struct vm_def *def, struct err *err);
/* The same without a change. */
bool vm_try_next(struct vm *vm, struct err *err);

#endif
