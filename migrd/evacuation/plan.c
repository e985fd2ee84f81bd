/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the VMs of this host go, by what the hosts have last told. */
#include <stdio.h>
#include <string.h>

#include "evacuation/priv.h"
#include "vm/vm.h"
#include "wire/placement.h"

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

uint64_t evac_memory_mib(const struct plan_host *host)
{
	return host->mem_mib > host->reserved_mib ? host->mem_mib - host->reserved_mib : 1;
}

/* Those that take VMs at all. */
static size_t places_of(const struct evac_making *making, struct place *ret)
{
	size_t count = 0;

	for (uint32_t i = EVAC_OWN + 1; i < making->input.host_count; i++) {
		const struct plan_host *host = &making->input.hosts[i];
		uint64_t used = making->plan ? making->plan->fills[i].after.mem_mib : 0;

		if (host->state == PLAN_HOST_ONLINE && !host->hold)
			ret[count++] =
				(struct place){ i, (double)used / (double)evac_memory_mib(host) };
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

static void add_host(const struct evac_making *making, struct evac_choice *choice, uint32_t host)
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
			add_host(making, choice, hosts[i]);
}

static void add_rejected(const struct evac_making *making, struct evac_choice *choice, uint32_t vm)
{
	size_t count = making->input.host_count;

	choice->rejected = xcalloc(count, sizeof(*choice->rejected));
	for (uint32_t i = EVAC_OWN + 1; i < count; i++) {
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

/* The plan only knows that a VM cannot be moved, its host knows why. */
static const char *why_it_stays(const struct evac_making *making, const struct plan_stay *stay)
{
	const char *why = making->vms[stay->vm].why;

	return why && !making->input.hosts[EVAC_OWN].hold ? why : stay->why;
}

/* It has a job, or its QEMU does not answer, which passes; a guest is not stopped for that. */
static bool is_busy(const struct evac_making *making, const struct capacity_vm *vm)
{
	const struct vm *mine = vm_find_uuid(making->evacs->env.vms, vm->uuid);

	return !mine || vm_job(mine) || !vm_is_active(mine);
}

static void choose_stay(const struct evac_making *making, const struct plan_stay *stay)
{
	const struct capacity_vm *vm = &making->vms[stay->vm];
	struct evac_choice *choice;

	if (vm->host != EVAC_OWN)
		return;
	choice = choice_new(making->ret, vm->uuid, vm->name);
	choice->why = xstrdup(why_it_stays(making, stay));
	if (!making->input.vms[stay->vm].hold && !is_busy(making, vm))
		choice->becomes = becomes(making->request, vm);
	if (stay->has_tried)
		add_rejected(making, choice, stay->vm);
}

static void choose_move(const struct evac_making *making, const struct plan_move *move)
{
	const struct capacity_vm *vm = &making->vms[move->vm];
	struct evac_choice *choice;

	if (move->from != EVAC_OWN || evac_plan_find(making->ret, vm->uuid))
		return;
	choice = choice_new(making->ret, vm->uuid, vm->name);
	choice->why = xstrdup(move->why);
	add_host(making, choice, move->to);
	add_others(making, choice, move->vm);
}

/* ---- one that does not run ----------------------------------------------------------------- */

/* As its definition says; of a definition that is not understood: anywhere. */
static void read_placement(const struct vm *vm, struct placement *ret)
{
	CLEANUP(json_putp) struct json_object *def = json_read_back(vm_definition(vm));
	struct json_object *obj = json_get_obj(def, "placement");
	struct err ignored;

	memset(ret, 0, sizeof(*ret));
	if (obj && !json_decode_object(obj, placement_fields, ret, JSON_IGNORE_UNKNOWN, &ignored))
		memset(ret, 0, sizeof(*ret));
}

static bool has_label(const struct plan_host *host, const char *key, const char *value)
{
	for (size_t i = 0; i < host->labels.count; i++)
		if (strcmp(host->labels.list[i].key, key) == 0 &&
		    strcmp(host->labels.list[i].value, value) == 0)
			return true;
	return false;
}

/* HOST has all of LABELS, or none of them. */
static bool has_all(const struct plan_host *host, const char *labels, bool wanted)
{
	CLEANUP(json_putp) struct json_object *obj = labels[0] ? json_read_back(labels) : NULL;

	if (!obj)
		return true;
	json_object_object_foreach(obj, key, value)
	{
		if (has_label(host, key, json_object_get_string(value)) != wanted)
			return false;
	}
	return true;
}

static bool is_pinned_to(const struct placement *placement, const char *host)
{
	for (size_t i = 0; i < placement->pin_count; i++)
		if (strcmp(placement->pins[i], host) == 0)
			return true;
	return placement->pin_count == 0;
}

static bool may_run_on(const struct evac_making *making, const struct placement *placement,
		       uint32_t host)
{
	const struct plan_host *where = &making->input.hosts[host];

	return is_pinned_to(placement, making->hosts[host].id) &&
	       has_all(where, placement->requires, true) &&
	       has_all(where, placement->forbids, false);
}

/* The hosts on which VM may run, the emptiest first; false: there is none. */
static bool add_allowed(const struct evac_making *making, struct evac_choice *choice,
			const struct vm *vm, const struct place *places, size_t count)
{
	struct placement *placement = xnew(struct placement);

	read_placement(vm, placement);
	for (size_t i = 0; i < count; i++)
		if (may_run_on(making, placement, places[i].host))
			add_host(making, choice, places[i].host);
	free(placement);
	return choice->to_count > 0;
}

/* A stopped VM may go to any host that takes guests, since it is not run there by itself; first to
 * those on which it may run.  The host decides. */
static void choose_stopped(const struct evac_making *making, struct vm *vm,
			   const struct place *places, size_t count)
{
	struct evac_choice *choice;
	bool is_allowed;

	if (!vm_is_stopped(vm) || making->request->stopped == EVACUATION_STOPPED_LEAVE ||
	    evac_plan_find(making->ret, vm_uuid(vm)))
		return;
	choice = choice_new(making->ret, vm_uuid(vm), vm_name(vm));
	is_allowed = add_allowed(making, choice, vm, places, count);
	for (size_t i = 0; i < count && !is_allowed; i++)
		add_host(making, choice, places[i].host);
	if (!count)
		choice->why = xstrdup("no other host takes guests now");
	else
		choice->why = xasprintf(is_allowed ? "does not run, and goes to the emptiest host "
						     "on which it may, '%s'"
						   : "does not run, and goes to the emptiest host, "
						     "'%s', as it may run on none of them",
					choice->to[0]);
}

/* ---- each VM ------------------------------------------------------------------------------- */

static void choose(const struct evac_making *making)
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

/* ---- all ---------------------------------------------------------------------------------------
 */

static bool has_vms(const struct evac_making *making)
{
	for (size_t i = 0; i < making->input.vm_count; i++)
		if (making->vms[i].host == EVAC_OWN)
			return true;
	return false;
}

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
	const struct plan_evacuate wanted = { &own, 1, (unsigned)making->request->others_max };

	if (has_vms(making)) {
		making->plan = plan_evacuate(cluster, &wanted, err);
		if (!making->plan) {
			if (err->code == ERR_CONFLICT)
				say_nobody(making, err);
			return NULL;
		}
	}
	making->ret = xnew(struct evac_plan);
	evac_plan_sum(making);
	choose(making);
	evac_plan_show(making);
	plan_free(making->plan);
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

struct evac_plan *evac_plan_make(const struct evacuations *evacs,
				 const struct evacuation_request *request, struct err *err)
{
	struct capacity_picture *picture = capacity_take(evacs->env.capacity);
	struct evac_making making = {
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
