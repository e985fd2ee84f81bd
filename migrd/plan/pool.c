/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Places for VMs that find none one after the other.
 *
 * Those without a place are in a pool.  One of it goes to a host, and if there is no room, up to
 * three that may be moved leave that host for the pool: those that have been without a place least
 * often.  So what is hard to place gets its place first, whatever the order was in the beginning
 * (the ejection pool of Nagata and Braysy for vehicle routing, Oper. Res. Letters 37, 2009).
 *
 * The best places seen are kept.  VMs of other hosts are moved in rounds: none, one, two, four, ...
 * at most; places to which no order of moves leads do not count. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

#define HOSTS_TRIED  24 /* by a VM for which there is no room: half lack least, half are drawn */
#define GIVERS       32 /* of a host, that may be taken out together */
#define TOGETHER     3  /* so many of them at once */
#define SHAKES       8  /* VMs that change their places at random after each step */
#define OTHER_COST   6  /* a VM that is not moved so far stays as if it were so hard to place */
#define STUCK_ROUNDS 64 /* in which no VM of the pool finds any host */

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
	uint64_t least; /* left at least, as there is not more room */
	struct plan_result best;
	uint32_t *best_at; /* of each VM */
};

static uint32_t draw(struct pool *pool, uint32_t count)
{
	uint64_t z = (pool->seed += 0x9e3779b97f4a7c15u); /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) % count);
}

static bool spend(struct pool *pool, uint64_t pairs)
{
	if (pool->budget < pairs) {
		pool->budget = 0;
		return false;
	}
	pool->budget -= pairs;
	return true;
}

/* ---- in and out ------------------------------------------------------------ */

/* Of those that are not of the task. */
static uint32_t home_of(const struct pool *pool, uint32_t vm)
{
	return pool->home[vm];
}

static bool is_at_home(const struct pool *pool, uint32_t vm)
{
	return pool->state->at[vm] == home_of(pool, vm);
}

static bool may_give_way(const struct pool *pool, uint32_t vm)
{
	if (pool->task->is_todo[vm])
		return true;
	if (is_at_home(pool, vm) && pool->task->others >= pool->others_max)
		return false;
	return !plan_why_fixed(pool->state->cluster, vm);
}

static void move(struct pool *pool, uint32_t vm, uint32_t host)
{
	if (!pool->task->is_todo[vm]) {
		pool->task->others += is_at_home(pool, vm);
		pool->task->others -= host == home_of(pool, vm);
	}
	plan_state_move(pool->state, vm, host);
}

static void lift(struct pool *pool, uint32_t vm)
{
	if (!pool->is_known[vm])
		pool->known[pool->known_count++] = vm;
	pool->is_known[vm] = true;
	move(pool, vm, PLAN_NOWHERE);
	pool->list[pool->count++] = vm;
}

/* ---- a host that has room -------------------------------------------------- */

/* One that the VM fills well, so that large gaps are kept; its own if it may. */
static uint32_t host_with_room(struct pool *pool, uint32_t vm)
{
	const struct plan_state *state = pool->state;
	uint32_t best = PLAN_NOWHERE;
	double best_gap = 0;

	if (!spend(pool, state->cluster->host_count))
		return PLAN_NOWHERE;
	if (!pool->task->is_todo[vm] && plan_fits(state, vm, home_of(pool, vm)))
		return home_of(pool, vm);
	for (uint32_t host = 0; host < state->cluster->host_count; host++) {
		double capacity = (double)plan_capacity_mib(&state->cluster->hosts[host]), gap;

		if (!plan_fits(state, vm, host))
			continue;
		gap = (capacity - (double)state->use[host].mem_mib) * (8 + draw(pool, 8));
		if (best == PLAN_NOWHERE || gap < best_gap) {
			best = host;
			best_gap = gap;
		}
	}
	return best;
}

static bool has_room_beside(struct pool *pool, uint32_t vm, uint32_t host)
{
	for (uint32_t i = 0; i < pool->state->cluster->host_count && spend(pool, 1); i++)
		if (i != host && plan_fits(pool->state, vm, i))
			return true;
	return false;
}

/* ---- who leaves a host ----------------------------------------------------- */

struct giver {
	uint32_t vm;
	uint64_t cost;
};

/* What HOST lacks for the VM. */
struct lack {
	int64_t mem_mib, vcpus;
};

