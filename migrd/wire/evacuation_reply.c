/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/evacuation_reply.h"

/* ---- the plan ---------------------------------------------------------------- */

#define M struct evacuation_plan_move
#define S struct evacuation_plan_stay
#define H struct evacuation_host
#define P struct evacuation_plan

static const struct json_field plan_move_fields[] = {
	JSON_SHOWN(M, vm, "Name of the VM."),
	JSON_SHOWN(M, from, "Host id of its source."),
	JSON_SHOWN(M, to, "Host id of its destination."),
	JSON_SHOWN_LIST(M, others, other_count, NULL,
			"Hosts that would take it too, the best first: they are tried if the "
			"destination refuses it.",
			.required = true),
	JSON_SHOWN(M, waits,
		   "It begins when all moves before it that leave its destination have ended."),
	JSON_SHOWN(M, makes_room, "The VM is of another host, and gives way to one of this host."),
	JSON_SHOWN(M, is_detour, "It goes on from there."),
	JSON_SHOWN(M, start_ms, "Expected begin, in milliseconds from that of the first."),
	JSON_SHOWN(M, end_ms, "Expected end, likewise."),
	JSON_SHOWN(M, why, "Why there."),
	{ 0 },
};

static const struct json_field rejected_fields[] = {
	JSON_SHOWN(struct evacuation_rejected, host, "Host id."),
	JSON_SHOWN(struct evacuation_rejected, why, "Why it does not take the VM."),
	{ 0 },
};

static const struct json_field plan_stay_fields[] = {
	JSON_SHOWN(S, vm, "Name of the VM."),
	JSON_SHOWN(S, becomes,
		   "What is done with it, as request and placement allow: leave, stop or save; "
		   "null: nothing, so that it blocks the evacuation.",
		   .nullable = true),
	JSON_SHOWN(S, why, "Why it is not moved."),
	JSON_SHOWN_LIST(S, rejected, rejected_count, rejected_fields,
			"Each other host, and why it does not take the VM: 64 at most, and 16384 "
			"of all VMs.",
			.required = true),
	{ 0 },
};

static const struct json_field use_fields[] = {
	JSON_SHOWN(struct evacuation_use, memory_mib, "Memory of its VMs, in MiB."),
	JSON_SHOWN(struct evacuation_use, vcpus, "CPUs of its VMs."),
	JSON_SHOWN(struct evacuation_use, cpu_load, "Cores that they use.", .digits = 2),
	{ 0 },
};

static const struct json_field host_fields[] = {
	JSON_SHOWN(H, host, "Host id."),
	JSON_SHOWN(H, state,
		   "online; draining: it takes no guests; offline: it does not answer, and nothing "
		   "is planned with it."),
	JSON_SHOWN(H, memory_mib, "Memory for guests, in MiB."),
	JSON_SHOWN(H, cpus, "Cores."),
	JSON_SHOWN_OBJECT(H, before, use_fields, "What is used before."),
	JSON_SHOWN_OBJECT(H, after, use_fields, "What is used after all moves."),
	JSON_SHOWN_OBJECT(H, worst, use_fields, "The most of each at any moment of the moves."),
	JSON_SHOWN(H, memory_percent_after, "Memory used after all moves, in percent.",
		   .digits = 1),
	JSON_SHOWN(H, memory_percent_worst, "The most at any moment, in percent.", .digits = 1),
	JSON_SHOWN(H, homeless_before,
		   "If this host were lost now: a VM that no other one has a place for; null: all "
		   "would find one.",
		   .nullable = true),
	JSON_SHOWN(H, homeless_after, "The same after all moves.", .nullable = true),
	{ 0 },
};

const struct json_field evacuation_plan_fields[] = {
	JSON_SHOWN(P, state_id,
		   "Changes when hosts or VMs, on which the plan depends, have changed; their load "
		   "does not count."),
	JSON_SHOWN_TIME(P, made_at, "Time when it was made."),
	JSON_SHOWN(P, makespan_ms, "How long all moves take, in milliseconds."),
	JSON_SHOWN(P, bound_ms, "In no order could it be less, by bytes, links and limits."),
	JSON_SHOWN(P, imbalance_before, "How unequally hosts are used before (migrd-plan(1)).",
		   .digits = 4),
	JSON_SHOWN(P, imbalance_after, "The same after all moves.", .digits = 4),
	JSON_SHOWN_LIST(P, moves, move_count, plan_move_fields, "The moves, in their order.",
			.required = true),
	JSON_SHOWN_LIST(P, stays, stay_count, plan_stay_fields, "VMs of this host that stay.",
			.required = true),
	JSON_SHOWN_LIST(P, hosts, host_count, host_fields, "How full the hosts get.",
			.required = true),
	{ 0 },
};

/* ---- the evacuation ------------------------------------------------------------ */

#define W struct evacuation_who
#define C struct evacuation_condition
#define V struct evacuation_vm_reply
#define N struct evacuation_counts
#define E struct evacuation_reply
#define O struct evacuation_room_reply

