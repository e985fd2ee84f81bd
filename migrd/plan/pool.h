/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/pool.h -- places for VMs that find none one after the other.  Private to the planner.
 *
 * Those without a place are in a pool.  One of it goes to a host, and if there is no room, up to
 * three that may be moved leave that host for the pool: those that have been without a place least
 * often.  So what is hard to place gets its place first, whatever the order was in the beginning
 * (the ejection pool of Nagata and Braysy for vehicle routing, Oper. Res. Letters 37, 2009).
 */
#ifndef MIGRD_PLAN_POOL_H
#define MIGRD_PLAN_POOL_H

#include "plan/priv.h"

struct pool {
	struct plan_state *state;
	struct plan_task *task;
	uint32_t *list, count; /* without a place; the last one is next */
	uint32_t *hard;        /* of each VM: how often it was next */
	uint32_t *home;        /* where each was at first */
	uint32_t *known;       /* those of the task, and others that have once been moved */
	uint32_t known_count;
	bool *is_known; /* VMs */
	unsigned others_max;
	uint64_t budget, seed;
	struct plan_result best; /* seen so far, with an order of moves */
	uint32_t *best_at;       /* of each VM */
};

/* What a host lacks for a VM; negative: it has more. */
struct pool_lack {
	int64_t mem_mib, vcpus;
	bool is_any; /* memory: any kind does; else that of PAGES */
	enum plan_pages pages;
};

struct pool_lack pool_lack_of(const struct plan_state *state, uint32_t vm, uint32_t host);
/* Of a VM that is not of the task. */
bool pool_is_at_home(const struct pool *pool, uint32_t vm);
/* Counts others that are moved. */
void pool_move(struct pool *pool, uint32_t vm, uint32_t host);
uint64_t pool_count_left(const struct plan_result *result);
/* Until the pool is empty, and there is an order of moves, or the budget is spent (false). */
bool pool_play(struct pool *pool);

#endif