struct leaving {
	uint32_t host, vms[TOGETHER], count;
	uint64_t cost;
};

static struct lack lack_of(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct plan_vm *what = &state->cluster->vms[vm];
	const struct plan_use *use = &state->use[host];
	const struct plan_host *where = &state->cluster->hosts[host];
	double vcpus = state->cluster->limits.vcpu_ratio * (double)where->cpus + 1e-9;

	return (struct lack){
		.mem_mib =
			(int64_t)(use->mem_mib + what->mem_mib) - (int64_t)plan_capacity_mib(where),
		.vcpus = (int64_t)(use->vcpus + what->vcpus) -
			 (int64_t)(vcpus < 1e18 ? vcpus : 1e18),
	};
}

static bool is_enough(struct lack *lack, const struct plan_vm *leaving)
{
	lack->mem_mib -= (int64_t)leaving->mem_mib;
	lack->vcpus -= (int64_t)leaving->vcpus;
	return lack->mem_mib <= 0 && lack->vcpus <= 0;
}

static int compare_givers(const void *a, const void *b)
{
	const struct giver *left = a, *right = b;

	if (left->cost != right->cost)
		return left->cost < right->cost ? -1 : 1;
	return (left->vm > right->vm) - (left->vm < right->vm);
}

static bool is_sister(const struct pool *pool, uint32_t vm, uint32_t other)
{
	uint32_t group = pool->state->cluster->vm_ids[vm].group;

	return group != PLAN_NOWHERE && pool->state->cluster->vm_ids[other].group == group;
}

/* The easiest first.  A sister, which must leave in any case, is not among them, but in RET_SISTER;
 * false: there is one that may not leave, or more than one. */
static bool list_givers(struct pool *pool, uint32_t vm, uint32_t host, struct giver list[GIVERS],
			uint32_t *ret_count, uint32_t *ret_sister)
{
	const struct plan_state *state = pool->state;
	uint32_t count = 0, seen = 0;

	*ret_sister = PLAN_NOWHERE;
	for (uint32_t other = state->first[host]; other != PLAN_NOWHERE;
	     other = state->next[other]) {
		bool may = may_give_way(pool, other);
		uint32_t slot;

		if (is_sister(pool, vm, other)) {
			if (!may || *ret_sister != PLAN_NOWHERE)
				return false;
			*ret_sister = other;
			continue;
		}
		if (!may)
			continue;
		/* Of more than there is place for, each has the same chance. */
		slot = seen++ < GIVERS ? count++ : draw(pool, seen);
		if (slot >= GIVERS)
			continue;
		list[slot].vm = other;
		list[slot].cost = 8 * (uint64_t)pool->hard[other] + draw(pool, 8);
		if (!pool->task->is_todo[other] && is_at_home(pool, other))
			list[slot].cost += 8 * OTHER_COST;
	}
	spend(pool, seen / 4 + 1);
	if (count > 0)
		qsort(list, count, sizeof(*list), compare_givers);
	*ret_count = count;
	return true;
}

/* The cheapest of LIST, from FROM on, so many that LACK is no more; better than BEST.  NOW is what
 * leaves already. */
static void choose(const struct pool *pool, const struct giver *list, uint32_t count, uint32_t from,
		   struct lack lack, struct leaving *now, struct leaving *best)
{
	if (now->count == TOGETHER)
		return;
	for (uint32_t i = from; i < count && now->cost + list[i].cost < best->cost; i++) {
		struct lack rest = lack;
		bool done = is_enough(&rest, &pool->state->cluster->vms[list[i].vm]);

		now->vms[now->count++] = list[i].vm;
		now->cost += list[i].cost;
		if (done)
			*best = *now;
		else
			choose(pool, list, count, i + 1, rest, now, best);
		now->cost -= list[i].cost;
		now->count--;
	}
}

/* VM goes to HOST if one leaves it that has room elsewhere. */
static bool exchange(struct pool *pool, uint32_t vm, uint32_t host, const struct giver *list,
		     uint32_t count, struct lack lack)
{
	for (uint32_t i = 0; i < count; i++) {
		struct lack rest = lack;
		size_t mark = pool->state->step_count;
		uint32_t other = list[i].vm;
		bool has_room;

		if (!is_enough(&rest, &pool->state->cluster->vms[other]))
			continue;
		/* It stays in the air for the look. */
		plan_state_move(pool->state, other, PLAN_NOWHERE);
		has_room = has_room_beside(pool, other, host);
		plan_state_undo(pool->state, mark);
		if (!has_room)
			continue;
		lift(pool, other);
		move(pool, vm, host);
		return true;
	}
	return false;
}

