/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a host should have for a VM, a table, and what a place costs. */
#include <math.h>

#include "base/mem.h"
#include "plan/priv.h"

/* Other members in the rack. */
static double misses_spread(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct plan_cluster *cluster = state->cluster;
	uint32_t group = cluster->vm_ids[vm].group, rack = cluster->host_ids[host].rack;
	uint32_t at = state->at[vm];
	bool is_there;

	if (group == PLAN_NOWHERE || rack == PLAN_NOWHERE)
		return 0;
	is_there = at != PLAN_NOWHERE && cluster->host_ids[at].rack == rack;
	return counts_get(&state->racks, group, rack) - is_there;
}

static double misses_affinity(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	uint32_t affinity = state->cluster->vm_ids[vm].affinity;

	return affinity != PLAN_NOWHERE && counts_get(&state->affinities, affinity, host) == 0;
}

static double misses_preferred(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct plan_ids *prefers = &state->cluster->vm_ids[vm].prefers;
	uint32_t count = 0;

	for (uint32_t i = 0; i < prefers->count; i++)
		count += !plan_ids_have(&state->cluster->host_ids[host].labels, prefers->list[i]);
	return count;
}

/* worth: the host may be fuller by that share of its capacity, if it has what is wished. */
static const struct {
	double worth;
	const char *what; /* is missed */
	double (*misses)(const struct plan_state *state, uint32_t vm, uint32_t host);
} shoulds[] = {
	{ 0.01, "others of its group are in the rack", misses_spread },
	{ 0.10, "no VM is there with which it should be", misses_affinity },
	{ 0.10, "a label that it prefers is missing", misses_preferred },
};

double plan_missing(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	double missing = 0;

	for (size_t i = 0; i < ARRAY_LEN(shoulds); i++)
		missing += shoulds[i].worth * shoulds[i].misses(state, vm, host);
	return missing;
}

/* What adding SIZE to USED adds to sum (use^2 / capacity) / total, which is what the imbalance
 * depends on: the rest of it is the same for all places. */
static double load_cost(double size, double used, double scale)
{
	return size * (2 * used + size) * scale;
}

double plan_cost(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	return plan_cost_below(state, vm, host, INFINITY);
}

/* Wishes make no place cheaper, and cost more to look at. */
double plan_cost_below(const struct plan_state *state, uint32_t vm, uint32_t host, double limit)
{
	const struct plan_vm *what = &state->cluster->vms[vm];
	const struct plan_use *use = &state->use[host];
	double mem = (double)what->mem_mib, missing;
	double cost = load_cost(mem, (double)use->mem_mib, state->mem_scale[host]) +
		      load_cost(what->cpu_load, use->cpu_load, state->cpu_scale[host]);

	if (cost >= limit || !state->cluster->vm_ids[vm].has_wishes)
		return cost;
	missing = plan_missing(state, vm, host);
	if (missing > 0)
		cost += 2 * missing * (mem / state->mem_total + what->cpu_load / state->cpu_total);
	return cost;
}

bool plan_why_not_ideal(const struct plan_state *state, uint32_t vm, uint32_t host,
			struct strbuf *out)
{
	const char *before = "";

	for (size_t i = 0; i < ARRAY_LEN(shoulds); i++) {
		if (shoulds[i].misses(state, vm, host) <= 0)
			continue;
		strbuf_addf(out, "%s%s", before, shoulds[i].what);
		before = ", and ";
	}
	return *before != '\0';
}
