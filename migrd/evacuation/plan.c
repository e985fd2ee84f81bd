/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the VMs of this host go, by what the hosts have last told. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "evacuation/priv.h"

/* Of all VMs of a plan: 4 MiB, kept until the next plan. */
#define REJECTED_MAX 16384

uint64_t evac_memory_mib(const struct plan_host *host)
{
	return host->mem_mib > host->reserved_mib ? host->mem_mib - host->reserved_mib : 1;
}

/* ---- the list of choices ------------------------------------------------------------------- */

static struct evac_plan *plan_new(const struct evac_making *making)
{
	struct evac_plan *plan = xnew(struct evac_plan);

	plan->size = making->hosts[EVAC_OWN].vm_count + making->seen->count;
	plan->list = xcalloc(plan->size + 1, sizeof(*plan->list));
	plan->by_uuid = xcalloc(plan->size + 1, sizeof(struct evac_choice *));
	return plan;
}

struct evac_choice *evac_plan_add(struct evac_plan *plan, const char *uuid, const char *name)
{
	struct evac_choice *choice = &plan->list[plan->count];

	assert(plan->count < plan->size);
	plan->count++;
	*choice = (struct evac_choice){ .becomes = EVAC_VM_BLOCKED };
	snprintf(choice->uuid, sizeof(choice->uuid), "%s", uuid);
	snprintf(choice->name, sizeof(choice->name), "%s", name);
	return choice;
}

static int compare_choices(const void *a, const void *b)
{
	return strcmp((*(struct evac_choice *const *)a)->uuid,
		      (*(struct evac_choice *const *)b)->uuid);
}

/* evac_plan_find() finds what was added before. */
static void make_index(struct evac_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		plan->by_uuid[i] = &plan->list[i];
	plan->by_uuid_count = plan->count;
	qsort(plan->by_uuid, plan->count, sizeof(struct evac_choice *), compare_choices);
}

static int compare_uuid(const void *uuid, const void *choice)
{
	return strcmp(uuid, (*(struct evac_choice *const *)choice)->uuid);
}

struct evac_choice *evac_plan_find(const struct evac_plan *plan, const char *uuid)
{
	struct evac_choice *const *found = bsearch(uuid, plan->by_uuid, plan->by_uuid_count,
						   sizeof(struct evac_choice *), compare_uuid);

	return found ? *found : NULL;
}

/* ---- one VM that runs ---------------------------------------------------------------------- */

void evac_plan_add_host(const struct evac_making *making, struct evac_choice *choice, uint32_t host)
{
	const char *id = making->hosts[host].id;

	for (size_t i = 0; i < choice->to_count; i++)
		if (strcmp(choice->to[i], id) == 0)
			return;
	if (choice->to_count < QUEUE_HOSTS_MAX)
		snprintf(choice->to[choice->to_count++], sizeof(choice->to[0]), "%s", id);
}

/* Where else it could go, if its destination refuses it. */
static void add_others(const struct evac_making *making, struct evac_choice *choice, uint32_t vm)
{
	uint32_t hosts[QUEUE_HOSTS_MAX];
	size_t count = plan_candidates(making->plan, vm, hosts, QUEUE_HOSTS_MAX);

	for (size_t i = 0; i < count; i++)
		if (hosts[i] != EVAC_OWN)
			evac_plan_add_host(making, choice, hosts[i]);
}

static void add_rejected(const struct evac_making *making, struct evac_choice *choice, uint32_t vm)
{
	struct evac_plan *plan = making->ret;
	size_t left = REJECTED_MAX - plan->rejected_count;
	size_t most = left < EVAC_REJECTED_OF_VM ? left : EVAC_REJECTED_OF_VM;

	choice->rejected = xcalloc(most + 1, sizeof(*choice->rejected));
	for (uint32_t i = EVAC_OWN + 1;
	     i < making->input.host_count && choice->rejected_count < most; i++) {
		CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
		struct evac_rejected *rejected = &choice->rejected[choice->rejected_count];

		if (!plan_reject(making->plan, vm, i, &why))
			continue;
		snprintf(rejected->host, sizeof(rejected->host), "%s", making->hosts[i].id);
		snprintf(rejected->why, sizeof(rejected->why), "%s", strbuf_str(&why));
		choice->rejected_count++;
	}
	plan->rejected_count += choice->rejected_count;
}

int evac_becomes(const struct evacuation_request *request, const struct capacity_vm *vm)
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

/* The plan only knows that a VM cannot be moved, its host knows why. */
static const char *why_it_stays(const struct evac_making *making, const struct plan_stay *stay)
{
	const char *why = making->vms[stay->vm].why;

	return why && !making->input.hosts[EVAC_OWN].hold ? why : stay->why;
}

/* It has a job, or its QEMU does not answer, which passes; a guest is not stopped for that. */
static bool is_busy(const struct evac_making *making, const struct capacity_vm *vm)
{
	const struct evac_seen_vm *seen = evac_seen_find(making->seen, vm->uuid);

	return !seen || seen->is_busy;
}

static struct evac_choice *choose(const struct evac_making *making, uint32_t vm)
{
	const struct capacity_vm *told = &making->vms[vm];

	return making->choices[vm] = evac_plan_add(making->ret, told->uuid, told->name);
}

/* Another host may have room, and has not answered just now. */
static bool is_one_silent(const struct evac_making *making)
{
	for (size_t i = EVAC_OWN + 1; i < making->input.host_count; i++)
		if (making->input.hosts[i].state == PLAN_HOST_OFFLINE)
			return true;
	return false;
}

