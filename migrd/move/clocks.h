/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/clocks.h -- how far the clock of the other host is ahead of ours.
 *
 * Both hosts' QEMUs stamp their events with the time of day, which two hosts never have quite
 * the same.  Each answer that carries the other host's time gives an estimate: that time was
 * read somewhere between question and answer, so the middle is wrong by half of the round trip
 * at most.  The sample with the smallest error is kept.  It ages, as clocks drift.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_MOVE_CLOCKS_H
#define MIGRD_MOVE_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

/* How fast two clocks are taken to drift apart at most, in microseconds per second.  It is also the
 * most by which the kernel corrects a clock without a jump (adjtimex(2): 500 ppm).  A daemon that
 * slews faster is outside of the bound. */
#define CLOCKS_DRIFT_PPM UINT64_C(500)

struct clocks_sample {
	int64_t asked_us;       /* our time of day when the question went out */
	int64_t there_us;       /* the other host's, as it answered */
	uint64_t round_trip_us; /* from the question to its answer */
	uint64_t at_us;         /* of the answer, on the monotonic clock */
};

struct clocks {
	bool is_known;     /* false: the rest means nothing */
	int64_t ahead_us;  /* the other host's clock; negative: it is behind */
	uint64_t error_us; /* at most so wrong when it was sampled */
	uint64_t at_us;    /* when that was, on the monotonic clock */
};

/* Keeps the better one of SAMPLE and what is known.  A sample that contradicts it replaces it:
 * one of the clocks was set. */
void clocks_note(struct clocks *clocks, const struct clocks_sample *sample);
/* How wrong ahead_us can be at NOW_US of the monotonic clock. */
uint64_t clocks_error_us(const struct clocks *clocks, uint64_t now_us);

#endif
