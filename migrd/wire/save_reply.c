/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/save_reply.h"

static const struct json_field failure_fields[] = {
	JSON_SHOWN(struct save_failure, code, "One of schema/errors.md."),
	JSON_SHOWN(struct save_failure, detail, "Description of the error."),
	{ 0 },
};

static const struct json_field shown_disk_fields[] = {
	JSON_SHOWN(struct save_disk, id, "Id of the disk in the definition."),
	JSON_SHOWN(struct save_disk, image, "Path of its image."),
	JSON_SHOWN(struct save_disk, copy,
		   "Path of its copy, which a restore puts in the place of the image."),
	{ 0 },
};

/* In the file, and in the record of a job. */
const struct json_field save_disk_fields[] = {
	{ .key = "id", .type = JSON_STRING, .required = true, JSON_MEMBER(struct save_disk, id) },
	{ .key = "image",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct save_disk, image) },
	{ .key = "copy",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct save_disk, copy) },
	{ .key = "bytes", .type = JSON_UINT, JSON_MEMBER(struct save_disk, bytes) },
	{ .key = "changed_ms", .type = JSON_INT, JSON_MEMBER(struct save_disk, changed_ms) },
	{ 0 },
};

static const struct json_field progress_fields[] = {
	JSON_SHOWN(struct save_progress, ram_total_bytes, "Memory of the guest, in bytes."),
	JSON_SHOWN(struct save_progress, ram_remaining_bytes,
		   "Memory of a save that is to be written yet, in bytes."),
	JSON_SHOWN(struct save_progress, ram_transferred_bytes, "Written or read, in bytes."),
	{ 0 },
};

const struct json_field save_reply_fields[] = {
	JSON_SHOWN(struct save_reply, id, "Id of the job; that of a save is in its file too."),
	JSON_SHOWN(struct save_reply, kind, "SAVE or RESTORE."),
	JSON_SHOWN(struct save_reply, vm, "Name of the VM."),
	JSON_SHOWN(struct save_reply, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(struct save_reply, file, "Path of the file."),
	JSON_SHOWN(struct save_reply, state, "State of the job."),
	JSON_SHOWN(struct save_reply, mode,
		   "stream or mapped-ram, which is of a QEMU that has it; null: not known yet.",
		   .nullable = true),
	JSON_SHOWN(struct save_reply, live,
		   "The file is a background snapshot: the guest ran on while it was written."),
	JSON_SHOWN(struct save_reply, final, "The job has ended."),
	JSON_SHOWN(struct save_reply, can_cancel, "The job can be cancelled now.",
		   .is_passing = true),
	JSON_SHOWN(struct save_reply, reason, "What it waits for; may be empty.",
		   .is_passing = true),
	JSON_SHOWN_OBJECT(struct save_reply, error, failure_fields,
			  "Reason why it failed; null: it did not.", .nullable = true,
			  .present_offset = offsetof(struct save_reply, has_failed)),
	JSON_SHOWN_OBJECT(struct save_reply, progress, progress_fields, "Progress, by QEMU.",
			  .is_passing = true),
	JSON_SHOWN_LIST(struct save_reply, disks, disk_count, shown_disk_fields,
			"Disks whose content is part of a background snapshot; empty for any "
			"other.",
			.required = true),
	JSON_SHOWN_TIME(struct save_reply, created_at, "Time of the beginning."),
	JSON_SHOWN_TIME(struct save_reply, updated_at, "Time of the last change of state."),
	JSON_SHOWN_TIME(struct save_reply, ended_at, "Time of the end; null: not yet.",
			.nullable = true),
	{ 0 },
};

const struct json_field event_save_fields[] = {
	JSON_PART_OF(struct event_save, save, save_reply_fields),
	JSON_SHOWN_TIME(struct event_save, at, "Time of the event."),
	{ 0 },
};
