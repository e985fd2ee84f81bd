/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Room for VMs that find none (plan/pool.h).
 *
 * If not all can have a place, some are set aside: those of the lowest priority, and of these what
 * needs most, so that they are few.  How few is found by halving, between what the room of all
 * hosts together allows and what is known to do.  VMs of other hosts are moved in rounds: none,
 * one, two, four, ... at most. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/pool.h"

struct room {
	struct pool pool;
	uint32_t *order; /* the VMs of the task: who is set aside first */
	uint32_t aside;  /* so many of those */
	bool *is_aside;  /* VMs */
};

/* ---- who has no hope ------------------------------------------------------- */

/* What others leave no room for on any host is not tried. */
static bool is_hopeless(const struct pool *pool, uint32_t vm, const struct plan_use *fixed)
{
	const struct plan_cluster *cluster = pool->state->cluster;

	for (uint32_t host = 0; host < cluster->host_count; host++) {
		struct pool_lack lack = pool_lack_of(pool->state, vm, host);
		const struct plan_use *use = &pool->state->use[host];
		const struct plan_host *where = &cluster->hosts[host];

		lack.mem_mib -= (int64_t)(plan_pages_used_mib(where, use, lack.pages) -
					  plan_pages_used_mib(where, &fixed[host], lack.pages));
		lack.vcpus -= (int64_t)(use->vcpus - fixed[host].vcpus);
		if (lack.mem_mib <= 0 && lack.vcpus <= 0 && plan_may(pool->state, vm, host))
			return false;
	}
	return true;
}

/* What no VM that may be moved uses on each host. */
static struct plan_use *fixed_use(const struct pool *pool)
{
	const struct plan_cluster *cluster = pool->state->cluster;
	struct plan_use *fixed = xcalloc(cluster->host_count, sizeof(*fixed));

	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		if (!pool->task->is_todo[vm] &&
		    (pool->others_max == 0 || plan_why_fixed(cluster, vm)))
			plan_use_add(&fixed[pool->state->at[vm]], &cluster->vms[vm]);
	return fixed;
}

/* ---- how many must stay ----------------------------------------------------- */

static int compare_amounts(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left < right) - (left > right);
}

/* So many of AMOUNTS at least are too much for FREE. */
static uint64_t too_much(uint64_t *amounts, uint32_t count, double free)
{
	double sum = 0;
	uint32_t left = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += (double)amounts[i];
	if (count > 0)
		qsort(amounts, count, sizeof(*amounts), compare_amounts);
	while (left < count && sum > free)
		sum -= (double)amounts[left++];
	return left;
}

/* What is free on all hosts together, beside those that are not of the task: memory of each kind,
 * and vCPUs.  Who makes room takes as much elsewhere. */
static void free_of_all(const struct plan_state *state, const struct plan_task *task,
			double ret_mib[PLAN_PAGES_COUNT], double *ret_vcpus)
{
	const struct plan_cluster *cluster = state->cluster;
	struct plan_use *use = xcalloc(cluster->host_count, sizeof(*use));

	memset(ret_mib, 0, PLAN_PAGES_COUNT * sizeof(*ret_mib));
	*ret_vcpus = 0;
	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		if (!task->is_todo[vm])
			plan_use_add(&use[state->at[vm]], &cluster->vms[vm]);
	for (uint32_t i = 0; i < cluster->host_count; i++) {
		const struct plan_host *host = &cluster->hosts[i];

		if (!plan_in_service(state, i) || host->hold)
			continue;
		for (enum plan_pages pages = 0; pages < PLAN_PAGES_COUNT; pages++)
			ret_mib[pages] +=
				fmax((double)plan_pages_mib(host, pages) -
					     (double)plan_pages_used_mib(host, &use[i], pages),
				     0);
		*ret_vcpus += fmax(cluster->limits.vcpu_ratio * (double)host->cpus + 1e-9 -
					   (double)use[i].vcpus,
				   0);
	}
	free(use);
}

