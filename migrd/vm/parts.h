/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/parts.h -- what a VM consists of beside its QEMU: a row for each part.
 *
 * The files that make up a VM tell its parts of its life by the functions below, in the
 * order of the table in parts.c; none of them names a part.  A hook that is NULL: the part has
 * nothing to do then.  A hook may come for a part that was never active.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_PARTS_H
#define MIGRD_VM_PARTS_H

#include "base/err.h"
#include "qmp/conn.h"

struct vm;

enum vm_here {
	VM_HERE_FRESH,   /* QEMU was just started */
	VM_HERE_FOUND,   /* after a restart of ours, or a while without its events */
	VM_HERE_ARRIVED, /* by a move: the VM is ours from now on */
};

struct vm_part {
	const char *name;
	/* The VM is new in memory. */
	void (*init)(struct vm *vm);
	/* Its QEMU answers.  FRESH and ARRIVED come for a VM that is ours only. */
	void (*here)(struct vm *vm, enum vm_here how);
	/* An event of its QEMU; the job has heard it. */
	void (*event)(struct vm *vm, const struct qmp_event *event);
	/* Its QEMU has ended, or is let go; it is in vm->qemu for the last time. */
	void (*qemu_gone)(struct vm *vm);
	/* The VM goes: who waits for the part is answered with WHY. */
	void (*let_go)(struct vm *vm, const struct err *why);
	/* Frees what is in memory; a QEMU may run on. */
	void (*fini)(struct vm *vm);
};

void vm_parts_init(struct vm *vm);
void vm_parts_here(struct vm *vm, enum vm_here how);
void vm_parts_event(struct vm *vm, const struct qmp_event *event);
void vm_parts_qemu_gone(struct vm *vm);
void vm_parts_let_go(struct vm *vm, const struct err *why);
void vm_parts_fini(struct vm *vm);

#endif
