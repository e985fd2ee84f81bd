/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/save_reply.h -- what is shown of a save or a restore.  Texts are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_SAVE_REPLY_H
#define MIGRD_WIRE_SAVE_REPLY_H

#include "wire/vm_def.h"

/* A disk of a background snapshot. */
struct save_disk {
	char id[VM_DEF_ID_SIZE];
	char image[VM_DEF_PATH_SIZE]; /* of the VM, without symbolic links */
	char copy[VM_DEF_PATH_SIZE];  /* its content at the moment of the snapshot */
	/* Of the copy, when it was complete: its length, and the time of its last change. */
	uint64_t bytes;
	int64_t changed_ms;
};
extern const struct json_field save_disk_fields[];

struct save_failure {
	const char *code, *detail;
};

struct save_progress {
	uint64_t ram_total_bytes, ram_remaining_bytes, ram_transferred_bytes;
};

struct save_reply {
	const char *id, *kind, *vm, *vm_uuid, *file, *state;
	const char *mode; /* NULL: not known yet */
	bool live, final, can_cancel, has_failed;
	const char *reason;
	struct save_failure error;
	struct save_progress progress;
	const struct save_disk *disks;
	size_t disk_count;
	int64_t created_at, updated_at, ended_at;
};
extern const struct json_field save_reply_fields[];

struct event_save {
	struct save_reply save;
	int64_t at;
};
extern const struct json_field event_save_fields[];

#endif