/* ---- which hosts ----------------------------------------------------------- */

struct choice {
	uint32_t host;
	double lack; /* of what the VM needs */
};

static double share_missing(int64_t lack, uint64_t wanted)
{
	return lack > 0 && wanted > 0 ? (double)lack / (double)wanted : 0;
}

/* The list stays sorted; the last falls out. */
static uint32_t insert(struct choice *list, uint32_t count, uint32_t max, struct choice choice)
{
	uint32_t i = count < max ? count : max - 1;

	if (count == max && list[i].lack <= choice.lack)
		return count;
	for (; i > 0 && list[i - 1].lack > choice.lack; i--)
		list[i] = list[i - 1];
	list[i] = choice;
	return count < max ? count + 1 : count;
}

static uint32_t list_hosts(struct pool *pool, uint32_t vm, uint32_t hosts[HOSTS_TRIED])
{
	const struct plan_state *state = pool->state;
	const struct plan_vm *what = &state->cluster->vms[vm];
	uint32_t all = state->cluster->host_count, count = 0, start = draw(pool, all);
	struct choice choices[HOSTS_TRIED];

	if (!spend(pool, all / 2 + 1))
		return 0;
	for (uint32_t i = 0; i < all; i++) {
		uint32_t host = (start + i) % all, max = HOSTS_TRIED;
		struct lack lack;

		if (!plan_may(state, vm, host))
			continue;
		lack = lack_of(state, vm, host);
		if (count >= HOSTS_TRIED / 2 && all > HOSTS_TRIED)
			max = HOSTS_TRIED / 2;
		count = insert(choices, count, max,
			       (struct choice){ host,
						share_missing(lack.mem_mib, what->mem_mib) +
							share_missing(lack.vcpus, what->vcpus) });
	}
	for (uint32_t i = 0; i < count; i++)
		hosts[i] = choices[i].host;
	for (uint32_t tries = HOSTS_TRIED; all > HOSTS_TRIED && tries > 0 && count < HOSTS_TRIED;
	     tries--) {
		uint32_t host = draw(pool, all);

		if (plan_may(state, vm, host))
			hosts[count++] = host;
	}
	return count;
}

/* ---- one step -------------------------------------------------------------- */

/* False: no host can be made to take it. */
static bool settle(struct pool *pool, uint32_t vm)
{
	uint32_t hosts[HOSTS_TRIED], host_count, host = host_with_room(pool, vm);
	struct leaving best = { .cost = UINT64_MAX };

	if (host != PLAN_NOWHERE) {
		move(pool, vm, host);
		return true;
	}
	host_count = list_hosts(pool, vm, hosts);
	for (uint32_t i = 0; i < host_count; i++) {
		struct leaving now = { .host = hosts[i] };
		struct lack lack = lack_of(pool->state, vm, hosts[i]);
		struct giver list[GIVERS];
		uint32_t count, sister;

		if (!list_givers(pool, vm, hosts[i], list, &count, &sister))
			continue;
		if (sister == PLAN_NOWHERE) {
			if (exchange(pool, vm, hosts[i], list, count, lack))
				return true;
			choose(pool, list, count, 0, lack, &now, &best);
			continue;
		}
		now.vms[now.count++] = sister;
		now.cost = 8 * (uint64_t)pool->hard[sister];
		if (!is_enough(&lack, &pool->state->cluster->vms[sister]))
			choose(pool, list, count, 0, lack, &now, &best);
		else if (now.cost < best.cost)
			best = now;
	}
	if (best.cost == UINT64_MAX)
		return false;
	for (uint32_t i = 0; i < best.count; i++)
		lift(pool, best.vms[i]);
	move(pool, vm, best.host);
	return true;
}

/* So that the next steps are not always the same. */
static void shake(struct pool *pool)
{
	for (int i = 0; i < SHAKES && spend(pool, 1); i++) {
		uint32_t vm = pool->known[draw(pool, pool->known_count)];
		uint32_t host = draw(pool, pool->state->cluster->host_count);

		if (pool->state->at[vm] == PLAN_NOWHERE || pool->state->at[vm] == host ||
		    pool->state->is_emptied[pool->state->at[vm]] ||
		    (!pool->task->is_todo[vm] && is_at_home(pool, vm)) ||
		    !plan_fits(pool->state, vm, host))
			continue;
		move(pool, vm, host);
	}
}

