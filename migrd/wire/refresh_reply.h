/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/refresh_reply.h -- what is shown of a refresh.  Texts are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_REFRESH_REPLY_H
#define MIGRD_WIRE_REFRESH_REPLY_H

#include "base/json.h"

struct refresh_failure {
	const char *code, *detail;
};

struct refresh_progress {
	uint64_t ram_total_bytes, ram_remaining_bytes, ram_transferred_bytes;
};

struct refresh_reply {
	const char *id, *kind, *vm, *vm_uuid, *emulator, *way, *state;
	const char *from_version, *to_version; /* to: NULL: not known yet */
	bool final, can_cancel, has_failed, has_blackout;
	const char *reason;
	struct refresh_failure error;
	struct refresh_progress progress;
	uint64_t blackout_ms;
	int64_t created_at, updated_at, ended_at;
};
extern const struct json_field refresh_reply_fields[];

struct event_refresh {
	struct refresh_reply refresh;
	int64_t at;
};
extern const struct json_field event_refresh_fields[];

#endif
