/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plan wants of other hosts: the begin of its list, of their VMs. */
#include <stdio.h>
#include <string.h>

#include "evacuation/priv.h"

static bool is_second(const struct evac_plan *plan, const char *uuid)
{
	for (size_t i = 0; i < plan->room_count; i++)
		if (strcmp(plan->rooms[i].uuid, uuid) == 0)
			return true;
	return false;
}

static void add(const struct evac_making *making, const struct plan_move *move)
{
	const struct capacity_vm *vm = &making->vms[move->vm];
	struct evac_room *room = &making->ret->rooms[making->ret->room_count++];

	*room = (struct evac_room){ .state = EVAC_ROOM_WAITING };
	snprintf(room->uuid, sizeof(room->uuid), "%s", vm->uuid);
	snprintf(room->name, sizeof(room->name), "%s", vm->name);
	snprintf(room->from, sizeof(room->from), "%s", making->hosts[move->from].id);
	snprintf(room->to, sizeof(room->to), "%s", making->hosts[move->to].id);
}

/* A move needs no more room than what comes before it in the list leaves: so any begin of the list
 * may be carried out.  It ends before a VM would go on from where it has come: from there the next
 * plan finds its way. */
static void take_rooms(const struct evac_making *making)
{
	const struct plan *plan = making->plan;

	for (size_t i = 0; i < plan->move_count; i++) {
		const struct plan_move *move = &plan->moves[i];
		const struct capacity_vm *vm = &making->vms[move->vm];

		if (move->from == EVAC_OWN)
			continue;
		if (vm->host == EVAC_OWN || is_second(making->ret, vm->uuid) ||
		    making->ret->room_count == EVAC_ROOMS_MAX)
			return;
		add(making, move);
	}
}

/* One of the moves before the one of that number leaves its destination. */
static bool waits_for_room(const struct plan *plan, size_t number)
{
	const struct plan_move *move = &plan->moves[number];

	for (size_t i = 0; move->waits && i < number; i++)
		if (plan->moves[i].from == move->to)
			return true;
	return false;
}

void evac_plan_rooms(const struct evac_making *making)
{
	const struct plan *plan = making->plan;

	if (!plan)
		return;
	take_rooms(making);
	for (size_t i = 0; i < plan->move_count; i++)
		if (plan->moves[i].from == EVAC_OWN && waits_for_room(plan, i))
			making->choices[plan->moves[i].vm]->waits_for_room = true;
}
