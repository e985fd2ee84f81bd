/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/known_reply.h -- what a host knows of a peer and its guests.  Pointers are borrowed.
 * Thread: any. */
#ifndef MIGRD_WIRE_KNOWN_REPLY_H
#define MIGRD_WIRE_KNOWN_REPLY_H

#include "base/json.h"

struct known_guest_reply {
	const char *vm, *vm_uuid, *where, *by, *state, *move;
	int64_t at;
	uint64_t generation;
	const char *what, *may, *must_not;
};

struct known_reply {
	const char *id, *address, *by;
	bool answers;
	const char *silent_because, *advice;
	int64_t at;
	int64_t told_at; /* 0: not shown */
	uint64_t told_stopped;
	const struct known_guest_reply *guests;
	size_t guest_count;
	uint64_t left_out;
};
extern const struct json_field known_reply_fields[];

#endif
