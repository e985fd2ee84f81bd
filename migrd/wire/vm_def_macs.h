/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def_macs.h -- by which MAC addresses a guest is in networks of its host.
 *
 * Read from the text, since a look at all VMs of a host need not decode each.  Pure;
 * thread: any.
 */
#ifndef MIGRD_WIRE_VM_DEF_MACS_H
#define MIGRD_WIRE_VM_DEF_MACS_H

#include "wire/vm_def.h"

struct vm_def_macs {
	char list[VM_DEF_NIC_MAX][VM_DEF_MAC_SIZE]; /* lower case */
	size_t count;
};

/* DEFINITION: JSON of any shape.  QEMU's own NAT does not count: it is a network of each
 * guest's own. */
void vm_def_macs_read(const char *definition, struct vm_def_macs *ret);

#endif
