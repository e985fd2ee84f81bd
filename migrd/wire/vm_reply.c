/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_reply.h"

#include "wire/vm_def.h"

/* ---- a VM ---------------------------------------------------------------- */

static const struct json_field job_fields[] = {
	JSON_SHOWN(struct vm_shown_job, id, "Id of the job."),
	JSON_SHOWN(struct vm_shown_job, kind, "MIGRATION_OUT, MIGRATION_IN, SAVE or RESTORE."),
	{ 0 },
};

static const struct json_field agent_fields[] = {
	JSON_SHOWN(struct vm_shown_agent, connected,
		   "An agent in the guest has opened the channel.", .is_passing = true),
	JSON_SHOWN(struct vm_shown_agent, frozen, "The agent has frozen the guest's file systems."),
	JSON_SHOWN(struct vm_shown_agent, lease_left_ms,
		   "Time until the file systems are thawed, in milliseconds.", .is_passing = true),
	{ 0 },
};

const struct json_field vm_summary_fields[] = {
	JSON_SHOWN(struct vm_summary, name, "Unique on the host."),
	JSON_SHOWN(struct vm_summary, uuid, "Uuid of the VM, the same on every host."),
	JSON_SHOWN(struct vm_summary, state, "State of the VM."),
	JSON_SHOWN(struct vm_summary, reason, "Reason for the state, in words; may be empty.",
		   .is_passing = true),
	JSON_SHOWN(struct vm_summary, host, "Id of the host that answers."),
	JSON_SHOWN(struct vm_summary, elsewhere,
		   "Host that the VM is on, if this record is old; else null.", .nullable = true),
	JSON_SHOWN(struct vm_summary, generation, "Changes of owner of this VM."),
	JSON_SHOWN(struct vm_summary, saved_in,
		   "File that has the guest of the stopped VM; null: it is not saved.",
		   .nullable = true),
	JSON_SHOWN(struct vm_summary, pid, "Process id of the QEMU; null: there is none.",
		   .nullable = true),
	JSON_SHOWN(struct vm_summary, qemu_version, "Version of the QEMU; null: not known.",
		   .nullable = true),
	JSON_SHOWN(struct vm_summary, memory_mib, "Memory with all memory devices, in MiB."),
	JSON_SHOWN(struct vm_summary, vcpus, "Virtual CPUs with all vcpu devices."),
	JSON_SHOWN_OBJECT(struct vm_summary, job, job_fields,
			  "The move, save or restore that holds it; or null.", .nullable = true,
			  .present_offset = offsetof(struct vm_summary, has_job)),
	JSON_SHOWN_OBJECT(struct vm_summary, agent, agent_fields,
			  "The guest agent; null: it has no channel for one, or does not run.",
			  .nullable = true,
			  .present_offset = offsetof(struct vm_summary, has_agent)),
	JSON_SHOWN_TIME(struct vm_summary, created_at, "Time of the record on this host."),
	JSON_SHOWN_TIME(struct vm_summary, started_at,
			"Time of the last start by this host; null: never.", .nullable = true),
	{ 0 },
};

static const struct json_field holder_fields[] = {
	JSON_SHOWN(struct vm_shown_holder, id, "Id of the holder."),
	JSON_SHOWN(struct vm_shown_holder, kind, "Purpose of the hold."),
	JSON_SHOWN(struct vm_shown_holder, command, "The last one that was sent; null: none.",
		   .nullable = true),
	JSON_SHOWN(struct vm_shown_holder, held_ms, "Time since the hold began, in milliseconds."),
	{ 0 },
};

static const struct json_field monitor_fields[] = {
	JSON_SHOWN_OBJECT(struct vm_shown_monitor, holder, holder_fields,
			  "Holder of the monitor, who alone speaks to the QEMU now; null: nobody.",
			  .nullable = true,
			  .present_offset = offsetof(struct vm_shown_monitor, has_holder)),
	JSON_SHOWN(struct vm_shown_monitor, waiting,
		   "Number of callers that wait for the monitor."),
	{ 0 },
};

static const struct json_field edit_fields[] = {
	JSON_SHOWN(struct vm_shown_edit, member, "Member of the definition."),
	JSON_SHOWN(struct vm_shown_edit, applied,
		   "now; or next-start: it is in `next' of the definition."),
	JSON_SHOWN_IF(struct vm_shown_edit, why, "Why not now, and what can be done."),
	{ 0 },
};

