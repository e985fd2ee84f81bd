/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/tap_share.h -- the settings of the taps and macvtaps of a VM that a second QEMU is given too
 * (net/tap_share.h).  Thread: loop.
 */
#ifndef MIGRD_VM_TAP_SHARE_H
#define MIGRD_VM_TAP_SHARE_H

#include "net/tap_share.h"
#include "vm/vm.h"
#include "wire/vm_def.h"

struct vm_taps {
	size_t count;
	struct net_tap_settings list[VM_DEF_NIC_MAX]; /* in the order of the definition */
};

/* Of the taps that the QEMU of VM has open.  Errors as of net_tap_take(), with the NIC's name. */
bool vm_taps_look(struct vm *vm, struct vm_taps *ret, struct err *err);
/* Sets them to TAPS, of vm_taps_look() of the same definition.  One that fails does not keep the
 * others from being set; the first error is told. */
bool vm_taps_restore(struct vm *vm, const struct vm_taps *taps, struct err *err);
bool vm_taps_equal(const struct vm_taps *one, const struct vm_taps *other);

#endif
