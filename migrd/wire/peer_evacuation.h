/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/peer_evacuation.h -- what the conductor of a maintenance is told of the evacuation of a
 * host: the reply of /peer/v1/evacuations.  Short, whatever number of VMs the host has.
 * Thread: any. */
#ifndef MIGRD_WIRE_PEER_EVACUATION_H
#define MIGRD_WIRE_PEER_EVACUATION_H

#include "base/when.h"
#include "wire/evacuation_reply.h"

/* Names of requests of conductors begin so. */
#define MAINTENANCE_WHO_PREFIX         "maintenance:"
#define PEER_EVACUATION_STAYS_MAX      16
#define PEER_EVACUATION_REQUESTERS_MAX 16
#define PEER_EVACUATION_FILLS_MAX      32

/* A VM that is not moved by its plan. */
struct peer_evacuation_stay {
	char vm[ID_NAME_SIZE];
	char becomes[16]; /* leave, stop, save; "": it blocks the evacuation */
	char why[512];
};

/* How full another host gets. */
struct peer_evacuation_fill {
	char host[ID_NAME_SIZE];
	double percent,
		percent_worst; /* of its memory for guests: after all moves, at any moment */
};

struct peer_evacuation {
	char id[ID_UUID_SIZE]; /* "": a dry run */
	char state[32];        /* evacuation/states.c; `drained': both sides' records say so */
	bool final, paused;
	char reason[512];              /* what it does or waits for, or how it ended */
	char blocked_by[ID_NAME_SIZE]; /* name of a VM; "": none */
	char blocked_why[512];
	char expected_end[WHEN_SIZE]; /* RFC 3339; "": nothing is known */
	char ending[32];              /* aborted, ended, returning: what it is on its way to */
	char error[32];               /* err_name(); "": none */
	char error_text[512];
	struct evacuation_counts counts;
	/* Who want the host to be empty, the caller included. */
	char requesters[PEER_EVACUATION_REQUESTERS_MAX][EVACUATION_WHO_SIZE];
	size_t requester_count;
	bool has_blackout;
	double blackout_ms; /* the longest of its moves that has been measured */
	/* Of the last plan; state_id "": none was made. */
	char state_id[EVACUATION_STATE_ID_SIZE];
	uint64_t makespan_ms;
	uint64_t moves_total, stays_total, blocked_total; /* blocked_total: of stays_total */
	struct peer_evacuation_stay stays[PEER_EVACUATION_STAYS_MAX]; /* blocking ones first */
	size_t stay_count;
	/* Of the other hosts: if this one were lost after all moves, this VM has no place; "":
	 * none. */
	char homeless_host[ID_NAME_SIZE], homeless[ID_NAME_SIZE];
	char fullest[ID_NAME_SIZE]; /* of the most memory used at any moment; "": there is none */
	double fullest_percent;
	struct peer_evacuation_fill fills[PEER_EVACUATION_FILLS_MAX]; /* the first of the plan's */
	size_t fill_count;
};
extern const struct json_field peer_evacuation_fields[];

/* Fills RET from what users are shown, but for the blackout (evacuation/evacuation.h has it all:
 * evacuation_brief()). */
void peer_evacuation_of(const struct evacuation_reply *reply, struct peer_evacuation *ret);
/* Sets all of *RET; keys of a newer version are skipped. */
bool peer_evacuation_decode(struct json_object *obj, struct peer_evacuation *ret, struct err *err);

#endif
