/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In which order: each move when its destination has room for it, while the VM is still where it
 * was.  If none has, as the last ones wait for each other in a circle, a VM makes a detour by a
 * third host. */
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

struct order {
	struct plan_state *state;
	const uint32_t *targets;
	struct plan *plan;
	uint32_t *wait; /* VMs that have not arrived yet */
	uint32_t count;
	bool *has_detour; /* VMs */
};

static int compare_waiting(const void *a, const void *b, void *data)
{
	const struct plan_cluster *cluster = data;
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	const struct plan_vm *left_vm = &cluster->vms[left], *right_vm = &cluster->vms[right];
	double left_mib = plan_send_mib(left_vm), right_mib = plan_send_mib(right_vm);

	if (left_vm->priority != right_vm->priority)
		return left_vm->priority > right_vm->priority ? -1 : 1;
	/* The small ones fill the gaps at the end. */
	if (left_mib > right_mib || left_mib < right_mib)
		return left_mib > right_mib ? -1 : 1;
	return (left > right) - (left < right);
}

/* ---- one move -------------------------------------------------------------- */

static bool makes_room(const struct plan_state *state, uint32_t vm)
{
	return !state->is_emptied[state->cluster->vm_ids[vm].host];
}

static void add_move(struct order *order, uint32_t vm, uint32_t to, bool is_detour)
{
	struct plan *plan = order->plan;
	struct plan_move *move = &plan->moves[plan->move_count++];

	*move = (struct plan_move){
		.vm = vm,
		.from = order->state->at[vm],
		.to = to,
		.makes_room = makes_room(order->state, vm),
		.is_detour = is_detour,
	};
	plan_state_move(order->state, vm, to);
}

/* Starts all that can, the most important first; false: none could.  ONLY_ROOM: who makes room for
 * others, which comes first, as those could take the room that it needs itself. */
static bool pass(struct order *order, bool only_room)
{
	uint32_t kept = 0, count = order->count;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t vm = order->wait[i];

		if ((!only_room || makes_room(order->state, vm)) &&
		    plan_fits(order->state, vm, order->targets[vm]))
			add_move(order, vm, order->targets[vm], false);
		else
			order->wait[kept++] = vm;
	}
	order->count = kept;
	return kept < count;
}

/* ---- detours --------------------------------------------------------------- */

/* Somebody who waits could go where VM is, if VM were on HOST. */
static bool helps(struct order *order, uint32_t vm, uint32_t host)
{
	size_t mark = order->state->step_count;
	uint32_t left = order->state->at[vm];
	bool found = false;

	plan_state_move(order->state, vm, host);
	for (uint32_t i = 0; i < order->count && !found; i++)
		found = order->wait[i] != vm && order->targets[order->wait[i]] == left &&
			plan_fits(order->state, order->wait[i], left);
	plan_state_undo(order->state, mark);
	return found;
}

/* The smallest VM for which there is a host on the way. */
static bool detour(struct order *order)
{
	for (uint32_t i = order->count; i > 0; i--) {
		uint32_t vm = order->wait[i - 1];

		for (uint32_t host = 0; host < order->state->cluster->host_count; host++) {
			if (order->has_detour[vm] || host == order->state->at[vm] ||
			    !plan_fits(order->state, vm, host) || !helps(order, vm, host))
				continue;
			order->has_detour[vm] = true;
			add_move(order, vm, host, true);
			return true;
		}
	}
	return false;
}

/* ---- what waits for room --------------------------------------------------- */

static bool is_over(const struct plan_cluster *cluster, uint32_t host, const struct plan_use *use)
{
	return use->mem_mib > plan_capacity_mib(&cluster->hosts[host]) ||
	       (double)use->vcpus >
		       cluster->limits.vcpu_ratio * (double)cluster->hosts[host].cpus + 1e-9;
}

/* Members of a group on a host, if none had left yet. */
static bool meets_member(const struct counts *ever, const struct plan_vm_ids *ids, uint32_t host)
{
	return ids->group != PLAN_NOWHERE && counts_get(ever, ids->group, host) > 0;
}

void plan_mark_waiting(struct plan *plan)
{
	const struct plan_cluster *cluster = plan->cluster;
	struct plan_use *use = xcalloc(cluster->host_count, sizeof(*use));
	struct counts ever;

	counts_init(&ever, cluster->vm_count + (uint32_t)plan->move_count);
	for (uint32_t vm = 0; vm < cluster->vm_count; vm++) {
		const struct plan_vm_ids *ids = &cluster->vm_ids[vm];

		plan_use_add(&use[ids->host], &cluster->vms[vm]);
		if (ids->group != PLAN_NOWHERE)
			counts_add(&ever, ids->group, ids->host);
	}
	for (size_t i = 0; i < plan->move_count; i++) {
		struct plan_move *move = &plan->moves[i];
		const struct plan_vm_ids *ids = &cluster->vm_ids[move->vm];

		plan_use_add(&use[move->to], &cluster->vms[move->vm]);
		move->waits = is_over(cluster, move->to, &use[move->to]) ||
			      meets_member(&ever, ids, move->to);
		if (ids->group != PLAN_NOWHERE)
			counts_add(&ever, ids->group, move->to);
	}
	counts_fini(&ever);
	free(use);
}

/* ---- all ------------------------------------------------------------------- */

void plan_order(struct plan_state *state, const uint32_t *targets, struct plan *plan)
{
	const struct plan_cluster *cluster = state->cluster;
	struct order order = {
		.state = state,
		.targets = targets,
		.plan = plan,
		.wait = xcalloc(cluster->vm_count + 1, sizeof(*order.wait)),
		.has_detour = xcalloc(cluster->vm_count + 1, sizeof(*order.has_detour)),
	};

	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		if (targets[vm] != state->at[vm] && targets[vm] != PLAN_NOWHERE)
			order.wait[order.count++] = vm;
	/* Twice: each may make a detour. */
	plan->moves = xrealloc(plan->moves, (plan->move_count + 2 * (size_t)order.count + 1) *
						    sizeof(*plan->moves));
	qsort_r(order.wait, order.count, sizeof(*order.wait), compare_waiting,
		(void *)(uintptr_t)cluster);
	while (order.count > 0 && (pass(&order, true) || pass(&order, false) || detour(&order)))
		;
	free(order.wait);
	free(order.has_detour);
}

bool plan_can_order(const struct plan_state *state)
{
	struct plan_state *scratch = plan_state_new(state->cluster, state->is_emptied);
	struct plan plan = { .cluster = state->cluster };
	bool can = true;

	plan_order(scratch, state->at, &plan);
	for (uint32_t vm = 0; vm < state->cluster->vm_count && can; vm++)
		can = state->at[vm] == PLAN_NOWHERE || state->at[vm] == scratch->at[vm];
	free(plan.moves);
	plan_state_free(scratch);
	return can;
}
