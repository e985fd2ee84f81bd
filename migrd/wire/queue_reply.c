/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/queue_reply.h"

static const struct json_field failure_fields[] = {
	JSON_SHOWN(struct move_failure, code, "One of schema/errors.md."),
	JSON_SHOWN(struct move_failure, detail, "Description of the error."),
	{ 0 },
};

static const struct json_field attempt_fields[] = {
	JSON_SHOWN(struct queue_attempt, move, "Id of the move; null: none was begun.",
		   .nullable = true),
	JSON_SHOWN(struct queue_attempt, host, "Host id of the destination."),
	JSON_SHOWN(struct queue_attempt, code,
		   "Code of the error that ended it; null: there was none.", .nullable = true),
	JSON_SHOWN(struct queue_attempt, reason, "Description of that error; may be empty."),
	JSON_SHOWN_TIME(struct queue_attempt, began_at, "Time of its beginning."),
	JSON_SHOWN_TIME(struct queue_attempt, ended_at, "Time of its end; null: not yet.",
			.nullable = true),
	{ 0 },
};

static const struct json_field expected_fields[] = {
	JSON_SHOWN_TIME(struct queue_expected, earliest,
			"With the better end of all that is known."),
	JSON_SHOWN_TIME(struct queue_expected, expected, "The likeliest moment."),
	JSON_SHOWN_TIME(struct queue_expected, latest, "With the worse end."),
	{ 0 },
};

const char *const foreseen_by_names[] = { "sample", "earlier-move", "size", NULL };

static const struct json_field bytes_fields[] = {
	JSON_SHOWN(struct forecast_value, expected, "The likeliest value."),
	JSON_SHOWN(struct forecast_value, low, "With the better end of all that is known."),
	JSON_SHOWN(struct forecast_value, high, "With the worse end."),
	{ 0 },
};

static const struct json_field forecast_shown_fields[] = {
	JSON_SHOWN(struct queue_forecast, by,
		   "What it was made of: sample (of the guest's writes), earlier-move (of the VM), "
		   "or "
		   "size (of its memory)."),
	JSON_SHOWN(struct queue_forecast, duration_ms,
		   "How long the move would take alone, in milliseconds."),
	JSON_SHOWN_OBJECT(struct queue_forecast, bytes, bytes_fields,
			  "Sent over the link, in bytes."),
	{ 0 },
};

const struct json_field queue_reply_fields[] = {
	JSON_SHOWN(struct queue_reply, id, "Id of the entry."),
	JSON_SHOWN(struct queue_reply, vm, "Name of the VM."),
	JSON_SHOWN(struct queue_reply, vm_uuid, "Uuid of the VM."),
	{ .key = "to",
	  .type = JSON_STRINGS,
	  .required = true,
	  JSON_MEMBERS(struct queue_reply, to, to_count),
	  .help = "Host ids of the destinations, the preferred one first." },
	JSON_SHOWN(struct queue_reply, priority, "interactive, evacuation or balancing."),
	JSON_SHOWN(struct queue_reply, state, "waiting, moving, done, failed or cancelled."),
	JSON_SHOWN(struct queue_reply, final, "The entry has ended."),
	JSON_SHOWN(struct queue_reply, position,
		   "Place among those that wait, from 1 on; null: it does not wait.",
		   .nullable = true, .present_offset = offsetof(struct queue_reply, is_waiting),
		   .is_passing = true),
	JSON_SHOWN(struct queue_reply, reason,
		   "Description of what it waits for, or how it ended; may be empty.",
		   .is_passing = true),
	JSON_SHOWN_OBJECT(struct queue_reply, expected_start, expected_fields,
			  "When its next attempt will begin, by the forecasts of those before; "
			  "null: "
			  "nothing is known, or it has begun.",
			  .nullable = true,
			  .present_offset = offsetof(struct queue_reply, has_start),
			  .is_passing = true),
	JSON_SHOWN_OBJECT(struct queue_reply, expected_end, expected_fields,
			  "When that attempt, or the one under way, will end if it does well; "
			  "null: "
			  "nothing is known.",
			  .nullable = true, .present_offset = offsetof(struct queue_reply, has_end),
			  .is_passing = true),
	JSON_SHOWN_OBJECT(struct queue_reply, forecast, forecast_shown_fields,
			  "What its move will be like; null: nothing is known, or it has ended.",
			  .nullable = true,
			  .present_offset = offsetof(struct queue_reply, has_forecast),
			  .is_passing = true),
	JSON_SHOWN_TIME(struct queue_reply, next_attempt_at,
			"Not before that time, after an attempt that failed; null: as soon as it "
			"can be.",
			.nullable = true),
	JSON_SHOWN(struct queue_reply, move,
		   "Id of the move that is under way, or was the last; "
		   "null: there was none.",
		   .nullable = true),
	JSON_SHOWN(struct queue_reply, attempts_made,
		   "Attempts that have ended badly; those do not count that a host without a free "
		   "place has refused."),
	JSON_SHOWN(struct queue_reply, attempts_max, "After so many of them it is given up."),
	JSON_SHOWN_LIST(struct queue_reply, attempts, attempt_count, attempt_fields,
			"The last attempts, the oldest first.", .required = true),
	JSON_SHOWN_TIME(struct queue_reply, give_up_at,
			"From then on no attempt is begun; null: there is no such time.",
			.nullable = true),
	JSON_SHOWN_OBJECT(struct queue_reply, error, failure_fields,
			  "Why it ended badly; null: it did not.", .nullable = true,
			  .present_offset = offsetof(struct queue_reply, has_failed)),
	{ .key = "request",
	  .type = JSON_ANY,
	  .required = true,
	  JSON_MEMBER(struct queue_reply, wish),
	  .fields = queue_request_fields,
	  .help = "The request, as it was understood." },
	JSON_SHOWN_IF(struct queue_reply, created_by,
		      "Who made it, by the name of a certificate; local: on this host's socket; of "
		      "an "
		      "evacuation who began that; absent: not known.", ),
	JSON_SHOWN_IF(struct queue_reply, cancelled_by,
		      "Who was the first to ask for its cancel; absent: nobody did.", ),
	JSON_SHOWN_TIME(struct queue_reply, created_at, "Time of the request."),
	JSON_SHOWN_TIME(struct queue_reply, updated_at, "Time of the last change of state."),
	JSON_SHOWN_TIME(struct queue_reply, ended_at, "Time of the end; null: not yet.",
			.nullable = true),
	{ 0 },
};

const struct json_field queue_did_fields[] = {
	JSON_PART_OF(struct queue_did_reply, entry, queue_reply_fields),
	JSON_SHOWN(struct queue_did_reply, did, "What the request did, in words."),
	{ 0 },
};

const struct json_field event_queue_fields[] = {
	JSON_PART_OF(struct event_queue, entry, queue_reply_fields),
	JSON_SHOWN_TIME(struct event_queue, at, "Time of the event."),
	{ 0 },
};
