/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/swap.h -- a second QEMU beside that of a VM, which takes its guest over (refresh/refresh.h).
 *
 * It is in the other of the VM's two places (qemu/qemu.h), and the caller's until vm_swap_qemu().
 * Its VM must be held by a job.  Thread: loop.
 */
#ifndef MIGRD_VM_SWAP_H
#define MIGRD_VM_SWAP_H

#include "vm/vm.h"

/* Starts one by the definition of VM, from the program of PROBE, which must live until it is ready
 * or has ended. */
struct qemu *vm_start_beside(struct vm *vm, enum cmdline_incoming incoming, struct probe *probe,
			     const struct qemu_callbacks *cb, struct err *err);
/* Ends one that an earlier coordinator has left there, if there is one: qemu_end_unheard(). */
struct qemu *vm_end_beside(struct vm *vm, struct proc_id id, const struct qemu_callbacks *cb);
/* One lives there. */
bool vm_has_beside(const struct vm *vm);
/* Removes what is left of one that has ended; does nothing if one lives there. */
void vm_remove_beside(const struct vm *vm);
/* Its end, as vm_explain_end(). */
void vm_explain_beside(const struct vm *vm, struct err *err);
/* The sockets at which one waits: qemu_cpr_path(), qemu_main_path(). */
char *vm_cpr_path(const struct vm *vm);
char *vm_main_path(const struct vm *vm);

/* The row that vm_swap_qemu() will make, to be committed before; borrowed strings. */
struct store_vm vm_swapped_row(const struct vm *vm, struct proc_id id);
/* QEMU, which was ready, becomes the VM's.  The former one is the caller's from here on, with CB.
 */
struct qemu *vm_swap_qemu(struct vm *vm, struct qemu *qemu, const struct qemu_callbacks *cb);
/* The parts of the VM begin with the new QEMU: call it when the guest runs, since it may take
 * time. */
void vm_swap_settled(struct vm *vm);

#endif
