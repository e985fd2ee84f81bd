/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_def_memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/number_list.h"
#include "wire/vm_def_check.h"

const char *const vm_def_memory_type_names[] = { "ram", "memfd", "file", NULL };

#define LIST_PATTERN "^([0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*)?$"

static bool check_list(const char *value, const char **ret_why)
{
	struct number_list list;

	*ret_why = "a list of numbers from 0 to 1023 is wanted, each of them once, such as 0-3,8";
	return number_list_parse(value, &list);
}

#define HOST_NODES_FIELD(owner)                                                           \
	{                                                                                 \
		.key = "host_nodes", .type = JSON_STRING, JSON_MEMBER(owner, host_nodes), \
		.check = check_list, .pattern = LIST_PATTERN,                             \
		.help = "NUMA nodes of the host that the memory is taken from (QEMU's "   \
			"policy=bind), such as 0-1; a host that has none of that number " \
			"does not take the guest; default: any.",                         \
	}

const struct json_field vm_def_memory_backend_fields[] = {
	{ .key = "type",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def_memory_backend, type),
	  .names = vm_def_memory_type_names,
	  .help = "QEMU's memory-backend-ram (the default), memory-backend-memfd, which other "
		  "processes can be given, or memory-backend-file, in a hugetlbfs." },
	{ .key = "huge_page_mib",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_def_memory_backend, huge_page_mib),
	  .max = 1024,
	  .help = "Size of the huge pages of type memfd or file, in MiB: 2 or 1024. Default: no "
		  "huge pages. All memory is in them, memory devices too." },
	{ .key = "path",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_memory_backend, path),
	  .check = vm_def_check_path,
	  .pattern = "^/[^\\u0000-\\u001f\\u007f]*$",
	  .help = "Of type file, and of no other: the directory where the hugetlbfs is mounted, on "
		  "every host." },
	{ .key = "prealloc",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_def_memory_backend, prealloc),
	  .help = "Take all of the memory when QEMU starts; default: as the guest uses it." },
	HOST_NODES_FIELD(struct vm_def_memory_backend),
	{ 0 },
};

const struct json_field vm_def_numa_node_fields[] = {
	{ .key = "memory_mib",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct vm_def_numa_node, memory_mib),
	  .max = 1 << 24,
	  .help = "Memory of the node in MiB, 0 for none; all nodes together have memory_mib." },
	{ .key = "cpus",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_numa_node, cpus),
	  .check = check_list,
	  .pattern = LIST_PATTERN,
	  .help = "The node's virtual CPUs, such as 0-3,8; each of max_vcpus is in one node. "
		  "Default: none." },
	HOST_NODES_FIELD(struct vm_def_numa_node),
	{ 0 },
};

/* ---- the backend --------------------------------------------------------------- */

static void check_type(const struct vm_def_memory_backend *backend, struct faults *faults)
{
	bool is_file = backend->type == VM_DEF_MEMORY_TYPE_FILE;

	if (is_file != (backend->path[0] != '\0'))
		faults_add(faults, "/memory_backend/path",
			   is_file ? "required for type file: where a hugetlbfs is mounted"
				   : "only for type file");
	if (is_file && !backend->huge_page_mib)
		faults_add(faults, "/memory_backend/huge_page_mib",
			   "required for type file: the page size of that hugetlbfs");
	if (backend->type == VM_DEF_MEMORY_TYPE_RAM && backend->huge_page_mib)
		faults_add(faults, "/memory_backend/huge_page_mib",
			   "only for type memfd or file: QEMU has no huge pages for type ram");
}

static void check_whole(const char *pointer, uint64_t size_mib, uint64_t page_mib,
			struct faults *faults)
{
	if (size_mib % page_mib)
		faults_add(faults, pointer,
			   "%" PRIu64 " MiB are not a whole number of huge pages of %" PRIu64
			   " MiB",
			   size_mib, page_mib);
}

