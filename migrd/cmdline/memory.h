/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmdline/memory.h -- the objects of QEMU that hold the guest's memory (memory-backend-*).
 *
 * QEMU sends memory block by block, each by its name, and the destination must have blocks of the
 * same names and sizes (migration/ram.c).  So a guest without NUMA nodes has its main memory under
 * the name that QEMU itself gives it, whatever holds it; each NUMA node has a block of its own.
 *
 * Pure.  Thread: any.  Source: QEMU qapi/qom.json.
 */
#ifndef MIGRD_CMDLINE_MEMORY_H
#define MIGRD_CMDLINE_MEMORY_H

#include "wire/vm_def.h"

/* The name of the block of main memory in all machines of x86 (hw/i386/pc.c, default_ram_id). */
#define MEMORY_MAIN_ID "pc.ram"

/* The main memory is one object of ours, which -machine names; false: QEMU makes it by itself, or
 * it is that of NUMA nodes. */
bool memory_is_object(const struct vm_def *def);

/* The arguments of -object; the caller's. */
struct json_object *memory_main(const struct vm_def *def);
struct json_object *memory_of_node(const struct vm_def *def, size_t number);

/* Adds to ARGS, which have the id, what holds SIZE_MIB of memory of DEF, on HOST_NODES ("": any).
 * What is said of all of the guest's memory is said here. */
void memory_fill(struct json_object *args, const struct vm_def *def, uint64_t size_mib,
		 const char *host_nodes);

#endif
