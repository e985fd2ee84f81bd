/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/tpm.h -- the state of a VM's TPM: a directory with the guest's keys, named as the place of its
 * QEMU (qemu/qemu.h).
 *
 * While a second QEMU takes the guest over (vm/swap.h) there are two.  The new one is made under a
 * mark with the id of the job (storage/tpm_state.h), and as long as the record of the VM names the
 * old QEMU, it is only a copy that is removed.  Thread: loop.
 */
#ifndef MIGRD_VM_TPM_H
#define MIGRD_VM_TPM_H

#include "vm/vm.h"

enum vm_tpm_action {
	VM_TPM_MAKE,   /* the directory beside, empty and under its mark */
	VM_TPM_SYNC,   /* what the new swtpm has written there */
	VM_TPM_REMOVE, /* the directory beside, if the job made it and the VM has its own */
	VM_TPM_SETTLE, /* after vm_swap_qemu(): the VM's own stays for good, that beside goes */
	VM_TPM_ACTION_COUNT
};

/* The directory of the QEMU of the record, malloced. */
char *vm_tpm_path(const struct vm *vm);
/* False: the VM has no TPM, or no definition that could be read. */
bool vm_has_tpm(struct vm *vm);
/* Does ACTION of job JOB in the background; actions of one VM are done in their order.  The last
 * two are tried for a second.  DONE is called once, later; the VM may be gone then.  Every action
 * may be done again after a crash in the middle of it. */
void vm_tpm_act(struct vm *vm, enum vm_tpm_action action, const char *job, vm_done_fn *done,
		void *data);
/* The VM is deleted: removes its state.  False: it has no TPM, and DONE is not called.  True: DONE
 * is called once, later; the VM may be gone then.  An error names what is left. */
bool vm_tpm_discard(struct vm *vm, vm_done_fn *done, void *data);

#endif
