/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the VMs of this host go, by what the hosts have last told. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "evacuation/priv.h"
#include "vm/vm.h"

#define OWN 0 /* index of this host in the picture */

/* All that a plan is made of. */
struct making {
	const struct evacuations *evacs;
	const struct evacuation_request *request;
	struct plan_input input;
	const struct capacity_host *hosts;
	const struct capacity_vm *vms;
	struct plan *plan; /* NULL: there is nothing to be planned */
	struct evac_plan *ret;
};

/* ---- what a plan depends on, as a number ------------------------------------------------ */

/* FNV-1a of 64 bits: it tells what has changed from what has not, and keeps nobody out. */
struct sum {
	uint64_t value;
};

static void sum_text(struct sum *sum, const char *text)
{
	for (const char *at = text ? text : "-"; *at; at++)
		sum->value = (sum->value ^ (unsigned char)*at) * UINT64_C(1099511628211);
	sum->value = (sum->value ^ 0x1f) * UINT64_C(1099511628211);
}

static void sum_uint(struct sum *sum, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	sum_text(sum, text);
}

static void sum_labels(struct sum *sum, const struct plan_labels *labels)
{
	sum_uint(sum, labels->count);
	for (size_t i = 0; i < labels->count; i++) {
		sum_text(sum, labels->list[i].key);
		sum_text(sum, labels->list[i].value);
	}
}

/* This host's own state follows from the evacuation. */
static void sum_host(struct sum *sum, const struct plan_host *host, bool is_own)
{
	sum_text(sum, host->name);
	sum_uint(sum, host->mem_mib);
	sum_uint(sum, host->cpus);
	sum_text(sum, host->rack);
	sum_uint(sum, is_own ? 0 : host->state);
	sum_labels(sum, &host->labels);
	sum_text(sum, host->hold ? "held" : NULL);
}

static void sum_vm(struct sum *sum, const struct plan_vm *vm, const char *uuid)
{
	sum_text(sum, uuid);
	sum_text(sum, vm->host);
	sum_uint(sum, vm->mem_mib);
	sum_uint(sum, vm->vcpus);
	sum_text(sum, vm->group);
	sum_text(sum, vm->affinity);
	sum_uint(sum, vm->is_movable);
	sum_text(sum, vm->hold ? "held" : NULL);
	sum_labels(sum, &vm->requires);
	sum_labels(sum, &vm->forbids);
	sum_labels(sum, &vm->prefers);
	for (size_t i = 0; i < vm->pins.count; i++)
		sum_text(sum, vm->pins.list[i]);
}

/* Stopped VMs take nothing of the hosts, and are moved too. */
static void sum_stopped(struct sum *sum, struct vms *vms)
{
	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm)))
		if (vm_is_stopped(vm))
			sum_text(sum, vm_uuid(vm));
}

static void set_state_id(const struct making *making)
{
	const struct plan_input *input = &making->input;
	struct sum sum = { UINT64_C(14695981039346656037) };

	for (size_t i = 0; i < input->host_count; i++)
		sum_host(&sum, &input->hosts[i], i == OWN);
	for (size_t i = 0; i < input->vm_count; i++)
		sum_vm(&sum, &input->vms[i], making->vms[i].uuid);
	sum_stopped(&sum, making->evacs->env.vms);
	snprintf(making->ret->state_id, sizeof(making->ret->state_id), "%016" PRIx64, sum.value);
}

/* ---- the hosts, the emptiest first ---------------------------------------------------------- */

struct place {
	uint32_t host;
	double fill;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	if (left->fill < right->fill || left->fill > right->fill)
		return left->fill < right->fill ? -1 : 1;
	return (left->host > right->host) - (left->host < right->host);
}

static uint64_t capacity_of(const struct plan_host *host)
{
	return host->mem_mib > host->reserved_mib ? host->mem_mib - host->reserved_mib : 1;
}

/* Those that take VMs at all. */
static size_t places_of(const struct making *making, struct place *ret)
{
	size_t count = 0;

	for (uint32_t i = OWN + 1; i < making->input.host_count; i++) {
		const struct plan_host *host = &making->input.hosts[i];
		uint64_t used = making->plan ? making->plan->fills[i].after.mem_mib : 0;

		if (host->state == PLAN_HOST_ONLINE && !host->hold)
			ret[count++] =
				(struct place){ i, (double)used / (double)capacity_of(host) };
	}
	qsort(ret, count, sizeof(*ret), compare_places);
	return count;
}

/* ---- one VM -------------------------------------------------------------------------------- */

static struct evac_choice *choice_new(struct evac_plan *plan, const char *uuid, const char *name)
{
	struct evac_choice *choice;

