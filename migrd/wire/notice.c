/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/notice.h"

#include <string.h>

#define OF_MOVE                                                                   \
	JSON_SHOWN(struct notice_data, move, "Id of the move."),                  \
		JSON_SHOWN(struct notice_data, vm, "Name of the VM."),            \
		JSON_SHOWN(struct notice_data, vm_uuid, "Uuid of the VM."),       \
		JSON_SHOWN(struct notice_data, source, "Host id of the source."), \
		JSON_SHOWN(struct notice_data, destination, "Host id of the destination.")

static const struct json_field before_data[] = {
	OF_MOVE,
	JSON_SHOWN_TIME(struct notice_data, answer_by,
			"Time until which the move waits for the answer."),
	JSON_SHOWN(struct notice_data, may_delay_s,
		   "How long the party may delay the move, in seconds from the timestamp on; 0: "
		   "it is only told."),
	{ 0 },
};

static const struct json_field failure_fields[] = {
	JSON_SHOWN(struct notice_failure, code, "One of schema/errors.md."),
	JSON_SHOWN(struct notice_failure, detail, "Description of the error."),
	{ 0 },
};

static const struct json_field after_data[] = {
	OF_MOVE,
	JSON_SHOWN(struct notice_data, outcome,
		   "State of the move: done, failed, cancelled, lost."),
	JSON_SHOWN(struct notice_data, owner, "The host that may run the guest."),
	JSON_SHOWN_OBJECT(struct notice_data, error, failure_fields,
			  "Reason why the move failed; null: it did not.", .nullable = true,
			  .present_offset = offsetof(struct notice_data, has_failed)),
	JSON_SHOWN_TIME(struct notice_data, created_at, "Time of its beginning."),
	JSON_SHOWN_TIME(struct notice_data, ended_at, "Time of its end."),
	{ .key = "blackout_ms",
	  .type = JSON_NUMBER,
	  .required = true,
	  .nullable = true,
	  JSON_MEMBER(struct notice_data, blackout_ms),
	  .present_offset = offsetof(struct notice_data, has_blackout),
	  .digits = 3,
	  .help = "How long the guest stood still, in milliseconds; null: not known." },
	{ 0 },
};

#define NOTICE(data_)                                                                              \
	{                                                                                          \
		JSON_SHOWN(struct notice, type, "Type of the event."),                             \
			JSON_SHOWN_TIME(struct notice, timestamp, "Time of the event."),           \
			JSON_SHOWN_OBJECT(struct notice, data, data_, "What it is about."), { 0 }, \
	}

const struct json_field notice_before_fields[] = NOTICE(before_data);
const struct json_field notice_after_fields[] = NOTICE(after_data);

#define ANSWER_FIELDS(is_required)                                                               \
	{ .key = "delay_s",                                                                      \
	  .type = JSON_UINT,                                                                     \
	  .required = (is_required),                                                             \
	  JSON_MEMBER(struct notice_answer, delay_s),                                            \
	  .max = NOTICE_DELAY_MAX_S,                                                             \
	  .help = "How long the move is to wait, in seconds from now on; 0: not (longer)." },    \
	{                                                                                        \
		.key = "reason", .type = JSON_STRING, JSON_MEMBER(struct notice_answer, reason), \
		.help = "Why, for people."                                                       \
	}

const struct json_field notice_answer_fields[] = { ANSWER_FIELDS(false), { 0 } };
const struct json_field notice_delay_fields[] = { ANSWER_FIELDS(true), { 0 } };

bool notice_delay_decode(struct json_object *obj, struct notice_answer *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, notice_delay_fields, ret, "", faults);
}

const struct json_field notice_expected_fields[] = {
	JSON_SHOWN(struct notice_expected, party, "Name of the party."),
	JSON_SHOWN(struct notice_expected, timeout_ms,
		   "How long the move would wait for its answer, in milliseconds."),
	JSON_SHOWN(struct notice_expected, may_delay_s,
		   "How long it might delay the move, in seconds from when it is told; 0: it is "
		   "only "
		   "told."),
	JSON_SHOWN(struct notice_expected, in_guest,
		   "It is a program that the guest's agent runs."),
	{ 0 },
};

const struct json_field notice_shown_fields[] = {
	JSON_SHOWN(struct notice_shown, party, "Name of the party."),
	JSON_SHOWN(struct notice_shown, may_delay_s,
		   "How long it may delay the move, in seconds from when it is told."),
	JSON_SHOWN(struct notice_shown, before,
		   "Before memory is sent: waits (it will be told), asked, go, delays, over (its "
		   "delay is), released, unheard (it gave no answer that counts), gone (it is no "
		   "party any more); empty: it is not told."),
	JSON_SHOWN(struct notice_shown, after,
		   "After the end: waits, told, unheard, gone, there (the guest has left: the host "
		   "where it is tells it); empty: it is not told."),
	JSON_SHOWN(struct notice_shown, reason,
		   "Reason of its delay, in its words; of `unheard' what went wrong; may be "
		   "empty."),
	JSON_SHOWN(struct notice_shown, after_reason,
		   "Why it was not told of the end, or not yet; may be empty."),
	JSON_SHOWN_TIME(struct notice_shown, told_at, "When it was told before; null: not yet.",
			.nullable = true),
	JSON_SHOWN_TIME(struct notice_shown, delayed_until,
			"Until when it has delayed the move; null: it has not.", .nullable = true),
	{ 0 },
};
