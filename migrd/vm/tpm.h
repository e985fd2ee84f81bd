/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/tpm.h -- the state of a VM's TPM when the VM is deleted.  Thread: loop. */
#ifndef MIGRD_VM_TPM_H
#define MIGRD_VM_TPM_H

#include "vm/vm.h"

/* Removes the state.  False: the VM has no TPM, and DONE is not called.  True: DONE is called once,
 * later; the VM may be gone then.  An error names what is left. */
bool vm_tpm_discard(struct vm *vm, vm_done_fn *done, void *data);

#endif
