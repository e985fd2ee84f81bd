/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/save_reply.h -- what is shown of a save or a restore.  Texts are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_SAVE_REPLY_H
#define MIGRD_WIRE_SAVE_REPLY_H

#include "base/json.h"

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
	int64_t created_at, updated_at, ended_at;
};
extern const struct json_field save_reply_fields[];

struct event_save {
	struct save_reply save;
	int64_t at;
};
extern const struct json_field event_save_fields[];

#endif
