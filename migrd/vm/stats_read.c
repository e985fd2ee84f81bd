/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/stats_read.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/counters.h"

#define FILE_MAX_BYTES 16384

const struct stats_roots stats_roots_default = { "/proc", "/sys/fs/cgroup" };

/* NULL: it cannot be read. */
static char *read_text(const char *path)
{
	struct err ignored;
	char *text;
	size_t len;

	return file_read(path, FILE_MAX_BYTES, &text, &len, &ignored) ? text : NULL;
}

/* ---- CPU ------------------------------------------------------------------------------- */

static uint64_t ticks_to_ms(uint64_t ticks)
{
	return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* False: the process has ended; another one may have its pid. */
static bool read_stat(const struct stats_roots *roots, struct proc_id id,
		      uint64_t ret_fields[PROC_STAT_FIELDS], struct err *err)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%d/stat", roots->proc, (int)id.pid);
	CLEANUP(free_charp) char *text = read_text(path);

	return (text && proc_parse_stat(text, ret_fields) && ret_fields[22] == id.start_time) ||
	       err_set(err, ERR_NOT_FOUND, "its QEMU (process %d) has ended", (int)id.pid);
}

static bool read_cpu(const struct stats_roots *roots, struct proc_id id, struct vm_stats *ret,
		     struct err *err)
{
	uint64_t fields[PROC_STAT_FIELDS] = { 0 }, started_ms, now_ms = clock_boot_ms();

	if (!read_stat(roots, id, fields, err))
		return false;
	started_ms = ticks_to_ms(id.start_time);
	ret->at_us = clock_monotonic_us();
	ret->at = clock_wall_ms();
	ret->since = ret->at - (int64_t)(now_ms > started_ms ? now_ms - started_ms : 0);
	ret->cpu.user_ms = ticks_to_ms(fields[14]);
	ret->cpu.system_ms = ticks_to_ms(fields[15]);
	ret->cpu.time_ms = ticks_to_ms(fields[14] + fields[15]);
	return true;
}

/* Of all threads or of none: a part would look like a guest that does less. */
static void read_vcpus(const struct stats_roots *roots, const struct stats_process *process,
		       struct vm_stats *ret)
{
	unsigned long long ran_ns = 0, waited_ns = 0;

	for (size_t i = 0; i < process->vcpu_count; i++) {
		CLEANUP(free_charp)
		char *path = xasprintf("%s/%d/task/%d/schedstat", roots->proc, (int)process->id.pid,
				       (int)process->vcpus[i]);
		CLEANUP(free_charp) char *text = read_text(path);
		unsigned long long ran, waited;

		if (!text || sscanf(text, "%llu %llu", &ran, &waited) != 2)
			return;
		ran_ns += ran;
		waited_ns += waited;
	}
	ret->cpu.has_vcpus = process->vcpu_count > 0;
	ret->cpu.vcpu_time_ms = ran_ns / 1000000;
	ret->cpu.vcpu_wait_ms = waited_ns / 1000000;
}

/* ---- memory ------------------------------------------------------------------------------ */

/* "VmRSS:	  123 kB"; 0: it is not there. */
static uint64_t line_bytes(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (text && (strncmp(text, key, len) != 0 || text[len] != ':')) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? strtoull(text + len + 1, NULL, 10) << 10 : 0;
}

static void read_memory(const struct stats_roots *roots, pid_t pid, struct vm_stats_memory *ret)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%d/status", roots->proc, (int)pid);
	CLEANUP(free_charp) char *text = read_text(path);

	ret->resident_bytes = line_bytes(text, "VmRSS");
	ret->swap_bytes = line_bytes(text, "VmSwap");
	ret->huge_bytes = line_bytes(text, "HugetlbPages");
}

/* ---- pressure ------------------------------------------------------------------------------ */

/* Its path in the one hierarchy of cgroups of version 2; NULL: it has none. */
static char *cgroup_of(const struct stats_roots *roots, const char *process)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s/cgroup", roots->proc, process);
	CLEANUP(free_charp) char *text = read_text(path);
	const char *line = text && strncmp(text, "0::", 3) == 0 ? text : NULL;

	if (text && !line) {
		line = strstr(text, "\n0::");
		line = line ? line + 1 : NULL;
	}
	return line ? xstrndup(line + 3, strcspn(line + 3, "\n")) : NULL;
}

/* "some avg10=1.50 ...", in percent. */
static bool read_share(const struct stats_roots *roots, const char *group, const char *what,
		       double *ret)
{
	CLEANUP(free_charp)
	char *path = xasprintf("%s%s/%s.pressure", roots->cgroup, group, what);
	CLEANUP(free_charp) char *text = read_text(path);
	const char *value = text ? strstr(text, "some avg10=") : NULL;

	if (!value)
		return false;
	*ret = strtod(value + strlen("some avg10="), NULL) / 100;
	return true;
}

/* In the cgroup of migrd, or in one with other QEMUs beside it, nothing would be told of this one.
 */
static void read_pressure(const struct stats_roots *roots, pid_t pid, struct vm_stats_pressure *ret)
{
	CLEANUP(free_charp) char *process = xasprintf("%d", (int)pid);
	CLEANUP(free_charp) char *group = cgroup_of(roots, process);
	CLEANUP(free_charp) char *own = cgroup_of(roots, "self");

	ret->is_there = group && (!own || strcmp(group, own) != 0) &&
			read_share(roots, group, "cpu", &ret->cpu) &&
			read_share(roots, group, "memory", &ret->memory) &&
			read_share(roots, group, "io", &ret->io);
}

bool stats_read_process(const struct stats_roots *roots, const struct stats_process *process,
			struct vm_stats *ret, struct err *err)
{
	uint64_t fields[PROC_STAT_FIELDS] = { 0 };

	if (!read_cpu(roots, process->id, ret, err))
		return false;
	read_vcpus(roots, process, ret);
	read_memory(roots, process->id.pid, &ret->memory);
	read_pressure(roots, process->id.pid, &ret->pressure);
	if (!read_stat(roots, process->id, fields, err))
		return false; /* then these may be of another process */
	ret->has_process = true;
	return true;
}

/* ---- NICs ------------------------------------------------------------------------------------ */

static void take(const struct net_counted *counted, struct vm_stats_frames *ret)
{
	*ret = (struct vm_stats_frames){
		.bytes = counted->bytes,
		.packets = counted->packets,
		.dropped = counted->dropped,
		.errors = counted->errors,
	};
}

static void read_nic(struct net_counting *counting, bool is_tap, struct vm_stats_nic *nic)
{
	struct net_counters counters;
	struct err err;

	if (!net_counters_read_blocking(counting, nic->interface, &counters, &err)) {
		snprintf(nic->note, sizeof(nic->note), "%.200s", err.msg);
		return;
	}
	take(is_tap ? &counters.tx : &counters.rx, &nic->rx);
	take(is_tap ? &counters.rx : &counters.tx, &nic->tx);
	nic->is_counted = true;
}

void stats_read_nics(struct vm_stats *stats, const bool is_tap[VM_STATS_NIC_MAX])
{
	struct net_counting *counting = NULL;
	struct err err;

	for (size_t i = 0; i < stats->nic_count; i++) {
		struct vm_stats_nic *nic = &stats->nics[i];

		if (!nic->interface[0])
			continue;
		if (!counting && !(counting = net_counting_new_blocking(&err)))
			snprintf(nic->note, sizeof(nic->note), "%.200s", err.msg);
		else
			read_nic(counting, is_tap[i], nic);
	}
	net_counting_free(counting);
}
