/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/parts.h -- what a VM consists of beside its QEMU: a row for each part.
 *
 * The files that make up a VM call the functions below, which call the hooks of all
 * parts in the order of the table in parts.c.  A hook is NULL if the part has nothing
 * to do then.  A hook may be called for a part that was never active.
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
	VM_HERE_FOUND,   /* found again: after our restart, or a while without its events */
	VM_HERE_ARRIVED, /* by a move, or from a file: the VM is ours from now on */
};

struct vm_part {
	const char *name;
	/* The VM is new in memory. */
	void (*init)(struct vm *vm);
	/* Its QEMU answers.  FRESH and ARRIVED come only for a VM that is ours. */
	void (*here)(struct vm *vm, enum vm_here how);
	/* An event of its QEMU; the job got it first. */
	void (*event)(struct vm *vm, const struct qmp_event *event);
	/* Its QEMU has ended, or is let go; it is in vm->qemu for the last time. */
	void (*qemu_gone)(struct vm *vm);
	/* The VM goes away: everybody who waits for the part is answered with WHY. */
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
