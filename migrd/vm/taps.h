/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/taps.h -- checks that the host's taps are as a definition wants them: there, up,
 * and ports of the bridges that it names.  To be checked before a guest gets them and
 * before it runs with them; a worker waits for the kernel.  Thread: loop.
 */
#ifndef MIGRD_VM_TAPS_H
#define MIGRD_VM_TAPS_H

#include "vm/vm.h"
#include "wire/vm_def.h"

/* False: the VM has no tap, and DONE is not called.  True: DONE is called once, later;
 * the VM may be gone then. */
bool vm_taps_check(struct vm *vm, vm_done_fn *done, void *data);
/* The same before a QEMU is started, and that the guest can have its vsock CID: a QEMU that is
 * there has claimed it. */
bool vm_taps_check_start(struct vm *vm, vm_done_fn *done, void *data);
/* As vm_taps_check(), for one NIC that is about to join. */
bool vm_taps_check_nic(struct vm *vm, const struct vm_def_nic *nic, vm_done_fn *done, void *data);

#endif
