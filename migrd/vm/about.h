/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/about.h -- what people say of a VM, and no guest sees: its labels, the policy of its moves and
 * its placement.
 *
 * They are members of the definition, and change while the VM runs or is stopped.
 * Thread: loop.
 */
#ifndef MIGRD_VM_ABOUT_H
#define MIGRD_VM_ABOUT_H

#include "vm/vm.h"
#include "wire/vm_request.h"

/* REQUEST is copied.  Waits for its turn (vm/entry.h), whose errors it may give: BUSY during a
 * move, which has sent the definition already.  LIMIT: too many labels; INVALID: what would come of
 * it is no placement.  With an error nothing has changed. */
void vm_change_about(struct vm *vm, const struct vm_patch_request *request, vm_done_fn *done,
		     void *data);

#endif
