/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def_memory.h -- where a guest's memory is on its host, and the guest's NUMA nodes: the
 * rules of these members of a definition.  Pure; thread: any. */
#ifndef MIGRD_WIRE_VM_DEF_MEMORY_H
#define MIGRD_WIRE_VM_DEF_MEMORY_H

#include "wire/vm_def.h"

extern const struct json_field vm_def_memory_backend_fields[];
extern const struct json_field vm_def_numa_node_fields[];

/* Checks the members that decoding has filled in against each other. */
void vm_def_check_memory_backend(const struct vm_def *def, struct faults *faults);
void vm_def_check_numa_nodes(const struct vm_def *def, struct faults *faults);

/* All memory of the guest that is in huge pages, memory devices included. */
uint64_t vm_def_huge_memory_mib(const struct vm_def *def);
/* All that is not: huge pages are set aside, and not among what a host has available. */
uint64_t vm_def_ordinary_memory_mib(const struct vm_def *def);

#endif
