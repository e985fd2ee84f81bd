/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue/expect.h -- when the entries of the queue will begin and end: the queue is played through.
 *
 * A move is set up first, may be held, and then sends its data.  The next one in its turn begins as
 * queue/pick.h lets it: while there is a place (out_max), while few are set up, and while the
 * transfers to its host have not filled the link.  Transfers to one host share its link in equal
 * parts, but none has more than its own limit; all of them together have no more than the budget.
 *
 * Pure; of N moves with at most A at once it takes about 3 N steps of A each.  Thread: any.
 */
#ifndef MIGRD_QUEUE_EXPECT_H
#define MIGRD_QUEUE_EXPECT_H

#include <stdbool.h>
#include <stddef.h>

struct expect_host {
	unsigned setups_max, out_max; /* 1 or more */
	double budget_bytes_per_s; /* 0: none */
};

/* The way to one other host. */
struct expect_lane {
	double bytes_per_s; /* of all transfers together; more than 0 */
	unsigned at_once;   /* so many of them fill it; 1 or more */
};

struct expect_move {
	size_t lane;
	double not_before_s;
	double beside_s; /* before its data */
	double held_s; /* then; it waits for a user or for parties, and costs nothing but a place */
	double bytes;
	double limit_bytes_per_s; /* 0: none */
	double start_s, end_s;    /* results, from now on */
};

/* Fills the results of LIST: first BEGUN moves that are under way, with what is left of them, then
 * those that wait, in the order of their turn. */
void expect_play(const struct expect_host *host, const struct expect_lane *lanes,
		 struct expect_move *list, size_t count, size_t begun);

#endif