static const struct json_field failure_fields[] = {
	JSON_SHOWN(struct move_failure, code, "One of schema/errors.md."),
	JSON_SHOWN(struct move_failure, detail, "Description of the error."),
	{ 0 },
};

static const struct json_field who_fields[] = {
	JSON_SHOWN(W, requester, "Who wants the host to be empty."),
	JSON_SHOWN(W, why, "Reason; may be empty."),
	JSON_SHOWN(W, on_withdraw, "What follows if it is the last one that is withdrawn."),
	JSON_SHOWN_TIME(W, asked_at, "Time of the request; null: a dry run.", .nullable = true),
	JSON_SHOWN_TIME(W, until, "It is withdrawn then; null: never.", .nullable = true),
	{ 0 },
};

static const struct json_field condition_fields[] = {
	JSON_SHOWN(C, type,
		   "MaintenancePlanned, DrainInProgress, Drained or MaintenanceInProgress."),
	JSON_SHOWN(C, status, "It is so."),
	JSON_SHOWN(C, reason, "Reason, in one word."),
	JSON_SHOWN(C, message, "The same as a sentence; may be empty."),
	JSON_SHOWN_TIME(C, since, "Since when; null: it never was.", .nullable = true),
	{ 0 },
};

static const struct json_field expected_fields[] = {
	JSON_SHOWN_TIME(struct queue_expected, earliest,
			"With the better end of all that is known."),
	JSON_SHOWN_TIME(struct queue_expected, expected, "The likeliest moment."),
	JSON_SHOWN_TIME(struct queue_expected, latest, "With the worse end."),
	{ 0 },
};

