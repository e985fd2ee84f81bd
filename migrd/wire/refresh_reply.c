/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/refresh_reply.h"

static const struct json_field failure_fields[] = {
	JSON_SHOWN(struct refresh_failure, code, "One of schema/errors.md."),
	JSON_SHOWN(struct refresh_failure, detail, "Description of the error."),
	{ 0 },
};

static const struct json_field progress_fields[] = {
	JSON_SHOWN(struct refresh_progress, ram_total_bytes,
		   "Memory of the guest, in bytes; 0: none is copied, or it has not begun."),
	JSON_SHOWN(struct refresh_progress, ram_remaining_bytes, "To be copied yet, in bytes."),
	JSON_SHOWN(struct refresh_progress, ram_transferred_bytes, "Copied, in bytes."),
	{ 0 },
};

const struct json_field refresh_reply_fields[] = {
	JSON_SHOWN(struct refresh_reply, id, "Id of the job."),
	JSON_SHOWN(struct refresh_reply, kind, "REFRESH."),
	JSON_SHOWN(struct refresh_reply, vm, "Name of the VM."),
	JSON_SHOWN(struct refresh_reply, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(struct refresh_reply, emulator, "Program of the new QEMU."),
	JSON_SHOWN(struct refresh_reply, way,
		   "cpr-transfer: the new QEMU gets the guest's pages themselves; stream: it gets "
		   "a copy."),
	JSON_SHOWN(struct refresh_reply, from_version, "Version of the old QEMU."),
	JSON_SHOWN(struct refresh_reply, to_version,
		   "Version of the new QEMU; null: it has not said yet.", .nullable = true),
	JSON_SHOWN(struct refresh_reply, state, "State of the job."),
	JSON_SHOWN(struct refresh_reply, final, "The job has ended."),
	JSON_SHOWN(struct refresh_reply, can_cancel, "The job can be cancelled now.",
		   .is_passing = true),
	JSON_SHOWN(struct refresh_reply, reason, "What it waits for; may be empty.",
		   .is_passing = true),
	JSON_SHOWN_OBJECT(struct refresh_reply, error, failure_fields,
			  "Reason why it failed; null: it did not.", .nullable = true,
			  .present_offset = offsetof(struct refresh_reply, has_failed)),
	JSON_SHOWN_OBJECT(struct refresh_reply, progress, progress_fields, "Progress, by QEMU.",
			  .is_passing = true),
	JSON_SHOWN(struct refresh_reply, blackout_ms,
		   "How long the guest stood still, by the clocks of both QEMUs; null: it has not, "
		   "or is still, or that was not seen.",
		   .nullable = true,
		   .present_offset = offsetof(struct refresh_reply, has_blackout)),
	JSON_SHOWN_TIME(struct refresh_reply, created_at, "Time of the beginning."),
	JSON_SHOWN_TIME(struct refresh_reply, updated_at, "Time of the last change of state."),
	JSON_SHOWN_TIME(struct refresh_reply, ended_at, "Time of the end; null: not yet.",
			.nullable = true),
	{ 0 },
};

const struct json_field event_refresh_fields[] = {
	JSON_PART_OF(struct event_refresh, refresh, refresh_reply_fields),
	JSON_SHOWN_TIME(struct event_refresh, at, "Time of the event."),
	{ 0 },
};