static void choose_stay(const struct evac_making *making, const struct plan_stay *stay)
{
	const struct capacity_vm *vm = &making->vms[stay->vm];
	struct evac_choice *choice;

	if (vm->host != EVAC_OWN)
		return;
	choice = choose(making, stay->vm);
	choice->why = xstrdup(why_it_stays(making, stay));
	if (!making->input.vms[stay->vm].hold && !is_busy(making, vm))
		choice->becomes = evac_becomes(making->request, vm);
	if (stay->has_tried) {
		add_rejected(making, choice, stay->vm);
		choice->is_of_moment = is_one_silent(making);
		choice->waits_for_asking = making->others->is_asked_again;
	}
}

static void choose_move(const struct evac_making *making, const struct plan_move *move)
{
	struct evac_choice *choice;

	if (move->from != EVAC_OWN || making->choices[move->vm])
		return;
	choice = choose(making, move->vm);
	choice->why = xstrdup(move->why);
	evac_plan_add_host(making, choice, move->to);
	add_others(making, choice, move->vm);
}

static void choose_all(const struct evac_making *making)
{
	for (size_t i = 0; making->plan && i < making->plan->move_count; i++)
		choose_move(making, &making->plan->moves[i]);
	for (size_t i = 0; making->plan && i < making->plan->stay_count; i++)
		choose_stay(making, &making->plan->stays[i]);
	make_index(making->ret);
	evac_plan_stopped(making);
	make_index(making->ret);
}

/* ---- all -------------------------------------------------------------- */

/* Each of the others, and why it takes none. */
static void say_nobody(const struct evac_making *making, struct err *err)
{
	static const char *const words[] = {
		[PLAN_HOST_ONLINE] = "online",
		[PLAN_HOST_DRAINING] = "cordoned or being emptied",
		[PLAN_HOST_OFFLINE] = "offline",
	};
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	for (size_t i = EVAC_OWN + 1; i < making->input.host_count; i++)
		strbuf_addf(&text, "%s'%s' is %s", i > EVAC_OWN + 1 ? ", " : ": ",
			    making->input.hosts[i].name, words[making->input.hosts[i].state]);
	err_set(err, ERR_CONFLICT, "no other host takes guests%.400s; look at 'migrctl host list'",
		strbuf_str(&text));
}

static struct evac_plan *make(struct evac_making *making, struct plan_cluster *cluster,
			      struct err *err)
{
	const uint32_t own = EVAC_OWN;
	const struct plan_evacuate wanted = { &own, 1, making->others->max };

	if (making->hosts[EVAC_OWN].vm_count) {
		making->plan = plan_evacuate(cluster, &wanted, err);
		if (!making->plan) {
			if (err->code == ERR_CONFLICT)
				say_nobody(making, err);
			return NULL;
		}
	}
	making->ret = plan_new(making);
	making->choices = xcalloc(making->input.vm_count + 1, sizeof(struct evac_choice *));
	evac_plan_sum(making);
	choose_all(making);
	evac_plan_rooms(making);
	evac_plan_show(making);
	making->ret->seen = TAKE_PTR(making->seen);
	free(TAKE_PTR(making->choices));
	plan_free(TAKE_PTR(making->plan));
	return making->ret;
}

/* They were asked just now: nothing goes to one that has not answered. */
static struct plan_host *hosts_of(const struct evac_making *making)
{
	size_t bytes = making->input.host_count * sizeof(struct plan_host);
	struct plan_host *hosts = xcalloc(1, bytes);

	memcpy(hosts, making->input.hosts, bytes);
	for (size_t i = EVAC_OWN + 1; i < making->input.host_count; i++)
		if (making->hosts[i].trouble)
			hosts[i].state = PLAN_HOST_OFFLINE;
	return hosts;
}

static bool is_fixed(const struct evac_making *making, const struct capacity_vm *vm)
{
	for (size_t i = 0; i < making->others->fixed_count; i++) {
		const struct evac_fixed *fixed = &making->others->fixed[i];

		if (strcmp(fixed->host, making->hosts[vm->host].id) == 0 &&
		    (!fixed->uuid[0] || strcmp(fixed->uuid, vm->uuid) == 0))
			return true;
	}
	return false;
}

/* With those that may not be moved; NULL: all may. */
static struct plan_vm *vms_of(const struct evac_making *making)
{
	size_t count = making->input.vm_count;
	struct plan_vm *vms;

	if (!making->others->max || !making->others->fixed_count || !count)
		return NULL;
	vms = xcalloc(count, sizeof(*vms));
	memcpy(vms, making->input.vms, count * sizeof(*vms));
	for (size_t i = 0; i < count; i++)
		if (making->vms[i].host != EVAC_OWN && is_fixed(making, &making->vms[i]))
			vms[i].is_movable = false;
	return vms;
}

struct evac_plan *evac_plan_make(struct evac_making *making, struct err *err)
{
	struct plan_host *hosts;
	struct plan_vm *vms;
	struct plan_cluster *cluster;
	struct evac_plan *plan;

	capacity_work_out(making->picture);
	making->input = *capacity_input(making->picture);
	making->hosts = capacity_hosts(making->picture);
	making->vms = capacity_vms(making->picture);
	hosts = hosts_of(making);
	making->input.hosts = hosts;
	vms = vms_of(making);
	if (vms)
		making->input.vms = vms;
	cluster = plan_cluster_new(&making->input, err);
	plan = cluster ? make(making, cluster, err) : NULL;
	plan_cluster_free(cluster);
	free(vms);
	free(hosts);
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
	free(plan->by_uuid);
	free(plan->text);
	evac_seen_free(plan->seen);
	json_object_put(plan->shown);
	free(plan);
}

const struct evac_choice *evac_plan_blocked(const struct evac_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->list[i].to_count == 0 && plan->list[i].becomes == EVAC_VM_BLOCKED)
			return &plan->list[i];
	return NULL;
}
