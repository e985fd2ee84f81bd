/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capacity/host.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define OTHERS_STEPS   64
#define FILE_MAX_BYTES (1u << 20) /* /proc/stat has a line for each CPU, and all interrupts */
#define SMOOTH_MS      30000.0
#define SPEED_MAX_MBIT 10000000

const struct host_roots host_roots_default = { "/proc", "/sys" };

/* NULL: the kernel has no such file, or does not let it be read. */
static char *read_text(const char *root, const char *path)
{
	CLEANUP(free_charp) char *whole = xasprintf("%s/%s", root, path);
	struct err ignored;
	char *text;
	size_t len;

	return file_read(whole, FILE_MAX_BYTES, &text, &len, &ignored) ? text : NULL;
}

/* What follows WORD at the beginning of a line; NULL: there is no such line. */
static const char *after_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, word, len) == 0)
			return line + len;
	}
	return NULL;
}

/* ---- memory ------------------------------------------------------------------ */

static uint64_t kib_of(const char *text, const char *word)
{
	const char *value = after_word(text, word);

	return value ? strtoull(value, NULL, 10) : 0;
}

static uint64_t count_of(const char *dir, const char *name)
{
	CLEANUP(free_charp) char *text = read_text(dir, name);

	return text ? strtoull(text, NULL, 10) : 0;
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

static void insert_huge(struct host_memory_found *found, struct capacity_huge huge)
{
	size_t at = found->huge_count;

	if (at == CAPACITY_HUGE_MAX)
		return;
	for (; at > 0 && found->huge[at - 1].page_mib > huge.page_mib; at--)
		found->huge[at] = found->huge[at - 1];
	found->huge[at] = huge;
	found->huge_count++;
}

/* Calls FN with the size in KiB and the directory of each "hugepages-2048kB" of DIR. */
static void each_huge(const char *dir, unsigned node, struct host_memory_found *found,
		      void (*fn)(const char *dir, uint64_t kib, unsigned node,
				 struct host_memory_found *found))
{
	static const char prefix[] = "hugepages-";
	DIR *list = opendir(dir);
	const struct dirent *entry;

	if (!list)
		return;
	while ((entry = readdir(list))) {
		CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, entry->d_name);
		uint64_t kib = strncmp(entry->d_name, prefix, strlen(prefix)) == 0
				       ? strtoull(entry->d_name + strlen(prefix), NULL, 10)
				       : 0;

		if (kib)
			fn(path, kib, node, found);
	}
	closedir(list);
}

/* No more than there is memory: who sets no limit writes any large number. */
static uint64_t pages_to_make(const char *dir, uint64_t kib, const struct host_memory_found *found)
{
	uint64_t may_make =
		less(count_of(dir, "nr_overcommit_hugepages"), count_of(dir, "surplus_hugepages"));
	uint64_t most = found->total_mib * 1024 / kib;

	return may_make < most ? may_make : most;
}

static void add_huge(const char *dir, uint64_t kib, unsigned unused_node,
		     struct host_memory_found *found)
{
	uint64_t all = count_of(dir, "nr_hugepages"), unused = count_of(dir, "free_hugepages");
	uint64_t may_make = pages_to_make(dir, kib, found);

	(void)unused_node;
	found->huge_total_mib += all * kib / 1024;
	found->huge_free_mib += unused * kib / 1024;
	if (kib < 1024)
		return;
	unused = less(unused, count_of(dir, "resv_hugepages"));
	insert_huge(found, (struct capacity_huge){ .page_mib = kib / 1024,
						   .total = (all + may_make) * kib / 1024,
						   .free = (unused + may_make) * kib / 1024 });
}

static int compare_nodes(const void *a, const void *b)
{
	const struct capacity_huge_node *left = a, *right = b;

	if (left->node != right->node)
		return left->node < right->node ? -1 : 1;
	return (left->page_mib > right->page_mib) - (left->page_mib < right->page_mib);
}

static void add_huge_node(const char *dir, uint64_t kib, unsigned node,
			  struct host_memory_found *found)
{
	if (kib < 1024 || found->huge_node_count == CAPACITY_NODES_MAX)
		return;
	found->huge_nodes[found->huge_node_count++] = (struct capacity_huge_node){
		.node = node,
		.page_mib = kib / 1024,
		.free = count_of(dir, "free_hugepages") * kib / 1024,
	};
}

static void look_at_nodes(const char *sys, struct host_memory_found *found)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/devices/system/node", sys);
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		CLEANUP(free_charp) char *huge = xasprintf("%s/%s/hugepages", path, entry->d_name);
		unsigned node;

		if (sscanf(entry->d_name, "node%u", &node) == 1)
			each_huge(huge, node, found, add_huge_node);
	}
	closedir(dir);
	qsort(found->huge_nodes, found->huge_node_count, sizeof(found->huge_nodes[0]),
	      compare_nodes);
}

static void look_at_huge(const char *sys, struct host_memory_found *found)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/kernel/mm/hugepages", sys);

	each_huge(path, 0, found, add_huge);
	look_at_nodes(sys, found);
}

