/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forecast/past.h -- what earlier moves to a host tell of the next one.
 *
 * Each is a struct forecast_past, and they are added newest first, all that there are: of each kind
 * only the newest FORECAST_LINK_MOVES count.  Then forecast_learn() fills what they tell.  Pure.
 * Thread: any.
 */
#ifndef MIGRD_FORECAST_PAST_H
#define MIGRD_FORECAST_PAST_H

#include "forecast/forecast.h"
#include "forecast/learn.h"

/* A move of a guest that ran, to its good end. */
struct forecast_past {
	uint64_t age_ms;
	double duration_ms; /* from the request to the end, but for what it waited for others */
	double prepare_ms;  /* from the request until disks are copied, or QEMU is told to send */
	double setup_ms;    /* of QEMU, before it sends */
	double sending_ms;  /* memory, while the guest runs */
	double still_ms;    /* the guest, with the data that is sent meanwhile */
	double end_ms;
	double memory_bytes, sent_bytes; /* all that it has; what was sent of it */
	double first_pass_bytes;         /* of what was sent; all of it if it is not told by pass */
	double last_bytes;        /* while the guest stood still; 0: it is not told by pass */
	double limit_bytes_per_s; /* its own; 0: none */
	bool memory_was_held;     /* by its limit or by a budget */
	bool has_disks, disks_were_held; /* by a budget */
	double disk_bytes, disks_ms;     /* what was copied before memory, in what time */
	double pace; /* CPU time of the guest, of what it had before; 0: not known */
	const struct forecast *said; /* borrowed; NULL: there was no forecast */
};

/* What was taken of them; { 0 } at first. */
struct forecast_history {
	struct forecast_sent sent[FORECAST_LINK_MOVES];
	uint64_t age_ms[FORECAST_LINK_MOVES];
	unsigned sent_count;
	/* Those that sent less than FORECAST_SMALL_BYTES; and those that sent hardly more than what
	 * is zero takes. */
	struct forecast_sent small[FORECAST_LINK_MOVES], empty[FORECAST_LINK_MOVES];
	unsigned small_count, empty_count;
	/* What moves of memory alone took beside their data, and those with disks. */
	struct forecast_past_costs {
		struct forecast_costs of[FORECAST_LINK_MOVES];
		/* Of the same moves, while the guest stood still: what was sent, if it is told;
		 * else how long the forecast had said that data would take. */
		double last_bytes[FORECAST_LINK_MOVES], data_ms[FORECAST_LINK_MOVES];
		unsigned count;
	} costs[2];
	double disk_rate; /* of the newest copy that no limit held back; 0: none */
	double pace[FORECAST_LINK_MOVES];
	unsigned pace_count;
	struct forecast_missed missed[FORECAST_MISSED_MOVES];
	unsigned missed_count;
};

void forecast_history_add(struct forecast_history *history, const struct forecast_past *past);
/* Fills the link, what small moves got, zero_bytes_per_s, the costs (of moves with disks if
 * RET->disk_bytes is set), disk_bytes_per_s, pace and missed.  What is in RET of the link counts,
 * too: moves under way, and a probe. */
void forecast_learn(struct forecast_history *history, struct forecast_input *ret);

#endif
