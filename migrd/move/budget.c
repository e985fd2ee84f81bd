/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/budget.h"

#include "base/mem.h"

/* A move that sends so much of its limit, in percent, wants more. */
#define WANTS_MORE 90
/* A move that does not keeps so much of what it sends, in percent: room to grow. */
#define KEEPS 125
/* Limits change when one of them would by so much, in percent. */
#define CHANGE_MIN 10

static const unsigned weights[MOVE_PRIORITY_COUNT] = {
	[MOVE_PRIORITY_INTERACTIVE] = 4,
	[MOVE_PRIORITY_EVACUATION] = 2,
	[MOVE_PRIORITY_BALANCING] = 1,
};

/* Of each move that can be held back. */
struct bounds {
	const struct budget_move *move;
	uint64_t low, wanted, high;
};

struct sharing {
	uint64_t pool; /* what there is for them together */
	struct bounds *list;
	size_t count;
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : min_u64(value, high);
}

/* Rounded down; no rate comes near the range of a double's whole numbers. */
static uint64_t percent_of(uint64_t value, unsigned percent)
{
	return (uint64_t)((double)value * percent / 100);
}

static bool wants_more(const struct budget_move *move)
{
	return !move->is_known || !move->given || move->used >= percent_of(move->given, WANTS_MORE);
}

static void bound(struct sharing *sharing, const struct budget_move *move, uint64_t least)
{
	struct bounds *of = &sharing->list[sharing->count++];

	of->move = move;
	of->high = move->own ? min_u64(move->own, sharing->pool) : sharing->pool;
	of->low = min_u64(least, of->high);
	of->wanted = wants_more(move) ? of->high
				      : clamp(percent_of(move->used, KEEPS), of->low, of->high);
}

/* ---- by weight ----------------------------------------------------------------------- */

/* From what to what a limit may be. */
static void range_of(const struct bounds *of, bool all_have_enough, uint64_t *ret_low,
		     uint64_t *ret_high)
{
	*ret_low = all_have_enough ? of->wanted : of->low;
	*ret_high = all_have_enough ? of->high : of->wanted;
}

static uint64_t limit_at(const struct bounds *of, double level, bool all_have_enough)
{
	double part = level * weights[of->move->priority];
	uint64_t low, high;

	range_of(of, all_have_enough, &low, &high);
	return part >= (double)high ? high : clamp((uint64_t)part, low, high);
}

static uint64_t sum_at(const struct sharing *sharing, double level, bool all_have_enough)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sharing->count; i++)
		sum += limit_at(&sharing->list[i], level, all_have_enough);
	return sum;
}

/* The highest level, as parts of the weight 1, at which all limits together are no more than there
 * is; a level of the whole of it is above each. */
static double level_of(const struct sharing *sharing, bool all_have_enough)
{
	double low = 0, high = (double)sharing->pool;

	if (sum_at(sharing, high, all_have_enough) <= sharing->pool)
		return high;
	for (int i = 0; i < 64; i++) {
		double middle = (low + high) / 2;

		if (sum_at(sharing, middle, all_have_enough) <= sharing->pool)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static bool has_each_what_it_wants(const struct sharing *sharing)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sharing->count; i++)
		sum += sharing->list[i].wanted;
	return sum <= sharing->pool;
}

/* ---- as before ------------------------------------------------------------------------- */

static bool differs(uint64_t a, uint64_t b)
{
	uint64_t by = a > b ? a - b : b - a;

	return by > percent_of(b, CHANGE_MIN);
}

static bool may_stay(const struct sharing *sharing, double level, bool all_have_enough)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sharing->count; i++) {
		const struct bounds *of = &sharing->list[i];
		uint64_t given = of->move->given;

		if (given < of->low || given > of->high ||
		    differs(limit_at(of, level, all_have_enough), given))
			return false;
		sum += given;
	}
	return sum <= sharing->pool;
}

/* ---- all of it --------------------------------------------------------------------------- */

static uint64_t used_by_free(const struct budget_move *moves, size_t count, size_t *ret_held)
{
	uint64_t used = 0;

	*ret_held = 0;
	for (size_t i = 0; i < count; i++) {
		used += moves[i].is_free ? moves[i].used : 0;
		*ret_held += !moves[i].is_free;
	}
	return used;
}

void budget_share(uint64_t budget, const struct budget_move *moves, size_t count, uint64_t *ret)
{
	struct sharing sharing = { .list = xcalloc(count + 1, sizeof(*sharing.list)) };
	size_t held;
	uint64_t used = used_by_free(moves, count, &held);
	uint64_t least = min_u64(BUDGET_MOVE_MIN_BYTES_PER_S, budget / (count ? count : 1));
	bool all_have_enough, stay;
	double level;

	sharing.pool = used < budget ? budget - used : 0;
	if (sharing.pool < least * held)
		sharing.pool = least * held;
	for (size_t i = 0; i < count; i++)
		if (!moves[i].is_free)
			bound(&sharing, &moves[i], least);
	all_have_enough = has_each_what_it_wants(&sharing);
	level = level_of(&sharing, all_have_enough);
	stay = may_stay(&sharing, level, all_have_enough);
	for (size_t i = 0, at = 0; i < count; i++) {
		if (moves[i].is_free)
			ret[i] = 0;
		else if (stay)
			ret[i] = moves[i].given;
		else
			ret[i] = limit_at(&sharing.list[at], level, all_have_enough);
		at += !moves[i].is_free;
	}
	free(sharing.list);
}
