/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How good a state is, and what a lost host would mean. */
#include <math.h>

#include "base/mem.h"
#include "plan/priv.h"

/* ---- imbalance ------------------------------------------------------------- */

/* Sums over hosts with the capacities w and uses u * w: as s^2 = sum (u * w)^2 / w / W - U^2. */
struct spread {
	double capacity, used, squares;
};

static void spread_add(struct spread *spread, double used, double capacity)
{
	if (capacity <= 0)
		return;
	spread->capacity += capacity;
	spread->used += used;
	spread->squares += used * used / capacity;
}

static double spread_variance(const struct spread *spread)
{
	double mean;

	if (spread->capacity <= 0)
		return 0;
	mean = spread->used / spread->capacity;
	return fmax(spread->squares / spread->capacity - mean * mean, 0);
}

double plan_imbalance(const struct plan_state *state)
{
	struct spread mem = { 0 }, cpu = { 0 };

	for (uint32_t i = 0; i < state->cluster->host_count; i++) {
		const struct plan_host *host = &state->cluster->hosts[i];

		if (!plan_in_service(state, i))
			continue;
		spread_add(&mem, (double)state->use[i].mem_mib, (double)plan_capacity_mib(host));
		spread_add(&cpu, state->use[i].cpu_load, (double)host->cpus);
	}
	return sqrt((spread_variance(&mem) + spread_variance(&cpu)) / 2);
}

/* ---- all of it ------------------------------------------------------------- */

/* Another of its group stands behind it in the host's list: of N members N - 1 have one. */
static bool has_sister_behind(const struct plan_state *state, uint32_t vm)
{
	uint32_t group = state->cluster->vm_ids[vm].group;

	if (group == PLAN_NOWHERE || counts_get(&state->groups, group, state->at[vm]) < 2)
		return false;
	do
		vm = state->next[vm];
	while (vm != PLAN_NOWHERE && state->cluster->vm_ids[vm].group != group);
	return vm != PLAN_NOWHERE;
}

static uint64_t too_many(const struct plan_state *state, uint32_t host)
{
	const struct plan_cluster *cluster = state->cluster;
	const struct plan_use *use = &state->use[host];
	uint64_t count = plan_pages_over(&cluster->hosts[host], use);

	count += (double)use->vcpus >
		 cluster->limits.vcpu_ratio * (double)cluster->hosts[host].cpus + 1e-9;
	for (uint32_t vm = state->first[host]; vm != PLAN_NOWHERE; vm = state->next[vm]) {
		count += has_sister_behind(state, vm);
		count += !plan_in_service(state, host);
	}
	return count;
}

struct plan_score plan_score(const struct plan_state *state)
{
	struct plan_score score = { .imbalance = plan_imbalance(state) };

	for (uint32_t i = 0; i < state->cluster->host_count; i++) {
		const struct plan_host *host = &state->cluster->hosts[i];
		double capacity = (double)plan_capacity_mib(host);

		score.violations += too_many(state, i);
		if (!plan_in_service(state, i))
			continue;
		if (capacity > 0)
			score.max_mem =
				fmax(score.max_mem, (double)state->use[i].mem_mib / capacity);
		score.max_cpu = fmax(score.max_cpu, state->use[i].cpu_load / (double)host->cpus);
	}
	return score;
}

/* ---- a host that is lost --------------------------------------------------- */

static int compare_size(const void *a, const void *b, void *data)
{
	const struct plan_vm *vms = data;
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	if (vms[left].mem_mib != vms[right].mem_mib)
		return vms[left].mem_mib > vms[right].mem_mib ? -1 : 1;
	return (left > right) - (left < right);
}

/* The first host that takes VM, beginning behind AFTER. */
static uint32_t next_host(const struct plan_state *state, uint32_t vm, uint32_t after)
{
	uint32_t count = state->cluster->host_count;

	for (uint32_t i = 1; i <= count; i++)
		if (plan_fits(state, vm, (after + i) % count))
			return (after + i) % count;
	return PLAN_NOWHERE;
}

/* The VMs of HOST, the largest first. */
static uint32_t *list_vms(const struct plan_state *state, uint32_t host, uint32_t *ret_count)
{
	uint32_t count = 0, *vms;

	for (uint32_t vm = state->first[host]; vm != PLAN_NOWHERE; vm = state->next[vm])
		count++;
	vms = xcalloc(count + 1, sizeof(*vms));
	count = 0;
	for (uint32_t vm = state->first[host]; vm != PLAN_NOWHERE; vm = state->next[vm])
		vms[count++] = vm;
	qsort_r(vms, count, sizeof(*vms), compare_size, (void *)(uintptr_t)state->cluster->vms);
	*ret_count = count;
	return vms;
}

/* One after the other; the first that finds no place. */
static uint32_t place_lost(struct plan_state *state, const struct plan_task *task, uint32_t host)
{
	uint32_t to = host;

	for (uint32_t i = 0; i < task->count; i++) {
		to = next_host(state, task->todo[i], to);
		if (to == PLAN_NOWHERE)
			return task->todo[i];
		plan_state_move(state, task->todo[i], to);
	}
	return PLAN_NOWHERE;
}

/* As far as the budget goes. */
static bool find_places(struct plan_state *state, struct plan_task *task, uint64_t *budget)
{
	bool has_tried_all;
	uint64_t share;

	task->is_todo = xcalloc(state->cluster->vm_count + 1, sizeof(*task->is_todo));
	for (uint32_t i = 0; i < task->count; i++)
		task->is_todo[task->todo[i]] = true;
	task->all_or_none = true;
	task->budget = *budget / 16;
	*budget -= 2 * task->budget;
	share = task->budget;
	has_tried_all = plan_search(state, task);
	*budget += task->budget;
	task->budget = share;
	if (plan_left(state, task) > 0 && !has_tried_all)
		plan_make_room(state, task);
	*budget += task->budget;
	free(task->is_todo);
	return plan_left(state, task) == 0;
}

uint32_t plan_homeless(struct plan_state *state, uint32_t host, uint64_t *budget)
{
	size_t mark = state->step_count;
	struct plan_task task = { .count = 0 };
	bool was_emptied = state->is_emptied[host];
	uint32_t homeless;

	task.todo = list_vms(state, host, &task.count);
	state->is_emptied[host] = true;
	homeless = place_lost(state, &task, host);
	if (homeless != PLAN_NOWHERE && find_places(state, &task, budget))
		homeless = PLAN_NOWHERE;
	plan_state_undo(state, mark);
	state->is_emptied[host] = was_emptied;
	free(task.todo);
	return homeless;
}
