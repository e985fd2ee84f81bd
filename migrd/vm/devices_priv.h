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

/* Compares the definition with what QEMU has, under ENTRY: devices that QEMU has lost
 * are removed with their backends; vm->row.attaching joins if QEMU has it and is undone
 * if not; addresses are taken over.  ERR: the result could not be recorded. */
void devices_look(struct vm_entry *entry, vm_done_fn *done, void *data);
/* The same as soon as the sync slot is free; calls that come before are answered by one
 * look. */
void vm_devices_look(struct vm *vm);
/* The same for events that a guest can cause at will: one look at once, then at most
 * one each second; the last event is always followed by a look. */
void vm_devices_look_paced(struct vm *vm);

/* ---- detach ---- */

/* Answers the detaches whose devices are not in DEF any more. */
void vm_detaches_answer(struct vm *vm, const struct vm_def *def);
/* Answers all detaches with ERR. */
void vm_detaches_end(struct vm *vm, const struct err *err);

/* ---- media ---- */

/* A tray has moved, or nothing will move it any more: a change of medium that waits for
 * the tray looks at it. */
void vm_medium_tray_moved(struct vm *vm);
/* The VM goes away: a change of medium that waits for a tray is answered with ERR. */
void vm_medium_end(struct vm *vm, const struct err *err);

/* ---- told by the VM ---- */

void vm_devices_here(struct vm *vm, enum vm_here how);
void vm_devices_event(struct vm *vm, const struct qmp_event *event);
/* There is no QEMU any more, or a new one is about to start. */
void vm_devices_qemu_ended(struct vm *vm);
void vm_devices_fini(struct vm *vm);

/* ---- records ---- */

/* The definition becomes DEF, which no QEMU has to hear of: it is on disk when DONE is called; with
 * an error it is as before.  The caller has the VM's sync slot. */
void vm_define(struct vm *vm, const struct vm_def *def, store_done_fn *done, void *data);
/* Only in memory: the caller does vm_save(). */
void vm_set_definition(struct vm *vm, const struct vm_def *def);
void vm_set_attaching(struct vm *vm, struct json_object *device); /* NULL: none */

#endif
