/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue/pick.h -- whether another move may begin, and when an attempt is made again.
 *
 * How many moves go out at once is no fixed number.  Setting one up and handing it over costs CPU
 * time, so that few more than the host has CPUs are in that at once.  Transfers share the link: one
 * more begins while the ones before have not filled it, by what the link has been measured to give,
 * or as long as one more has made them faster together.
 *
 * Pure.  Thread: any.
 */
#ifndef MIGRD_QUEUE_PICK_H
#define MIGRD_QUEUE_PICK_H

#include <stdbool.h>
#include <stdint.h>

#define PICK_SETTING_UP_MORE 2 /* than the host has CPUs are set up or handed over at once */
#define PICK_TRANSFERS_MIN   2 /* so that the link has work while one of them ends */
#define PICK_TRANSFERS_MAX   32
#define PICK_FULL_PERCENT    90 /* of what the link was measured to give: it is full */
#define PICK_GAIN_PERCENT    10 /* that one transfer more must bring, else the link is full */

/* The moves that go out from this host. */
struct pick_load {
	unsigned cpus;
	unsigned out, out_max; /* that have not ended; at most */
	unsigned setting_up;   /* of them: in begin, prepare or handover */
};

/* The way to one other host. */
struct pick_link {
	unsigned transfers;          /* under way now */
	double measured_bytes_per_s; /* what one earlier move got; 0: not known */
	/* What so many transfers got together; 0: not seen. */
	double bytes_per_s[PICK_TRANSFERS_MAX + 1];
};

/* The transfers to that host were the same ones for some time, and got so much together. */
void pick_learn(struct pick_link *link, double bytes_per_s);

enum pick_hold {
	PICK_GO,
	PICK_HOLD_OUT_MAX,
	PICK_HOLD_SETTING_UP,
	PICK_HOLD_LINK,
};
/* Whether one more move may begin over LINK. */
enum pick_hold pick_next(const struct pick_load *load, const struct pick_link *link);

#define PICK_BACKOFF_MIN_MS 2000
#define PICK_BACKOFF_MAX_MS 60000
/* The wait after ROUNDS (from 1) in which no destination took the guest: doubled each time, and up
 * to a quarter longer by ID, so that entries that failed together are not tried together. */
uint64_t pick_backoff_ms(unsigned rounds, const char *id);

/* Ends of moves, by which the next ones are expected. */
#define PICK_PACE_ENDS 16
struct pick_pace {
	uint64_t ends_ms[PICK_PACE_ENDS]; /* the newest last */
	unsigned count;
};
void pick_note_end(struct pick_pace *pace, uint64_t now_ms);
/* Milliseconds until the entry at POSITION (from 1) may begin, at least and at most; false: fewer
 * than two moves have ended in the last PICK_PACE_AGE_MS. */
#define PICK_PACE_AGE_MS 600000
bool pick_expect(const struct pick_pace *pace, uint64_t position, uint64_t now_ms,
		 uint64_t *ret_min_ms, uint64_t *ret_max_ms);

#endif
