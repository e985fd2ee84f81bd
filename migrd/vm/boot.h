/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/boot.h -- what a VM's record says of the boots of its host.  Thread: loop. */
#ifndef MIGRD_VM_BOOT_H
#define MIGRD_VM_BOOT_H

#include "vm/vm.h"

/* The host, or the one from which it came stopped, was booted, the definition has `autostart', and
 * there was no QEMU of the VM since. */
bool vm_is_autostart_due(const struct vm *vm);
/* It comes from a host on which that was so: it is to be started here, if its definition has
 * `autostart'.  The caller writes the row. */
void vm_autostart_comes(struct vm *vm);
/* It is not to be started any more; on disk soon. */
void vm_autostart_over(struct vm *vm);

#endif
