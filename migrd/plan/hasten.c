/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order in which moves are made in the least time.
 *
 * Moves of other hosts, which make room, stay in front as they are.  Those of emptied hosts may be
 * in any order: none of them needs the place of another, and which of the moves in front they wait
 * for does not depend on it.  More urgent ones come first.  A few orders are tried, and the best is
 * changed at random, as long as that helps. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/schedule.h"

#define TRIES_MAX  10000
#define TRIES_LESS 2000    /* without any gain */
#define LOOKS      4000000 /* at moves and links, for all tries together: some 20 ns each */
#define NEAR       1.002   /* times the bound: good enough */

struct hasten {
	struct plan *plan;
	struct schedule *schedule;
	uint32_t *order, *best;
	uint32_t first; /* those before are not moved */
	double best_s, bound_s;
	uint64_t looks, looks_each, seed;
};

static uint32_t draw(struct hasten *hasten, uint32_t count)
{
	uint64_t z = (hasten->seed += 0x9e3779b97f4a7c15u); /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) % count);
}

/* ---- one try --------------------------------------------------------------- */

/* True: it is no slower than the best so far, which it becomes. */
static bool try_order(struct hasten *hasten, bool to_idle, double *ret_s)
{
	hasten->looks -= hasten->looks < hasten->looks_each ? hasten->looks : hasten->looks_each;
	*ret_s = schedule_play(hasten->schedule, hasten->order, to_idle);
	if (*ret_s > hasten->best_s)
		return false;
	hasten->best_s = *ret_s;
	return true;
}

static void keep(struct hasten *hasten)
{
	memcpy(hasten->best, hasten->order, hasten->plan->move_count * sizeof(*hasten->best));
}

/* ---- orders to begin with -------------------------------------------------- */

static unsigned priority_of(const struct plan *plan, uint32_t move)
{
	return plan->cluster->vms[plan->moves[move].vm].priority;
}

static double link_of(const struct plan *plan, uint32_t move)
{
	return plan->cluster->hosts[plan->moves[move].to].nic_gbps;
}

static double by_time(const struct plan *plan, uint32_t move)
{
	return -schedule_alone_s(plan->cluster, &plan->moves[move]);
}

static double by_start(const struct plan *plan, uint32_t move)
{
	return plan->moves[move].start_s;
}

/* Hosts with slow links keep two moves busy beside each other, the others alone. */
static double by_slow_link(const struct plan *plan, uint32_t move)
{
	return link_of(plan, move);
}

static double by_fast_link(const struct plan *plan, uint32_t move)
{
	return -link_of(plan, move);
}

struct key {
	double key;
	uint32_t move;
	unsigned priority;
};

static int compare_keys(const void *a, const void *b)
{
	const struct key *left = a, *right = b;

	if (left->priority != right->priority)
		return left->priority > right->priority ? -1 : 1;
	if (left->key > right->key || left->key < right->key)
		return left->key < right->key ? -1 : 1;
	return (left->move > right->move) - (left->move < right->move);
}

/* Only what is as urgent changes its place. */
static void sort(struct hasten *hasten, double (*key)(const struct plan *plan, uint32_t move))
{
	uint32_t count = (uint32_t)hasten->plan->move_count - hasten->first;
	struct key *keys = xcalloc(count + 1, sizeof(*keys));

	for (uint32_t i = 0; i < count; i++) {
		uint32_t move = hasten->order[hasten->first + i];

		keys[i] = (struct key){ key(hasten->plan, move), move,
					priority_of(hasten->plan, move) };
	}
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (uint32_t i = 0; i < count; i++)
		hasten->order[hasten->first + i] = keys[i].move;
	free(keys);
}

static void try_sorted(struct hasten *hasten)
{
	static double (*const orders[])(const struct plan *, uint32_t) = { by_time, by_slow_link,
									   by_fast_link };
	double seconds;

	if (try_order(hasten, false, &seconds))
		keep(hasten);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		if (hasten->best_s <= hasten->bound_s * NEAR)
			break;
		/* What is equal is left as it is: the longest first. */
		sort(hasten, by_time);
		sort(hasten, orders[i]);
		if (try_order(hasten, false, &seconds))
			keep(hasten);
		/* Two do not share the link of one that takes both. */
		schedule_play(hasten->schedule, hasten->order, true);
		sort(hasten, by_start);
		if (try_order(hasten, false, &seconds))
			keep(hasten);
	}
	memcpy(hasten->order, hasten->best, hasten->plan->move_count * sizeof(*hasten->order));
}

/* ---- changes at random ----------------------------------------------------- */

/* One that shares a host with the last to end, mostly: all others are of no matter. */
static uint32_t draw_position(struct hasten *hasten, const struct plan_move *last)
{
	uint32_t count = (uint32_t)hasten->plan->move_count - hasten->first, position = 0;

	for (int i = 0; i < 8; i++) {
		const struct plan_move *move;

		position = hasten->first + draw(hasten, count);
		move = &hasten->plan->moves[hasten->order[position]];
		if (move->from == last->from || move->to == last->to)
			break;
	}
	return position;
}

