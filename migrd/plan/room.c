/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Room for a VM that finds none: others give way, and others for those. */
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

#define DEPTH       2  /* who gives way may have others give way so often */
#define HOSTS_TRIED 24 /* those that lack least */
#define VMS_TRIED   8  /* of a host, each alone */
#define TOGETHER    4  /* so many of a host at once */

struct room {
	struct plan_state *state;
	struct plan_task *task;
};

static bool spend(struct room *room, uint64_t pairs)
{
	if (room->task->budget < pairs) {
		room->task->budget = 0;
		return false;
	}
	room->task->budget -= pairs;
	return true;
}

/* ---- who may give way ------------------------------------------------------ */

static bool is_at_home(const struct plan_state *state, uint32_t vm)
{
	return state->at[vm] == state->cluster->vm_ids[vm].host;
}

static bool may_give_way(const struct room *room, uint32_t vm)
{
	const struct plan_task *task = room->task;

	if (task->is_todo[vm])
		return true;
	if (plan_why_fixed(room->state->cluster, vm))
		return false;
	return !is_at_home(room->state, vm) || task->others < task->others_max;
}

static void lift(struct room *room, uint32_t vm)
{
	if (!room->task->is_todo[vm] && is_at_home(room->state, vm))
		room->task->others++;
	plan_state_move(room->state, vm, PLAN_NOWHERE);
}

/* The point to which all can be changed back. */
struct mark {
	size_t steps;
	unsigned others;
};

static struct mark mark_of(const struct room *room)
{
	return (struct mark){ room->state->step_count, room->task->others };
}

static void back(struct room *room, const struct mark *mark)
{
	plan_state_undo(room->state, mark->steps);
	room->task->others = mark->others;
}

/* ---- one host -------------------------------------------------------------- */

static bool settle(struct room *room, uint32_t vm, int depth);

/* A VM that may give way.  One that is moved anyway comes first, then one that is little to send
 * and changes little meanwhile. */
struct giver {
	uint32_t vm;
	double cost;
};

static int compare_givers(const void *a, const void *b)
{
	const struct giver *left = a, *right = b;

	if (left->cost < right->cost || left->cost > right->cost)
		return left->cost < right->cost ? -1 : 1;
	return (left->vm > right->vm) - (left->vm < right->vm);
}

static struct giver *list_givers(const struct room *room, uint32_t host, uint32_t *ret_count)
{
	const struct plan_state *state = room->state;
	struct giver *list = NULL;
	uint32_t count = 0, size = 0;

	for (uint32_t vm = state->first[host]; vm != PLAN_NOWHERE; vm = state->next[vm]) {
		const struct plan_vm *what = &state->cluster->vms[vm];

		if (!may_give_way(room, vm))
			continue;
		if (count == size) {
			size = size ? size * 2 : 32;
			list = xrealloc(list, size * sizeof(*list));
		}
		list[count].vm = vm;
		list[count++].cost =
			room->task->is_todo[vm] ? 0 : plan_send_mib(what) + what->dirty_mibps;
	}
	if (count > 0)
		qsort(list, count, sizeof(*list), compare_givers);
	*ret_count = count;
	return list;
}

/* VM goes to HOST in the place of a single one. */
static bool for_one(struct room *room, uint32_t vm, uint32_t host, const struct giver *givers,
		    uint32_t count, int depth)
{
	const struct mark mark = mark_of(room);
	int tried = 0;

	for (uint32_t i = 0; i < count && tried < VMS_TRIED; i++) {
		lift(room, givers[i].vm);
		if (spend(room, 1) && plan_fits(room->state, vm, host)) {
			tried++;
			plan_state_move(room->state, vm, host);
			if (settle(room, givers[i].vm, depth - 1))
				return true;
		}
		back(room, &mark);
	}
	return false;
}

