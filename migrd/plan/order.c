/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In which order: first who makes room for others, then those of emptied hosts, each when its
 * destination has room for it, while the VM is still where it was.  As emptied hosts take no VM, to
 * leave one helps nobody: so only those that make room can wait for each other in a circle
 * (plan/untangle.c). */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

#define UNTANGLE_COST 100 /* of the budget, beside the looks */

struct order {
	struct plan_state *state;
	const struct plan_task *task;
	const uint32_t *targets;
	struct plan *plan;
	size_t move_size;
	uint32_t *wait; /* VMs that have not arrived yet */
	uint32_t count;
	uint64_t *budget;
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

static void add_move(struct order *order, uint32_t vm, uint32_t to)
{
	struct plan *plan = order->plan;

	if (plan->move_count == order->move_size) {
		order->move_size = 2 * order->move_size + 16;
		plan->moves = xrealloc(plan->moves, order->move_size * sizeof(*plan->moves));
	}
	plan->moves[plan->move_count++] = (struct plan_move){
		.vm = vm,
		.from = order->state->at[vm],
		.to = to,
		.makes_room = makes_room(order->state, vm),
		.is_detour = to != order->targets[vm],
	};
	plan_state_move(order->state, vm, to);
}

/* Starts all that can, the most important first; false: none could. */
static bool pass(struct order *order, bool only_room)
{
	uint32_t kept = 0, count = order->count;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t vm = order->wait[i];

		if ((!only_room || makes_room(order->state, vm)) &&
		    plan_fits(order->state, vm, order->targets[vm]))
			add_move(order, vm, order->targets[vm]);
		else
			order->wait[kept++] = vm;
	}
	order->count = kept;
	return kept < count;
}

/* ---- circles --------------------------------------------------------------- */

/* Those that make room come first. */
static uint32_t gather_room_makers(struct order *order)
{
	uint32_t *rest = xcalloc(order->count + 1, sizeof(*rest)), count = 0, rest_count = 0;

	for (uint32_t i = 0; i < order->count; i++) {
		uint32_t vm = order->wait[i];

		if (makes_room(order->state, vm))
			order->wait[count++] = vm;
		else
			rest[rest_count++] = vm;
	}
	memcpy(order->wait + count, rest, rest_count * sizeof(*rest));
	free(rest);
	return count;
}

/* False: no way was found. */
static bool untangle(struct order *order)
{
	const struct plan_task *task = order->task;
	const struct plan_tangle tangle = {
		.state = order->state,
		.task = task,
		.targets = order->targets,
		.wait = order->wait,
		.count = gather_room_makers(order),
		.helpers_max =
			task->others_max > task->others ? task->others_max - task->others : 0,
		.budget = order->budget,
	};
	struct plan_step *steps;
	uint32_t count;

	if (tangle.count == 0)
		return true;
	*order->budget -= *order->budget < UNTANGLE_COST ? *order->budget : UNTANGLE_COST;
	steps = plan_untangle(&tangle, &count);
	for (uint32_t i = 0; steps && i < count; i++)
		add_move(order, steps[i].vm, steps[i].from);
	if (!steps)
		return false;
	order->count -= tangle.count;
	memmove(order->wait, order->wait + tangle.count, order->count * sizeof(*order->wait));
	free(steps);
	return true;
}

/* At first each goes when it can; if others do not get through then, who went may have taken the
 * room for their detours. */
static void make_room(struct order *order)
{
	size_t moves = order->plan->move_count, mark = order->state->step_count;
	uint32_t count = order->count;
	uint32_t *wait = xcalloc(count + 1, sizeof(*wait));

	memcpy(wait, order->wait, count * sizeof(*wait));
	while (pass(order, true))
		;
	if (!untangle(order)) {
		order->plan->move_count = moves;
		plan_state_undo(order->state, mark);
		order->count = count;
		memcpy(order->wait, wait, count * sizeof(*wait));
		untangle(order);
		while (pass(order, true))
			;
	}
	free(wait);
}

/* ---- what waits for room --------------------------------------------------- */

static bool is_over(const struct plan_cluster *cluster, uint32_t host, const struct plan_use *use)
{
	return plan_pages_over(&cluster->hosts[host], use) ||
	       (double)use->vcpus >
		       cluster->limits.vcpu_ratio * (double)cluster->hosts[host].cpus + 1e-9;
}

