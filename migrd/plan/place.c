/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A place for each VM: the cheapest, one VM after the other, and better ones then. */
#include "plan/priv.h"

/* Changes that gain less than this share of what a VM costs are none. */
#define GAIN_MIN 1e-9

uint32_t plan_best_host(const struct plan_state *state, uint32_t vm)
{
	uint32_t best = PLAN_NOWHERE;
	double best_cost = 0;

	for (uint32_t host = 0; host < state->cluster->host_count; host++) {
		double cost;

		if (host == state->at[vm])
			continue;
		cost = plan_cost(state, vm, host);
		if ((best == PLAN_NOWHERE || cost < best_cost) && plan_fits(state, vm, host)) {
			best = host;
			best_cost = cost;
		}
	}
	return best;
}

static bool is_left(const struct plan_state *state, uint32_t vm)
{
	return state->at[vm] == PLAN_NOWHERE || state->is_emptied[state->at[vm]];
}

uint32_t plan_left(const struct plan_state *state, const struct plan_task *task)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < task->count; i++)
		left += is_left(state, task->todo[i]);
	return left;
}

void plan_place(struct plan_state *state, const struct plan_task *task)
{
	for (uint32_t i = 0; i < task->count; i++) {
		uint32_t vm = task->todo[i], host;

		if (!is_left(state, vm))
			continue;
		host = plan_best_host(state, vm);
		if (host != PLAN_NOWHERE)
			plan_state_move(state, vm, host);
	}
}

/* ---- better places --------------------------------------------------------- */

/* What the VM costs where it is. */
static double cost_here(struct plan_state *state, uint32_t vm)
{
	size_t mark = state->step_count;
	uint32_t host = state->at[vm];
	double cost;

	plan_state_move(state, vm, PLAN_NOWHERE);
	cost = plan_cost(state, vm, host);
	plan_state_undo(state, mark);
	return cost;
}

static bool relocate(struct plan_state *state, struct plan_task *task, uint32_t vm)
{
	double here = cost_here(state, vm), best_cost = here * (1 - GAIN_MIN);
	uint32_t best = PLAN_NOWHERE;

	for (uint32_t host = 0; host < state->cluster->host_count; host++) {
		double cost;

		if (host == state->at[vm])
			continue;
		cost = plan_cost(state, vm, host);
		if (cost < best_cost && plan_fits(state, vm, host)) {
			best = host;
			best_cost = cost;
		}
	}
	task->budget -= task->budget < state->cluster->host_count ? task->budget
								  : state->cluster->host_count;
	if (best == PLAN_NOWHERE)
		return false;
	plan_state_move(state, vm, best);
	return true;
}

/* What changing the places of A and B does to the load of their hosts alone: to look at more costs
 * more, and most pairs do not get that far. */
static double swap_gain(const struct plan_state *state, uint32_t a, uint32_t b)
{
	const struct plan_cluster *cluster = state->cluster;
	const struct plan_host *left = &cluster->hosts[state->at[a]],
			       *right = &cluster->hosts[state->at[b]];
	const struct plan_use *left_use = &state->use[state->at[a]],
			      *right_use = &state->use[state->at[b]];
	double mem = (double)cluster->vms[b].mem_mib - (double)cluster->vms[a].mem_mib;
	double cpu = cluster->vms[b].cpu_load - cluster->vms[a].cpu_load;
	double left_mib = (double)plan_capacity_mib(left) * state->mem_total,
	       right_mib = (double)plan_capacity_mib(right) * state->mem_total;
	double left_cpus = (double)left->cpus * state->cpu_total,
	       right_cpus = (double)right->cpus * state->cpu_total;

	return -mem * (2 * (double)left_use->mem_mib + mem) / left_mib +
	       mem * (2 * (double)right_use->mem_mib - mem) / right_mib -
	       cpu * (2 * left_use->cpu_load + cpu) / left_cpus +
	       cpu * (2 * right_use->cpu_load - cpu) / right_cpus;
}

static bool swap(struct plan_state *state, uint32_t a, uint32_t b)
{
	size_t mark = state->step_count;
	uint32_t left = state->at[a], right = state->at[b];
	double before, after;

	if (!plan_may(state, a, right) || !plan_may(state, b, left))
		return false;
	plan_state_move(state, b, PLAN_NOWHERE);
	before = plan_cost(state, b, right) + cost_here(state, a);
	plan_state_move(state, a, PLAN_NOWHERE);
	if (plan_fits(state, a, right)) {
		after = plan_cost(state, a, right);
		plan_state_move(state, a, right);
		if (plan_fits(state, b, left)) {
			after += plan_cost(state, b, left);
			plan_state_move(state, b, left);
			if (after < before * (1 - GAIN_MIN))
				return true;
		}
	}
	plan_state_undo(state, mark);
	return false;
}

static bool swap_any(struct plan_state *state, struct plan_task *task, uint32_t first)
{
	uint32_t a = task->todo[first];
	bool found = false;

	for (uint32_t i = first + 1; i < task->count && task->budget > 0; i++) {
		uint32_t b = task->todo[i];

		task->budget--;
		if (!is_left(state, b) && state->at[a] != state->at[b] &&
		    swap_gain(state, a, b) > 0)
			found |= swap(state, a, b);
	}
	return found;
}

void plan_improve(struct plan_state *state, struct plan_task *task)
{
	bool found = true;

	while (found && task->budget > 0) {
		found = false;
		for (uint32_t i = 0; i < task->count && task->budget > 0; i++)
			if (!is_left(state, task->todo[i]))
				found |= relocate(state, task, task->todo[i]);
		for (uint32_t i = 0; i < task->count && task->budget > 0; i++)
			if (!is_left(state, task->todo[i]))
				found |= swap_any(state, task, i);
	}
}
