/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts are emptied. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

/* Pairs of VM and host that are looked at at most, beside one look at each: some 20 ns each. */
#define ROOM_BUDGET    4000000
#define SEARCH_BUDGET  300000
#define ORDER_BUDGET   8000000 /* more than any search for places has */
#define IMPROVE_BUDGET 20000000
#define LOSS_BUDGET    1000000 /* for all hosts that might be lost */

/* ---- which VMs ------------------------------------------------------------- */

/* What is hard to place comes first. */
static double size_of(const struct plan_state *state, uint32_t vm)
{
	const struct plan_vm *what = &state->cluster->vms[vm];
	double mem = (double)what->mem_mib / state->mem_total;
	double cpu = (double)what->vcpus / (state->cpu_total * state->cluster->limits.vcpu_ratio);

	return mem > cpu ? mem : cpu;
}

static int compare_todo(const void *a, const void *b, void *data)
{
	const struct plan_state *state = data;
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	const struct plan_vm *vms = state->cluster->vms;
	double left_size = size_of(state, left), right_size = size_of(state, right);

	if (vms[left].priority != vms[right].priority)
		return vms[left].priority > vms[right].priority ? -1 : 1;
	if (left_size > right_size || left_size < right_size)
		return left_size > right_size ? -1 : 1;
	return (left > right) - (left < right);
}

static void task_init(struct plan_task *task, const struct plan_state *state, unsigned others_max)
{
	const struct plan_cluster *cluster = state->cluster;

	*task = (struct plan_task){
		.todo = xcalloc(cluster->vm_count + 1, sizeof(*task->todo)),
		.is_todo = xcalloc(cluster->vm_count + 1, sizeof(*task->is_todo)),
		.others_max = others_max,
	};
	for (uint32_t vm = 0; vm < cluster->vm_count; vm++) {
		if (!state->is_emptied[state->at[vm]] || plan_why_fixed(cluster, vm))
			continue;
		task->is_todo[vm] = true;
		task->todo[task->count++] = vm;
	}
	qsort_r(task->todo, task->count, sizeof(*task->todo), compare_todo,
		(void *)(uintptr_t)state);
}

static void task_fini(struct plan_task *task)
{
	free(task->todo);
	free(task->is_todo);
}

/* ---- where to, and in which order ------------------------------------------ */

/* Others that are moved anyway may go to better places too, as long as there is an order of moves.
 */
static bool improve_all(struct plan_state *state, const struct plan_task *task)
{
	const struct plan_cluster *cluster = state->cluster;
	struct plan_task all = *task;
	size_t mark = state->step_count;
	uint64_t budget = ROOM_BUDGET;
	bool can;

	all.todo = xcalloc(cluster->vm_count + 1, sizeof(*all.todo));
	memcpy(all.todo, task->todo, task->count * sizeof(*all.todo));
	for (uint32_t vm = 0; vm < cluster->vm_count; vm++)
		if (!task->is_todo[vm] && state->at[vm] != cluster->vm_ids[vm].host)
			all.todo[all.count++] = vm;
	all.budget = IMPROVE_BUDGET;
	plan_improve(state, &all);
	free(all.todo);
	can = plan_can_order(state, task, &budget);
	if (!can)
		plan_state_undo(state, mark);
	return can;
}

static void improve(struct plan_state *state, struct plan_task *task)
{
	if (task->others > 0 && improve_all(state, task))
		return;
	task->budget = IMPROVE_BUDGET;
	plan_improve(state, task);
}

/* What has no place stays. */
static void put_back(struct plan_state *state, const struct plan_task *task)
{
	for (uint32_t i = 0; i < task->count; i++)
		if (state->at[task->todo[i]] == PLAN_NOWHERE)
			plan_state_move(state, task->todo[i],
					state->cluster->vm_ids[task->todo[i]].host);
}

static void find_places(struct plan_state *state, struct plan_task *task)
{
	bool has_tried_all = false;

	plan_place(state, task);
	if (plan_left(state, task) > 0) {
		task->budget = SEARCH_BUDGET;
		has_tried_all = plan_search(state, task);
		put_back(state, task);
	}
	if (plan_left(state, task) > 0 && !has_tried_all) {
		task->budget = ROOM_BUDGET;
		plan_make_room(state, task);
		put_back(state, task);
		plan_place(state, task);
	}
	improve(state, task);
}

static uint32_t *targets_of(const struct plan_state *state)
{
	size_t bytes = state->cluster->vm_count * sizeof(uint32_t);
	uint32_t *targets = xcalloc(1, bytes + 1);

	memcpy(targets, state->at, bytes);
	return targets;
}

/* If no order was found for some, they get what is free then. */
static void find_moves(struct plan_state *state, struct plan_task *task, struct plan *plan)
{
	uint64_t budget = ORDER_BUDGET;
	uint32_t left;

	find_places(state, task);
	do {
		uint32_t *targets = targets_of(state);

		left = plan_left(state, task);
		plan_state_undo(state, 0);
		for (size_t i = 0; i < plan->move_count; i++)
			plan_state_move(state, plan->moves[i].vm, plan->moves[i].to);
		plan_order(state, task, targets, plan, &budget);
		free(targets);
		if (plan_left(state, task) == left)
			break;
		left = plan_left(state, task);
		plan_place(state, task);
	} while (plan_left(state, task) < left);
	plan_mark_waiting(plan);
}

/* ---- what is said of it ---------------------------------------------------- */

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

