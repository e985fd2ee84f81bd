/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Better places, until there are none: a VM elsewhere, two in each other's place, those that should
 * be together on another host.  A pair of a VM and a host is looked at again only when one of them
 * has changed since. */
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

/* Changes that gain less than this share of what a VM costs are none. */
#define GAIN_MIN    1e-9
#define FRIENDS_MAX 16

struct improve {
	struct plan_state *state;
	struct plan_task *task;
	uint32_t now;                  /* counts changes */
	uint32_t *changed;             /* when each host has changed last */
	uint32_t *relocated, *swapped; /* when each VM has been looked at last; 0: never */
};

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

static void note_change(struct improve *improve, uint32_t from, uint32_t to)
{
	improve->now++;
	improve->changed[from] = improve->changed[to] = improve->now;
}

static bool relocate(struct improve *improve, uint32_t vm)
{
	struct plan_state *state = improve->state;
	uint64_t *budget = &improve->task->budget;
	uint32_t at = state->at[vm], best = PLAN_NOWHERE, since = improve->relocated[vm];
	double best_cost = cost_here(state, vm) * (1 - GAIN_MIN);

	since = improve->changed[at] > since ? 0 : since;
	improve->relocated[vm] = improve->now;
	for (uint32_t host = 0; host < state->cluster->host_count; host++) {
		double cost;

		if (host == at || improve->changed[host] <= since)
			continue;
		*budget -= *budget > 0;
		cost = plan_cost_below(state, vm, host, best_cost);
		if (cost < best_cost && plan_fits(state, vm, host)) {
			best = host;
			best_cost = cost;
		}
	}
	if (best == PLAN_NOWHERE)
		return false;
	plan_state_move(state, vm, best);
	note_change(improve, at, best);
	return true;
}

/* What changing the places of A and B does to the load of their hosts alone: to look at more costs
 * more, and most pairs do not get that far. */
static double swap_gain(const struct plan_state *state, uint32_t a, uint32_t b)
{
	const struct plan_cluster *cluster = state->cluster;
	uint32_t left = state->at[a], right = state->at[b];
	const struct plan_use *left_use = &state->use[left], *right_use = &state->use[right];
	double mem = (double)cluster->vms[b].mem_mib - (double)cluster->vms[a].mem_mib;
	double cpu = cluster->vms[b].cpu_load - cluster->vms[a].cpu_load;

	return -mem * (2 * (double)left_use->mem_mib + mem) * state->mem_scale[left] +
	       mem * (2 * (double)right_use->mem_mib - mem) * state->mem_scale[right] -
	       cpu * (2 * left_use->cpu_load + cpu) * state->cpu_scale[left] +
	       cpu * (2 * right_use->cpu_load - cpu) * state->cpu_scale[right];
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

static bool swap_any(struct improve *improve, uint32_t first)
{
	const struct plan_task *task = improve->task;
	struct plan_state *state = improve->state;
	uint32_t a = task->todo[first], since = improve->swapped[a];
	bool found = false;

	improve->swapped[a] = improve->now;
	for (uint32_t i = first + 1; i < task->count && improve->task->budget > 0; i++) {
		uint32_t b = task->todo[i], left = state->at[a], right = state->at[b];

		if (left == right || plan_is_left(state, b) ||
		    (improve->changed[left] <= since && improve->changed[right] <= since))
			continue;
		improve->task->budget--;
		if (swap_gain(state, a, b) <= 0 || !swap(state, a, b))
			continue;
		note_change(improve, left, right);
		found = true;
	}
	return found;
}

/* ---- together -------------------------------------------------------------- */

/* Those of the task that should be on one host with VM, which is the first of them. */
static uint32_t list_friends(const struct improve *improve, uint32_t first, uint32_t *friends)
{
	const struct plan_cluster *cluster = improve->state->cluster;
	const struct plan_task *task = improve->task;
	uint32_t affinity = cluster->vm_ids[task->todo[first]].affinity, count = 0;

	for (uint32_t i = 0; i < task->count && count < FRIENDS_MAX; i++) {
		if (cluster->vm_ids[task->todo[i]].affinity != affinity)
			continue;
		if (i < first)
			return 0;
		if (!plan_is_left(improve->state, task->todo[i]))
			friends[count++] = task->todo[i];
	}
	return count;
}

/* What they cost on HOST, all of them; negative: they do not fit.  They are there then. */
static double cost_together(struct plan_state *state, const uint32_t *friends, uint32_t count,
			    uint32_t host)
{
	double cost = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!plan_fits(state, friends[i], host))
			return -1;
		cost += plan_cost(state, friends[i], host);
		plan_state_move(state, friends[i], host);
	}
	return cost;
}

