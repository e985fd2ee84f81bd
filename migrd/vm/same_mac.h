/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/same_mac.h -- another guest that runs here with the MAC address of one that begins to.
 * Nothing is refused for it: on two bridges that never meet both are right.  Thread: loop. */
#ifndef MIGRD_VM_SAME_MAC_H
#define MIGRD_VM_SAME_MAC_H

#include "vm/vm.h"

/* Words about the first one; false: there is none.  QEMU's own NAT does not count: it is a
 * network of each guest's own. */
bool vm_same_mac(const struct vm *vm, char ret_words[ERR_MSG_SIZE]);

#endif
