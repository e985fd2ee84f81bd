/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/notice.h -- what parties are told of a move, and what they answer.
 *
 * A notice is the body of a webhook: its type, the time, and its data, as Standard Webhooks 1.0
 * recommends (spec/standard-webhooks.md, "Payload structure").  Texts are borrowed.  Thread: any.
 */
#ifndef MIGRD_WIRE_NOTICE_H
#define MIGRD_WIRE_NOTICE_H

#include "base/id.h"
#include "base/json.h"

#define NOTICE_PARTIES_MAX 16
#define NOTICE_REASON_SIZE 201 /* of a delay, with the end */
#define NOTICE_DELAY_MAX_S 86400

#define NOTICE_BEFORE "move.before" /* its guest's memory is about to be sent */
#define NOTICE_AFTER  "move.after"  /* it has ended */

struct notice_failure {
	const char *code, *detail;
};

struct notice_data {
	const char *move, *vm, *vm_uuid, *source, *destination;
	/* before */
	int64_t answer_by;    /* wall clock, milliseconds: until then the move waits */
	uint64_t may_delay_s; /* so long the party may delay it, from the timestamp on */
	/* after */
	const char *outcome; /* the final state */
	const char *owner;   /* the host that may run the guest */
	struct notice_failure error;
	bool has_failed;
	int64_t created_at, ended_at;
	double blackout_ms;
	bool has_blackout;
};

struct notice {
	const char *type;
	int64_t timestamp; /* of the event, not of the try */
	struct notice_data data;
};
extern const struct json_field notice_before_fields[], notice_after_fields[];

/* The answer to a notice before a move, and the body of POST /v1/moves/{id}/delay. */
struct notice_answer {
	uint64_t delay_s; /* from now on; 0: none */
	char reason[NOTICE_REASON_SIZE];
};
extern const struct json_field notice_answer_fields[], notice_delay_fields[];
/* Of a request.  Sets all of *RET. */
bool notice_delay_decode(struct json_object *obj, struct notice_answer *ret, struct faults *faults);

/* What a dry run shows of a party that would be asked before memory is sent. */
struct notice_expected {
	const char *party;
	uint64_t timeout_ms, may_delay_s;
	bool in_guest;
};
extern const struct json_field notice_expected_fields[];

/* What a move shows of a party. */
struct notice_shown {
	const char *party;
	uint64_t may_delay_s;
	const char *before, *after; /* how far it is; "": it is not told */
	const char *reason;         /* of its delay, in its words */
	const char *after_reason;   /* why it was not told of the end */
	int64_t told_at;            /* 0: not yet */
	int64_t delayed_until;      /* 0: it asked for no delay */
};
extern const struct json_field notice_shown_fields[];

#endif
