/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forecast/forecast.h -- from measurements to a forecast of a move.
 *
 * The passes of QEMU's pre-copy are played through, with the dirty memory after the time t as
 *
 *     dirty(t) = set * (1 - exp(-rate * t / set))
 *
 * so a guest that goes over a small set all the time converges as soon as that set can be sent
 * within the allowed downtime, however fast it writes.  QEMU ends a transfer when what is left
 * fits into the downtime-limit at the bandwidth that it sees (migration_iteration_run() of
 * migration/migration.c); it looks after each piece of 50 ms, or of 100 ms with a limit
 * (MAX_WAIT in migration/ram.c, BUFFER_DELAY in migration/migration.h).  The last pass goes
 * without a limit.
 *
 * Pure.  Thread: any.
 */
#ifndef MIGRD_FORECAST_FORECAST_H
#define MIGRD_FORECAST_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/forecast.h"

/* The dirty memory of a guest. */
struct forecast_dirty {
	bool is_known;
	double set_bytes, set_high_bytes; /* expected; at most */
	double bytes_per_s;               /* at the beginning */
	uint64_t age_ms;
};

/* DIRTY1 bytes were changed in T1_S, and DIRTY2 in T2_S, which is the longer time; ROOM: what the
 * guest can write at all.  If the two grow as the times do, the set's end was not seen. */
struct forecast_dirty forecast_fit_dirty(double t1_s, double dirty1, double t2_s, double dirty2,
					 double room);

#define FORECAST_LINK_MOVES 5 /* so many earlier moves are looked at */

/* Time that a move takes beside its data. */
struct forecast_costs {
	double prepare_ms;  /* from the request until QEMU is told to send */
	double handover_ms; /* while the guest stands still */
	double end_ms;      /* after that */
};

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
	/* A short transfer got, without a guest; 0: there was none. */
	double probe_bytes_per_s;
	bool probe_is_least; /* the link gives that much at least */
	uint64_t probe_age_ms;
	double zero_bytes_per_s;    /* memory that is zero is passed over so fast; 0: not known */
	double pace;                /* of the guest in earlier moves, of 1; 0: not known */
	uint64_t limit_bytes_per_s; /* 0: none */
	uint64_t downtime_limit_ms;
	uint64_t switchover_bytes_per_s; /* QEMU takes this for the bandwidth at the end; 0: no */
	bool auto_converge;
	enum forecast_postcopy {
		FORECAST_POSTCOPY_NONE, /* also: only when a user asks for it */
		FORECAST_POSTCOPY_FIRST_PASS,
		FORECAST_POSTCOPY_AT_ONCE,
	} postcopy;
	uint64_t disk_bytes, disk_write_bytes_per_s;
	struct forecast_costs costs, costs_low, costs_high; /* expected; at best, at worst */
};

void forecast_make(const struct forecast_input *input, struct forecast *ret);

#endif