/* So many are left at least, whoever is moved. */
static uint64_t least_left(const struct plan_state *state, const struct plan_task *task)
{
	const struct plan_vm *vms = state->cluster->vms;
	uint64_t *amounts = xcalloc(task->count + 1, sizeof(*amounts)), by_mem = 0, by_vcpus;
	double mib[PLAN_PAGES_COUNT], vcpus;

	free_of_all(state, task, mib, &vcpus);
	for (enum plan_pages pages = 0; pages < PLAN_PAGES_COUNT; pages++) {
		uint32_t count = 0;

		for (uint32_t i = 0; i < task->count; i++)
			if (vms[task->todo[i]].pages == pages)
				amounts[count++] = vms[task->todo[i]].mem_mib;
		by_mem += too_much(amounts, count, mib[pages]);
	}
	for (uint32_t i = 0; i < task->count; i++)
		amounts[i] = vms[task->todo[i]].vcpus;
	by_vcpus = too_much(amounts, task->count, vcpus);
	free(amounts);
	return by_mem > by_vcpus ? by_mem : by_vcpus;
}

/* ---- who is set aside ------------------------------------------------------ */

struct need {
	uint32_t vm;
	bool is_hopeless;
	unsigned priority;
	double share; /* of what is free */
};

static int compare_needs(const void *a, const void *b)
{
	const struct need *left = a, *right = b;

	if (left->is_hopeless != right->is_hopeless)
		return left->is_hopeless ? -1 : 1;
	if (left->priority != right->priority)
		return left->priority < right->priority ? -1 : 1;
	if (left->share > right->share || left->share < right->share)
		return left->share > right->share ? -1 : 1;
	return (left->vm > right->vm) - (left->vm < right->vm);
}

/* Fills room->order; returns how many have no hope whoever is moved. */
static uint32_t sort_by_need(struct room *room)
{
	const struct plan_state *state = room->pool.state;
	const struct plan_task *task = room->pool.task;
	struct need *needs = xcalloc(task->count + 1, sizeof(*needs));
	struct plan_use *fixed;
	uint32_t count = 0;
	double mib[PLAN_PAGES_COUNT], vcpus;

	free_of_all(state, task, mib, &vcpus);
	room->pool.others_max = task->others_max;
	fixed = fixed_use(&room->pool);
	for (uint32_t i = 0; i < task->count; i++) {
		uint32_t vm = task->todo[i];
		const struct plan_vm *what = &state->cluster->vms[vm];

		needs[i] = (struct need){
			.vm = vm,
			.is_hopeless = is_hopeless(&room->pool, vm, fixed),
			.priority = what->priority,
			.share = (double)what->mem_mib / fmax(mib[what->pages], 1) +
				 (double)what->vcpus / fmax(vcpus, 1),
		};
		count += needs[i].is_hopeless;
	}
	qsort(needs, task->count, sizeof(*needs), compare_needs);
	for (uint32_t i = 0; i < task->count; i++)
		room->order[i] = needs[i].vm;
	free(needs);
	free(fixed);
	return count;
}

/* ---- rounds ---------------------------------------------------------------- */

/* All that are not set aside and have no place; false: one of them has no hope. */
static bool fill(struct room *room)
{
	struct pool *pool = &room->pool;
	struct plan_use *fixed = fixed_use(pool);
	bool has_hope = true;

	pool->count = 0;
	for (uint32_t i = 0; i < room->aside; i++)
		plan_state_move(pool->state, room->order[i], PLAN_NOWHERE);
	/* The most important one is next. */
	for (uint32_t i = pool->task->count; i > 0; i--) {
		uint32_t vm = pool->task->todo[i - 1];

		if (room->is_aside[vm] || !plan_is_left(pool->state, vm))
			continue;
		plan_state_move(pool->state, vm, PLAN_NOWHERE);
		has_hope = has_hope && !is_hopeless(pool, vm, fixed);
		pool->list[pool->count++] = vm;
	}
	free(fixed);
	return has_hope;
}

/* BUDGET for all rounds: a third of what is left for each, the rest for the last. */
static bool play_rounds(struct room *room, uint64_t budget)
{
	struct pool *pool = &room->pool;
	size_t mark = pool->state->step_count;
	unsigned others = pool->task->others, max = 0;

	for (;;) {
		bool is_last = max >= pool->task->others_max, done;

		pool->others_max = is_last ? pool->task->others_max : max;
		pool->budget = is_last ? budget : budget / 3;
		budget -= pool->budget;
		done = fill(room) && pool_play(pool);
		budget += pool->budget;
		plan_state_undo(pool->state, mark);
		pool->task->others = others;
		if (done || is_last)
			return done;
		max = max ? 2 * max : 1;
	}
}

