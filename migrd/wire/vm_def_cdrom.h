/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def_cdrom.h -- the rules of the CD drives of a definition.  For wire/vm_def*.c. */
#ifndef MIGRD_WIRE_VM_DEF_CDROM_H
#define MIGRD_WIRE_VM_DEF_CDROM_H

#include "wire/vm_def.h"

/* Checks the values of one drive against each other, and against other devices. */
void vm_def_check_cdrom(const struct vm_def *def, size_t index, struct faults *faults);
/* Gives a unit to each drive on the machine's controller that has none.  LIMIT: none is free. */
bool vm_def_pin_cdroms(struct vm_def *def, struct err *err);

#endif
