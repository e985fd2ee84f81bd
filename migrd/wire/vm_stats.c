/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_stats.h"

#define RATE(owner, member, help, flag)                                \
	JSON_SHOWN(owner, member, help, .digits = 2, .nullable = true, \
		   .present_offset = offsetof(owner, flag))
#define KNOWN_IF(owner, member, help, flag) \
	JSON_SHOWN(owner, member, help, .nullable = true, .present_offset = offsetof(owner, flag))
#define TEXT_IF(owner, member, help) JSON_SHOWN(owner, member, help, .nullable = true)

static const struct json_field cpu_fields[] = {
	JSON_SHOWN(struct vm_stats_cpu, time_ms,
		   "CPU time of its QEMU with all threads, in milliseconds: user_ms and "
		   "system_ms."),
	JSON_SHOWN(struct vm_stats_cpu, user_ms,
		   "Of that in programs, which is with TCG the guest too, in milliseconds."),
	JSON_SHOWN(struct vm_stats_cpu, system_ms,
		   "Of that in the kernel, which is with KVM the guest too, in milliseconds."),
	KNOWN_IF(struct vm_stats_cpu, vcpu_time_ms,
		 "CPU time of the threads that run its vCPUs, in milliseconds; null: not known.",
		 has_vcpus),
	KNOWN_IF(struct vm_stats_cpu, vcpu_wait_ms,
		 "Time in which these threads wanted to run and had no CPU of the host, in "
		 "milliseconds; null: not known.",
		 has_vcpus),
	RATE(struct vm_stats_cpu, percent,
	     "Use of CPUs over window_ms: 100 is one of the host's; null: no window.", has_rate),
	RATE(struct vm_stats_cpu, vcpu_wait_percent,
	     "The same of the time in which its vCPUs had no CPU; null: not known.", has_vcpu_rate),
	{ 0 },
};

static const struct json_field memory_fields[] = {
	JSON_SHOWN(struct vm_stats_memory, size_bytes,
		   "Memory by its definition, with all memory devices, in bytes."),
	KNOWN_IF(struct vm_stats_memory, balloon_bytes,
		 "Memory that its balloon leaves to it, in bytes; null: it has no balloon, or QEMU "
		 "was not heard.",
		 has_balloon),
	JSON_SHOWN(struct vm_stats_memory, resident_bytes,
		   "Memory of the host that its QEMU has, without huge pages and swap, in bytes."),
	JSON_SHOWN(struct vm_stats_memory, swap_bytes,
		   "Memory of its QEMU that the host has swapped out, in bytes."),
	JSON_SHOWN(struct vm_stats_memory, huge_bytes,
		   "Reserved huge pages that its QEMU has, in bytes."),
	{ 0 },
};

static const struct json_field pressure_fields[] = {
	JSON_SHOWN(struct vm_stats_pressure, cpu,
		   "Share of the last 10 s in which a task of the cgroup waited for a CPU.",
		   .digits = 4),
	JSON_SHOWN(struct vm_stats_pressure, memory, "The same for memory.", .digits = 4),
	JSON_SHOWN(struct vm_stats_pressure, io, "The same for storage.", .digits = 4),
	{ 0 },
};

static const struct json_field io_fields[] = {
	JSON_SHOWN(struct vm_stats_io, bytes, "Bytes."),
	JSON_SHOWN(struct vm_stats_io, ops, "Requests of the guest that were done."),
	JSON_SHOWN(struct vm_stats_io, time_ns,
		   "How long they took, all together, in nanoseconds."),
	JSON_SHOWN(struct vm_stats_io, failed, "Requests that failed."),
	RATE(struct vm_stats_io, bytes_per_s, "Bytes per second; null: no window.", has_rate),
	RATE(struct vm_stats_io, ops_per_s, "Requests per second; null: no window.", has_rate),
	RATE(struct vm_stats_io, latency_ms,
	     "How long a request took, on average, in milliseconds; 0: there was none; null: no "
	     "window.",
	     has_rate),
	{ 0 },
};

static const struct json_field disk_fields[] = {
	JSON_SHOWN(struct vm_stats_disk, id,
		   "Id of the disk or CD drive; of another drive what QEMU calls it."),
	JSON_SHOWN_OBJECT(struct vm_stats_disk, read, io_fields, "What the guest has read."),
	JSON_SHOWN_OBJECT(struct vm_stats_disk, write, io_fields, "What the guest has written."),
	JSON_SHOWN(struct vm_stats_disk, flushes, "Flushes of the guest that were done."),
	JSON_SHOWN(struct vm_stats_disk, flush_time_ns,
		   "How long they took, all together, in nanoseconds."),
	{ 0 },
};