struct host_memory_found host_memory_look(const struct host_roots *roots)
{
	CLEANUP(free_charp) char *text = read_text(roots->proc, "meminfo");
	struct host_memory_found found = { 0 };

	if (!text)
		return found;
	found.total_mib = kib_of(text, "MemTotal:") / 1024;
	found.available_mib = kib_of(text, "MemAvailable:") / 1024;
	look_at_huge(roots->sys, &found);
	return found;
}

/* Steps, so that it is not another figure at each look. */
uint64_t host_others_mib(const struct host_memory_found *memory, uint64_t resident_mib)
{
	uint64_t guests = resident_mib + memory->huge_total_mib;
	uint64_t used = memory->total_mib > memory->available_mib
				? memory->total_mib - memory->available_mib
				: 0;
	uint64_t step = memory->total_mib / OTHERS_STEPS + 1;
	uint64_t others = used > guests ? used - guests : 0;

	return (others + step - 1) / step * step;
}

/* ---- CPUs -------------------------------------------------------------------- */

/* Ticks of a line "cpu": user nice system idle iowait irq softirq steal; guest time is part of
 * user. */
static uint64_t used_ticks(const char *values)
{
	static const bool is_use[] = { true, true, true, false, false, true, true, false };
	uint64_t sum = 0;
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(is_use); i++) {
		uint64_t value = strtoull(values, &end, 10);

		if (end == values)
			break;
		sum += is_use[i] ? value : 0;
		values = end;
	}
	return sum;
}

static uint64_t count_cores(const char *text)
{
	uint64_t count = 0;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "cpu", 3) == 0)
			count += isdigit((unsigned char)line[3]) != 0;
	}
	return count;
}

struct host_cpu_found host_cpu_look(const struct host_roots *roots)
{
	CLEANUP(free_charp) char *text = read_text(roots->proc, "stat");
	const char *all = text ? after_word(text, "cpu ") : NULL;
	long ticks_per_s = sysconf(_SC_CLK_TCK);
	struct host_cpu_found found = { 0 };

	if (!all || ticks_per_s <= 0)
		return found;
	found.used_ms = used_ticks(all) * 1000 / (uint64_t)ticks_per_s;
	found.cores = count_cores(text);
	return found;
}

/* "some avg10=1.50 avg60=..." */
static bool look_at_pressure(const char *proc, const char *name, double *ret)
{
	CLEANUP(free_charp) char *path = xasprintf("pressure/%s", name);
	CLEANUP(free_charp) char *text = read_text(proc, path);
	const char *value = text ? after_word(text, "some avg10=") : NULL;

	if (!value || sscanf(value, "%lf", ret) != 1 || !(*ret >= 0))
		return false;
	*ret = fmin(*ret, 100);
	return true;
}

bool host_pressure_look(const struct host_roots *roots, struct capacity_pressure *ret)
{
	struct capacity_pressure found;

	if (!look_at_pressure(roots->proc, "cpu", &found.cpu) ||
	    !look_at_pressure(roots->proc, "memory", &found.memory) ||
	    !look_at_pressure(roots->proc, "io", &found.io))
		return false;
	*ret = found;
	return true;
}

/* ---- links -------------------------------------------------------------------- */

/* Only of an interface with a device behind it: bridges and taps tell a speed that they do not
 * have. One that is down tells none, or -1. */
static uint64_t speed_of(const char *net, const char *name)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/%s", net, name);
	CLEANUP(free_charp) char *device = xasprintf("%s/device", dir);
	CLEANUP(free_charp) char *text = NULL;
	long long mbit;

	if (name[0] == '.' || access(device, F_OK) != 0)
		return 0;
	text = read_text(dir, "speed");
	mbit = text ? strtoll(text, NULL, 10) : 0;
	return mbit > 0 && mbit <= SPEED_MAX_MBIT ? (uint64_t)mbit * 125000 : 0;
}

uint64_t host_interface_rate_blocking(const struct host_roots *roots)
{
	CLEANUP(free_charp) char *net = xasprintf("%s/class/net", roots->sys);
	DIR *dir = opendir(net);
	const struct dirent *entry;
	uint64_t most = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		uint64_t rate = speed_of(net, entry->d_name);

		most = rate > most ? rate : most;
	}
	closedir(dir);
	return most;
}

/* ---- use over time ------------------------------------------------------------ */

void host_load_look(struct host_load *load, uint64_t used_ms, uint64_t now_ms, uint64_t lived_ms)
{
	double ms = (double)(now_ms - load->at_ms), cores;

	if (!load->at_ms) {
		load->cores = lived_ms ? (double)used_ms / (double)lived_ms : 0;
	} else if (now_ms < load->at_ms + HOST_LOAD_LEAST_MS) {
		return;
	} else {
		cores = used_ms > load->used_ms ? (double)(used_ms - load->used_ms) / ms : 0;
		load->cores += (cores - load->cores) * -expm1(-ms / SMOOTH_MS);
	}
	load->used_ms = used_ms;
	load->at_ms = now_ms;
}
