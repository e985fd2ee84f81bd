/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forecast/forecast.h -- from measurements to a forecast of a move.
 *
 * QEMU's pre-copy is played through as its own thread goes (forecast/play.c), with the memory that
 * is dirty after a time by what was sampled: so a guest that goes over a small set all the time
 * converges as soon as that set can be sent within the allowed downtime, however fast it writes.
 *
 * Pure.  Thread: any.
 */
#ifndef MIGRD_FORECAST_FORECAST_H
#define MIGRD_FORECAST_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/forecast.h"

/* So many bytes of a guest's memory were changed in a shorter and in a longer time. */
struct forecast_sample {
	double short_s, long_s;
	double short_bytes, long_bytes;
};

/* The dirty memory of a guest.  The sample tells how much it is after two times.  In between and
 * later it grows up to a set, as if each page were written at random:
 *
 *     dirty(t) = set * (1 - exp(-rate * t / set))
 *
 * A guest that goes over its set in order has less before the shorter time: no less than on the
 * straight line to what was sampled then. */
struct forecast_dirty {
	bool is_known;
	bool is_steady; /* no end of the set was seen: dirty(t) = rate * t, up to the set */
	double set_bytes, set_high_bytes; /* expected; at most */
	double bytes_per_s;               /* at the beginning */
	struct forecast_sample sample;    /* of which this was made */
	uint64_t age_ms;
};

/* ROOM: what the guest can write at all. */
struct forecast_dirty forecast_fit_dirty(const struct forecast_sample *sample, double room);
/* How much is dirty after SECONDS.  AT_RANDOM from 0 (in order) to 1 matters before the shorter
 * time of the sample. */
double forecast_dirty_after(const struct forecast_dirty *dirty, double seconds, double at_random);

#define FORECAST_LINK_MOVES 5 /* so many earlier moves are looked at */
/* A move that sends less is over before its stream has come up to speed: it tells nothing of the
 * link, but of others like it. */
#define FORECAST_SMALL_BYTES (UINT64_C(64) << 20)

/* Time that a move takes beside its data. */
struct forecast_costs {
	double prepare_ms;  /* from the request until QEMU is told to send */
	double handover_ms; /* while the guest stands still */
	double end_ms;      /* after that */
	double disk_ms;     /* before memory, beside the data of local disks */
};

/* An earlier forecast: what was, by what was expected. */
struct forecast_missed {
	double duration, blackout, bytes;
};
#define FORECAST_MISSED_MOVES 20 /* so many are looked at */

struct forecast_input {
	uint64_t memory_bytes, nonzero_bytes;
	uint64_t resident_bytes; /* only shown: what NONZERO_BYTES was made of; 0: not known */
	struct forecast_dirty dirty;
	bool is_still; /* the guest's CPUs do not run */
	bool is_held; /* somebody is to let memory go; how long that takes is not in the forecast */
	/* Earlier moves to the same host got, newest first; 0 of them: not known. */
	double link_bytes_per_s[FORECAST_LINK_MOVES];
	unsigned link_moves;
	uint64_t link_age_ms; /* of the newest */
	/* Earlier moves that sent less than FORECAST_SMALL_BYTES: how much, and what they got. */
	double small_bytes[FORECAST_LINK_MOVES], small_bytes_per_s[FORECAST_LINK_MOVES];
	unsigned small_moves;
	/* A short transfer got, without a guest; 0: there was none. */
	double probe_bytes_per_s;
	bool probe_is_least; /* the link gives that much at least */
	uint64_t probe_age_ms;
	double zero_bytes_per_s;    /* memory that is zero is passed over so fast; 0: not known */
	double pace;                /* of the guest in earlier moves, of 1; 0: not known */
	uint64_t limit_bytes_per_s; /* 0: none */
	uint64_t downtime_limit_ms;
	uint64_t switchover_bytes_per_s; /* QEMU takes this for the bandwidth at the end; 0: no */
	uint64_t deadline_ms;            /* of its policy, for the transfer; 0: none */
	bool auto_converge;
	enum forecast_postcopy {
		FORECAST_POSTCOPY_NONE, /* also: only when a user asks for it */
		FORECAST_POSTCOPY_FIRST_PASS,
		FORECAST_POSTCOPY_AT_ONCE,
	} postcopy;
	uint64_t disk_bytes, disk_write_bytes_per_s;
	double disk_bytes_per_s; /* what copies of disks got that no limit held back; 0: not known
				  */
	struct forecast_costs costs, costs_low, costs_high; /* expected; at best, at worst */
	struct forecast_missed missed[FORECAST_MISSED_MOVES]; /* newest first */
	unsigned missed_count;
};

void forecast_make(const struct forecast_input *input, struct forecast *ret);

#endif
