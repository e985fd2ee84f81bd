/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/maintenance_reply.h"

#define P struct maintenance_plan_reply
#define K struct maintenance_hook_reply
#define H struct maintenance_host_reply
#define S struct maintenance_step_reply
#define C struct maintenance_counts
#define M struct maintenance_reply

static const struct json_field failure_fields[] = {
	JSON_SHOWN(struct move_failure, code, "One of schema/errors.md."),
	JSON_SHOWN(struct move_failure, detail, "Description of the error."),
	{ 0 },
};

static const struct json_field plan_fields[] = {
	JSON_SHOWN(P, state_id, "Of that plan, on that host."),
	JSON_SHOWN(P, vms, "VMs of the host."),
	JSON_SHOWN(P, moves, "Of them: those that would be moved."),
	JSON_SHOWN(P, stays, "Of them: those that would stay, as they may."),
	JSON_SHOWN(P, blocked, "Of them: those that may not stay, and have no place."),
	JSON_SHOWN(P, blocked_by, "Name of the first of those; null: there is none.",
		   .nullable = true),
	JSON_SHOWN(P, blocked_why, "Why it has no place.", .nullable = true),
	JSON_SHOWN(P, makespan_ms, "How long all moves would take, in milliseconds."),
	JSON_SHOWN(P, fullest, "Host id of the host that would be the fullest; null: not known.",
		   .nullable = true),
	JSON_SHOWN(P, fullest_percent, "How much of its memory would be used, in percent.",
		   .digits = 1),
	JSON_SHOWN(P, homeless_host,
		   "If this host were lost too then, a VM would find no place; null: all would "
		   "find one, whichever host were lost.",
		   .nullable = true),
	JSON_SHOWN(P, homeless, "Name of that VM.", .nullable = true),
	{ 0 },
};

static const struct json_field hook_fields[] = {
	JSON_SHOWN(K, id, "Id by which its host knows that run of it."),
	JSON_SHOWN(K, state, "running, done, failed or unknown; empty: its host has not said yet."),
	JSON_SHOWN(K, words, "What it said last; may be empty."),
	{ 0 },
};

static const struct json_field host_fields[] = {
	JSON_SHOWN(H, host, "Host id."),
	JSON_SHOWN(H, state,
		   "todo, checking, evacuating, hooking, healing, returning; aborting: its "
		   "evacuation is undone; done, failed, skipped or aborted."),
	JSON_SHOWN(H, final, "It has ended."),
	JSON_SHOWN(H, rack, "Its rack; null: it has told none.", .nullable = true),
	JSON_SHOWN(H, reason, "What it does or waits for, or how it ended, as a sentence."),
	JSON_SHOWN(H, waits_for_go, "It waits until a person says go."),
	JSON_SHOWN(H, evacuation, "Id of its evacuation, on that host; null: none was begun.",
		   .nullable = true),
	JSON_SHOWN_OBJECT(H, hook, hook_fields, "Its hook; null: it was not begun.",
			  .nullable = true, .present_offset = offsetof(H, has_hook)),
	JSON_SHOWN_OBJECT(H, plan, plan_fields,
			  "What it said when it was last asked how it would be emptied; null: it "
			  "was not asked, or did not answer.",
			  .nullable = true, .present_offset = offsetof(H, has_plan)),
	JSON_SHOWN(H, vms, "VMs that its evacuation has to do with."),
	JSON_SHOWN(H, left, "Of them: to be moved yet, blocked ones included."),
	JSON_SHOWN(H, moving, "Of them: under way."),
	JSON_SHOWN(H, blocked, "Of them: those that cannot be moved now."),
	JSON_SHOWN(H, moved, "Of them: on other hosts, by the records of both."),
	JSON_SHOWN(H, stays, "Of them: left, stopped or saved there."),
	JSON_SHOWN(H, returned, "Of them: back again."),
	JSON_SHOWN(H, blackout_ms,
		   "The longest time for which one of them stood still in its move away, in "
		   "milliseconds; null: not known.",
		   .nullable = true, .present_offset = offsetof(H, has_blackout), .digits = 1),
	JSON_SHOWN_OBJECT(H, error, failure_fields, "Why it failed or was skipped; null: neither.",
			  .nullable = true, .present_offset = offsetof(H, has_failed)),
	JSON_SHOWN_TIME(H, started_at, "Time of its check; null: not yet.", .nullable = true),
	JSON_SHOWN_TIME(H, drained_at, "When it was empty; null: not yet.", .nullable = true),
	JSON_SHOWN_TIME(H, hook_at, "When its hook had ended; null: not yet.", .nullable = true),
	JSON_SHOWN_TIME(H, healed_at, "When it was healthy again; null: not yet.",
			.nullable = true),
	JSON_SHOWN_TIME(H, ended_at, "Time of its end; null: not yet.", .nullable = true),
	JSON_SHOWN_TIME(H, deadline_at,
			"When its present state has to be over; null: it has no limit.",
			.nullable = true),
	JSON_SHOWN(H, took_ms, "From its check to its end, or until now, in milliseconds."),
	{ 0 },
};

