/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue/pick.h -- whether another move may begin, and when an attempt is made again.
 *
 * How many moves go out at once is no fixed number.  Setting one up and handing it over costs CPU
 * time, and guests stand still for longer if more are in that at once than the host has CPUs: of 64
 * guests on two CPUs the worst stop was 115 ms with two more, and 38 and 85 ms without.  Transfers
 * share the link: one more begins while the ones before have not filled it, by what the link has
 * been measured to give, or as long as one more has made them faster together.
 *
 * Pure.  Thread: any.
 */
#ifndef MIGRD_QUEUE_PICK_H
#define MIGRD_QUEUE_PICK_H

#include <stdbool.h>
#include <stdint.h>

#define PICK_TRANSFERS_MIN   2 /* so that the link has work while one of them ends */
#define PICK_TRANSFERS_MAX   32
#define PICK_FULL_PERCENT    90 /* of what the link was measured to give: it is full */
#define PICK_GAIN_PERCENT    10 /* that one transfer more must bring, else the link is full */

/* The moves that go out from this host. */
struct pick_load {
	unsigned setups_max;   /* moves in begin, prepare or handover at once */
	unsigned out, out_max; /* that have not ended; at most */
	unsigned setting_up;   /* of them: in begin, prepare or handover */
	unsigned transfers; /* with the priority of the next one or a higher one: beside others it
			     * has its part of a budget by its weight */
	double bytes_per_s; /* which they get together; 0: not seen */
	double budget_bytes_per_s; /* of the host; 0: none */
};

/* The way to one other host. */
struct pick_link {
	unsigned transfers;          /* under way now */
	double measured_bytes_per_s; /* what one earlier move got; 0: not known */
	double let_come_bytes_per_s; /* what the host lets come by a budget of its own; 0: all */
	/* What so many transfers got together; 0: not seen. */
	double bytes_per_s[PICK_TRANSFERS_MAX + 1];
};

/* The transfers to that host were the same ones for some time, and got so much together. */
void pick_learn(struct pick_link *link, double bytes_per_s);

enum pick_hold {
	PICK_GO,
	PICK_HOLD_OUT_MAX,
	PICK_HOLD_SETTING_UP,
	PICK_HOLD_BUDGET,
	PICK_HOLD_LINK,
};
/* Whether one more move may begin over LINK. */
enum pick_hold pick_next(const struct pick_load *load, const struct pick_link *link);

#define PICK_BACKOFF_MIN_MS 2000
#define PICK_BACKOFF_MAX_MS 60000
/* The wait after ROUNDS (from 1) in which no destination took the guest: doubled each time, and up
 * to a quarter longer by ID, so that entries that failed together are not tried together. */
uint64_t pick_backoff_ms(unsigned rounds, const char *id);

/* ---- who goes first among those of one priority ---------------------- */

/* Short ones, so that the time for which guests wait, summed up, is small: each second that a move
 * takes counts as PICK_TURN_FACTOR seconds of waiting.  But an entry is passed only by such as came
 * less than PICK_PASSED_MAX_MS after it.  The order hardly changes when the last one ends, as the
 * link is never idle: but where one takes as long alone as all the others together, and a single
 * transfer does not fill the link, it would go on alone when they have ended.  So it goes first.
 */
#define PICK_TURN_FACTOR   10
#define PICK_PASSED_MAX_MS 1800000
/* By what entries of one priority are put in order, the smallest first: of one that came at
 * CREATED_MS (wall clock) and whose move would take ALONE_MS by itself; 0: not known. */
int64_t pick_turn_ms(int64_t created_ms, uint64_t alone_ms);

/* The longest of some, 0 before; one with a place in the order of the others is one of three or
 * more. */
struct pick_longest {
	unsigned count, unknown; /* all; those of which nothing is known yet */
	uint64_t longest_ms, sum_ms;
};
/* True: it is the longest so far. */
bool pick_longest_add(struct pick_longest *of, uint64_t alone_ms);
bool pick_longest_goes_first(const struct pick_longest *of);

#endif