/* In the place of several: the largest first, so that they are few. */
static bool for_several(struct room *room, uint32_t vm, uint32_t host, const struct giver *givers,
			uint32_t count, int depth)
{
	const struct mark mark = mark_of(room);
	uint32_t gone[TOGETHER], gone_count = 0;
	bool done;

	for (uint32_t i = count; i > 0 && gone_count < TOGETHER; i--) {
		if (!may_give_way(room, givers[i - 1].vm))
			continue;
		lift(room, givers[i - 1].vm);
		gone[gone_count++] = givers[i - 1].vm;
		if (plan_fits(room->state, vm, host))
			break;
	}
	done = gone_count > 0 && spend(room, gone_count) && plan_fits(room->state, vm, host);
	if (done)
		plan_state_move(room->state, vm, host);
	for (uint32_t i = 0; done && i < gone_count; i++)
		done = settle(room, gone[i], depth - 1);
	if (!done)
		back(room, &mark);
	return done;
}

static void free_givers(struct giver **givers)
{
	free(*givers);
}

static bool settle_at(struct room *room, uint32_t vm, uint32_t host, int depth)
{
	uint32_t count;
	CLEANUP(free_givers) struct giver *givers = list_givers(room, host, &count);

	return count > 0 && (for_one(room, vm, host, givers, count, depth) ||
			     for_several(room, vm, host, givers, count, depth));
}

/* ---- the hosts that lack least --------------------------------------------- */

struct choice {
	uint32_t host;
	double lack; /* of what the VM needs */
};

static double share_missing(double wanted, double used, double capacity)
{
	double lack = used + wanted - capacity;

	return wanted > 0 && lack > 0 ? lack / wanted : 0;
}

static double lack_of(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct plan_vm *what = &state->cluster->vms[vm];
	const struct plan_use *use = &state->use[host];
	const struct plan_host *where = &state->cluster->hosts[host];

	return share_missing((double)what->mem_mib, (double)use->mem_mib,
			     (double)plan_capacity_mib(where)) +
	       share_missing((double)what->vcpus, (double)use->vcpus,
			     (double)where->cpus * state->cluster->limits.vcpu_ratio);
}

/* The list stays sorted; the last falls out. */
static uint32_t insert(struct choice list[HOSTS_TRIED], uint32_t count, struct choice choice)
{
	uint32_t i = count < HOSTS_TRIED ? count : HOSTS_TRIED - 1;

	if (count == HOSTS_TRIED && list[i].lack <= choice.lack)
		return count;
	for (; i > 0 && list[i - 1].lack > choice.lack; i--)
		list[i] = list[i - 1];
	list[i] = choice;
	return count < HOSTS_TRIED ? count + 1 : count;
}

/* VM, which is nowhere or on an emptied host, gets a place; else all is as it was. */
static bool settle(struct room *room, uint32_t vm, int depth)
{
	struct plan_state *state = room->state;
	struct choice choices[HOSTS_TRIED];
	uint32_t count = 0, host;

	if (!spend(room, state->cluster->host_count))
		return false;
	host = plan_best_host(state, vm);
	if (host != PLAN_NOWHERE) {
		plan_state_move(state, vm, host);
		return true;
	}
	if (depth == 0)
		return false;
	for (host = 0; host < state->cluster->host_count; host++)
		if (host != state->at[vm] && plan_may(state, vm, host))
			count = insert(choices, count,
				       (struct choice){ host, lack_of(state, vm, host) });
	for (uint32_t i = 0; i < count; i++)
		if (settle_at(room, vm, choices[i].host, depth))
			return true;
	return false;
}

void plan_make_room(struct plan_state *state, struct plan_task *task)
{
	struct room room = { state, task };

	for (uint32_t i = 0; i < task->count; i++) {
		uint32_t vm = task->todo[i];
		unsigned others_max = task->others_max;
		bool done;

		if (state->at[vm] != PLAN_NOWHERE && !state->is_emptied[state->at[vm]])
			continue;
		task->others_max = task->others; /* first without any other */
		done = settle(&room, vm, 1) || settle(&room, vm, DEPTH);
		task->others_max = others_max;
		for (int depth = 1; !done && depth <= DEPTH; depth++)
			done = settle(&room, vm, depth);
	}
}