static bool try_without(struct room *room, uint32_t aside, uint64_t budget)
{
	room->aside = aside;
	for (uint32_t i = 0; i < room->pool.task->count; i++)
		room->is_aside[room->order[i]] = i < aside;
	return play_rounds(room, budget);
}

/* From LEAST on, as few as can be. */
static void halve(struct room *room, uint64_t least)
{
	uint64_t most = pool_count_left(&room->pool.best), budget = room->pool.task->budget;
	unsigned tries = 1;

	for (uint64_t span = most > least ? most - least : 0; span > 1; span /= 2)
		tries++;
	while (least < most) {
		uint64_t middle = room->pool.task->all_or_none ? 0 : (least + most) / 2;

		if (try_without(room, (uint32_t)middle, budget / tries))
			most = middle;
		else if (room->pool.task->all_or_none)
			return;
		else
			least = middle + 1;
	}
}

/* ---- all ------------------------------------------------------------------- */

/* Others that need not have moved go home. */
static void send_home(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->known_count; i++) {
		uint32_t vm = pool->known[i];
		size_t mark = pool->state->step_count;

		if (pool->task->is_todo[vm] || pool_is_at_home(pool, vm) ||
		    !plan_fits(pool->state, vm, pool->home[vm]))
			continue;
		pool_move(pool, vm, pool->home[vm]);
		if (pool->task->others == 0 ||
		    plan_can_order(pool->state, pool->task, &pool->budget))
			continue;
		plan_state_undo(pool->state, mark);
		pool->task->others++;
	}
}

static void take_best(struct pool *pool)
{
	struct plan_state *state = pool->state;

	for (uint32_t i = 0; i < pool->known_count; i++) {
		uint32_t vm = pool->known[i];

		if (state->at[vm] != pool->best_at[vm])
			plan_state_move(state, vm, pool->best_at[vm]);
	}
	pool->task->others = pool->best.others;
	pool->budget = pool->task->budget / 4;
	send_home(pool);
}

static void free_room(struct room *room)
{
	free(room->pool.list);
	free(room->pool.hard);
	free(room->pool.home);
	free(room->pool.known);
	free(room->pool.is_known);
	free(room->pool.best_at);
	free(room->order);
	free(room->is_aside);
}

void plan_make_room(struct plan_state *state, struct plan_task *task)
{
	const struct plan_cluster *cluster = state->cluster;
	size_t vms = cluster->vm_count + 1;
	struct room room = {
		.pool = {
			.state = state,
			.task = task,
			.list = xcalloc(vms, sizeof(*room.pool.list)),
			.hard = xcalloc(vms, sizeof(*room.pool.hard)),
			.known = xcalloc(vms, sizeof(*room.pool.known)),
			.is_known = xcalloc(vms, sizeof(*room.pool.is_known)),
			.best = plan_result_of(state, task),
			.best_at = xcalloc(vms, sizeof(*room.pool.best_at)),
			.home = xcalloc(vms, sizeof(*room.pool.home)),
		},
		.order = xcalloc(task->count + 1, sizeof(*room.order)),
		.is_aside = xcalloc(vms, sizeof(*room.is_aside)),
	};
	uint64_t least = least_left(state, task), hopeless;

	memcpy(room.pool.home, state->at, cluster->vm_count * sizeof(*room.pool.home));
	memcpy(room.pool.best_at, state->at, cluster->vm_count * sizeof(*room.pool.best_at));
	for (uint32_t i = 0; i < task->count; i++) {
		uint32_t vm = task->todo[i];

		room.pool.known[room.pool.known_count++] = vm;
		room.pool.is_known[vm] = true;
		room.pool.hard[vm] = 1;
	}
	hopeless = sort_by_need(&room);
	least = hopeless > least ? hopeless : least;
	if (least == 0 || !task->all_or_none)
		halve(&room, least);
	take_best(&room.pool);
	free_room(&room);
}
