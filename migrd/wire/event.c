/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/event.h"

#define FIRST(name) name
#define NEXT(name)  , name
const char *const event_type_names[EVENT_TYPE_COUNT + 1] = { EVENT_TYPES(FIRST, NEXT) };

const struct json_field event_vm_fields[] = {
	JSON_PART_OF(struct event_vm, vm, vm_summary_fields),
	JSON_SHOWN_TIME(struct event_vm, at, "Time of the event."),
	{ 0 },
};

const struct json_field event_vm_gone_fields[] = {
	JSON_SHOWN(struct event_vm_gone, name, "Name of the VM."),
	JSON_SHOWN(struct event_vm_gone, state, "Always gone."),
	JSON_SHOWN(struct event_vm_gone, host, "Id of the host that tells."),
	JSON_SHOWN_TIME(struct event_vm_gone, at, "Time of the event."),
	{ 0 },
};

const struct json_field event_move_fields[] = {
	JSON_PART_OF(struct event_move, move, move_reply_fields),
	JSON_SHOWN_TIME(struct event_move, at, "Time of the event."),
	{ 0 },
};

const struct json_field event_qemu_fields[] = {
	JSON_SHOWN_TIME(struct event_qemu, at, "QEMU's time."),
	JSON_SHOWN(struct event_qemu, vm, "Name of the VM."),
	JSON_SHOWN(struct event_qemu, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(struct event_qemu, host, "Id of the host that tells."),
	JSON_SHOWN(struct event_qemu, name, "Name of the event in QEMU."),
	JSON_SHOWN(struct event_qemu, data, "QEMU's own; null: none, or left out.",
		   .nullable = true),
	JSON_SHOWN(struct event_qemu, data_left_out,
		   "The data are left out, because they have more than 4096 bytes."),
	JSON_SHOWN(struct event_qemu, left_out,
		   "Events of this VM that were left out just before."),
	{ 0 },
};

const struct json_field event_monitor_fields[] = {
	JSON_SHOWN(struct event_monitor, vm, "Name of the VM."),
	JSON_SHOWN(struct event_monitor, host, "Id of the host that tells."),
	JSON_SHOWN(struct event_monitor, caller, "Name of the caller."),
	JSON_SHOWN(struct event_monitor, role, "Role of the caller."),
	JSON_SHOWN(struct event_monitor, protocol, "human or machine."),
	JSON_SHOWN(struct event_monitor, command,
		   "First word of the command; never the arguments."),
	JSON_SHOWN(struct event_monitor, class, "Class of the command."),
	JSON_SHOWN(struct event_monitor, result, "done, or the code of an error."),
	JSON_SHOWN_TIME(struct event_monitor, at, "Time of the answer."),
	{ 0 },
};

const struct json_field event_gap_fields[] = {
	JSON_SHOWN(struct event_gap, detail, "What to do, for people."),
	JSON_SHOWN(struct event_gap, reason,
		   "restart (of the coordinator), overflow (more has happened than is kept), or "
		   "unknown-id (the id is none that this host has given); of a webhook expired "
		   "(deliveries that nobody heard), or disabled, too."),
	JSON_SHOWN(struct event_gap, lost,
		   "How many events, of all types, were lost; null: not known.", .nullable = true,
		   .present_offset = offsetof(struct event_gap, is_counted)),
	{ 0 },
};

const struct json_field event_shutdown_fields[] = {
	JSON_PART_OF(struct event_shutdown, shutdown, host_shutdown_fields),
	JSON_SHOWN(struct event_shutdown, host, "Id of the host that tells."),
	JSON_SHOWN_TIME(struct event_shutdown, at, "Time of the event."),
	{ 0 },
};

const struct json_field event_autostart_fields[] = {
	JSON_SHOWN(struct event_autostart, vm, "Name of the VM."),
	JSON_SHOWN(struct event_autostart, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(struct event_autostart, host, "Id of the host that tells."),
	JSON_SHOWN(struct event_autostart, result,
		   "started; failed, and it is tried again; or gave-up."),
	JSON_SHOWN(struct event_autostart, reason, "Why not; null: it was started.",
		   .nullable = true),
	JSON_SHOWN(struct event_autostart, tries, "How often it was tried."),
	JSON_SHOWN_TIME(struct event_autostart, again_at,
			"Time of the next try; null: there is none.", .nullable = true),
	JSON_SHOWN_TIME(struct event_autostart, at, "Time of the event."),
	{ 0 },
};
