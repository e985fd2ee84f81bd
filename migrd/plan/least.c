/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As if VMs were water: memory and load are taken from the fullest hosts, as far as VMs there may
 * be moved, and given to the emptiest, each alone and as much as the limits allow at the best. What
 * real VMs can do is a part of that, so no plan is better. */
#include "plan/least.h"

#include <math.h>

#include "base/mem.h"

#define HALVINGS 100

/* A host, by memory or by load. */
struct basin {
	double capacity, used;
	double least; /* what cannot leave */
	double most;  /* what may come */
};

struct water {
	struct basin *basins;
	uint32_t count;
	double limit; /* so much may be moved */
};

struct parcel {
	double amount, mib;
};

static double taken_above(const struct water *water, double level)
{
	double sum = 0;

	for (uint32_t i = 0; i < water->count; i++) {
		const struct basin *basin = &water->basins[i];

		sum += fmax(basin->used - fmax(basin->least, level * basin->capacity), 0);
	}
	return sum;
}

static double given_below(const struct water *water, double level)
{
	double sum = 0;

	for (uint32_t i = 0; i < water->count; i++) {
		const struct basin *basin = &water->basins[i];

		sum += fmax(fmin(basin->most, level * basin->capacity) - basin->used, 0);
	}
	return sum;
}

static double top_of(const struct water *water)
{
	double top = 0;

	for (uint32_t i = 0; i < water->count; i++)
		top = fmax(top, water->basins[i].used / water->basins[i].capacity);
	return top;
}

/* How much is moved until all is level, or the limit is reached. */
static double amount_of(const struct water *water)
{
	double low = 0, high = top_of(water);

	for (unsigned i = 0; i < HALVINGS; i++) {
		double level = (low + high) / 2;

		if (taken_above(water, level) > given_below(water, level))
			low = level;
		else
			high = level;
	}
	/* More than can be is on the safe side. */
	return fmin(water->limit, fmax(taken_above(water, low), given_below(water, high)));
}

/* The level at which AMOUNT is taken, or given. */
static double level_of(const struct water *water, double amount, bool is_taken)
{
	double low = 0, high = top_of(water);

	for (unsigned i = 0; i < HALVINGS; i++) {
		double level = (low + high) / 2;
		bool is_more = is_taken ? taken_above(water, level) > amount
					: given_below(water, level) < amount;

		if (is_more)
			low = level;
		else
			high = level;
	}
	return is_taken ? low : high;
}

static double variance_of(const struct water *water)
{
	double amount = amount_of(water), capacity = 0, total = 0, squares = 0, mean;
	double high = level_of(water, amount, true), low = level_of(water, amount, false);

	for (uint32_t i = 0; i < water->count; i++) {
		capacity += water->basins[i].capacity;
		total += water->basins[i].used;
	}
	mean = capacity > 0 ? total / capacity : 0;
	for (uint32_t i = 0; i < water->count; i++) {
		const struct basin *basin = &water->basins[i];
		double used = basin->used, level = basin->capacity;

		if (used > high * level)
			used = fmax(basin->least, high * level);
		else if (used < low * level)
			used = fmin(fmax(basin->most, used), low * level);
		squares += level * (used / level - mean) * (used / level - mean);
	}
	return capacity > 0 ? squares / capacity : 0;
}

/* ---- what VMs can carry ---------------------------------------------------- */

static int by_amount(const void *a, const void *b)
{
	const struct parcel *left = a, *right = b;

	return (left->amount < right->amount) - (left->amount > right->amount);
}

static int by_worth(const void *a, const void *b)
{
	const struct parcel *left = a, *right = b;
	double left_worth = left->amount * right->mib, right_worth = right->amount * left->mib;

	return (left_worth < right_worth) - (left_worth > right_worth);
}

/* At most, of COUNT moves that send MIB: parts of VMs too. */
static double limit_of(struct parcel *parcels, uint32_t count, const struct plan_balance *wanted)
{
	double by_moves = 0, by_mib = 0, left = wanted->mib_max;

	qsort(parcels, count, sizeof(*parcels), by_amount);
	for (uint32_t i = 0; i < count && i < wanted->moves_max; i++)
		by_moves += parcels[i].amount;
	qsort(parcels, count, sizeof(*parcels), by_worth);
	for (uint32_t i = 0; i < count; i++) {
		double part = parcels[i].mib > left ? left / parcels[i].mib : 1;

		by_mib += part * parcels[i].amount;
		left -= part * parcels[i].mib;
	}
	return fmin(by_moves, by_mib);
}

/* ---- all ------------------------------------------------------------------- */

static bool takes_part(const struct plan_state *state, uint32_t host)
{
	return plan_in_service(state, host) && !state->cluster->hosts[host].hold;
}

static double amount_of_vm(const struct plan_vm *vm, bool is_mem)
{
	return is_mem ? (double)vm->mem_mib : vm->cpu_load;
}

static double fixed_on(const struct plan_state *state, uint32_t host, bool is_mem)
{
	double sum = 0;

	for (uint32_t vm = state->first[host]; vm != PLAN_NOWHERE; vm = state->next[vm])
		if (plan_why_fixed(state->cluster, vm))
			sum += amount_of_vm(&state->cluster->vms[vm], is_mem);
	return sum;
}

static void add_basin(struct water *water, const struct plan_state *state, uint32_t host,
		      bool is_mem)
{
	const struct plan_host *what = &state->cluster->hosts[host];
	double used = is_mem ? (double)state->use[host].mem_mib : state->use[host].cpu_load;
	struct basin basin = {
		.capacity = is_mem ? (double)plan_capacity_mib(what) : (double)what->cpus,
		.used = used,
		.least = used,
		.most = used,
	};

	if (!plan_in_service(state, host) || basin.capacity <= 0)
		return;
	if (takes_part(state, host)) {
		basin.least = fixed_on(state, host, is_mem);
		basin.most = is_mem ? fmax(basin.capacity, used) : INFINITY;
	}
	water->basins[water->count++] = basin;
}

static uint32_t list_parcels(const struct plan_state *state, bool is_mem, struct parcel *parcels)
{
	const struct plan_cluster *cluster = state->cluster;
	uint32_t count = 0;

	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		if (takes_part(state, state->at[vm]) && !plan_why_fixed(cluster, vm))
			parcels[count++] = (struct parcel){ amount_of_vm(&cluster->vms[vm], is_mem),
							    plan_send_mib(&cluster->vms[vm]) };
	return count;
}

double least_imbalance(const struct plan_state *state, const struct plan_balance *wanted)
{
	const struct plan_cluster *cluster = state->cluster;
	struct parcel *parcels = xcalloc(cluster->vm_count + 1, sizeof(*parcels));
	struct basin *basins = xcalloc(cluster->host_count, sizeof(*basins));
	double sum = 0;

	for (int is_mem = 0; is_mem < 2; is_mem++) {
		struct water water = { .basins = basins };

		for (uint32_t host = 0; host < cluster->host_count; host++)
			add_basin(&water, state, host, is_mem);
		water.limit = limit_of(parcels, list_parcels(state, is_mem, parcels), wanted);
		sum += variance_of(&water);
	}
	free(parcels);
	free(basins);
	return sqrt(sum / 2);
}
