/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/boot.h -- what a VM's record says of the boots of its host.  Thread: loop. */
#ifndef MIGRD_VM_BOOT_H
#define MIGRD_VM_BOOT_H

#include "vm/vm.h"

/* The host was booted, the definition has `autostart', and there was no QEMU of the VM since. */
bool vm_is_autostart_due(const struct vm *vm);
/* It is not to be started any more; on disk soon. */
void vm_autostart_over(struct vm *vm);

#endif
