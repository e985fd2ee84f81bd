/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue/lanes.h -- the ways to the other hosts: what goes over each, what it has been seen to
 * carry, and whether the other end takes guests now.  Thread: loop. */
#ifndef MIGRD_QUEUE_LANES_H
#define MIGRD_QUEUE_LANES_H

#include <stddef.h>

#include "base/id.h"
#include "forecast/forecast.h"
#include "queue/pick.h"
#include "wire/move_request.h"

struct move;
struct moves;

#define LANES_FULL_MIN_MS 2000  /* a host without a free place is asked again after that, */
#define LANES_FULL_MAX_MS 60000 /* then after twice as long each time */

struct lane {
	char host[ID_NAME_SIZE];
	struct pick_link link;
	unsigned out; /* moves to that host that have not ended, and those about to be begun */
	struct forecast_input history; /* what earlier moves to it tell */
	uint64_t measured_at_ms;       /* when that was looked up last; 0: never */
	/* The transfers at the last look: which ones, how much they had sent, when. */
	uint64_t which, sent_bytes, since_ms;
	/* Whom it has refused; a host may keep its last places for interactive moves. */
	struct lane_full {
		bool is_full;
		unsigned out_max; /* it had no place for one more beside so many of this host */
		uint64_t at_ms, until_ms, wait_ms;
	} interactive, others;
};

struct lanes {
	struct lane *list;
	size_t count;
};

/* The moves that go out from this host, and those of them that are set up or handed over. */
struct lanes_totals {
	unsigned out, setting_up, transfers;
	unsigned transfers_of[MOVE_PRIORITY_COUNT]; /* by priority */
	double bytes_per_s; /* which the transfers get together, as far as it was seen */
};

/* What a move costs this host, by its state. */
enum lane_stage { LANE_STAGE_SETUP, LANE_STAGE_TRANSFER, LANE_STAGE_HANDOVER, LANE_STAGE_REST };
enum lane_stage lane_stage_of(const struct move *move);

/* The lane to HOST, made if there is none; good until the next one is made. */
struct lane *lanes_to(struct lanes *lanes, const char *host);
/* Counts the moves, and learns what the links carry. */
struct lanes_totals lanes_look(struct lanes *lanes, struct moves *moves, uint64_t now_ms);
/* Looks up what earlier moves tell, unless that was done less than a second ago. */
void lane_measure(struct lane *lane, struct moves *moves, uint64_t now_ms);
/* What the link gives to all transfers together, by what is known of it: what was seen, else what a
 * probe has found, else a guess. */
struct lane_rate {
	double expected, low, high; /* bytes a second; more than 0 */
};
struct lane_rate lane_rate(const struct lane *lane);
/* So many transfers fill it, as far as it was seen. */
unsigned lane_at_once(const struct lane *lane);
/* The host has refused a guest of this priority (enum move_priority) since it has no free place;
 * after lanes_look(). */
void lane_is_full(struct lane *lane, int priority, uint64_t now_ms);
/* It is not asked now: it has as many guests under way as it took last, and the time is not over.
 */
bool lane_is_closed(const struct lane *lane, int priority, uint64_t now_ms);
/* When that time is over. */
uint64_t lane_opens_ms(const struct lane *lane, int priority);
/* A move to it begins. */
void lane_add(struct lane *lane, int priority, uint64_t now_ms);
void lanes_fini(struct lanes *lanes);

#endif
