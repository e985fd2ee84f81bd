/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/event.h"

const struct json_field event_vm_fields[] = {
	JSON_PART_OF(struct event_vm, vm, vm_summary_fields),
	JSON_SHOWN_TIME(struct event_vm, at, "When this was told."),
	{ 0 },
};

const struct json_field event_vm_gone_fields[] = {
	JSON_SHOWN(struct event_vm_gone, name, "Of the VM."),
	JSON_SHOWN(struct event_vm_gone, state, "gone."),
	JSON_SHOWN(struct event_vm_gone, host, "Id of the host that tells."),
	JSON_SHOWN_TIME(struct event_vm_gone, at, "When this was told."),
	{ 0 },
};

const struct json_field event_move_fields[] = {
	JSON_PART_OF(struct event_move, move, move_reply_fields),
	JSON_SHOWN_TIME(struct event_move, at, "When this was told."),
	{ 0 },
};

const struct json_field event_qemu_fields[] = {
	JSON_SHOWN_TIME(struct event_qemu, at, "QEMU's time."),
	JSON_SHOWN(struct event_qemu, vm, "Name of the VM."),
	JSON_SHOWN(struct event_qemu, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(struct event_qemu, host, "Id of the host that tells."),
	JSON_SHOWN(struct event_qemu, name, "In QEMU's word."),
	JSON_SHOWN(struct event_qemu, data, "QEMU's own; null: none, or left out.",
		   .nullable = true),
	JSON_SHOWN(struct event_qemu, data_left_out, "There were more than 4096 bytes."),
	JSON_SHOWN(struct event_qemu, left_out,
		   "Events of this VM that were left out just before."),
	{ 0 },
};

const struct json_field event_monitor_fields[] = {
	JSON_SHOWN(struct event_monitor, vm, "Name of the VM."),
	JSON_SHOWN(struct event_monitor, host, "Id of the host that tells."),
	JSON_SHOWN(struct event_monitor, caller, "Who has asked."),
	JSON_SHOWN(struct event_monitor, role, "Of the caller."),
	JSON_SHOWN(struct event_monitor, protocol, "human or machine."),
	JSON_SHOWN(struct event_monitor, command, "Its first word; never the arguments."),
	JSON_SHOWN(struct event_monitor, class, "Of the command."),
	JSON_SHOWN(struct event_monitor, result, "done, or the code of an error."),
	JSON_SHOWN_TIME(struct event_monitor, at, "When it was answered."),
	{ 0 },
};
