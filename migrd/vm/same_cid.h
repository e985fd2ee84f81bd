/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/same_cid.h -- a vsock CID is the address of one guest of a host: a second VM with it is
 * refused when it is made, offered or gets the device, whether the first one runs or not.  Thread:
 * loop. */
#ifndef MIGRD_VM_SAME_CID_H
#define MIGRD_VM_SAME_CID_H

#include "vm/vm.h"
#include "wire/vm_def.h"

/* CONFLICT: another VM of this host has the CID of DEF. */
bool vm_cid_is_free(struct vms *vms, const struct vm_def *def, struct err *err);

#endif
