/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/medium.h -- what is in a CD drive is changed, or taken out.
 *
 * Nothing is written before QEMU has done it: QEMU outlives this daemon, and is looked
 * at when the change has ended in whatever way, and after a restart (vm/devices.h).  So
 * the record never says what is not in the drive.  A new medium is opened before the
 * former leaves the drive: one that cannot be opened changes nothing.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_MEDIUM_H
#define MIGRD_VM_MEDIUM_H

#include "vm/vm.h"
#include "wire/medium_request.h"

/* The CD drive ID has the medium of REQUEST (copied), or none, and if it has one its
 * tray is closed; one that was in there already stays.  Of a VM that is stopped the
 * definition has it.  NOT_FOUND; CONFLICT: it is no CD drive, or the VM's state forbids
 * it; INVALID: the guest can write the image; QEMU with its words; TIMEOUT: the guest has
 * locked the tray and did not open it within REQUEST->timeout_ms, or QEMU does not
 * answer; others as vm_enter().  After an error the record says what is in the drive. */
void vm_change_medium(struct vm *vm, const char *id, const struct medium_request *request,
		      vm_done_fn *done, void *data);

#endif
