/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/memory.h -- looks before a start whether the host has the huge pages and NUMA nodes that a
 * definition wants (preflight/memory.h); a worker reads them.  Whoever takes them in between is
 * told of by QEMU itself.  Thread: loop.
 */
#ifndef MIGRD_VM_MEMORY_H
#define MIGRD_VM_MEMORY_H

#include "vm/vm.h"

/* False: any memory will do, and DONE is not called.  True: DONE is called once, later; the VM may
 * be gone then.  CONFLICT: how much is wanted and free, and what to do; TIMEOUT: where the huge
 * pages are mounted does not answer. */
bool vm_memory_check(struct vm *vm, vm_done_fn *done, void *data);

#endif