/* What it would rather have than HOST, where it is. */
static bool miss(struct plan_state *state, uint32_t vm, uint32_t host, struct strbuf *out)
{
	size_t mark = state->step_count;
	bool misses;

	plan_state_move(state, vm, PLAN_NOWHERE);
	misses = plan_why_not_ideal(state, vm, host, out);
	plan_state_undo(state, mark);
	return misses;
}

static void explain_move(const struct plan *plan, struct plan_move *move)
{
	CLEANUP(strbuf_fini) struct strbuf out = STRBUF_INIT, wishes = STRBUF_INIT;
	const struct plan_cluster *cluster = plan->cluster;
	const struct plan_host *to = &cluster->hosts[move->to];
	const struct plan_use *use = &plan->state->use[move->to];
	uint32_t others = 0;

	if (move->is_detour) {
		move->why = xasprintf("it goes away for a while, as others wait for its place");
		return;
	}
	if (move->to == cluster->vm_ids[move->vm].host) {
		move->why = xasprintf("it goes back, as others do not need its place any more");
		return;
	}
	for (uint32_t host = 0; host < cluster->host_count; host++)
		others +=
			host != plan->state->at[move->vm] && plan_fits(plan->state, move->vm, host);
	strbuf_addf(&out,
		    "%s %s; %s is the best of %u that take it, with memory %.0f %% and CPUs %.0f "
		    "%% "
		    "used in the end",
		    cluster->hosts[move->from].name,
		    move->makes_room ? "gets room for another VM" : "is emptied", to->name,
		    others + 1, percent((double)use->mem_mib, (double)plan_capacity_mib(to)),
		    percent(use->cpu_load, (double)to->cpus));
	if (miss(plan->state, move->vm, move->to, &wishes))
		strbuf_addf(&out, ", although %s", strbuf_str(&wishes));
	move->why = xstrdup(strbuf_str(&out));
}

static char *why_it_stays(const struct plan_state *state, uint32_t vm)
{
	CLEANUP(strbuf_fini) struct strbuf out = STRBUF_INIT;
	const char *why = plan_why_fixed(state->cluster, vm);

	if (why)
		return xstrdup(why);
	strbuf_addf(&out, "no host takes it: of %u, ", state->cluster->host_count);
	plan_why_none(state, vm, &out);
	return xstrdup(strbuf_str(&out));
}

static void explain_stays(struct plan *plan)
{
	const struct plan_state *state = plan->state;

	plan->stays = xcalloc(state->cluster->vm_count + 1, sizeof(*plan->stays));
	for (uint32_t vm = 0; vm < state->cluster->vm_count; vm++) {
		if (!state->is_emptied[state->at[vm]])
			continue;
		plan->stays[plan->stay_count++] = (struct plan_stay){
			.vm = vm,
			.has_tried = !plan_why_fixed(state->cluster, vm),
			.why = why_it_stays(state, vm),
		};
	}
}

/* ---- how full hosts get, and what may be lost then ------------------------- */

static uint32_t homeless_of(struct plan_state *state, uint32_t host, uint64_t *budget)
{
	return state->cluster->hosts[host].state == PLAN_HOST_OFFLINE
		       ? PLAN_NOWHERE
		       : plan_homeless(state, host, budget);
}

static void look_before(struct plan *plan)
{
	struct plan_state *state = plan_state_new(plan->cluster, NULL);
	uint64_t budget = LOSS_BUDGET;

	plan->before = plan_score(state);
	for (uint32_t host = 0; host < plan->cluster->host_count; host++) {
		plan->fills[host].before = state->use[host];
		plan->fills[host].homeless_before = homeless_of(state, host, &budget);
	}
	plan_state_free(state);
}

static void look_after(struct plan *plan)
{
	uint64_t budget = LOSS_BUDGET;

	plan->after = plan_score(plan->state);
	for (uint32_t host = 0; host < plan->cluster->host_count; host++) {
		plan->fills[host].after = plan->state->use[host];
		plan->fills[host].homeless_after = homeless_of(plan->state, host, &budget);
	}
}

/* ---- all ------------------------------------------------------------------- */

/* NULL: no host would be left. */
static struct plan_state *begin(const struct plan_cluster *cluster,
				const struct plan_evacuate *wanted, struct err *err)
{
	bool *emptied = xcalloc(cluster->host_count, sizeof(*emptied));
	struct plan_state *state;
	uint32_t in_service = 0;

	for (size_t i = 0; i < wanted->host_count; i++) {
		assert(wanted->hosts[i] < cluster->host_count);
		emptied[wanted->hosts[i]] = true;
	}
	state = plan_state_new(cluster, emptied);
	free(emptied);
	for (uint32_t host = 0; host < cluster->host_count; host++)
		in_service += plan_in_service(state, host);
	if (in_service > 0)
		return state;
	plan_state_free(state);
	err_set(err, ERR_CONFLICT,
		"no host is online beside those that are to be emptied: leave one out");
	return NULL;
}

struct plan *plan_evacuate(const struct plan_cluster *cluster, const struct plan_evacuate *wanted,
			   struct err *err)
{
	struct plan_state *state = begin(cluster, wanted, err);
	struct plan_task task;
	struct plan *plan;

	if (!state)
		return NULL;
	plan = plan_new(cluster);
	plan->state = state;
	look_before(plan);
	task_init(&task, state, wanted->others_max);
	find_moves(state, &task, plan);
	task_fini(&task);
	plan_schedule(plan);
	plan_add_gains(plan);
	for (size_t i = 0; i < plan->move_count; i++)
		explain_move(plan, &plan->moves[i]);
	explain_stays(plan);
	look_after(plan);
	return plan;
}
