/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Huge pages of the NUMA nodes to which a VM is bound.
 *
 * What is free is what was free at first: that VMs leave is not counted, so a place that is found
 * is one in whatever order they leave. */
#include <inttypes.h>

#include "plan/priv.h"

static uint64_t free_mib(const struct plan_host *host, enum plan_pages pages, uint64_t nodes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < host->nodes.count; i++) {
		const struct plan_node *node = &host->nodes.list[i];

		if (node->pages == pages && nodes & UINT64_C(1) << node->node)
			sum += node->free_mib;
	}
	return sum;
}

/* What VM takes of NODES for certain; with OR_MAYBE, what it may take. */
static uint64_t wanted_mib(const struct plan_vm *vm, uint64_t nodes, bool or_maybe)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < vm->bounds.count; i++) {
		const struct plan_bound *bound = &vm->bounds.list[i];

		if (or_maybe ? bound->nodes & nodes : !(bound->nodes & ~nodes))
			sum += bound->mib;
	}
	return sum;
}

/* By those that were not there at first. */
static uint64_t taken_mib(const struct plan_state *state, uint32_t host, enum plan_pages pages,
			  uint64_t nodes)
{
	const struct plan_cluster *cluster = state->cluster;
	uint64_t sum = 0;

	for (uint32_t vm = state->first[host]; vm != PLAN_NOWHERE; vm = state->next[vm])
		if (cluster->vms[vm].pages == pages && cluster->vm_ids[vm].host != host)
			sum += wanted_mib(&cluster->vms[vm], nodes, true);
	return sum;
}

static bool is_short(const struct plan_state *state, uint32_t vm, uint32_t host,
		     const struct plan_bound *bound, bool alone, struct plan_shortage *ret)
{
	const struct plan_vm *what = &state->cluster->vms[vm];
	const struct plan_host *where = &state->cluster->hosts[host];
	uint64_t has = free_mib(where, what->pages, bound->nodes);
	uint64_t taken = alone ? 0 : taken_mib(state, host, what->pages, bound->nodes);

	*ret = (struct plan_shortage){ .nodes = bound->nodes,
				       .wanted_mib = wanted_mib(what, bound->nodes, false),
				       .free_mib = has > taken ? has - taken : 0 };
	return ret->wanted_mib > ret->free_mib;
}

bool plan_nodes_are_short(const struct plan_state *state, uint32_t vm, uint32_t host, bool alone,
			  struct plan_shortage *ret)
{
	const struct plan_vm *what = &state->cluster->vms[vm];

	/* At home it has what it has. */
	if (what->pages == PLAN_PAGES_ORDINARY || !state->cluster->hosts[host].knows_pages ||
	    state->cluster->vm_ids[vm].host == host)
		return false;
	for (size_t i = 0; i < what->bounds.count; i++)
		if (is_short(state, vm, host, &what->bounds.list[i], alone, ret))
			return true;
	return false;
}