const struct json_field vm_reply_fields[] = {
	JSON_PART_OF(struct vm_reply, summary, vm_summary_fields),
	JSON_SHOWN_OBJECT(struct vm_reply, monitor, monitor_fields, "Monitor of the QEMU.",
			  .is_passing = true),
	JSON_SHOWN(struct vm_reply, definition, "Definition of the VM, as POST /v1/vms takes it.",
		   .fields = vm_def_fields),
	JSON_SHOWN(struct vm_reply, autostart,
		   "What a VM waits for that is to be started since the host was booted; null: it "
		   "is "
		   "not to be.",
		   .nullable = true, .is_passing = true),
	JSON_SHOWN(struct vm_reply, held,
		   "Who keeps automata from moving it, until when and why; null: nobody.",
		   .nullable = true, .is_passing = true),
	JSON_SHOWN_LIST(struct vm_reply, warnings, warning_count, NULL,
			"Only in the answer to a start: warnings for its caller.",
			.present_offset = offsetof(struct vm_reply, has_warnings),
			.is_passing = true),
	JSON_SHOWN_LIST(struct vm_reply, edits, edit_count, edit_fields,
			"Only in the answer to a PATCH of such members: when each is changed.",
			.present_offset = offsetof(struct vm_reply, has_edits), .is_passing = true),
	{ 0 },
};

/* ---- of a VM --------------------------------------------------------------- */

/* Only for the schema: wire/vm_def_device.c makes devices from the rows of the definition. */
const struct json_field vm_device_fields[] = {
	{ .key = "kind",
	  .type = JSON_BORROWED,
	  .required = true,
	  .help = "disk, nic, shared_memory, memory, vcpu, generic, cdrom, vsock or video; the "
		  "other members are "
		  "those of its element in the definition." },
	{ .key = "id", .type = JSON_BORROWED, .required = true, .help = "Unique in the VM." },
	{ 0 },
};

/* Only for the schema, as the tables below up to vm_agent_fields. */
static const struct json_field address_fields[] = {
	{ .key = "address", .type = JSON_BORROWED, .required = true, .help = "IPv4 or IPv6." },
	{ .key = "prefix", .type = JSON_UINT, .help = "Length of the prefix in bits." },
	{ 0 },
};

static const struct json_field item_fields[] = {
	{ .key = "name", .type = JSON_BORROWED, .required = true, .help = "Name in the guest." },
	{ .key = "mount_point",
	  .type = JSON_BORROWED,
	  .help = "fs-list: directory where the file system is mounted." },
	{ .key = "type", .type = JSON_BORROWED, .help = "fs-list: type of the file system." },
	{ .key = "used_bytes",
	  .type = JSON_UINT,
	  .help = "fs-list: used bytes of the file system." },
	{ .key = "total_bytes",
	  .type = JSON_UINT,
	  .help = "fs-list: size of the file system in bytes." },
	{ .key = "devices",
	  .type = JSON_LIST,
	  .help = "fs-list: disks of the file system, as the guest names them." },
	{ .key = "mac", .type = JSON_BORROWED, .help = "network: MAC address of the interface." },
	{ .key = "addresses",
	  .type = JSON_LIST,
	  .fields = address_fields,
	  .help = "network: IP addresses of the interface." },
	{ 0 },
};

const struct json_field vm_agent_fields[] = {
	{ .key = "version", .type = JSON_BORROWED, .help = "info: version of the agent." },
	{ .key = "commands", .type = JSON_LIST, .help = "info: commands that the agent takes." },
	{ .key = "file_systems",
	  .type = JSON_UINT,
	  .help = "freeze, thaw: number of file systems that have changed." },
	{ .key = "lease_ms",
	  .type = JSON_UINT,
	  .help = "freeze: time until the file systems are thawed, in milliseconds." },
	{ .key = "items",
	  .type = JSON_LIST,
	  .fields = item_fields,
	  .help = "fs-list: the mounted file systems; network: the interfaces." },
	{ 0 },
};

const struct json_field vm_console_fields[] = {
	JSON_SHOWN(struct vm_console_reply, user, "Who has it open; null: nobody.",
		   .nullable = true, .is_passing = true),
	{ 0 },
};

const struct json_field vm_vnc_fields[] = {
	JSON_SHOWN_LIST(struct vm_vnc_reply, users, user_count, NULL,
			"Who has it open, in the order in which they came.", .required = true,
			.is_passing = true),
	{ 0 },
};

const struct json_field vm_monitor_fields[] = {
	{ .key = "return",
	  .type = JSON_ANY,
	  .required = true,
	  JSON_MEMBER(struct vm_monitor_reply, result),
	  .help = "Answer of QEMU." },
	{ 0 },
};
