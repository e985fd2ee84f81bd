/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def_macs.h -- the MAC addresses that a guest has in networks of its host.
 *
 * They are read from the JSON text, so that a look at all VMs of a host need not decode
 * each definition.  Pure; thread: any.
 */
#ifndef MIGRD_WIRE_VM_DEF_MACS_H
#define MIGRD_WIRE_VM_DEF_MACS_H

#include "wire/vm_def.h"

struct vm_def_macs {
	char list[VM_DEF_NIC_MAX][VM_DEF_MAC_SIZE]; /* lower case */
	size_t count;
};

/* DEFINITION: JSON of any shape.  NICs of QEMU's own NAT are left out: that network belongs
 * to one guest alone. */
void vm_def_macs_read(const char *definition, struct vm_def_macs *ret);

#endif
