/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where each VM is, and what that makes of the hosts. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

bool plan_in_service(const struct plan_state *state, uint32_t host)
{
	return state->cluster->hosts[host].state == PLAN_HOST_ONLINE && !state->is_emptied[host];
}

void plan_use_add(struct plan_use *use, const struct plan_vm *vm)
{
	use->mem_mib += vm->mem_mib;
	use->pages_mib[vm->pages] += vm->mem_mib;
	use->vcpus += vm->vcpus;
	use->cpu_load += vm->cpu_load;
}

void plan_use_sub(struct plan_use *use, const struct plan_vm *vm)
{
	use->mem_mib -= vm->mem_mib;
	use->pages_mib[vm->pages] -= vm->mem_mib;
	use->vcpus -= vm->vcpus;
	use->cpu_load -= vm->cpu_load;
}

/* ---- one VM ---------------------------------------------------------------- */

static void link_vm(struct plan_state *state, uint32_t vm, uint32_t host)
{
	uint32_t next = state->first[host];

	state->first[host] = vm;
	state->next[vm] = next;
	state->prev[vm] = PLAN_NOWHERE;
	if (next != PLAN_NOWHERE)
		state->prev[next] = vm;
}

static void unlink_vm(struct plan_state *state, uint32_t vm, uint32_t host)
{
	uint32_t next = state->next[vm], prev = state->prev[vm];

	if (prev == PLAN_NOWHERE)
		state->first[host] = next;
	else
		state->next[prev] = next;
	if (next != PLAN_NOWHERE)
		state->prev[next] = prev;
}

static void count_vm(struct plan_state *state, uint32_t vm, uint32_t host,
		     void (*change)(struct counts *, uint32_t set, uint32_t place))
{
	const struct plan_vm_ids *ids = &state->cluster->vm_ids[vm];
	uint32_t rack = state->cluster->host_ids[host].rack;

	if (ids->group != PLAN_NOWHERE) {
		change(&state->groups, ids->group, host);
		if (rack != PLAN_NOWHERE)
			change(&state->racks, ids->group, rack);
	}
	if (ids->affinity != PLAN_NOWHERE)
		change(&state->affinities, ids->affinity, host);
}

static void put(struct plan_state *state, uint32_t vm, uint32_t host)
{
	state->at[vm] = host;
	if (host == PLAN_NOWHERE)
		return;
	link_vm(state, vm, host);
	plan_use_add(&state->use[host], &state->cluster->vms[vm]);
	count_vm(state, vm, host, counts_add);
}

static void take(struct plan_state *state, uint32_t vm)
{
	uint32_t host = state->at[vm];

	if (host == PLAN_NOWHERE)
		return;
	unlink_vm(state, vm, host);
	plan_use_sub(&state->use[host], &state->cluster->vms[vm]);
	count_vm(state, vm, host, counts_sub);
}

void plan_state_move(struct plan_state *state, uint32_t vm, uint32_t host)
{
	if (state->step_count == state->step_size) {
		state->step_size = state->step_size ? state->step_size * 2 : 64;
		state->steps = xrealloc(state->steps, state->step_size * sizeof(*state->steps));
	}
	state->steps[state->step_count++] = (struct plan_step){ vm, state->at[vm] };
	take(state, vm);
	put(state, vm, host);
}

void plan_state_undo(struct plan_state *state, size_t count)
{
	while (state->step_count > count) {
		const struct plan_step *step = &state->steps[--state->step_count];

		take(state, step->vm);
		put(state, step->vm, step->from);
	}
}

/* ---- life ------------------------------------------------------------------ */

static uint32_t *new_list(uint32_t count)
{
	uint32_t *list = xcalloc(count + 1, sizeof(*list));

	memset(list, 0xff, (count + 1) * sizeof(*list)); /* PLAN_NOWHERE */
	return list;
}

static double scale_of(double capacity, double total)
{
	return capacity > 0 ? 1 / (capacity * total) : 0;
}

/* What is divided by for each pair of a VM and a host, which are many. */
static void set_scales(struct plan_state *state)
{
	const struct plan_cluster *cluster = state->cluster;

	state->mem_total = fmax(state->mem_total, 1);
	state->cpu_total = fmax(state->cpu_total, 1);
	state->mem_scale = xcalloc(cluster->host_count, sizeof(*state->mem_scale));
	state->cpu_scale = xcalloc(cluster->host_count, sizeof(*state->cpu_scale));
	for (uint32_t i = 0; i < cluster->host_count; i++) {
		const struct plan_host *host = &cluster->hosts[i];

		state->mem_scale[i] = scale_of((double)plan_capacity_mib(host), state->mem_total);
		state->cpu_scale[i] = scale_of((double)host->cpus, state->cpu_total);
	}
}

struct plan_state *plan_state_new(const struct plan_cluster *cluster, const bool *emptied)
{
	struct plan_state *state = xnew(struct plan_state);

	state->cluster = cluster;
	state->is_emptied = xcalloc(cluster->host_count, sizeof(*state->is_emptied));
	if (emptied)
		memcpy(state->is_emptied, emptied, cluster->host_count * sizeof(*emptied));
	state->use = xcalloc(cluster->host_count, sizeof(*state->use));
	state->first = new_list(cluster->host_count);
	state->at = new_list(cluster->vm_count);
	state->next = new_list(cluster->vm_count);
	state->prev = new_list(cluster->vm_count);
	counts_init(&state->groups, cluster->vm_count);
	counts_init(&state->affinities, cluster->vm_count);
	counts_init(&state->racks, cluster->vm_count);
	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		put(state, vm, cluster->vm_ids[vm].host);
	for (uint32_t host = 0; host < cluster->host_count; host++) {
		if (!plan_in_service(state, host))
			continue;
		state->mem_total += (double)plan_capacity_mib(&cluster->hosts[host]);
		state->cpu_total += (double)cluster->hosts[host].cpus;
	}
	set_scales(state);
	return state;
}

void plan_state_free(struct plan_state *state)
{
	if (!state)
		return;
	free(state->is_emptied);
	free(state->use);
	free(state->first);
	free(state->at);
	free(state->next);
	free(state->prev);
	free(state->steps);
	free(state->mem_scale);
	free(state->cpu_scale);
	counts_fini(&state->groups);
	counts_fini(&state->affinities);
	counts_fini(&state->racks);
	free(state);
}