/* Members of a group on a host, if none had left yet. */
static bool meets_member(const struct counts *ever, const struct plan_vm_ids *ids, uint32_t host)
{
	return ids->group != PLAN_NOWHERE && counts_get(ever, ids->group, host) > 0;
}

struct amount {
	double mem_mib, vcpus, cpu_load;
};

/* Of a host. */
struct flow {
	struct amount sure; /* before all moves, with those that wait and those that leave so far */
	struct amount most; /* of that, when one that waits begins */
	struct amount free; /* all that need not wait */
};

static void add(struct amount *amount, const struct plan_vm *vm, int sign)
{
	amount->mem_mib += sign * (double)vm->mem_mib;
	amount->vcpus += sign * (double)vm->vcpus;
	amount->cpu_load += sign * vm->cpu_load;
}

static void note_most(struct flow *flow)
{
	flow->most.mem_mib = fmax(flow->most.mem_mib, flow->sure.mem_mib);
	flow->most.vcpus = fmax(flow->most.vcpus, flow->sure.vcpus);
	flow->most.cpu_load = fmax(flow->most.cpu_load, flow->sure.cpu_load);
}

/* Those that need not wait may be there at any moment.  When one that waits begins, what leaves
 * before it in the list has left. */
static void find_peaks(struct plan *plan)
{
	const struct plan_cluster *cluster = plan->cluster;
	struct flow *flows = xcalloc(cluster->host_count, sizeof(*flows));

	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		add(&flows[cluster->vm_ids[vm].host].sure, &cluster->vms[vm], 1);
	for (uint32_t host = 0; host < cluster->host_count; host++)
		note_most(&flows[host]);
	for (size_t i = 0; i < plan->move_count; i++) {
		const struct plan_move *move = &plan->moves[i];
		struct flow *to = &flows[move->to];

		add(move->waits ? &to->sure : &to->free, &cluster->vms[move->vm], 1);
		note_most(to);
		add(&flows[move->from].sure, &cluster->vms[move->vm], -1);
	}
	for (uint32_t host = 0; host < cluster->host_count; host++) {
		const struct flow *flow = &flows[host];

		plan->fills[host].peak = (struct plan_use){
			.mem_mib = (uint64_t)(flow->most.mem_mib + flow->free.mem_mib),
			.vcpus = (uint64_t)(flow->most.vcpus + flow->free.vcpus),
			.cpu_load = flow->most.cpu_load + flow->free.cpu_load,
		};
	}
	free(flows);
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
	find_peaks(plan);
}

/* ---- all ------------------------------------------------------------------- */

void plan_order(struct plan_state *state, const struct plan_task *task, const uint32_t *targets,
		struct plan *plan, uint64_t *budget)
{
	const struct plan_cluster *cluster = state->cluster;
	struct order order = {
		.state = state,
		.task = task,
		.targets = targets,
		.plan = plan,
		.move_size = plan->move_count,
		.wait = xcalloc(cluster->vm_count + 1, sizeof(*order.wait)),
		.budget = budget,
	};

	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		if (targets[vm] != state->at[vm] && targets[vm] != PLAN_NOWHERE)
			order.wait[order.count++] = vm;
	qsort_r(order.wait, order.count, sizeof(*order.wait), compare_waiting,
		(void *)(uintptr_t)cluster);
	make_room(&order);
	while (pass(&order, false))
		;
	free(order.wait);
}

bool plan_can_order(const struct plan_state *state, const struct plan_task *task, uint64_t *budget)
{
	const struct plan_cluster *cluster = state->cluster;
	struct plan_state *scratch = plan_state_new(cluster, state->is_emptied);
	struct plan plan = { .cluster = cluster };
	bool can = true;

	*budget -= *budget < cluster->vm_count ? *budget : cluster->vm_count;
	plan_order(scratch, task, state->at, &plan, budget);
	for (uint32_t vm = 0; vm < cluster->vm_count && can; vm++)
		can = state->at[vm] == PLAN_NOWHERE || state->at[vm] == scratch->at[vm];
	free(plan.moves);
	plan_state_free(scratch);
	return can;
}
