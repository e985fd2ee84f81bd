/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmdline/memory.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/number_list.h"

#define MIB (UINT64_C(1) << 20)

/* QEMU 10.0 under TCG takes the start of a block of memory for an address of the first
 * block when it looks for dirty pages, and fails if that is smaller
 * (system/physmem.c, tlb_reset_dirty_range_all).  Backends of devices would be first:
 * the guest's main memory is therefore made before them, under its usual name. */
static bool wants_memory_first(const struct vm_def *def)
{
	return def->accel == VM_DEF_ACCEL_TCG && !strstr(def->machine_options, "memory-backend") &&
	       (def->shared_memory_count || def->memory_device_count);
}

bool memory_is_object(const struct vm_def *def)
{
	return !def->numa_node_count &&
	       (vm_def_has_memory_backend(def) || def->memory_share || wants_memory_first(def));
}

/* Other processes can be given a memfd, so it is always shared, as QEMU has it by itself; private
 * pages of it would be there twice after a write. */
static bool is_shared(const struct vm_def *def)
{
	return def->memory_share || def->memory_backend.type == VM_DEF_MEMORY_TYPE_MEMFD;
}

/* QEMU makes a file of a directory's that nobody else has; a path that is no directory it takes for
 * the memory itself, which then two guests could have (system/physmem.c, file_ram_open()).  So the
 * path is such that it can only be a directory. */
static void add_directory(struct json_object *args, const char *path)
{
	CLEANUP(free_charp) char *directory = xasprintf("%s/.", path);

	json_add_str(args, "mem-path", directory);
}

static void add_huge_pages(struct json_object *args, const struct vm_def_memory_backend *backend)
{
	if (backend->type == VM_DEF_MEMORY_TYPE_FILE) {
		add_directory(args, backend->path);
	} else if (backend->huge_page_mib) {
		json_add_bool(args, "hugetlb", true);
		json_add_uint(args, "hugetlbsize", backend->huge_page_mib * MIB);
	}
}

static void add_host_nodes(struct json_object *args, const char *host_nodes)
{
	struct json_object *array = json_object_new_array();
	struct number_list list = { 0 };

	number_list_parse(host_nodes, &list);
	NUMBER_LIST_EACH(&list, node)
	{
		json_object_array_add(array, json_object_new_int((int)node));
	}
	json_object_object_add(args, "host-nodes", array);
	json_add_str(args, "policy", "bind");
}

/* Huge pages are reserved for the whole host, so a node may lack them later: that would end QEMU in
 * the middle of its work. */
static bool wants_prealloc(const struct vm_def_memory_backend *backend, const char *host_nodes)
{
	return backend->prealloc || (backend->huge_page_mib && *host_nodes);
}

void memory_fill(struct json_object *args, const struct vm_def *def, uint64_t size_mib,
		 const char *host_nodes)
{
	const struct vm_def_memory_backend *backend = &def->memory_backend;
	char type[32];

	snprintf(type, sizeof(type), "memory-backend-%s", vm_def_memory_type_names[backend->type]);
	json_add_str(args, "qom-type", type);
	json_add_uint(args, "size", size_mib * MIB);
	if (is_shared(def))
		json_add_bool(args, "share", true);
	add_huge_pages(args, backend);
	if (wants_prealloc(backend, host_nodes))
		json_add_bool(args, "prealloc", true);
	if (*host_nodes)
		add_host_nodes(args, host_nodes);
}

struct json_object *memory_main(const struct vm_def *def)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "id", MEMORY_MAIN_ID);
	memory_fill(args, def, def->memory_mib, def->memory_backend.host_nodes);
	json_add_bool(args, "x-use-canonical-path-for-ramblock-id", false);
	return args;
}

struct json_object *memory_of_node(const struct vm_def *def, size_t number)
{
	struct json_object *args = json_object_new_object();
	char id[32];

	snprintf(id, sizeof(id), "ram-node%zu", number);
	json_add_str(args, "id", id);
	memory_fill(args, def, def->numa_nodes[number].memory_mib,
		    def->numa_nodes[number].host_nodes);
	return args;
}
