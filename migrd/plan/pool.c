/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/pool.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define HOSTS_TRIED  24 /* by a VM for which there is no room: half lack least, half are drawn */
#define GIVERS       32 /* of a host, that may be taken out together */
#define TOGETHER     3  /* so many of them at once, in all ways */
#define MANY         24 /* or so many, in one way */
#define SHAKES       8  /* VMs that change their places at random after each step */
#define OTHER_COST   48 /* that a VM that is not moved so far stays: six times hard to place */
#define STUCK_ROUNDS 64 /* in which no VM of the pool finds any host */

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

bool pool_is_at_home(const struct pool *pool, uint32_t vm)
{
	return pool->state->at[vm] == home_of(pool, vm);
}

static bool may_give_way(const struct pool *pool, uint32_t vm)
{
	if (pool->task->is_todo[vm])
		return true;
	if (pool_is_at_home(pool, vm) && pool->task->others >= pool->others_max)
		return false;
	return !plan_why_fixed(pool->state->cluster, vm);
}

void pool_move(struct pool *pool, uint32_t vm, uint32_t host)
{
	if (!pool->task->is_todo[vm]) {
		pool->task->others += pool_is_at_home(pool, vm);
		pool->task->others -= host == home_of(pool, vm);
	}
	plan_state_move(pool->state, vm, host);
}

static void lift(struct pool *pool, uint32_t vm)
{
	if (!pool->is_known[vm])
		pool->known[pool->known_count++] = vm;
	pool->is_known[vm] = true;
	pool_move(pool, vm, PLAN_NOWHERE);
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
	bool is_new; /* another that is not moved so far */
};

struct givers {
	struct giver list[GIVERS];
	uint32_t count;
	struct pool_lack most; /* that one of them gives */
	unsigned new_max;
};

struct leaving {
	uint32_t host, vms[MANY], count;
	unsigned new_count;
	uint64_t cost;
};

struct pool_lack pool_lack_of(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct plan_vm *what = &state->cluster->vms[vm];
	const struct plan_use *use = &state->use[host];
	const struct plan_host *where = &state->cluster->hosts[host];
	double vcpus = state->cluster->limits.vcpu_ratio * (double)where->cpus + 1e-9;

	return (struct pool_lack){
		.mem_mib = (int64_t)(plan_pages_used_mib(where, use, what->pages) + what->mem_mib) -
			   (int64_t)plan_pages_mib(where, what->pages),
		.vcpus = (int64_t)(use->vcpus + what->vcpus) -
			 (int64_t)(vcpus < 1e18 ? vcpus : 1e18),
		.is_any = !where->knows_pages,
		.pages = what->pages,
	};
}

/* Memory of the kind that lacks. */
static int64_t given_mib(const struct pool_lack *lack, const struct plan_vm *leaving)
{
	return lack->is_any || leaving->pages == lack->pages ? (int64_t)leaving->mem_mib : 0;
}