static const struct json_field vm_fields[] = {
	JSON_SHOWN(V, vm, "Name of the VM."),
	JSON_SHOWN(V, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(V, state,
		   "waiting, queued, moving, moved; blocked: nobody takes it now; held: a hold "
		   "keeps it here; stopping, stopped, saving, saved, left: as request and "
		   "placement allow; gone: deleted, or moved by somebody else; returning, "
		   "returned, away: it stays where it is."),
	JSON_SHOWN(V, host, "Host id of where it goes, or is; null: none is known.",
		   .nullable = true),
	JSON_SHOWN(V, why, "Why there, why it stays or what blocks it, as a sentence."),
	JSON_SHOWN(V, entry, "Id of its entry in the queue; null: it has none.", .nullable = true),
	JSON_SHOWN(V, move, "Id of the move under way, or of the last; null: there was none.",
		   .nullable = true),
	JSON_SHOWN(V, attempts, "Orders to the queue that have failed."),
	JSON_SHOWN_OBJECT(V, expected_end, expected_fields,
			  "When its move will end; null: nothing is known.", .nullable = true,
			  .present_offset = offsetof(V, has_end)),
	JSON_SHOWN_LIST(V, rejected, rejected_count, rejected_fields,
			"Of one that is blocked: each other host, and why it does not take it, as "
			"in `stays` of the plan.",
			.required = true),
	{ 0 },
};

static const struct json_field room_fields[] = {
	JSON_SHOWN(O, vm, "Name of the VM."),
	JSON_SHOWN(O, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(O, from,
		   "Host id of the host that it leaves, so that a VM of this one has room."),
	JSON_SHOWN(O, to, "Host id of the host to which it goes."),
	JSON_SHOWN(O, state,
		   "waiting, moving, moved; failed: it stays there; left: nobody waits for it any "
		   "more."),
	JSON_SHOWN(O, why, "What it waits for, or how it ended, as a sentence."),
	{ 0 },
};

static const struct json_field counts_fields[] = {
	JSON_SHOWN(N, total, "VMs that the evacuation has to do with."),
	JSON_SHOWN(N, left, "To be moved yet, those under way and blocked ones included."),
	JSON_SHOWN(N, moving, "Of them: under way."),
	JSON_SHOWN(N, blocked, "Of them: those that cannot be moved now."),
	JSON_SHOWN(N, moved, "Moved, and there by the records of both hosts."),
	JSON_SHOWN(N, stays, "Left, stopped or saved here."),
	JSON_SHOWN(N, returned, "Back here."),
	{ 0 },
};

/* All but the VMs, the plan and the request. */
#define SHORT_ROWS                                                                                \
	JSON_SHOWN(E, id, "Id of the evacuation; null: a dry run.", .nullable = true),            \
		JSON_SHOWN(E, host, "Host id of the host that is emptied."),                      \
		JSON_SHOWN(E, state,                                                              \
			   "planned, waiting, draining, drained, returning, ended or aborted."),  \
		JSON_SHOWN(E, final, "It has ended."),                                            \
		JSON_SHOWN(E, paused, "Nothing is begun until somebody says resume."),            \
		JSON_SHOWN(E, ending,                                                             \
			   "What it becomes as soon as the moves under way have ended: aborted, " \
			   "ended or returning; null: nothing is wanted.",                        \
			   .nullable = true),                                                     \
		JSON_SHOWN(E, reason,                                                             \
			   "What it does or waits for, or how it ended, as a sentence.",          \
			   .is_passing = true),                                                   \
		JSON_SHOWN(E, blocked_by, "Name of the VM that blocks it; null: none.",           \
			   .nullable = true, .is_passing = true),                                 \
		{ .key = "conditions",                                                            \
		  .type = JSON_ARRAY,                                                             \
		  .required = true,                                                               \
		  .offset = offsetof(E, conditions),                                              \
		  .size = sizeof(C),                                                              \
		  .max = EVACUATION_CONDITIONS,                                                   \
		  .count_offset = offsetof(E, condition_count),                                   \
		  .fields = condition_fields,                                                     \
		  .is_passing = true,                                                             \
		  .help = "With the names of Kubernetes' node maintenance." },                    \
		JSON_SHOWN_LIST(E, requests, request_count, who_fields,                           \
				"Who wants the host to be empty.", .required = true),             \
		JSON_SHOWN_OBJECT(E, counts, counts_fields, "How many VMs.", .is_passing = true), \
		JSON_SHOWN_OBJECT(E, expected_end, expected_fields,                               \
				  "When the last move will end, if all do well; null: nothing "   \
				  "is known.",                                                    \
				  .nullable = true, .present_offset = offsetof(E, has_end),       \
				  .is_passing = true),                                            \
		JSON_SHOWN(E, approved, "Somebody has approved of it, or nobody has to."),        \
		JSON_SHOWN_TIME(E, not_before, "It does not begin before; null: at once.",        \
				.nullable = true),                                                \
		JSON_SHOWN_TIME(E, window_until, "It does not begin from then on; null: no end.", \
				.nullable = true),                                                \
		JSON_SHOWN_TIME(E, deadline_at,                                                   \
				"When it should be done; null: no limit, or it "                  \
				"has not begun.",                                                 \
				.nullable = true),                                                \
		JSON_SHOWN_TIME(E, return_until,                                                  \
				"What is not back by then stays where it is; null: no limit, "    \
				"but for hosts that do not answer.",                              \
				.nullable = true),                                                \
		JSON_SHOWN_OBJECT(E, error, failure_fields,                                       \
				  "Why it ended badly; null: it did "                             \
				  "not.",                                                         \
				  .nullable = true, .present_offset = offsetof(E, has_failed)),   \
		JSON_SHOWN_IF(E, began_by,                                                        \
			      "Whose request began it, by the name of a certificate; local: on "  \
			      "this host's socket; absent: not known, or a dry run.", ),          \
		JSON_SHOWN_IF(E, paused_by,                                                       \
			      "Who has paused it; absent: it is not paused, or by its "           \
			      "deadline.", ),                                                     \
		JSON_SHOWN_IF(E, aborted_by,                                                      \
			      "Who was the first to ask for its abort; absent: nobody did.", ),   \
		JSON_SHOWN_TIME(E, created_at, "Time of the first request; null: a dry run.",     \
				.nullable = true),                                                \
		JSON_SHOWN_TIME(E, started_at, "Time of its begin; null: not yet.",               \
				.nullable = true),                                                \
		JSON_SHOWN_TIME(E, drained_at, "When the host was empty; null: not yet.",         \
				.nullable = true),                                                \
		JSON_SHOWN_TIME(E, updated_at,                                                    \
				"Time of the last change of state; null: a dry "                  \
				"run.",                                                           \
				.nullable = true),                                                \
		JSON_SHOWN_TIME(E, ended_at, "Time of its end; null: not yet.", .nullable = true)

const struct json_field evacuation_summary_fields[] = { SHORT_ROWS, { 0 } };

const struct json_field evacuation_reply_fields[] = {
	SHORT_ROWS,
	JSON_SHOWN_LIST(E, vms, vm_count, vm_fields, "Each VM.", .required = true,
			.is_passing = true),
	JSON_SHOWN_LIST(E, rooms, room_count, room_fields,
			"VMs on other hosts that give way, or have the last time.",
			.required = true, .is_passing = true),
	{ .key = "plan",
	  .type = JSON_ANY,
	  .required = true,
	  .nullable = true,
	  JSON_MEMBER(E, plan),
	  .fields = evacuation_plan_fields,
	  .help = "The last plan that was made; null: none was." },
	{ .key = "request",
	  .type = JSON_ANY,
	  .required = true,
	  .nullable = true,
	  JSON_MEMBER(E, wish),
	  .fields = evacuation_request_fields,
	  .help = "The request that began it, as it was understood." },
	{ 0 },
};

const struct json_field event_evacuation_fields[] = {
	JSON_PART_OF(struct event_evacuation, evacuation, evacuation_summary_fields),
	JSON_SHOWN_TIME(struct event_evacuation, at, "Time of the event."),
	{ 0 },
};