/* ---- the best so far ------------------------------------------------------- */

static uint64_t count_left(const struct plan_result *result)
{
	uint64_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(result->left); i++)
		count += result->left[i];
	return count;
}

static bool is_done(const struct pool *pool)
{
	return count_left(&pool->best) <= pool->least;
}

static bool has_other(const struct pool *pool)
{
	for (uint32_t i = 0; i < pool->count; i++)
		if (!pool->task->is_todo[pool->list[i]])
			return true;
	return false;
}

static void note_best(struct pool *pool)
{
	struct plan_result now;

	if (pool->count > count_left(&pool->best) || has_other(pool))
		return;
	now = plan_result_of(pool->state, pool->task);
	if (!plan_result_is_better(&now, &pool->best) ||
	    (now.others > 0 && !plan_can_order(pool->state, pool->task, &pool->budget)))
		return;
	pool->best = now;
	memcpy(pool->best_at, pool->state->at,
	       pool->state->cluster->vm_count * sizeof(*pool->best_at));
}

/* All have a place that can have one in this round, and there is an order. */
static bool is_best(const struct pool *pool)
{
	struct plan_result now = plan_result_of(pool->state, pool->task);

	return count_left(&now) >= count_left(&pool->best);
}

/* ---- a round --------------------------------------------------------------- */