static bool is_enough(struct pool_lack *lack, const struct plan_vm *leaving)
{
	lack->mem_mib -= given_mib(lack, leaving);
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

static bool is_new(const struct pool *pool, uint32_t vm)
{
	return !pool->task->is_todo[vm] && pool_is_at_home(pool, vm);
}

static void add_giver(struct pool *pool, struct givers *givers, uint32_t vm, uint32_t seen)
{
	const struct plan_vm *what = &pool->state->cluster->vms[vm];
	/* Of more than there is place for, each has the same chance. */
	uint32_t slot = seen < GIVERS ? givers->count++ : draw(pool, seen + 1);

	if (slot >= GIVERS)
		return;
	givers->list[slot] = (struct giver){
		.vm = vm,
		.cost = 8 * (uint64_t)pool->hard[vm] + draw(pool, 8),
		.is_new = is_new(pool, vm),
	};
	if (givers->list[slot].is_new)
		givers->list[slot].cost += OTHER_COST;
	if (given_mib(&givers->most, what) > givers->most.mem_mib)
		givers->most.mem_mib = given_mib(&givers->most, what);
	if ((int64_t)what->vcpus > givers->most.vcpus)
		givers->most.vcpus = (int64_t)what->vcpus;
}

/* The easiest first.  A sister, which must leave in any case, is not among them, but in RET_SISTER;
 * false: there is one that may not leave, or more than one. */
static bool list_givers(struct pool *pool, uint32_t vm, uint32_t host, struct givers *givers,
			uint32_t *ret_sister)
{
	const struct plan_state *state = pool->state;
	uint32_t seen = 0;

	givers->count = 0;
	givers->most = (struct pool_lack){
		.is_any = !state->cluster->hosts[host].knows_pages,
		.pages = state->cluster->vms[vm].pages,
	};
	givers->new_max = pool->others_max - pool->task->others;
	*ret_sister = PLAN_NOWHERE;
	for (uint32_t other = state->first[host]; other != PLAN_NOWHERE;
	     other = state->next[other]) {
		bool may = may_give_way(pool, other);

		if (is_sister(pool, vm, other)) {
			if (!may || *ret_sister != PLAN_NOWHERE)
				return false;
			*ret_sister = other;
		} else if (may) {
			add_giver(pool, givers, other, seen++);
		}
	}
	spend(pool, seen / 4 + 1);
	if (givers->count > 0)
		qsort(givers->list, givers->count, sizeof(*givers->list), compare_givers);
	return true;
}

static void add_leaving(struct leaving *now, const struct giver *giver)
{
	now->vms[now->count++] = giver->vm;
	now->cost += giver->cost;
	now->new_count += giver->is_new;
}

/* COUNT of them can be enough. */
static bool can_do(const struct givers *givers, const struct pool_lack *lack, uint32_t count)
{
	return lack->mem_mib <= givers->most.mem_mib * count &&
	       lack->vcpus <= givers->most.vcpus * count;
}

/* The cheapest few of GIVERS, from FROM on, so many that LACK is no more; better than BEST.  NOW is
 * what leaves already. */
static void choose_few(struct pool *pool, const struct givers *givers, uint32_t from,
		       struct pool_lack lack, const struct leaving *now, struct leaving *best)
{
	if (now->count >= TOGETHER || !can_do(givers, &lack, TOGETHER - now->count) ||
	    !spend(pool, 1))
		return;
	for (uint32_t i = from; i < givers->count; i++) {
		const struct giver *giver = &givers->list[i];
		struct pool_lack rest = lack;
		struct leaving next = *now;

		if (now->cost + giver->cost >= best->cost)
			break;
		if (now->new_count + giver->is_new > givers->new_max)
			continue;
		add_leaving(&next, giver);
		if (is_enough(&rest, &pool->state->cluster->vms[giver->vm]))
			*best = next;
		else
			choose_few(pool, givers, i + 1, rest, &next, best);
	}
}

/* What the VM gives of what lacks, 1 at most, for what it costs. */
static double worth_of(const struct pool *pool, const struct giver *giver,
		       const struct pool_lack *lack)
{
	const struct plan_vm *vm = &pool->state->cluster->vms[giver->vm];
	double worth = 0;

	if (lack->mem_mib > 0)
		worth += fmin((double)given_mib(lack, vm) / (double)lack->mem_mib, 1);
	if (lack->vcpus > 0)
		worth += fmin((double)vm->vcpus / (double)lack->vcpus, 1);
	return worth / (double)(giver->cost + 1);
}

/* More of them, each the most worth: a large VM may need the room of many small ones. */
static void choose_many(struct pool *pool, const struct givers *givers, struct pool_lack lack,
			struct leaving now, struct leaving *best)
{
	bool is_chosen[GIVERS] = { false };

	while (lack.mem_mib > 0 || lack.vcpus > 0) {
		uint32_t next = GIVERS;
		double most = 0;

		for (uint32_t i = 0; i < givers->count; i++) {
			double worth = worth_of(pool, &givers->list[i], &lack);

			if (is_chosen[i] || worth <= most ||
			    now.new_count + givers->list[i].is_new > givers->new_max)
				continue;
			next = i;
			most = worth;
		}
		if (!spend(pool, givers->count / 4 + 1) || next == GIVERS || now.count == MANY)
			return;
		is_chosen[next] = true;
		add_leaving(&now, &givers->list[next]);
		is_enough(&lack, &pool->state->cluster->vms[givers->list[next].vm]);
	}
	if (now.cost < best->cost)
		*best = now;
}

static void choose(struct pool *pool, const struct givers *givers, struct pool_lack lack,
		   const struct leaving *now, struct leaving *best)
{
	choose_few(pool, givers, 0, lack, now, best);
	if (best->host != now->host && !can_do(givers, &lack, TOGETHER - now->count))
		choose_many(pool, givers, lack, *now, best);
}

/* VM goes to HOST if one leaves it that has room elsewhere. */
static bool exchange(struct pool *pool, uint32_t vm, uint32_t host, const struct givers *givers,
		     struct pool_lack lack)
{
	if (!can_do(givers, &lack, 1))
		return false;
	for (uint32_t i = 0; i < givers->count; i++) {
		struct pool_lack rest = lack;
		size_t mark = pool->state->step_count;
		uint32_t other = givers->list[i].vm;
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
		pool_move(pool, vm, host);
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
		struct pool_lack lack;

		if (!plan_may(state, vm, host) || !plan_has_nodes(state, vm, host))
			continue;
		lack = pool_lack_of(state, vm, host);
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

		if (plan_may(state, vm, host) && plan_has_nodes(state, vm, host))
			hosts[count++] = host;
	}
	return count;
}

/* ---- one step -------------------------------------------------------------- */

/* False: no host can be made to take it. */
static bool settle(struct pool *pool, uint32_t vm)
{
	uint32_t hosts[HOSTS_TRIED], host_count, host = host_with_room(pool, vm);
	struct leaving best = { .host = PLAN_NOWHERE, .cost = UINT64_MAX };

	if (host != PLAN_NOWHERE) {
		pool_move(pool, vm, host);
		return true;
	}
	host_count = list_hosts(pool, vm, hosts);
	for (uint32_t i = 0; i < host_count; i++) {
		struct leaving now = { .host = hosts[i] };
		struct pool_lack lack = pool_lack_of(pool->state, vm, hosts[i]);
		struct givers givers;
		uint32_t sister;

		if (!list_givers(pool, vm, hosts[i], &givers, &sister))
			continue;
		if (sister == PLAN_NOWHERE) {
			if (exchange(pool, vm, hosts[i], &givers, lack))
				return true;
			choose(pool, &givers, lack, &now, &best);
			continue;
		}
		add_leaving(&now, &(struct giver){ sister, 8 * (uint64_t)pool->hard[sister],
						   is_new(pool, sister) });
		if (!is_enough(&lack, &pool->state->cluster->vms[sister]))
			choose(pool, &givers, lack, &now, &best);
		else if (now.cost < best.cost)
			best = now;
	}
	if (best.cost == UINT64_MAX)
		return false;
	for (uint32_t i = 0; i < best.count; i++)
		lift(pool, best.vms[i]);
	pool_move(pool, vm, best.host);
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
		    (!pool->task->is_todo[vm] && pool_is_at_home(pool, vm)) ||
		    !plan_fits(pool->state, vm, host))
			continue;
		pool_move(pool, vm, host);
	}
}

