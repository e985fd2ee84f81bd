/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/memory.h -- huge pages and NUMA nodes of this host, for a guest that names them.
 *
 * The kernel reserves huge pages when QEMU maps them, so a guest for which there are too few does
 * not start; this tells it before anything is made, with the figures.  Sources: the kernel's
 * Documentation/admin-guide/mm/hugetlbpage.rst, statfs(2).
 */
#ifndef MIGRD_PREFLIGHT_MEMORY_H
#define MIGRD_PREFLIGHT_MEMORY_H

#include "preflight/needs.h"

#define PREFLIGHT_SYSFS "/sys" /* another directory in tests */

/* Huge pages of the size that the guest wants.  `exists' is false: the host has none of it. */
struct memory_pages {
	bool exists;
	uint64_t free; /* neither used nor reserved, and how many more the kernel may make */
};

struct memory_found {
	struct memory_pages pages; /* of the whole host */
	struct {
		bool has_missing;
		unsigned missing;          /* the first of its host nodes that is not there */
		struct memory_pages pages; /* of its host nodes together */
	} bound[NEED_BOUND_MAX];
	/* Of need->path. */
	bool is_hugetlbfs;
	uint64_t page_mib;
	bool is_limited; /* by the option `size' of the mount */
	uint64_t left;   /* pages, if it is limited */
};

/* Thread: a worker. */
void memory_look_blocking(const char *sysfs, const struct need_memory *need,
			  struct memory_found *ret);
/* The same, judged: CONFLICT with all that is missing, and what to do.  Thread: a worker. */
bool memory_check_blocking(const char *sysfs, const struct need_memory *need, struct err *err);

#endif
