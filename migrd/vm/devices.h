/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/devices.h -- adding and removing devices of a VM, while it runs or is stopped.
 *
 * A device to be added is on disk before QEMU is told of it, in a column of its own;
 * the definition gets it when QEMU has it.  Whatever happens in between, QEMU is then
 * asked what it has (vm_devices_look()), and the definition follows: additions,
 * removals and restarts all end with that.  So no backend stays without its device, and
 * no crash can make the definition and QEMU differ.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_DEVICES_H
#define MIGRD_VM_DEVICES_H

#include "vm/vm.h"

/* FAULTS: what is wrong with members of the device; NULL if nothing is. */
typedef void vm_attached_fn(void *data, const struct faults *faults, const struct err *err);

/* Adds DEVICE (as in wire/vm_def_device.h; kept until the end) to the VM; if the VM is
 * stopped, only its definition changes.  INVALID with FAULTS; LIMIT: no hot-plug port
 * is free; QEMU with its words: nothing of the device is left; TIMEOUT: QEMU does not
 * answer, and the next look decides; others as vm_enter(). */
void vm_attach(struct vm *vm, struct json_object *device, vm_attached_fn *done, void *data);

/* What vm_attach() would say before it asks QEMU; changes nothing.  False: FAULTS, if it has any,
 * or else ERR. */
bool vm_try_attach(struct vm *vm, struct json_object *device, struct faults *faults,
		   struct err *err);

/* Asks the guest to let go of the device, and waits until it is gone.  TIMEOUT: it is
 * not gone within TIMEOUT_MS; the guest keeps the request, and the definition follows
 * when the device goes after all.  NOT_FOUND; BUSY: it is being removed already;
 * CONFLICT: it sits where nothing can be removed, or QEMU has ended; QEMU: QEMU or the
 * guest refuses. */
void vm_detach(struct vm *vm, const char *id, uint32_t timeout_ms, vm_done_fn *done, void *data);

/* What it would say before it asks the guest; changes nothing. */
bool vm_try_detach(struct vm *vm, const char *id, struct err *err);

struct json_object *vm_devices_json(struct vm *vm);                /* an array */
struct json_object *vm_device_json(struct vm *vm, const char *id); /* NULL: none */

#endif