static const struct json_field step_fields[] = {
	JSON_SHOWN(S, number, "From 1 on."),
	JSON_SHOWN(S, host, "Host id."),
	JSON_SHOWN(S, step,
		   "check, evacuate, hook, heal or return; skip: the host would be skipped."),
	JSON_SHOWN(S, text, "What would be done, as a sentence."),
	{ 0 },
};

static const struct json_field counts_fields[] = {
	JSON_SHOWN(C, total, "Hosts of the request."),
	JSON_SHOWN(C, todo, "Not begun yet."),
	JSON_SHOWN(C, under_way, "Begun, and not ended."),
	JSON_SHOWN(C, done, "Done."),
	JSON_SHOWN(C, failed, "Failed."),
	JSON_SHOWN(C, skipped, "Skipped: nothing was done to them."),
	JSON_SHOWN(C, aborted, "Aborted by a person."),
	{ 0 },
};

/* All but hosts, steps and request. */
#define SHORT_ROWS                                                                                 \
	JSON_SHOWN(M, id, "Id of the maintenance; null: a dry run.", .nullable = true),            \
		JSON_SHOWN(M, conductor, "Host id of the host that conducts it."),                 \
		JSON_SHOWN(M, state,                                                               \
			   "planned, running, waiting, stopping, done, failed or aborted."),       \
		JSON_SHOWN(M, final, "It has ended."),                                             \
		JSON_SHOWN(M, paused, "No other host is begun until somebody says resume."),       \
		JSON_SHOWN(M, reason,                                                              \
			   "What it does or waits for, or how it ended, as a sentence.",           \
			   .is_passing = true),                                                    \
		JSON_SHOWN(M, waits_for,                                                           \
			   "Host id of the host that waits until a person says go; null: none.",   \
			   .nullable = true),                                                      \
		JSON_SHOWN(M, hook, "What is done with an empty host; null: by hand.",             \
			   .nullable = true),                                                      \
		JSON_SHOWN(M, why, "Reason; may be empty."),                                       \
		JSON_SHOWN(M, by, "Who has ordered it."),                                          \
		JSON_SHOWN(M, state_id,                                                            \
			   "Of the plans of its hosts when it was ordered; null: no host had "     \
			   "told one.",                                                            \
			   .nullable = true),                                                      \
		JSON_SHOWN_OBJECT(M, counts, counts_fields, "How many hosts.",                     \
				  .is_passing = true),                                             \
		JSON_SHOWN_OBJECT(M, error, failure_fields,                                        \
				  "Why it ended badly; null: it did not.", .nullable = true,       \
				  .present_offset = offsetof(M, has_failed)),                      \
		JSON_SHOWN_TIME(M, not_before, "No host is begun before; null: at once.",          \
				.nullable = true),                                                 \
		JSON_SHOWN_TIME(M, created_at, "Time of the request; null: a dry run.",            \
				.nullable = true),                                                 \
		JSON_SHOWN_TIME(M, started_at, "When it began; null: not yet.", .nullable = true), \
		JSON_SHOWN_TIME(M, updated_at,                                                     \
				"Time of the last change of state; null: a dry run.",              \
				.nullable = true),                                                 \
		JSON_SHOWN_TIME(M, ended_at, "Time of its end; null: not yet.", .nullable = true)

const struct json_field maintenance_summary_fields[] = { SHORT_ROWS, { 0 } };

const struct json_field maintenance_reply_fields[] = {
	SHORT_ROWS,
	JSON_SHOWN_LIST(M, hosts, host_count, host_fields, "Each host, in their order.",
			.required = true, .is_passing = true),
	JSON_SHOWN_LIST(M, steps, step_count, step_fields, "Of a dry run: what would be done.",
			.required = true),
	{ .key = "request",
	  .type = JSON_ANY,
	  .required = true,
	  .nullable = true,
	  JSON_MEMBER(M, wish),
	  .fields = maintenance_request_fields,
	  .help = "The request, as it was understood." },
	{ 0 },
};

const struct json_field event_maintenance_fields[] = {
	JSON_PART_OF(struct event_maintenance, maintenance, maintenance_summary_fields),
	JSON_SHOWN_TIME(struct event_maintenance, at, "Time of the event."),
	{ 0 },
};
