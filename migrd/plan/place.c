/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A place for each VM: the cheapest, one VM after the other. */
#include <math.h>

#include "plan/priv.h"

bool plan_is_left(const struct plan_state *state, uint32_t vm)
{
	return state->at[vm] == PLAN_NOWHERE || state->is_emptied[state->at[vm]];
}

uint32_t plan_left(const struct plan_state *state, const struct plan_task *task)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < task->count; i++)
		left += plan_is_left(state, task->todo[i]);
	return left;
}

struct plan_result plan_result_of(const struct plan_state *state, const struct plan_task *task)
{
	struct plan_result result = { .others = task->others };

	for (uint32_t i = 0; i < task->count; i++)
		result.left[state->cluster->vms[task->todo[i]].priority] +=
			plan_is_left(state, task->todo[i]);
	return result;
}

bool plan_result_is_better(const struct plan_result *a, const struct plan_result *b)
{
	for (int i = PLAN_PRIORITY_MAX; i >= 0; i--)
		if (a->left[i] != b->left[i])
			return a->left[i] < b->left[i];
	return a->others < b->others;
}

/* The cheapest host that takes the VM, other than the one where it is; PLAN_NOWHERE: none. */
static uint32_t best_host(const struct plan_state *state, uint32_t vm)
{
	uint32_t best = PLAN_NOWHERE;
	double best_cost = INFINITY;

	for (uint32_t host = 0; host < state->cluster->host_count; host++) {
		double cost;

		if (host == state->at[vm])
			continue;
		cost = plan_cost_below(state, vm, host, best_cost);
		if (cost < best_cost && plan_fits(state, vm, host)) {
			best = host;
			best_cost = cost;
		}
	}
	return best;
}

void plan_place(struct plan_state *state, const struct plan_task *task)
{
	for (uint32_t i = 0; i < task->count; i++) {
		uint32_t vm = task->todo[i], host;

		if (!plan_is_left(state, vm))
			continue;
		host = best_host(state, vm);
		if (host != PLAN_NOWHERE)
			plan_state_move(state, vm, host);
	}
}
