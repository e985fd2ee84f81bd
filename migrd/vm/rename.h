/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/rename.h -- a VM gets another name.
 *
 * Everything of a VM that lasts is found by its uuid: directories, sockets, rows of moves, the
 * records of peers.  The name is in its row and in the definition there, which are one record; so a
 * crash leaves one of the two names.  A QEMU that is there keeps the name that it was started with
 * on its command line, which proves nothing and is shown by QEMU alone (query-name, ps).
 * Thread: loop.
 */
#ifndef MIGRD_VM_RENAME_H
#define MIGRD_VM_RENAME_H

#include "vm/vm.h"

/* Waits for its turn (vm/entry.h), whose errors it may give: CONFLICT: it is not this host's; BUSY:
 * a job.  EXISTS: another VM has the name, or had it and is being renamed; CONFLICT: its guest is
 * in a file, which has the name.  With an error nothing has changed. */
void vm_rename(struct vm *vm, const char *name, vm_done_fn *done, void *data);
/* The same without a change, and without waiting for its turn. */
bool vm_try_rename(struct vm *vm, const char *name, struct err *err);
/* A VM had the name, and may have it again if its new one cannot be written. */
bool vm_name_is_leaving(const struct vms *vms, const char *name);

#endif