/* ---- the best so far ------------------------------------------------------- */

uint64_t pool_count_left(const struct plan_result *result)
{
	uint64_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(result->left); i++)
		count += result->left[i];
	return count;
}

static bool has_other(const struct pool *pool)
{
	for (uint32_t i = 0; i < pool->count; i++)
		if (!pool->task->is_todo[pool->list[i]])
			return true;
	return false;
}

/* False: they are none that could be kept. */
static bool note_best(struct pool *pool)
{
	struct plan_result now;

	if (pool->count > pool_count_left(&pool->best) || has_other(pool))
		return false;
	now = plan_result_of(pool->state, pool->task);
	if (!plan_result_is_better(&now, &pool->best) && pool->count > 0)
		return false;
	if (now.others > 0 && !plan_can_order(pool->state, pool->task, &pool->budget))
		return false;
	if (!plan_result_is_better(&now, &pool->best))
		return true;
	pool->best = now;
	memcpy(pool->best_at, pool->state->at,
	       pool->state->cluster->vm_count * sizeof(*pool->best_at));
	return true;
}

/* ---- a round --------------------------------------------------------------- */

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

		if (pool->task->is_todo[vm] || pool_is_at_home(pool, vm))
			continue;
		lift(pool, vm);
		return true;
	}
	return false;
}

bool pool_play(struct pool *pool)
{
	uint32_t stuck = 0;

	if (pool->count == 0)
		return note_best(pool);
	while (spend(pool, 1) && stuck < STUCK_ROUNDS * (pool->count + 1)) {
		uint32_t vm;

		if (pool->count == 0 && !lift_other(pool))
			return false;
		vm = pool->list[--pool->count];
		pool->hard[vm]++;
		if (settle(pool, vm)) {
			stuck = 0;
		} else {
			put_back(pool, vm);
			stuck++;
		}
		if (note_best(pool) && pool->count == 0)
			return true;
		shake(pool);
	}
	return false;
}
