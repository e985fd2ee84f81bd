/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/evacuation_reply.h -- what is shown of an evacuation and of its plan.  Texts are borrowed.
 * Thread: any. */
#ifndef MIGRD_WIRE_EVACUATION_REPLY_H
#define MIGRD_WIRE_EVACUATION_REPLY_H

#include "wire/evacuation_request.h"
#include "wire/queue_reply.h"

/* ---- the plan ---------------------------------------------------------------- */

struct evacuation_plan_move {
	const char *vm, *from, *to;
	const char *const *others; /* hosts that take it too, the best first */
	size_t other_count;
	bool waits, makes_room, is_detour; /* plan/plan.h */
	uint64_t start_ms, end_ms;         /* from the begin of the run */
	const char *why;
};

/* A host that does not take a VM. */
struct evacuation_rejected {
	const char *host, *why;
};

struct evacuation_plan_stay {
	const char *vm;
	const char *becomes; /* leave, stop, save; NULL: it blocks the evacuation */
	const char *why;
	const struct evacuation_rejected *rejected;
	size_t rejected_count;
};

struct evacuation_use {
	uint64_t memory_mib, vcpus;
	double cpu_load;
};

struct evacuation_host {
	const char *host, *state; /* online, draining, offline */
	uint64_t memory_mib;      /* what guests may have of it */
	uint64_t cpus;
	struct evacuation_use before, after, worst;
	double memory_percent_after, memory_percent_worst;
	const char *homeless_before, *homeless_after; /* if this host were lost; NULL: none */
};

struct evacuation_plan {
	const char *state_id;
	int64_t made_at;
	uint64_t makespan_ms, bound_ms;
	double imbalance_before, imbalance_after;
	const struct evacuation_plan_move *moves;
	size_t move_count;
	const struct evacuation_plan_stay *stays;
	size_t stay_count;
	const struct evacuation_host *hosts;
	size_t host_count;
};
extern const struct json_field evacuation_plan_fields[];

/* ---- the evacuation ------------------------------------------------------------ */

struct evacuation_who {
	const char *requester, *why, *on_withdraw;
	int64_t asked_at, until;
};

/* With the names of Kubernetes: MaintenancePlanned, DrainInProgress, Drained,
 * MaintenanceInProgress. */
struct evacuation_condition {
	const char *type;
	bool status;
	const char *reason; /* one word, as Kubernetes has them */
	const char *message;
	int64_t since;
};
#define EVACUATION_CONDITIONS 4

/* Of one VM; its states: evacuation_vm_names (evacuation/vm.c). */
struct evacuation_vm_reply {
	const char *vm, *vm_uuid, *state;
	const char *host;         /* where it goes, or is; NULL: no host is known */
	const char *why;          /* why there, why it stays, or what blocks: a sentence */
	const char *entry, *move; /* of the queue; the last or present move; NULL: none */
	uint64_t attempts;        /* orders to the queue that have failed */
	bool has_end;
	struct queue_expected expected_end;
	const struct evacuation_rejected *rejected;
	size_t rejected_count;
};

/* A VM on another host that gives way; its states: evac_room_names (evacuation/room.c). */
struct evacuation_room_reply {
	const char *vm, *vm_uuid, *from, *to, *state, *why;
};

struct evacuation_counts {
	uint64_t left; /* to be done yet, blocked too */
	uint64_t total, moving, moved, blocked, stays, returned;
};

struct evacuation_reply {
	const char *id, *host, *state; /* id NULL: a dry run */
	bool final, paused;
	const char *reason;     /* what it does or waits for, or how it ended: a sentence */
	const char *blocked_by; /* name of a VM; NULL: none */
	struct evacuation_condition conditions[EVACUATION_CONDITIONS];
	size_t condition_count;
	const struct evacuation_who *requests;
	size_t request_count;
	struct evacuation_counts counts;
	bool has_end;
	struct queue_expected expected_end;
	const struct evacuation_vm_reply *vms;
	size_t vm_count;
	const struct evacuation_room_reply *rooms;
	size_t room_count;
	struct json_object *plan; /* of evacuation_plan_fields; NULL: none was made */
	struct json_object *wish; /* the request that began it */
	const char *ending;       /* aborted, ended, returning: what it is on its way to; NULL */
	bool has_failed;
	struct move_failure error;
	bool approved;
	const char *began_by, *paused_by, *aborted_by; /* NULL: left out */
	int64_t not_before, window_until, deadline_at, return_until;
	int64_t created_at, started_at, drained_at, updated_at, ended_at;
};
extern const struct json_field evacuation_reply_fields[];
/* Without `vms', `rooms', `plan' and `request': of lists and events. */
extern const struct json_field evacuation_summary_fields[];

struct event_evacuation {
	struct evacuation_reply evacuation;
	int64_t at;
};
extern const struct json_field event_evacuation_fields[];

#endif
