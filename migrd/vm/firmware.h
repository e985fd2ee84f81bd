/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/firmware.h -- the variables of a guest's firmware, made of their template before a start.
 * Thread: loop.
 */
#ifndef MIGRD_VM_FIRMWARE_H
#define MIGRD_VM_FIRMWARE_H

#include "vm/vm.h"

/* False: the VM has no firmware of its own, and DONE is not called.  True: DONE is called once,
 * later; the VM may be gone then.  TIMEOUT: the storage does not answer. */
bool vm_firmware_prepare(struct vm *vm, vm_done_fn *done, void *data);

#endif
