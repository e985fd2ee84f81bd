/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vmbackup_reply.h"

#include "wire/vm_def_check.h"

/* Of a file that may come from anywhere: paths are made of it. */
static bool check_file(const char *value, const char **ret_why)
{
	*ret_why = "not the name of an image";
	if (!*value || *value == '.')
		return false;
	for (; *value; value++)
		if (*value == '/' || (unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

#define DISK(member) JSON_MEMBER(struct vmbackup_disk, member)

#define DISK_OF_FILE                                                          \
	{ .key = "id",                                                        \
	  .type = JSON_STRING,                                                \
	  .required = true,                                                   \
	  .check = vm_def_check_id,                                           \
	  DISK(id) },                                                         \
		{ .key = "mode",                                              \
		  .type = JSON_ENUM,                                          \
		  .required = true,                                           \
		  .names = vmbackup_mode_names,                               \
		  DISK(mode) },                                               \
		{ .key = "why_full", .type = JSON_STRING, DISK(why_full) },   \
		{ .key = "file",                                              \
		  .type = JSON_STRING,                                        \
		  .required = true,                                           \
		  .check = check_file,                                        \
		  DISK(file) },                                               \
		{ .key = "virtual_bytes",                                     \
		  .type = JSON_UINT,                                          \
		  .required = true,                                           \
		  DISK(virtual_bytes) },                                      \
		{ .key = "file_bytes", .type = JSON_UINT, DISK(file_bytes) }, \
	{                                                                     \
		.key = "has_bitmap", .type = JSON_BOOL, DISK(has_bitmap)      \
	}

const struct json_field vmbackup_disk_file_fields[] = { DISK_OF_FILE, { 0 } };
const struct json_field vmbackup_disk_record_fields[] = {
	DISK_OF_FILE,
	{ .key = "node", .type = JSON_STRING, DISK(node) },
	{ .key = "done_bytes", .type = JSON_UINT, DISK(done_bytes) },
	{ .key = "total_bytes", .type = JSON_UINT, DISK(total_bytes) },
	{ 0 },
};

static const struct json_field failure_fields[] = {
	JSON_SHOWN(struct vmbackup_failure, code, "One of schema/errors.md."),
	JSON_SHOWN(struct vmbackup_failure, detail, "Description of the error."),
	{ 0 },
};

static const struct json_field shown_disk_fields[] = {
	JSON_SHOWN(struct vmbackup_disk, id, "Id of the disk in the definition."),
	{ .key = "mode",
	  .type = JSON_ENUM,
	  .required = true,
	  .names = vmbackup_mode_names,
	  DISK(mode),
	  .help = "full: all of it; incremental: what has changed since the backup `parent'." },
	{ .key = "why_full",
	  .type = JSON_STRING,
	  .required = true,
	  DISK(why_full),
	  .help = "Why it is full though an incremental backup was asked for; may be empty." },
	{ .key = "file",
	  .type = JSON_STRING,
	  .required = true,
	  DISK(file),
	  .help = "Name of its image in the directory of the backup." },
	JSON_SHOWN(struct vmbackup_disk, virtual_bytes, "Size of the disk, in bytes."),
	JSON_SHOWN(struct vmbackup_disk, file_bytes,
		   "Length of the image, in bytes; 0: the backup is not complete."),
	JSON_SHOWN(struct vmbackup_disk, has_bitmap,
		   "What changes after this backup is noted, so that an incremental one can "
		   "follow."),
	JSON_SHOWN(struct vmbackup_disk, done_bytes, "Copied, in bytes.", .is_passing = true),
	JSON_SHOWN(struct vmbackup_disk, total_bytes, "To be copied in all, in bytes.",
		   .is_passing = true),
	{ 0 },
};

const struct json_field vmbackup_reply_fields[] = {
	JSON_SHOWN(struct vmbackup_reply, id, "Id of the job, and name of its directory."),
	JSON_SHOWN(struct vmbackup_reply, kind, "BACKUP."),
	JSON_SHOWN(struct vmbackup_reply, vm, "Name of the VM."),
	JSON_SHOWN(struct vmbackup_reply, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(struct vmbackup_reply, directory,
		   "The directory in which that of the backup is, when it is complete."),
	JSON_SHOWN(struct vmbackup_reply, mode, "What was asked for: full or incremental."),
	JSON_SHOWN(struct vmbackup_reply, parent,
		   "Id of the backup without which this one cannot be restored; null: there is "
		   "none, or that is not known yet.",
		   .nullable = true),
	JSON_SHOWN(struct vmbackup_reply, quiesced,
		   "frozen: the guest's file systems were frozen at the moment of the backup; "
		   "not-frozen: it is as after a loss of power; null: not taken yet.",
		   .nullable = true),
	JSON_SHOWN(struct vmbackup_reply, state, "State of the job."),
	JSON_SHOWN(struct vmbackup_reply, final, "The job has ended."),
	JSON_SHOWN(struct vmbackup_reply, can_cancel, "The job can be cancelled now.",
		   .is_passing = true),
	JSON_SHOWN(struct vmbackup_reply, reason, "What it waits for; may be empty.",
		   .is_passing = true),
	JSON_SHOWN_OBJECT(struct vmbackup_reply, error, failure_fields,
			  "Reason why it failed; null: it did not.", .nullable = true,
			  .present_offset = offsetof(struct vmbackup_reply, has_failed)),
	JSON_SHOWN_LIST(struct vmbackup_reply, disks, disk_count, shown_disk_fields,
			"Its disks; empty: not looked at yet.", .required = true),
	JSON_SHOWN_TIME(struct vmbackup_reply, taken_at,
			"The moment whose content all disks have; null: not yet.",
			.nullable = true),
	JSON_SHOWN_TIME(struct vmbackup_reply, created_at, "Time of the beginning."),
	JSON_SHOWN_TIME(struct vmbackup_reply, updated_at, "Time of the last change of state."),
	JSON_SHOWN_TIME(struct vmbackup_reply, ended_at, "Time of the end; null: not yet.",
			.nullable = true),
	{ 0 },
};

const struct json_field event_vmbackup_fields[] = {
	JSON_PART_OF(struct event_vmbackup, backup, vmbackup_reply_fields),
	JSON_SHOWN_TIME(struct event_vmbackup, at, "Time of the event."),
	{ 0 },
};
