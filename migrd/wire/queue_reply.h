/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/queue_reply.h -- what is shown of an entry of the queue.  Texts are borrowed.  Thread: any.
 */
#ifndef MIGRD_WIRE_QUEUE_REPLY_H
#define MIGRD_WIRE_QUEUE_REPLY_H

#include "wire/move_reply.h"
#include "wire/queue_request.h"

#define QUEUE_REASON_SIZE 512

/* One attempt: a move, or why none was begun. */
struct queue_attempt {
	char move[ID_UUID_SIZE]; /* "": none was begun */
	char host[ID_NAME_SIZE];
	char code[32]; /* of the error; "": it is under way, or was done */
	char reason[QUEUE_REASON_SIZE];
	int64_t began_at, ended_at; /* wall clock; ENDED 0: it is under way */
};

struct queue_reply {
	const char *id, *vm, *vm_uuid, *state, *priority;
	bool final;
	char to[QUEUE_HOSTS_MAX][ID_NAME_SIZE];
	size_t to_count;
	uint64_t attempts_max, attempts_made;
	const struct queue_attempt *attempts; /* the last of them */
	size_t attempt_count;
	const char *reason;
	bool is_waiting;
	uint64_t position;
	const char *move; /* NULL: none is under way */
	int64_t next_attempt_at;
	bool has_start, has_end; /* something is known of them */
	struct queue_expected {
		int64_t earliest, expected, latest; /* wall clock */
	} expected_start, expected_end;
	bool has_forecast;
	struct queue_forecast {
		const char *by; /* of foreseen_by_names */
		uint64_t duration_ms;
		struct forecast_value bytes;
	} forecast;
	int64_t give_up_at;
	bool has_failed;
	struct move_failure error;
	struct json_object *wish;              /* borrowed: the request as it was given */
	const char *created_by, *cancelled_by; /* NULL: left out */
	int64_t created_at, updated_at, ended_at;
};
extern const struct json_field queue_reply_fields[];
/* In the order of enum foreseen_by (move/foresee_guest.h); ended by NULL. */
extern const char *const foreseen_by_names[];

/* What a PATCH of one did, exactly. */
struct queue_did_reply {
	struct queue_reply entry;
	const char *did;
};
extern const struct json_field queue_did_fields[];

struct event_queue {
	struct queue_reply entry;
	int64_t at;
};
extern const struct json_field event_queue_fields[];

#endif
