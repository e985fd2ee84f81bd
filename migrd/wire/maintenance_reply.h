/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/maintenance_reply.h -- what is shown of the maintenance of some hosts.  Texts are borrowed.
 * Thread: any. */
#ifndef MIGRD_WIRE_MAINTENANCE_REPLY_H
#define MIGRD_WIRE_MAINTENANCE_REPLY_H

#include "wire/maintenance_request.h"
#include "wire/move_reply.h"

/* What its host said when it was last asked how it would be emptied. */
struct maintenance_plan_reply {
	const char *state_id;
	uint64_t vms, moves, stays, blocked;  /* VMs of the host */
	const char *blocked_by, *blocked_why; /* the first of those; NULL: none */
	uint64_t makespan_ms;
	const char *fullest; /* the host that gets the fullest; NULL: nothing is known */
	double fullest_percent;
	/* If this host were lost then too, this VM would find no place; NULL: all would. */
	const char *homeless_host, *homeless;
};

struct maintenance_hook_reply {
	const char *id, *state; /* of hook/hook.h: running, done, failed, unknown */
	const char *words;      /* what it said last; may be empty */
};

struct maintenance_host_reply {
	const char *host;
	const char *state; /* maintenance/host.c */
	bool final;
	const char *rack;   /* NULL: not known */
	const char *reason; /* what it does or waits for, or how it ended: a sentence */
	bool waits_for_go;
	const char *evacuation; /* id on that host; NULL: none was begun */
	bool has_hook;
	struct maintenance_hook_reply hook;
	bool has_plan;
	struct maintenance_plan_reply plan;
	uint64_t vms, left, moving, blocked, moved, stays, returned; /* of its evacuation */
	bool has_blackout;
	double blackout_ms; /* the longest of its moves away */
	bool has_failed;
	struct move_failure error;
	int64_t started_at, drained_at, hook_at, healed_at, ended_at, deadline_at;
	uint64_t took_ms;
};

/* Of a dry run: what would be done, one after another. */
struct maintenance_step_reply {
	uint64_t number; /* from 1 on */
	const char *host;
	const char *step; /* check, evacuate, hook, heal, return; skip: the host would be skipped */
	const char *text;
};

struct maintenance_counts {
	uint64_t total, todo, under_way, done, failed, skipped, aborted;
};

struct maintenance_reply {
	const char *id; /* NULL: a dry run */
	const char *conductor;
	const char *state; /* maintenance/states.c */
	bool final, paused;
	const char *reason;    /* what it does or waits for, or how it ended: a sentence */
	const char *waits_for; /* the host for which a person has to say go; NULL */
	const char *hook;      /* NULL: by hand */
	const char *why, *by;
	const char *state_id; /* of the hosts' plans when it was ordered; NULL: none has told one */
	struct maintenance_counts counts;
	bool has_failed;
	struct move_failure error;
	int64_t not_before, created_at, started_at, updated_at, ended_at;
	const struct maintenance_host_reply *hosts; /* in their order */
	size_t host_count;
	const struct maintenance_step_reply *steps;
	size_t step_count;
	struct json_object *wish; /* the request */
};
extern const struct json_field maintenance_reply_fields[];
/* Without `hosts', `steps' and `request': of lists and events. */
extern const struct json_field maintenance_summary_fields[];

struct event_maintenance {
	struct maintenance_reply maintenance;
	int64_t at;
};
extern const struct json_field event_maintenance_fields[];

#endif
