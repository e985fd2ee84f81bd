/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/budget.h -- how the moves of a host share its budget of bandwidth.
 *
 * Each move gets a limit.  All limits together are no more than the budget, and none is above the
 * move's own.  A move that wants more than it has gets its part by the weight of its priority; what
 * a move does not use is the others'.  The limits stay as they are until one of them would change
 * by a tenth, so that QEMU is not told of every breath of the network.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_MOVE_BUDGET_H
#define MIGRD_MOVE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/move_request.h"

/* The least that a move has, so that it lives: less only if the budget is less for each. */
#define BUDGET_MOVE_MIN_BYTES_PER_S (UINT64_C(1) << 20)

/* Rates are in bytes a second. */
struct budget_move {
	enum move_priority priority;
	uint64_t own;   /* its own limit; 0: none */
	uint64_t given; /* its limit until now; 0: none yet */
	uint64_t used;  /* the most that it has sent of late */
	bool is_known;  /* USED is; else it is taken to want all */
	bool is_free;   /* nothing may hold it back: what it uses is taken from the others' */
};

/* RET has room for COUNT limits; that of a free move is 0.  BUDGET is MOVE_BANDWIDTH_MIN for each
 * move at least. */
void budget_share(uint64_t budget, const struct budget_move *moves, size_t count, uint64_t *ret);

#endif
