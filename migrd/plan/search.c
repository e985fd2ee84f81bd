/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All ways to place few VMs: so that none is left that has a place.
 *
 * First each other VM is left at home or, if others may be moved, held in the air; then the VMs of
 * the task are tried on every host and left out, and at last those in the air on every host.  A way
 * that cannot be better than the best so far is not followed, and one to which no order of moves
 * leads is none. */
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

#define TASK_MAX   40
#define OTHERS_MAX 20
#define VMS_MAX    (TASK_MAX + 2 * OTHERS_MAX)

/* Fewer VMs left of the highest priority, of the next, ...; then fewer others moved. */
struct result {
	uint32_t left[PLAN_PRIORITY_MAX + 1];
	uint32_t others;
};

struct search {
	struct plan_state *state;
	struct plan_task *task;
	uint32_t vms[VMS_MAX]; /* others, those of the task, and others again */
	uint32_t others_count, todo_count;
	struct result now, best;
	uint32_t best_at[VMS_MAX];
};

static bool is_better(const struct result *a, const struct result *b)
{
	for (int i = PLAN_PRIORITY_MAX; i >= 0; i--)
		if (a->left[i] != b->left[i])
			return a->left[i] < b->left[i];
	return a->others < b->others;
}

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
	uint64_t *budget = &search->task->budget;

	if (search->now.others > 0) {
		/* A look at all VMs. */
		*budget -= *budget < search->state->cluster->vm_count
				   ? *budget
				   : search->state->cluster->vm_count;
		if (!plan_can_order(search->state))
			return;
	}
	search->best = search->now;
	for (uint32_t i = 0; i < search->others_count + search->todo_count; i++)
		search->best_at[i] = search->state->at[search->vms[i]];
}

static void try_from(struct search *search, uint32_t index)
{
	uint32_t others = search->others_count, todo = search->todo_count;

	if (search->task->budget == 0 || !is_better(&search->now, &search->best))
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

/* Others may be tried if they are few. */
static void add_others(struct search *search)
{
	const struct plan_cluster *cluster = search->state->cluster;
	uint32_t count = 0;

	for (uint32_t vm = 0; vm < cluster->vm_count && search->task->others_max > 0; vm++) {
		if (search->task->is_todo[vm] || plan_why_fixed(cluster, vm) ||
		    !plan_in_service(search->state, cluster->vm_ids[vm].host))
			continue;
		if (count == OTHERS_MAX)
			return;
		search->vms[count++] = vm;
	}
	search->others_count = count;
}

/* How good the present places are. */
static struct result result_of(const struct plan_state *state, const struct plan_task *task)
{
	struct result result = { .others = task->others };

	for (uint32_t i = 0; i < task->count; i++) {
		uint32_t vm = task->todo[i];

		result.left[state->cluster->vms[vm].priority] +=
			state->at[vm] == PLAN_NOWHERE || state->is_emptied[state->at[vm]];
	}
	return result;
}

/* All VMs home, and those of the task nowhere. */
static void begin(struct search *search)
{
	struct plan_state *state = search->state;

	for (uint32_t vm = 0; vm < state->cluster->vm_count; vm++)
		if (!search->task->is_todo[vm] && state->at[vm] != state->cluster->vm_ids[vm].host)
			plan_state_move(state, vm, state->cluster->vm_ids[vm].host);
	for (uint32_t i = 0; i < search->task->count; i++)
		plan_state_move(state, search->task->todo[i], PLAN_NOWHERE);
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

void plan_search(struct plan_state *state, struct plan_task *task, bool is_reached)
{
	struct search search = { .state = state, .task = task };
	size_t mark = state->step_count;
	struct result before;

	if (task->count > TASK_MAX)
		return;
	before = result_of(state, task);
	if (!is_reached)
		memset(&before, 0xff, sizeof(before)); /* anything is better */
	search.best = before;
	begin(&search);
	add_others(&search);
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
	if (!is_better(&search.best, &before))
		return;
	begin(&search);
	take_best(&search);
	/* What has no place stays where it is. */
	for (uint32_t i = 0; i < task->count; i++)
		if (state->at[task->todo[i]] == PLAN_NOWHERE)
			plan_state_move(state, task->todo[i],
					state->cluster->vm_ids[task->todo[i]].host);
}
