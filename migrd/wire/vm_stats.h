/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_stats.h -- what a guest uses of its host: counters that only grow, and their rates.
 * Pointers are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_VM_STATS_H
#define MIGRD_WIRE_VM_STATS_H

#include <net/if.h>

#include "base/id.h"
#include "base/json.h"

#define VM_STATS_DISK_MAX  32
#define VM_STATS_NIC_MAX   16
#define VM_STATS_ID_SIZE   64
#define VM_STATS_NOTE_SIZE 256

struct vm_stats_cpu {
	uint64_t time_ms, user_ms, system_ms;
	bool has_vcpus; /* those of the next two are known */
	uint64_t vcpu_time_ms, vcpu_wait_ms;
	bool has_rate, has_vcpu_rate;
	double percent, vcpu_wait_percent; /* 100 is one CPU of the host */
};

struct vm_stats_memory {
	uint64_t size_bytes;
	bool has_balloon;
	uint64_t balloon_bytes;
	uint64_t resident_bytes, swap_bytes, huge_bytes;
};

struct vm_stats_pressure {
	double cpu, memory, io;
	bool is_there; /* not the first member: a present_offset of 0 means none */
};

/* Of reads, or of writes. */
struct vm_stats_io {
	uint64_t bytes, ops, time_ns;
	uint64_t failed;
	bool has_rate;
	double bytes_per_s, ops_per_s, latency_ms;
};

struct vm_stats_disk {
	char id[VM_STATS_ID_SIZE];
	struct vm_stats_io read, write;
	uint64_t flushes, flush_time_ns;
};

/* Of one direction, as the guest sees it. */
struct vm_stats_frames {
	uint64_t bytes, packets, dropped, errors;
	bool has_rate;
	double bytes_per_s, packets_per_s;
};

struct vm_stats_nic {
	char id[VM_STATS_ID_SIZE];
	char interface[IF_NAMESIZE]; /* "": it has none */
	bool is_counted;
	char note[VM_STATS_NOTE_SIZE]; /* why not; "": it is */
	struct vm_stats_frames rx, tx;
};

struct vm_stats {
	const char *name, *uuid;
	const char *state; /* a constant */
	const char *host;
	int64_t at, since;
	char note[VM_STATS_NOTE_SIZE];
	bool has_window;
	uint64_t window_ms;
	bool has_process; /* cpu and memory are known */
	struct vm_stats_cpu cpu;
	struct vm_stats_memory memory;
	struct vm_stats_pressure pressure;
	uint64_t at_us,
		disks_at_us; /* on the monotonic clock, for rates; 0: not known; not shown */
	int64_t disks_at;    /* 0: not known */
	char disks_note[VM_STATS_NOTE_SIZE];
	bool has_disks_window;
	uint64_t disks_window_ms;
	struct vm_stats_disk disks[VM_STATS_DISK_MAX];
	size_t disk_count;
	struct vm_stats_nic nics[VM_STATS_NIC_MAX];
	size_t nic_count;
};
extern const struct json_field vm_stats_fields[];

#endif
