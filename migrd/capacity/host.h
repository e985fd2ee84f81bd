/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capacity/host.h -- what the kernel tells of this host: memory, cores, their use, pressure, links.
 *
 * Sources: proc(5) for meminfo and stat; the kernel's Documentation/accounting/psi.rst and
 * Documentation/admin-guide/mm/hugetlbpage.rst; Documentation/ABI/stable/sysfs-devices-node;
 * Documentation/ABI/testing/sysfs-class-net. All files but those of interfaces are made by the
 * kernel without waiting.  Thread: any.
 */
#ifndef MIGRD_CAPACITY_HOST_H
#define MIGRD_CAPACITY_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/capacity.h"

/* Where the kernel's files are; other directories in tests. */
struct host_roots {
	const char *proc, *sys;
};
extern const struct host_roots host_roots_default;

struct host_memory_found {
	uint64_t total_mib, available_mib;      /* 0: not told */
	uint64_t huge_total_mib, huge_free_mib; /* of all sizes of pages */
	/* Of each size, the smallest first; `reserved' is 0.  Sizes below 1 MiB are left out. */
	struct capacity_huge huge[CAPACITY_HUGE_MAX];
	size_t huge_count;
	struct capacity_huge_node huge_nodes[CAPACITY_NODES_MAX]; /* by node, then by size */
	size_t huge_node_count;
};
struct host_memory_found host_memory_look(const struct host_roots *roots);
/* Memory that neither is available nor holds guests, in steps of a 64th of all.  RESIDENT_MIB: of
 * guests that are in no huge pages.  Huge pages are for guests, those that are free too, although
 * the kernel does not count them as available. */
uint64_t host_others_mib(const struct host_memory_found *memory, uint64_t resident_mib);

/* CPU time of all cores since the start of the host, in milliseconds; cores that are in use. */
struct host_cpu_found {
	uint64_t used_ms;
	uint64_t cores; /* 0: not told */
};
struct host_cpu_found host_cpu_look(const struct host_roots *roots);

/* False: this kernel does not tell pressure, or was started with psi=0. */
bool host_pressure_look(const struct host_roots *roots, struct capacity_pressure *ret);
/* The fastest interface of a device that is up, in bytes per second; 0: none tells its speed.  The
 * kernel asks the driver, under a lock that others may hold for a while. */
uint64_t host_interface_rate_blocking(const struct host_roots *roots);

/* ---- use over time ---------------------------------------------------------- */

/* Cores that something uses, smoothed over about half a minute: of times that only grow. */
struct host_load {
	uint64_t used_ms, at_ms; /* at the last look; at_ms 0: none yet */
	double cores;
};
/* Nothing changes if the last look was less than HOST_LOAD_LEAST_MS ago.  At the first look the
 * load is the mean of the LIVED_MS before. */
#define HOST_LOAD_LEAST_MS 500
void host_load_look(struct host_load *load, uint64_t used_ms, uint64_t now_ms, uint64_t lived_ms);

#endif
