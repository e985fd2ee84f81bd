/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_edit.h -- what of a VM's definition an edit changes (struct vm_edit of wire/vm_def.h): at
 * once while the VM is stopped, else when its QEMU is started next.
 *
 * What waits for the next start is the member `next' of the definition, so it is on disk with it,
 * and goes where the VM goes.  A struct vm_edit is large (about 30 KiB).  Thread: any (pure).
 */
#ifndef MIGRD_WIRE_VM_EDIT_H
#define MIGRD_WIRE_VM_EDIT_H

#include "wire/vm_def.h"

extern const struct json_field vm_edit_fields[];

bool vm_edit_is_empty(const struct vm_edit *edit);
/* The name of its I-th member, and why a running guest cannot take it, with what can be done; NULL:
 * there are no more. */
const char *vm_edit_member(size_t i, const char **ret_why);
bool vm_edit_has(const struct vm_edit *edit, size_t i);
/* NEXT has something of what ASKED changes in its I-th member. */
bool vm_edit_waits(const struct vm_edit *next, const struct vm_edit *asked, size_t i);
/* Makes the changes in DEF, and forgets of its `next' what they are about.  INVALID with every
 * fault: what would come of it is no definition; DEF is unchanged then. */
bool vm_edit_apply(const struct vm_edit *edit, struct vm_def *def, struct err *err);
/* Leaves the changes to the `next' of DEF, together with what waits there already, but for what DEF
 * has anyway.  The medium of a CD drive that DEF has does not wait: the drive keeps what is in it
 * at the start.  INVALID: the same, of what would come of all that; or EDIT has another medium than
 * DEF in such a drive. */
bool vm_edit_defer(const struct vm_edit *edit, struct vm_def *def, struct err *err);
/* Makes the changes that wait.  A disk or drive of the boot order that has been removed meanwhile
 * is left out.  INVALID: it would be no definition any more; DEF is unchanged then. */
bool vm_edit_take_next(struct vm_def *def, struct err *err);

#endif