/* All on one host, which one by one they would not reach. */
static bool bring_together(struct improve *improve, uint32_t first)
{
	struct plan_state *state = improve->state;
	size_t mark = state->step_count, in_the_air;
	uint32_t friends[FRIENDS_MAX], best = PLAN_NOWHERE;
	uint32_t count = list_friends(improve, first, friends);
	double best_cost = 0;

	if (count < 2)
		return false;
	/* What they cost where they are, the last one beside all others. */
	for (uint32_t i = count; i > 0; i--) {
		best_cost += cost_here(state, friends[i - 1]);
		plan_state_move(state, friends[i - 1], PLAN_NOWHERE);
	}
	best_cost *= 1 - GAIN_MIN;
	in_the_air = state->step_count;
	for (uint32_t host = 0; host < state->cluster->host_count; host++) {
		double cost;

		improve->task->budget -= improve->task->budget > 0;
		if (!plan_may(state, friends[0], host))
			continue;
		cost = cost_together(state, friends, count, host);
		plan_state_undo(state, in_the_air);
		if (cost < 0 || cost >= best_cost)
			continue;
		best = host;
		best_cost = cost;
	}
	plan_state_undo(state, mark);
	for (uint32_t i = 0; best != PLAN_NOWHERE && i < count; i++) {
		note_change(improve, state->at[friends[i]], best);
		plan_state_move(state, friends[i], best);
	}
	return best != PLAN_NOWHERE;
}

static bool bring_all_together(struct improve *improve)
{
	const struct plan_task *task = improve->task;
	bool found = false;

	for (uint32_t i = 0; i < task->count && task->budget > 0; i++)
		if (improve->state->cluster->vm_ids[task->todo[i]].affinity != PLAN_NOWHERE)
			found |= bring_together(improve, i);
	return found;
}

/* ---- all ------------------------------------------------------------------- */

static bool pass(struct improve *improve)
{
	const struct plan_task *task = improve->task;
	bool found = false;

	for (uint32_t i = 0; i < task->count && task->budget > 0; i++)
		if (!plan_is_left(improve->state, task->todo[i]))
			found |= relocate(improve, task->todo[i]);
	for (uint32_t i = 0; i < task->count && task->budget > 0; i++)
		if (!plan_is_left(improve->state, task->todo[i]))
			found |= swap_any(improve, i);
	return found;
}

/* What has changed has to do with other hosts too, if little: of a rack, or by a total. */
static void forget(struct improve *improve)
{
	size_t bytes = (improve->state->cluster->vm_count + 1) * sizeof(uint32_t);

	memset(improve->relocated, 0, bytes);
	memset(improve->swapped, 0, bytes);
}

void plan_improve(struct plan_state *state, struct plan_task *task)
{
	size_t vms = state->cluster->vm_count + 1, hosts = state->cluster->host_count;
	struct improve improve = {
		.state = state,
		.task = task,
		.now = 1,
		.changed = xcalloc(hosts, sizeof(*improve.changed)),
		.relocated = xcalloc(vms, sizeof(*improve.relocated)),
		.swapped = xcalloc(vms, sizeof(*improve.swapped)),
	};

	for (size_t host = 0; host < hosts; host++)
		improve.changed[host] = 1;
	do {
		while (pass(&improve) && task->budget > 0)
			;
		forget(&improve);
	} while ((pass(&improve) || bring_all_together(&improve)) && task->budget > 0);
	free(improve.changed);
	free(improve.relocated);
	free(improve.swapped);
}