/* What others leave no room for on any host is not tried. */
static bool is_hopeless(const struct pool *pool, uint32_t vm, const struct plan_use *fixed)
{
	const struct plan_cluster *cluster = pool->state->cluster;

	for (uint32_t host = 0; host < cluster->host_count; host++) {
		struct lack lack = lack_of(pool->state, vm, host);
		const struct plan_use *use = &pool->state->use[host];

		lack.mem_mib -= (int64_t)(use->mem_mib - fixed[host].mem_mib);
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

/* False: not all can find a place, which was all that is asked. */
static bool fill(struct pool *pool)
{
	struct plan_use *fixed = fixed_use(pool);
	bool has_hope = true;

	pool->count = 0;
	/* The most important one is next. */
	for (uint32_t i = pool->task->count; i > 0; i--) {
		uint32_t vm = pool->task->todo[i - 1];

		if (pool->state->at[vm] != PLAN_NOWHERE &&
		    !pool->state->is_emptied[pool->state->at[vm]])
			continue;
		plan_state_move(pool->state, vm, PLAN_NOWHERE);
		if (is_hopeless(pool, vm, fixed))
			has_hope = false;
		else
			pool->list[pool->count++] = vm;
	}
	free(fixed);
	return has_hope || !pool->task->all_or_none;
}

/* VM, for which there was nothing, comes last. */
static void put_back(struct pool *pool, uint32_t vm)
{
	memmove(pool->list + 1, pool->list, pool->count++ * sizeof(*pool->list));
	pool->list[0] = vm;
}

/* All have a place, but there is no order of moves: one that makes room goes elsewhere. */
static bool lift_other(struct pool *pool)
{
	uint32_t start = draw(pool, pool->known_count);

	for (uint32_t i = 0; i < pool->known_count; i++) {
		uint32_t vm = pool->known[(start + i) % pool->known_count];

		if (pool->task->is_todo[vm] || is_at_home(pool, vm))
			continue;
		lift(pool, vm);
		return true;
	}
	return false;
}

static void play_round(struct pool *pool)
{
	uint32_t stuck = 0;

	if (!fill(pool))
		return;
	note_best(pool);
	while (!is_done(pool) && spend(pool, 1) && stuck < STUCK_ROUNDS * (pool->count + 1)) {
		uint32_t vm;

		if (pool->count == 0 && (is_best(pool) || !lift_other(pool)))
			break;
		vm = pool->list[--pool->count];
		pool->hard[vm]++;
		if (settle(pool, vm)) {
			stuck = 0;
		} else {
			put_back(pool, vm);
			stuck++;
		}
		note_best(pool);
		shake(pool);
	}
}

/* ---- all ------------------------------------------------------------------- */

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

/* What is free on all hosts together, beside those that are not of the task.  Who makes room takes
 * as much elsewhere. */
static void free_of_all(const struct plan_state *state, const struct plan_task *task,
			double *ret_mib, double *ret_vcpus)
{
	const struct plan_cluster *cluster = state->cluster;
	struct plan_use *use = xcalloc(cluster->host_count, sizeof(*use));

	*ret_mib = *ret_vcpus = 0;
	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		if (!task->is_todo[vm])
			plan_use_add(&use[state->at[vm]], &cluster->vms[vm]);
	for (uint32_t i = 0; i < cluster->host_count; i++) {
		const struct plan_host *host = &cluster->hosts[i];

		if (!plan_in_service(state, i) || host->hold)
			continue;
		*ret_mib += fmax((double)plan_capacity_mib(host) - (double)use[i].mem_mib, 0);
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
	uint64_t *amounts = xcalloc(task->count + 1, sizeof(*amounts)), by_mem, by_vcpus;
	double mib, vcpus;

	free_of_all(state, task, &mib, &vcpus);
	for (uint32_t i = 0; i < task->count; i++)
		amounts[i] = vms[task->todo[i]].mem_mib;
	by_mem = too_much(amounts, task->count, mib);
	for (uint32_t i = 0; i < task->count; i++)
		amounts[i] = vms[task->todo[i]].vcpus;
	by_vcpus = too_much(amounts, task->count, vcpus);
	free(amounts);
	return by_mem > by_vcpus ? by_mem : by_vcpus;
}

/* With priorities, who is left matters too. */
static bool has_one_priority(const struct plan_state *state, const struct plan_task *task)
{
	const struct plan_vm *vms = state->cluster->vms;

	for (uint32_t i = 1; i < task->count; i++)
		if (vms[task->todo[i]].priority != vms[task->todo[0]].priority)
			return false;
	return true;
}

/* Others that need not have moved go home. */
static void send_home(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->known_count; i++) {
		uint32_t vm = pool->known[i];
		size_t mark = pool->state->step_count;

		if (pool->task->is_todo[vm] || is_at_home(pool, vm) ||
		    !plan_fits(pool->state, vm, home_of(pool, vm)))
			continue;
		move(pool, vm, home_of(pool, vm));
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
	send_home(pool);
}

/* The budget of the task for all rounds: a third of what is left for each, the rest for the last.
 */
static void play_rounds(struct pool *pool)
{
	size_t mark = pool->state->step_count;
	unsigned others = pool->task->others, max = 0;

	for (;;) {
		bool is_last = max >= pool->task->others_max;

		pool->others_max = is_last ? pool->task->others_max : max;
		pool->budget = is_last ? pool->task->budget : pool->task->budget / 3;
		pool->task->budget -= pool->budget;
		play_round(pool);
		pool->task->budget += pool->budget;
		plan_state_undo(pool->state, mark);
		pool->task->others = others;
		if (is_done(pool) || is_last)
			return;
		max = max ? 2 * max : 1;
	}
}

void plan_make_room(struct plan_state *state, struct plan_task *task)
{
	const struct plan_cluster *cluster = state->cluster;
	size_t vms = cluster->vm_count + 1;
	struct pool pool = {
		.state = state,
		.task = task,
		.list = xcalloc(vms, sizeof(*pool.list)),
		.hard = xcalloc(vms, sizeof(*pool.hard)),
		.known = xcalloc(vms, sizeof(*pool.known)),
		.is_known = xcalloc(vms, sizeof(*pool.is_known)),
		.best = plan_result_of(state, task),
		.best_at = xcalloc(vms, sizeof(*pool.best_at)),
		.home = xcalloc(vms, sizeof(*pool.home)),
	};

	memcpy(pool.home, state->at, cluster->vm_count * sizeof(*pool.home));
	memcpy(pool.best_at, state->at, cluster->vm_count * sizeof(*pool.best_at));
	for (uint32_t i = 0; i < task->count; i++) {
		uint32_t vm = task->todo[i];

		pool.known[pool.known_count++] = vm;
		pool.is_known[vm] = true;
		pool.hard[vm] = 1 + 4 * cluster->vms[vm].priority;
	}
	if (has_one_priority(state, task))
		pool.least = least_left(state, task);
	if (!is_done(&pool) && !(task->all_or_none && pool.least > 0))
		play_rounds(&pool);
	take_best(&pool);
	free(pool.list);
	free(pool.hard);
	free(pool.home);
	free(pool.known);
	free(pool.is_known);
	free(pool.best_at);
}
