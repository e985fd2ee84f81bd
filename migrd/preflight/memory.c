/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/memory.h"

#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/number_list.h"
#include "preflight/checks.h"

#define CHECK "memory"
#define MIB   (UINT64_C(1) << 20)

/* ---- looking --------------------------------------------------------------- */

/* False: the kernel has no such file. */
static bool read_count(const char *dir, const char *name, uint64_t *ret)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, name);
	CLEANUP(free_charp) char *text = NULL;
	struct err ignored;
	size_t len;

	if (!file_read(path, 64, &text, &len, &ignored))
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

/* Of a node the kernel tells neither what is reserved nor what it may make. */
static void look_at_pages(const char *parent, uint64_t page_mib, struct memory_pages *ret)
{
	CLEANUP(free_charp)
	char *dir = xasprintf("%s/hugepages/hugepages-%" PRIu64 "kB", parent, page_mib * 1024);
	uint64_t unused = 0, reserved = 0, may_make = 0, made = 0;

	if (!read_count(dir, "free_hugepages", &unused))
		return;
	read_count(dir, "resv_hugepages", &reserved);
	read_count(dir, "nr_overcommit_hugepages", &may_make);
	read_count(dir, "surplus_hugepages", &made);
	ret->exists = true;
	ret->free += less(unused, reserved) + less(may_make, made);
}

static void look_at_bound(const char *sysfs, const struct need_memory *need, size_t index,
			  struct memory_found *ret)
{
	struct number_list nodes = { 0 };

	number_list_parse(need->bound[index].host_nodes, &nodes);
	NUMBER_LIST_EACH(&nodes, node)
	{
		CLEANUP(free_charp)
		char *dir = xasprintf("%s/devices/system/node/node%u", sysfs, node);
		struct stat st;

		if (stat(dir, &st) != 0) {
			ret->bound[index].has_missing = true;
			ret->bound[index].missing = node;
			return;
		}
		look_at_pages(dir, need->huge_page_mib, &ret->bound[index].pages);
	}
}

static void look_at_mount(const char *path, struct memory_found *ret)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0)
		return;
	ret->is_hugetlbfs = fs.f_type == HUGETLBFS_MAGIC;
	ret->page_mib = (uint64_t)fs.f_bsize / MIB;
	ret->is_limited = fs.f_blocks > 0 && fs.f_blocks <= INT64_MAX; /* -1: no limit */
	ret->left = fs.f_bavail;
}

void memory_look_blocking(const char *sysfs, const struct need_memory *need,
			  struct memory_found *ret)
{
	CLEANUP(free_charp) char *mm = xasprintf("%s/kernel/mm", sysfs);

	*ret = (struct memory_found){ 0 };
	if (need->huge_page_mib)
		look_at_pages(mm, need->huge_page_mib, &ret->pages);
	for (size_t i = 0; i < need->bound_count; i++)
		look_at_bound(sysfs, need, i, ret);
	if (need->path[0] && need->huge_page_mib)
		look_at_mount(need->path, ret);
}

/* ---- judging --------------------------------------------------------------- */

static void judge_pages(const struct need_memory *need, const struct memory_found *found,
			struct preflight_reasons *ret)
{
	uint64_t page_mib = need->huge_page_mib, wanted = need->huge_mib / page_mib;

	if (!found->pages.exists)
		preflight_add(ret, CHECK,
			      "the guest is in huge pages of %" PRIu64
			      " MiB, which this host does not have: its processor or its kernel "
			      "lacks them",
			      page_mib);
	else if (found->pages.free < wanted)
		preflight_add(ret, CHECK,
			      "the guest needs %" PRIu64 " huge pages of %" PRIu64
			      " MiB, and %" PRIu64 " are free on this host: move or stop another "
						   "guest that has some, or "
			      "raise /sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
			      wanted, page_mib, found->pages.free, page_mib * 1024);
}

static void judge_bound(const struct need_memory *need, const struct memory_found *found,
			size_t index, struct preflight_reasons *ret)
{
	const struct need_bound *bound = &need->bound[index];
	uint64_t wanted = need->huge_page_mib ? bound->size_mib / need->huge_page_mib : 0;

	if (found->bound[index].has_missing)
		preflight_add(ret, CHECK,
			      "%s: it is bound to the host's NUMA nodes %s, and node %u is not "
			      "there on this host: give the guest other host_nodes, or none",
			      bound->what, bound->host_nodes, found->bound[index].missing);
	else if (found->bound[index].pages.free < wanted)
		preflight_add(ret, CHECK,
			      "%s: it needs %" PRIu64 " huge pages of %" PRIu64
			      " MiB on the host's NUMA nodes %s, and %" PRIu64
			      " are free there: raise nr_hugepages in "
			      "/sys/devices/system/node/nodeN/hugepages",
			      bound->what, wanted, need->huge_page_mib, bound->host_nodes,
			      found->bound[index].pages.free);
}

static void judge_mount(const struct need_memory *need, const struct memory_found *found,
			struct preflight_reasons *ret)
{
	uint64_t page_mib = need->huge_page_mib, wanted = need->huge_mib / page_mib;

	if (!found->is_hugetlbfs || found->page_mib != page_mib)
		preflight_add(ret, CHECK,
			      "the guest's memory is in '%s', where no hugetlbfs with pages of "
			      "%" PRIu64 " MiB is mounted on this host: mount one (mount -t "
			      "hugetlbfs -o pagesize=%" PRIu64 "M none %s)",
			      need->path, page_mib, page_mib, need->path);
	else if (found->is_limited && found->left < wanted)
		preflight_add(ret, CHECK,
			      "the guest needs %" PRIu64 " huge pages of %" PRIu64
			      " MiB in '%s', whose mount has %" PRIu64
			      " left: mount it with a larger 'size'",
			      wanted, page_mib, need->path, found->left);
}

void memory_look(struct preflight *preflight)
{
	memory_look_blocking(PREFLIGHT_SYSFS, &preflight->needs->memory, &preflight->memory);
}

static void judge(const struct need_memory *need, const struct memory_found *found,
		  struct preflight_reasons *ret)
{
	if (need->huge_page_mib)
		judge_pages(need, found, ret);
	for (size_t i = 0; i < need->bound_count; i++)
		judge_bound(need, found, i, ret);
	if (need->path[0] && need->huge_page_mib)
		judge_mount(need, found, ret);
}

void memory_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	judge(&preflight->needs->memory, &preflight->memory, ret);
}

bool memory_check_blocking(const char *sysfs, const struct need_memory *need, struct err *err)
{
	struct preflight_reasons *reasons = xnew(struct preflight_reasons); /* large for a stack */
	struct memory_found found;
	bool ok;

	memory_look_blocking(sysfs, need, &found);
	judge(need, &found, reasons);
	ok = !reasons->count || preflight_to_err(reasons, err);
	free(reasons);
	return ok;
}
