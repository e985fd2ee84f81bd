/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All ways to place few VMs: so that none is left that has a place.
 *
 * First each other VM is left at home or, if others may be moved, held in the air; then the VMs of
 * the task are tried on every host and left out, and at last those in the air on every host.  A way
 * that cannot be better than the best so far is not followed, and one to which no order of moves
 * leads is none. */
#include "base/mem.h"
#include "plan/priv.h"

#define TASK_MAX   40
#define OTHERS_MAX 20
#define VMS_MAX    (TASK_MAX + 2 * OTHERS_MAX)

struct search {
	struct plan_state *state;
	struct plan_task *task;
	uint32_t vms[VMS_MAX]; /* others, those of the task, and others again */
	uint32_t others_count, todo_count;
	struct plan_result now, best;
	uint32_t best_at[VMS_MAX];
};

static void try_from(struct search *search, uint32_t index);

static void try_host(struct search *search, uint32_t index, uint32_t host)
{
	size_t mark = search->state->step_count;

	if (search->task->budget == 0)
		return;
	search->task->budget--;
	if (!plan_fits(search->state, search->vms[index], host))
		return;
	plan_state_move(search->state, search->vms[index], host);
	try_from(search, index + 1);
	plan_state_undo(search->state, mark);
}

static void try_todo(struct search *search, uint32_t index)
{
	uint32_t *left =
		&search->now.left[search->state->cluster->vms[search->vms[index]].priority];

	for (uint32_t host = 0; host < search->state->cluster->host_count; host++)
		try_host(search, index, host);
	++*left;
	try_from(search, index + 1);
	--*left;
}

/* Stays at home, or goes somewhere, which is decided later. */
static void try_home(struct search *search, uint32_t index)
{
	size_t mark = search->state->step_count;

	try_from(search, index + 1);
	if (search->now.others == search->task->others_max)
		return;
	search->now.others++;
	plan_state_move(search->state, search->vms[index], PLAN_NOWHERE);
	try_from(search, index + 1);
	plan_state_undo(search->state, mark);
	search->now.others--;
}

static void try_away(struct search *search, uint32_t index)
{
	uint32_t vm = search->vms[index], home = search->state->cluster->vm_ids[vm].host;

	if (search->state->at[vm] != PLAN_NOWHERE) {
		try_from(search, index + 1);
		return;
	}
	for (uint32_t host = 0; host < search->state->cluster->host_count; host++)
		if (host != home)
			try_host(search, index, host);
}

static void take(struct search *search)
{
	struct plan_task *task = search->task;
	unsigned others = task->others;
	bool can;

	task->others = search->now.others;
	can = task->others == 0 || plan_can_order(search->state, task, &task->budget);
	task->others = others;
	if (!can)
		return;
	search->best = search->now;
	for (uint32_t i = 0; i < search->others_count + search->todo_count; i++)
		search->best_at[i] = search->state->at[search->vms[i]];
}

static void try_from(struct search *search, uint32_t index)
{
	uint32_t others = search->others_count, todo = search->todo_count;

	if (search->task->budget == 0 || !plan_result_is_better(&search->now, &search->best))
		return;
	if (index < others)
		try_home(search, index);
	else if (index < others + todo)
		try_todo(search, index);
	else if (index < 2 * others + todo)
		try_away(search, index);
	else
		take(search);
}

/* ---- which VMs ------------------------------------------------------------- */

static bool has_any_host(const struct plan_state *state, uint32_t vm)
{
	for (uint32_t host = 0; host < state->cluster->host_count; host++)
		if (plan_fits(state, vm, host))
			return true;
	return false;
}

/* Others may be tried if they are few; false: they are not. */
static bool add_others(struct search *search)
{
	const struct plan_cluster *cluster = search->state->cluster;
	uint32_t count = 0;

	for (uint32_t vm = 0; vm < cluster->vm_count && search->task->others_max > 0; vm++) {
		if (search->task->is_todo[vm] || plan_why_fixed(cluster, vm) ||
		    !plan_in_service(search->state, cluster->vm_ids[vm].host))
			continue;
		if (count == OTHERS_MAX)
			return false;
		search->vms[count++] = vm;
	}
	search->others_count = count;
	return true;
}

static void lift_all(struct search *search)
{
	for (uint32_t i = 0; i < search->task->count; i++)
		plan_state_move(search->state, search->task->todo[i], PLAN_NOWHERE);
}

static void take_best(struct search *search)
{
	for (uint32_t i = 0; i < search->others_count + search->todo_count; i++) {
		uint32_t vm = search->vms[i], host = search->best_at[i];

		if (host != PLAN_NOWHERE && search->state->at[vm] != host)
			plan_state_move(search->state, vm, host);
	}
	search->task->others = search->best.others;
}

bool plan_search(struct plan_state *state, struct plan_task *task)
{
	struct search search = { .state = state, .task = task };
	size_t mark = state->step_count;
	struct plan_result before;
	bool has_all;

	if (task->count > TASK_MAX)
		return false;
	before = plan_result_of(state, task);
	if (task->all_or_none)
		before = (struct plan_result){ .others = UINT32_MAX };
	search.best = before;
	lift_all(&search);
	has_all = add_others(&search);
	for (uint32_t i = 0; i < task->count; i++) {
		uint32_t vm = task->todo[i];

		/* What no host takes even so is not tried, unless others can give way. */
		if (search.others_count > 0 || has_any_host(state, vm))
			search.vms[search.others_count + search.todo_count++] = vm;
		else
			search.now.left[state->cluster->vms[vm].priority]++;
	}
	for (uint32_t i = 0; i < search.others_count; i++)
		search.vms[search.others_count + search.todo_count + i] = search.vms[i];
	try_from(&search, 0);
	plan_state_undo(state, mark);
	if (plan_result_is_better(&search.best, &before)) {
		lift_all(&search);
		take_best(&search);
	}
	return has_all && task->budget > 0;
}
