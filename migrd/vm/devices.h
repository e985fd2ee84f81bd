/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/devices.h -- devices come and go while a VM runs, or is stopped.
 *
 * What is to be added is on disk before QEMU hears of it, apart from the
 * definition, which has it when QEMU does.  Whatever happens in between, QEMU is
 * looked at afterwards (vm_devices_look()), and the definition follows: that is
 * how an addition ends, a removal, and a restart.  So nothing is ever half there
 * (a backend without its device), and no crash can leave the two apart.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_DEVICES_H
#define MIGRD_VM_DEVICES_H

#include "vm/vm.h"

/* FAULTS: what is wrong with the device, at its places; NULL if nothing is. */
typedef void vm_attached_fn(void *data, const struct faults *faults, const struct err *err);

/* DEVICE (as in wire/vm_def_device.h; kept until the end) joins the VM; of a VM
 * that is stopped only the definition changes.  INVALID with FAULTS; LIMIT when no
 * hot-plug port is free; QEMU with its words, and nothing is left of it; TIMEOUT when
 * QEMU does not answer: then the next look decides; others as vm_enter(). */
void vm_attach(struct vm *vm, struct json_object *device, vm_attached_fn *done, void *data);

/* Asks the guest to let go of the device, and waits for it to go.  TIMEOUT: it has
 * not within TIMEOUT_MS; the request stays with the guest, and the definition follows
 * when it goes after all.  NOT_FOUND; BUSY: it is being removed; CONFLICT: it sits
 * where nothing can be removed, or QEMU ended; QEMU: it or the guest refuses. */
void vm_detach(struct vm *vm, const char *id, uint32_t timeout_ms, vm_done_fn *done, void *data);

struct json_object *vm_devices_json(struct vm *vm);                /* an array */
struct json_object *vm_device_json(struct vm *vm, const char *id); /* NULL: none */

#endif