static const struct plan_move *last_to_end(const struct plan *plan)
{
	const struct plan_move *last = &plan->moves[0];

	for (size_t i = 1; i < plan->move_count; i++)
		if (plan->moves[i].end_s > last->end_s)
			last = &plan->moves[i];
	return last;
}

static void exchange(uint32_t *order, uint32_t a, uint32_t b)
{
	uint32_t move = order[a];

	order[a] = order[b];
	order[b] = move;
}

/* The move at A goes to B. */
static void carry(uint32_t *order, uint32_t a, uint32_t b)
{
	uint32_t move = order[a];

	if (a < b)
		memmove(order + a, order + a + 1, (b - a) * sizeof(*order));
	else
		memmove(order + b + 1, order + b, (a - b) * sizeof(*order));
	order[b] = move;
}

/* All between have the same priority, as those are sorted by it. */
static bool is_allowed(const struct hasten *hasten, uint32_t a, uint32_t b)
{
	return a != b && priority_of(hasten->plan, hasten->order[a]) ==
				 priority_of(hasten->plan, hasten->order[b]);
}

static void change(struct hasten *hasten)
{
	struct plan_move last;
	uint32_t less = 0;

	schedule_play(hasten->schedule, hasten->order, false);
	last = *last_to_end(hasten->plan);
	for (uint32_t i = 0; i < TRIES_MAX && less < TRIES_LESS && hasten->looks > 0 &&
			     hasten->best_s > hasten->bound_s * NEAR;
	     i++) {
		uint32_t a = draw_position(hasten, &last), b = draw_position(hasten, &last);
		double before = hasten->best_s, seconds;

		less++;
		if (!is_allowed(hasten, a, b))
			continue;
		if (i % 2)
			exchange(hasten->order, a, b);
		else
			carry(hasten->order, a, b);
		if (!try_order(hasten, false, &seconds)) {
			memcpy(hasten->order, hasten->best,
			       hasten->plan->move_count * sizeof(*hasten->order));
			continue;
		}
		keep(hasten);
		last = *last_to_end(hasten->plan);
		if (hasten->best_s < before * (1 - 1e-9))
			less = 0;
	}
}

/* ---- all ------------------------------------------------------------------- */

/* Those behind the last that makes room. */
static uint32_t first_free(const struct plan *plan)
{
	for (size_t i = plan->move_count; i > 0; i--)
		if (plan->moves[i - 1].makes_room || plan->moves[i - 1].is_detour)
			return (uint32_t)i;
	return 0;
}

/* Of one try: events, and moves that are under way at each. */
static uint64_t looks_of(const struct plan *plan)
{
	uint64_t count = plan->move_count, hosts = plan->cluster->host_count;
	uint64_t at_once = hosts * plan->cluster->limits.out_per_host;

	return count * (4 + (at_once < count ? at_once : count)) + hosts;
}

/* The moves of the plan become those of the order. */
static void apply(struct plan *plan, const uint32_t *order)
{
	struct plan_move *moves = xcalloc(plan->move_count + 1, sizeof(*moves));

	for (size_t i = 0; i < plan->move_count; i++)
		moves[i] = plan->moves[order[i]];
	free(plan->moves);
	plan->moves = moves;
}

static void look(struct hasten *hasten)
{
	size_t count = hasten->plan->move_count;

	for (uint32_t i = 0; i < count; i++)
		hasten->order[i] = i;
	if (hasten->first < count) {
		try_sorted(hasten);
		change(hasten);
		/* As they begin: the same times come of that. */
		schedule_play(hasten->schedule, hasten->best, false);
		memcpy(hasten->order, hasten->best, count * sizeof(*hasten->order));
		sort(hasten, by_start);
		apply(hasten->plan, hasten->order);
	}
	for (uint32_t i = 0; i < count; i++)
		hasten->order[i] = i;
	hasten->plan->makespan_s = schedule_play(hasten->schedule, hasten->order, false);
	hasten->plan->bound_s = hasten->bound_s;
	for (uint32_t host = 0; host < hasten->plan->cluster->host_count; host++)
		hasten->plan->fills[host].worst = *schedule_worst(hasten->schedule, host);
}

void plan_schedule(struct plan *plan)
{
	struct hasten hasten = {
		.plan = plan,
		.schedule = schedule_new(plan),
		.order = xcalloc(plan->move_count + 1, sizeof(*hasten.order)),
		.best = xcalloc(plan->move_count + 1, sizeof(*hasten.best)),
		.first = first_free(plan),
		.best_s = INFINITY,
		.looks = LOOKS,
		.looks_each = looks_of(plan),
	};

	hasten.bound_s = schedule_bound_s(hasten.schedule);
	look(&hasten);
	schedule_free(hasten.schedule);
	free(hasten.order);
	free(hasten.best);
}