	if (plan->count == plan->size) {
		plan->size = plan->size ? plan->size * 2 : 16;
		plan->list = xrealloc(plan->list, plan->size * sizeof(*plan->list));
	}
	choice = &plan->list[plan->count++];
	*choice = (struct evac_choice){ .becomes = EVAC_VM_BLOCKED };
	snprintf(choice->uuid, sizeof(choice->uuid), "%s", uuid);
	snprintf(choice->name, sizeof(choice->name), "%s", name);
	return choice;
}

static void add_host(const struct making *making, struct evac_choice *choice, uint32_t host)
{
	const char *id = making->hosts[host].id;

	for (size_t i = 0; i < choice->to_count; i++)
		if (strcmp(choice->to[i], id) == 0)
			return;
	if (choice->to_count < QUEUE_HOSTS_MAX)
		snprintf(choice->to[choice->to_count++], sizeof(choice->to[0]), "%s", id);
}

/* Where else it could go, if its destination refuses it. */
static void add_others(const struct making *making, struct evac_choice *choice, uint32_t vm)
{
	uint32_t hosts[QUEUE_HOSTS_MAX];
	size_t count = plan_candidates(making->plan, vm, hosts, QUEUE_HOSTS_MAX);

	for (size_t i = 0; i < count; i++)
		if (hosts[i] != OWN)
			add_host(making, choice, hosts[i]);
}

static void add_rejected(const struct making *making, struct evac_choice *choice, uint32_t vm)
{
	size_t count = making->input.host_count;

	choice->rejected = xcalloc(count, sizeof(*choice->rejected));
	for (uint32_t i = OWN + 1; i < count; i++) {
		CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
		struct evac_rejected *rejected = &choice->rejected[choice->rejected_count];

		if (!plan_reject(making->plan, vm, i, &why))
			continue;
		snprintf(rejected->host, sizeof(rejected->host), "%s", making->hosts[i].id);
		snprintf(rejected->why, sizeof(rejected->why), "%s", strbuf_str(&why));
		choice->rejected_count++;
	}
}

/* What request and placement allow for one that cannot be moved. */
static int becomes(const struct evacuation_request *request, const struct capacity_vm *vm)
{
	switch (vm->on_evacuation) {
	case PLACEMENT_LEAVE:
		return request->may_leave ? EVAC_VM_LEFT : EVAC_VM_BLOCKED;
	case PLACEMENT_RESTART:
		return request->may_stop ? EVAC_VM_STOPPING : EVAC_VM_BLOCKED;
	case PLACEMENT_SAVE:
		return request->may_save ? EVAC_VM_SAVING : EVAC_VM_BLOCKED;
	case PLACEMENT_EVACUATION_COUNT:
		break;
	}
	return EVAC_VM_BLOCKED;
}

static void choose_stay(const struct making *making, const struct plan_stay *stay)
{
	const struct capacity_vm *vm = &making->vms[stay->vm];
	struct evac_choice *choice;

	if (vm->host != OWN)
		return;
	choice = choice_new(making->ret, vm->uuid, vm->name);
	choice->why = xstrdup(stay->why);
	if (!making->input.vms[stay->vm].hold)
		choice->becomes = becomes(making->request, vm);
	if (stay->has_tried)
		add_rejected(making, choice, stay->vm);
}

static void choose_move(const struct making *making, const struct plan_move *move)
{
	const struct capacity_vm *vm = &making->vms[move->vm];
	struct evac_choice *choice;

	if (move->from != OWN || evac_plan_find(making->ret, vm->uuid))
		return;
	choice = choice_new(making->ret, vm->uuid, vm->name);
	choice->why = xstrdup(move->why);
	add_host(making, choice, move->to);
	add_others(making, choice, move->vm);
}

/* A stopped VM may go to any host that takes guests; that host decides. */
static void choose_stopped(const struct making *making, struct vm *vm, const struct place *places,
			   size_t count)
{
	struct evac_choice *choice;

	if (!vm_is_stopped(vm) || making->request->stopped == EVACUATION_STOPPED_LEAVE ||
	    evac_plan_find(making->ret, vm_uuid(vm)))
		return;
	choice = choice_new(making->ret, vm_uuid(vm), vm_name(vm));
	for (size_t i = 0; i < count; i++)
		add_host(making, choice, places[i].host);
	choice->why = count ? xasprintf("does not run, and goes to the emptiest host, '%s'",
					choice->to[0])
			    : xstrdup("no other host takes guests now");
}

static void choose(const struct making *making)
{
	CLEANUP(free_charp) char *room = xcalloc(making->input.host_count, sizeof(struct place));
	struct place *places = (struct place *)(void *)room;
	size_t count = places_of(making, places);
	struct vms *vms = making->evacs->env.vms;

	for (size_t i = 0; making->plan && i < making->plan->move_count; i++)
		choose_move(making, &making->plan->moves[i]);
	for (size_t i = 0; making->plan && i < making->plan->stay_count; i++)
		choose_stay(making, &making->plan->stays[i]);
	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm)))
		choose_stopped(making, vm, places, count);
}

