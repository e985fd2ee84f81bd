/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/same_mac.h -- finds another running guest of this host with a MAC address of a
 * guest that is about to start.  That start is not refused: on two bridges that never
 * meet both may have the address.  Thread: loop. */
#ifndef MIGRD_VM_SAME_MAC_H
#define MIGRD_VM_SAME_MAC_H

#include "vm/vm.h"

/* True: RET_WORDS tells of the first such guest.  QEMU's own NAT does not count: it is
 * a network of each guest's own. */
bool vm_same_mac(const struct vm *vm, char ret_words[ERR_MSG_SIZE]);

/* The same of a guest that is not here yet. */
bool vms_same_mac(const struct vms *vms, const struct vm_def *def, char ret_words[ERR_MSG_SIZE]);

#endif
