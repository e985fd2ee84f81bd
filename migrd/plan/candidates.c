/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a VM could go instead. */
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

struct candidate {
	uint32_t host;
	double cost;
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;

	if (left->cost < right->cost || left->cost > right->cost)
		return left->cost < right->cost ? -1 : 1;
	return (left->host > right->host) - (left->host < right->host);
}

size_t plan_candidates(const struct plan *plan, uint32_t vm, uint32_t *ret_hosts, size_t max)
{
	const struct plan_state *state = plan->state;
	uint32_t hosts = state->cluster->host_count, count = 0;
	struct candidate *list = xcalloc(hosts, sizeof(*list));
	size_t result;

	for (uint32_t host = 0; host < hosts; host++) {
		if (host == state->at[vm] || host == state->cluster->vm_ids[vm].host ||
		    !plan_fits(state, vm, host))
			continue;
		list[count++] = (struct candidate){ host, plan_cost(state, vm, host) };
	}
	qsort(list, count, sizeof(*list), compare_candidates);
	result = count < max ? count : max;
	for (size_t i = 0; i < result; i++)
		ret_hosts[i] = list[i].host;
	free(list);
	return result;
}
