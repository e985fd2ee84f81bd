/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plan as it is shown: moves, VMs that stay, and how full the hosts get. */
#include <string.h>

#include "base/clock.h"
#include "evacuation/priv.h"

static const char *const host_states[] = { "online", "draining", "offline" };

static struct evacuation_use use_of(const struct plan_use *use)
{
	return (struct evacuation_use){ use->mem_mib, use->vcpus, use->cpu_load };
}

static double percent_of(const struct plan_use *use, const struct plan_host *host)
{
	return 100.0 * (double)use->mem_mib / (double)evac_memory_mib(host);
}

static struct evacuation_host show_host(const struct evac_making *making, uint32_t i)
{
	const struct plan_host *host = &making->input.hosts[i];
	const struct plan_fill none = { .homeless_before = PLAN_NOWHERE,
					.homeless_after = PLAN_NOWHERE };
	const struct plan_fill *fill = making->plan ? &making->plan->fills[i] : &none;

	return (struct evacuation_host){
		.host = making->hosts[i].id,
		.state = host_states[host->state],
		.memory_mib = evac_memory_mib(host),
		.cpus = host->cpus,
		.before = use_of(&fill->before),
		.after = use_of(&fill->after),
		.worst = use_of(&fill->worst),
		.memory_percent_after = percent_of(&fill->after, host),
		.memory_percent_worst = percent_of(&fill->worst, host),
		.homeless_before = fill->homeless_before == PLAN_NOWHERE
					   ? NULL
					   : making->vms[fill->homeless_before].name,
		.homeless_after = fill->homeless_after == PLAN_NOWHERE
					  ? NULL
					  : making->vms[fill->homeless_after].name,
	};
}

/* Lists that the shown plan borrows, until it is encoded. */
struct lists {
	struct evacuation_plan_move *moves;
	struct evacuation_plan_stay *stays;
	struct evacuation_host *hosts;
	const char **names; /* of other hosts, QUEUE_HOSTS_MAX for each move */
	struct evacuation_rejected *rejected;
};

static void show_others(const struct evac_choice *choice, const char **names,
			struct evacuation_plan_move *ret)
{
	ret->others = names;
	for (size_t i = 1; i < choice->to_count; i++)
		names[ret->other_count++] = choice->to[i];
}

static void show_move(const struct evac_making *making, const struct plan_move *move,
		      const char **names, struct evacuation_plan_move *ret)
{
	const struct capacity_vm *vm = &making->vms[move->vm];
	const struct evac_choice *choice = making->choices[move->vm];

	*ret = (struct evacuation_plan_move){
		.vm = vm->name,
		.from = making->hosts[move->from].id,
		.to = making->hosts[move->to].id,
		.waits = move->waits,
		.makes_room = move->makes_room,
		.is_detour = move->is_detour,
		.start_ms = (uint64_t)(move->start_s * 1000),
		.end_ms = (uint64_t)(move->end_s * 1000),
		.why = move->why,
	};
	if (choice && move->from == EVAC_OWN)
		show_others(choice, names, ret);
}

static const char *becomes_name(int becomes)
{
	switch (becomes) {
	case EVAC_VM_LEFT:
		return "leave";
	case EVAC_VM_STOPPING:
		return "stop";
	case EVAC_VM_SAVING:
		return "save";
	default:
		return NULL;
	}
}

static void show_stay(const struct evac_choice *choice, struct lists *lists, size_t *rejected,
		      struct evacuation_plan_stay *ret)
{
	*ret = (struct evacuation_plan_stay){
		.vm = choice->name,
		.becomes = becomes_name(choice->becomes),
		.why = choice->why,
		.rejected = lists->rejected + *rejected,
		.rejected_count = choice->rejected_count,
	};
	for (size_t i = 0; i < choice->rejected_count; i++)
		lists->rejected[(*rejected)++] =
			(struct evacuation_rejected){ choice->rejected[i].host,
						      choice->rejected[i].why };
}

/* Of a stopped VM, which the plan library does not know. */
static void show_stopped_move(const struct evac_making *making, const struct evac_choice *choice,
			      const char **names, struct evacuation_plan_move *ret)
{
	*ret = (struct evacuation_plan_move){
		.vm = choice->name,
		.from = making->hosts[EVAC_OWN].id,
		.to = choice->to[0],
		.why = choice->why,
	};
	show_others(choice, names, ret);
}

static void fill_lists(const struct evac_making *making, struct lists *lists,
		       struct evacuation_plan *shown)
{
	const struct evac_plan *plan = making->ret;
	size_t rejected = 0;

	for (size_t i = 0; making->plan && i < making->plan->move_count; i++, shown->move_count++)
		show_move(making, &making->plan->moves[i],
			  lists->names + shown->move_count * QUEUE_HOSTS_MAX,
			  &lists->moves[shown->move_count]);
	for (size_t i = 0; i < plan->count; i++) {
		const struct evac_choice *choice = &plan->list[i];

		if (choice->to_count == 0) {
			show_stay(choice, lists, &rejected, &lists->stays[shown->stay_count++]);
		} else if (choice->is_stopped) {
			show_stopped_move(making, choice,
					  lists->names + shown->move_count * QUEUE_HOSTS_MAX,
					  &lists->moves[shown->move_count]);
			shown->move_count++;
		}
	}
	for (uint32_t i = 0; i < making->input.host_count; i++)
		lists->hosts[shown->host_count++] = show_host(making, i);
}

static size_t count_rejected(const struct evac_plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++)
		count += plan->list[i].rejected_count;
	return count;
}

void evac_plan_show(const struct evac_making *making)
{
	const struct evac_plan *plan = making->ret;
	size_t moves = (making->plan ? making->plan->move_count : 0) + plan->count + 1;
	struct lists lists = {
		.moves = xcalloc(moves, sizeof(*lists.moves)),
		.stays = xcalloc(plan->count + 1, sizeof(*lists.stays)),
		.hosts = xcalloc(making->input.host_count, sizeof(*lists.hosts)),
		.names = xcalloc(moves * QUEUE_HOSTS_MAX, sizeof(*lists.names)),
		.rejected = xcalloc(count_rejected(plan) + 1, sizeof(*lists.rejected)),
	};
	struct evacuation_plan shown = {
		.state_id = plan->state_id,
		.made_at = clock_wall_ms(),
		.moves = lists.moves,
		.stays = lists.stays,
		.hosts = lists.hosts,
	};

	if (making->plan) {
		shown.makespan_ms = (uint64_t)(making->plan->makespan_s * 1000);
		shown.bound_ms = (uint64_t)(making->plan->bound_s * 1000);
		shown.imbalance_before = making->plan->before.imbalance;
		shown.imbalance_after = making->plan->after.imbalance;
	}
	fill_lists(making, &lists, &shown);
	making->ret->shown = json_encode(evacuation_plan_fields, &shown);
	making->ret->text = xstrdup(json_text(making->ret->shown, NULL));
	free(lists.moves);
	free(lists.stays);
	free(lists.hosts);
	free(lists.names);
	free(lists.rejected);
}