/* ---- all as it is shown ---------------------------------------------------------------------- */

static const char *const host_states[] = { "online", "draining", "offline" };

static struct evacuation_use use_of(const struct plan_use *use)
{
	return (struct evacuation_use){ use->mem_mib, use->vcpus, use->cpu_load };
}

static double percent_of(const struct plan_use *use, const struct plan_host *host)
{
	return 100.0 * (double)use->mem_mib / (double)capacity_of(host);
}

static struct evacuation_host show_host(const struct making *making, uint32_t i)
{
	const struct plan_host *host = &making->input.hosts[i];
	const struct plan_fill none = { .homeless_before = PLAN_NOWHERE,
					.homeless_after = PLAN_NOWHERE };
	const struct plan_fill *fill = making->plan ? &making->plan->fills[i] : &none;

	return (struct evacuation_host){
		.host = making->hosts[i].id,
		.state = host_states[host->state],
		.memory_mib = capacity_of(host),
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

static void show_move(const struct making *making, const struct plan_move *move, const char **names,
		      struct evacuation_plan_move *ret)
{
	const struct capacity_vm *vm = &making->vms[move->vm];
	const struct evac_choice *choice = evac_plan_find(making->ret, vm->uuid);

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
	if (choice && move->from == OWN)
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
static void show_stopped_move(const struct making *making, const struct evac_choice *choice,
			      const char **names, struct evacuation_plan_move *ret)
{
	*ret = (struct evacuation_plan_move){
		.vm = choice->name,
		.from = making->hosts[OWN].id,
		.to = choice->to[0],
		.why = choice->why,
	};
	show_others(choice, names, ret);
}

static bool is_planned(const struct making *making, const struct evac_choice *choice)
{
	for (size_t i = 0; making->plan && i < making->plan->move_count; i++)
		if (strcmp(making->vms[making->plan->moves[i].vm].uuid, choice->uuid) == 0)
			return true;
	return false;
}

static void fill_lists(const struct making *making, struct lists *lists,
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
		} else if (!is_planned(making, choice)) {
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

static void show(const struct making *making)
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
	free(lists.moves);
	free(lists.stays);
	free(lists.hosts);
	free(lists.names);
	free(lists.rejected);
}

/* ---- all ---------------------------------------------------------------------------------------
 */

static bool has_vms(const struct making *making)
{
	for (size_t i = 0; i < making->input.vm_count; i++)
		if (making->vms[i].host == OWN)
			return true;
	return false;
}

static struct evac_plan *make(struct making *making, struct plan_cluster *cluster, struct err *err)
{
	const uint32_t own = OWN;
	const struct plan_evacuate wanted = { &own, 1, (unsigned)making->request->others_max };

	if (has_vms(making)) {
		making->plan = plan_evacuate(cluster, &wanted, err);
		if (!making->plan)
			return NULL;
	}
	making->ret = xnew(struct evac_plan);
	set_state_id(making);
	choose(making);
	show(making);
	plan_free(making->plan);
	return making->ret;
}

/* They were asked just now: nothing goes to one that has not answered. */
static struct plan_host *hosts_of(const struct making *making)
{
	size_t bytes = making->input.host_count * sizeof(struct plan_host);
	struct plan_host *hosts = xcalloc(1, bytes);

	memcpy(hosts, making->input.hosts, bytes);
	for (size_t i = OWN + 1; i < making->input.host_count; i++)
		if (making->hosts[i].trouble)
			hosts[i].state = PLAN_HOST_OFFLINE;
	return hosts;
}

struct evac_plan *evac_plan_make(const struct evacuations *evacs,
				 const struct evacuation_request *request, struct err *err)
{
	struct capacity_picture *picture = capacity_take(evacs->env.capacity);
	struct making making = {
		.evacs = evacs,
		.request = request,
		.input = *capacity_input(picture),
		.hosts = capacity_hosts(picture),
		.vms = capacity_vms(picture),
	};
	struct plan_host *hosts = hosts_of(&making);
	struct plan_cluster *cluster;
	struct evac_plan *plan;

	making.input.hosts = hosts;
	cluster = plan_cluster_new(&making.input, err);
	plan = cluster ? make(&making, cluster, err) : NULL;
	plan_cluster_free(cluster);
	free(hosts);
	capacity_picture_free(picture);
	return plan;
}

void evac_plan_free(struct evac_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->list[i].why);
		free(plan->list[i].rejected);
	}
	free(plan->list);
	json_object_put(plan->shown);
	free(plan);
}

struct evac_choice *evac_plan_find(const struct evac_plan *plan, const char *uuid)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->list[i].uuid, uuid) == 0)
			return &plan->list[i];
	return NULL;
}

const struct evac_choice *evac_plan_blocked(const struct evac_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->list[i].to_count == 0 && plan->list[i].becomes == EVAC_VM_BLOCKED)
			return &plan->list[i];
	return NULL;
}