static void check_sizes(const struct vm_def *def, struct faults *faults)
{
	uint64_t page_mib = def->memory_backend.huge_page_mib;
	char at[48];

	check_whole("/memory_mib", def->memory_mib, page_mib, faults);
	for (size_t i = 0; i < def->numa_node_count; i++) {
		snprintf(at, sizeof(at), "/numa_nodes/%zu/memory_mib", i);
		check_whole(at, def->numa_nodes[i].memory_mib, page_mib, faults);
	}
	for (size_t i = 0; i < def->memory_device_count; i++) {
		snprintf(at, sizeof(at), "/memory_devices/%zu/size_mib", i);
		check_whole(at, def->memory_devices[i].size_mib, page_mib, faults);
	}
}

void vm_def_check_memory_backend(const struct vm_def *def, struct faults *faults)
{
	const struct vm_def_memory_backend *backend = &def->memory_backend;
	uint64_t page_mib = backend->huge_page_mib;

	check_type(backend, faults);
	if (page_mib && page_mib != 2 && page_mib != 1024)
		faults_add(faults, "/memory_backend/huge_page_mib", "2 or 1024: x86 has no others");
	else if (page_mib)
		check_sizes(def, faults);
	if (vm_def_has_memory_backend(def) && strstr(def->machine_options, "memory-backend"))
		faults_add(faults, "/machine_options",
			   "use the fields 'memory_backend' and 'numa_nodes'");
}

/* ---- NUMA nodes ---------------------------------------------------------------- */

static void check_cpus(const struct vm_def *def, struct faults *faults)
{
	uint64_t count = def->max_vcpus ? def->max_vcpus : def->vcpus;
	struct number_list all = { 0 };
	char at[48];

	for (size_t i = 0; i < def->numa_node_count; i++) {
		struct number_list cpus = { 0 };

		snprintf(at, sizeof(at), "/numa_nodes/%zu/cpus", i);
		number_list_parse(def->numa_nodes[i].cpus, &cpus);
		NUMBER_LIST_EACH(&cpus, cpu)
		{
			if (number_list_has(&all, cpu) || cpu >= count) {
				faults_add(faults, at, "CPU %u %s", cpu,
					   cpu >= count ? "is not there: vcpus or max_vcpus is less"
							: "is in another node already");
				return;
			}
		}
		for (size_t word = 0; word < ARRAY_LEN(all.words); word++)
			all.words[word] |= cpus.words[word];
	}
	if (number_list_count(&all) < count)
		faults_add(faults, "/numa_nodes",
			   "%zu of %" PRIu64 " CPUs are in a node: each must be in one",
			   number_list_count(&all), count);
}

/* Under TCG, QEMU 10.0 and 11.1 take the start of a block of memory for an address of the first one
 * when they look for dirty pages, and fail if that is smaller (system/physmem.c,
 * tlb_reset_dirty_range_all()). */
static void check_first(const struct vm_def *def, size_t index, struct faults *faults)
{
	if (def->accel == VM_DEF_ACCEL_TCG &&
	    def->numa_nodes[index].memory_mib > def->numa_nodes[0].memory_mib)
		faults_add(faults, "/numa_nodes",
			   "with accel tcg the first node must have as much memory as any other: "
			   "QEMU would end itself in a move");
}

void vm_def_check_numa_nodes(const struct vm_def *def, struct faults *faults)
{
	uint64_t sum = 0;

	if (!def->numa_node_count)
		return;
	for (size_t i = 0; i < def->numa_node_count; i++) {
		sum += def->numa_nodes[i].memory_mib;
		check_first(def, i, faults);
	}
	if (sum != def->memory_mib)
		faults_add(faults, "/numa_nodes",
			   "%" PRIu64 " MiB together, and memory_mib is %" PRIu64, sum,
			   def->memory_mib);
	if (def->memory_backend.host_nodes[0])
		faults_add(faults, "/memory_backend/host_nodes",
			   "with numa_nodes each of them has its host_nodes");
	check_cpus(def, faults);
}

uint64_t vm_def_huge_memory_mib(const struct vm_def *def)
{
	return def->memory_backend.huge_page_mib ? vm_def_memory_mib(def) : 0;
}

uint64_t vm_def_ordinary_memory_mib(const struct vm_def *def)
{
	return vm_def_memory_mib(def) - vm_def_huge_memory_mib(def);
}
