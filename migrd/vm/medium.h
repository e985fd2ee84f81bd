/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/medium.h -- changes the medium of a CD drive, or takes it out.
 *
 * The record changes only after QEMU has changed the medium: QEMU outlives this daemon,
 * and is asked what is in the drive after every change, whether it succeeded or not,
 * and after a restart (vm/devices.h).  So the record never names a medium that is not
 * in the drive.  A new medium is opened before the former leaves the drive: if it
 * cannot be opened, nothing changes.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_MEDIUM_H
#define MIGRD_VM_MEDIUM_H

#include "vm/vm.h"
#include "wire/medium_request.h"

/* Puts the medium of REQUEST (copied), or none, into the CD drive ID; with a medium the
 * tray is closed.  A medium that is in there already stays.  If the VM is stopped, only
 * its definition changes.  NOT_FOUND; CONFLICT: it is no CD drive, or the VM's state
 * forbids it; INVALID: the guest can write the image; QEMU with its words; TIMEOUT: the
 * guest has locked the tray and did not open it within REQUEST->timeout_ms, or QEMU
 * does not answer; others as vm_enter().  After an error the record says what is in the
 * drive. */
void vm_change_medium(struct vm *vm, const char *id, const struct medium_request *request,
		      vm_done_fn *done, void *data);

#endif
