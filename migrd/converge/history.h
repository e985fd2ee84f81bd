/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* converge/history.h -- the passes of a transfer over the guest's memory.
 *
 * QEMU looks at what the guest has changed more often than once in a pass: 11.1 ten times a second
 * when post-copy is allowed.  So a pass here is what lies between two such looks of which the
 * second came when at least half of what was left had been gone through, or after some seconds.
 *
 * Pure.  Thread: any.
 */
#ifndef MIGRD_CONVERGE_HISTORY_H
#define MIGRD_CONVERGE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONVERGE_PASSES_MAX 64

/* What QEMU says right after it has looked at what the guest has changed (query-migrate). */
struct converge_look {
	uint64_t at_ms;         /* since the transfer began */
	uint64_t sent_bytes;    /* in all: ram.transferred */
	uint64_t visited_bytes; /* in all: pages that were sent, or are known to be zero */
	uint64_t left_bytes;    /* ram.remaining */
	uint64_t dirty_bytes_per_s;
	unsigned throttle_percent; /* in force */
};

/* Sums are of the pass alone. */
struct converge_pass {
	uint64_t began_ms, ended_ms;
	uint64_t sent_bytes;
	uint64_t left_bytes;  /* at its end */
	uint64_t dirty_bytes; /* that the guest changed meanwhile, by its rate */
	unsigned throttle_percent; /* in force from its beginning */
};

/* The newest passes, oldest first.  All zero: none. */
struct converge_history {
	struct converge_pass passes[CONVERGE_PASSES_MAX];
	size_t count;
	struct converge_look began, last; /* of the pass that is under way */
	bool has_begun;
	uint64_t dirty_bytes; /* of that pass so far */
};

/* Adds what QEMU said.  True: a pass has ended. */
bool converge_history_add(struct converge_history *history, const struct converge_look *look);

/* What was sent and changed lately, as it looked after the first COUNT passes: of the newest of
 * them that lasted for a second together. */
struct converge_rates {
	uint64_t sent_bytes_per_s, dirty_bytes_per_s; /* never 0 */
};
struct converge_rates converge_rates(const struct converge_history *history, size_t count);
/* The least that was left at the end of a pass; UINT64_MAX: there is none. */
uint64_t converge_least_left(const struct converge_history *history);

#endif