static const struct json_field frames_fields[] = {
	JSON_SHOWN(struct vm_stats_frames, bytes, "Bytes."),
	JSON_SHOWN(struct vm_stats_frames, packets, "Frames."),
	JSON_SHOWN(struct vm_stats_frames, dropped, "Frames that were dropped."),
	JSON_SHOWN(struct vm_stats_frames, errors, "Frames with an error."),
	RATE(struct vm_stats_frames, bytes_per_s, "Bytes per second; null: no window.", has_rate),
	RATE(struct vm_stats_frames, packets_per_s, "Frames per second; null: no window.",
	     has_rate),
	{ 0 },
};

static const struct json_field nic_fields[] = {
	JSON_SHOWN(struct vm_stats_nic, id, "Id of the NIC; of one in extra_args its netdev's."),
	TEXT_IF(struct vm_stats_nic, interface,
		"Interface of the host that counts; null: it has none."),
	TEXT_IF(struct vm_stats_nic, note, "Why nothing is counted; null: it is."),
	JSON_SHOWN_OBJECT(struct vm_stats_nic, rx, frames_fields,
			  "What the guest has received since the interface was made; null: not "
			  "counted.",
			  .nullable = true,
			  .present_offset = offsetof(struct vm_stats_nic, is_counted)),
	JSON_SHOWN_OBJECT(struct vm_stats_nic, tx, frames_fields,
			  "What the guest has sent since then; null: not counted.",
			  .nullable = true,
			  .present_offset = offsetof(struct vm_stats_nic, is_counted)),
	{ 0 },
};

const struct json_field vm_stats_fields[] = {
	JSON_SHOWN(struct vm_stats, name, "Unique on the host."),
	JSON_SHOWN(struct vm_stats, uuid, "Uuid of the VM, the same on every host."),
	JSON_SHOWN(struct vm_stats, state, "State of the VM, as of GET /v1/vms/{name}."),
	JSON_SHOWN(struct vm_stats, host, "Id of the host that answers."),
	JSON_SHOWN_TIME(struct vm_stats, at,
			"Time of the counters of CPU, memory and NICs; null: there are none.",
			.nullable = true),
	JSON_SHOWN_TIME(struct vm_stats, since,
			"Time at which its QEMU was started on this host and the counters of CPU "
			"and disks began with 0; null: it has no QEMU.",
			.nullable = true),
	TEXT_IF(struct vm_stats, note, "Why there are no counters; null: there are."),
	KNOWN_IF(struct vm_stats, window_ms,
		 "Time over which rates of CPU and NICs are, in milliseconds; null: there are none "
		 "yet.",
		 has_window),
	JSON_SHOWN_OBJECT(struct vm_stats, cpu, cpu_fields, "CPU; null: there is no QEMU.",
			  .nullable = true,
			  .present_offset = offsetof(struct vm_stats, has_process)),
	JSON_SHOWN_OBJECT(struct vm_stats, memory, memory_fields, "Memory; null: there is no QEMU.",
			  .nullable = true,
			  .present_offset = offsetof(struct vm_stats, has_process)),
	JSON_SHOWN_OBJECT(struct vm_stats, pressure, pressure_fields,
			  "Pressure of the cgroup of its QEMU; null: that is in the cgroup of "
			  "migrd, "
			  "or the kernel does not tell.",
			  .nullable = true,
			  .present_offset = offsetof(struct vm_stats, pressure.is_there)),
	JSON_SHOWN_TIME(struct vm_stats, disks_at,
			"Time of the counters of disks; null: there are none.", .nullable = true),
	TEXT_IF(struct vm_stats, disks_note,
		"Why QEMU was not asked for those of the disks just now; null: it was."),
	KNOWN_IF(struct vm_stats, disks_window_ms,
		 "Time over which rates of disks are, in milliseconds; null: there are none yet.",
		 has_disks_window),
	{ .key = "disks",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct vm_stats, disks, disk_count),
	  .fields = disk_fields,
	  .help = "What QEMU has counted of each drive; 32 at most." },
	{ .key = "nics",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct vm_stats, nics, nic_count),
	  .fields = nic_fields,
	  .help = "What the host has counted for each NIC, as the guest sees it; 16 at most." },
	{ 0 },
};
