/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/devices_priv.h -- shared by the files that make up vm/devices.h, and what the
 * life of a VM tells them. */
#ifndef MIGRD_VM_DEVICES_PRIV_H
#define MIGRD_VM_DEVICES_PRIV_H

#include "vm/devices.h"
#include "vm/entry.h"
#include "vm/vm_priv.h"

#define DEVICE_COMMAND_MS 10000

/* ---- look ---- */

/* Compares the definition with what QEMU has, under ENTRY: what QEMU has lost goes,
 * with its backend; vm->row.attaching joins if QEMU has it and is undone if not;
 * addresses are taken over.  ERR: it could not be recorded. */
void devices_look(struct vm_entry *entry, vm_done_fn *done, void *data);
/* The same when it can be; once for many calls. */
void vm_devices_look(struct vm *vm);
/* For what a guest can do again and again: at once, and then at most once each second; what it
 * did last is always looked at. */
void vm_devices_look_paced(struct vm *vm);

/* ---- detach ---- */

/* Answers who waits for devices that are gone now. */
void vm_detaches_answer(struct vm *vm, const struct vm_def *def);
/* Answers all with ERR. */
void vm_detaches_end(struct vm *vm, const struct err *err);

/* ---- media ---- */

/* A tray has moved, or nothing will move it any more: who waits for that looks. */
void vm_medium_tray_moved(struct vm *vm);
/* The VM goes: answers who waits with ERR. */
void vm_medium_end(struct vm *vm, const struct err *err);

/* ---- told by the VM ---- */

void vm_devices_here(struct vm *vm, enum vm_here how);
void vm_devices_event(struct vm *vm, const struct qmp_event *event);
/* There is no QEMU any more, or a new one is about to start. */
void vm_devices_qemu_ended(struct vm *vm);
void vm_devices_fini(struct vm *vm);

/* ---- records ---- */

/* In memory; vm_save() is to follow. */
void vm_set_definition(struct vm *vm, const struct vm_def *def);
void vm_set_attaching(struct vm *vm, struct json_object *device); /* NULL: none */

#endif
