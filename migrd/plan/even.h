/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/even.h -- hosts are evened out: by moves of VMs, and by two that change places, that are
 * worth more than they cost.  Private to the planner.
 *
 * What a move gains is by how much the sum of the squares of the uses gets less (plan_cost()); what
 * it costs is a price for its bytes.  The price begins high, so that at first only the best moves
 * are made, and falls; what was moved may go on, or home again, at no more than the price of one
 * move. So few bytes are moved for what is gained, wherever it stops.
 *
 * There are several ways to do that, as where each ends depends on what it began with.
 *
 * Every step has room at its moment: the steps alone, one after the other, are an order of moves.
 */
#ifndef MIGRD_PLAN_EVEN_H
#define MIGRD_PLAN_EVEN_H

#include "plan/priv.h"

struct even {
	struct plan_state *state;
	const struct plan_balance *wanted;
	double beside_mib; /* a move costs as much as so many bytes more */
	double price;      /* of a move that sends as much as the hosts in service have memory */
	uint64_t budget;   /* pairs that may still be looked at */
	double imbalance2; /* the square of the imbalance, now */
	double sent_mib;   /* by moves from where each VM was to where it is */
	uint32_t moved;    /* VMs that are not where they were */
	bool was_full;     /* a move was left out, as it would have passed a limit */
};

/* How many ways are tried: one if there are many VMs. */
unsigned even_ways(const struct plan_state *state);
/* Changes STATE, which has each VM where the input has it.  NUMBER: of the way. */
void even_out(struct even *even, struct plan_state *state, const struct plan_balance *wanted,
	      unsigned number);
/* The square of the imbalance, and the price of what was moved: the less, the better. */
double even_value(const struct plan_state *state, const struct plan_balance *wanted);
/* By how much the square of the imbalance gets less if VM goes to HOST, where it is not. */
double even_gain(const struct plan_state *state, uint32_t vm, uint32_t host);
/* By how much it has to, for a move of VM, if uses have to differ by GAP. */
double even_price(const struct plan_state *state, double gap, uint32_t vm);

#endif
