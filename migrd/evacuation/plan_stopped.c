/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the VMs go that do not run: they take nothing of a host, and only the labels and pins of
 * their placement matter. */
#include <stdio.h>
#include <string.h>

#include "evacuation/priv.h"
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

/* ---- its placement -------------------------------------------------------------------------- */

/* As its definition says; of a definition that is not understood: anywhere. */
static void read_placement(const char *definition, struct placement *ret)
{
	CLEANUP(json_putp) struct json_object *def = json_read_back(definition);
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

/* ---- one VM --------------------------------------------------------------------------------- */

/* The hosts on which VM may run, the emptiest first; false: there is none. */
static bool add_allowed(const struct evac_making *making, struct evac_choice *choice,
			const struct evac_seen_vm *vm, const struct place *places, size_t count)
{
	struct placement *placement = xnew(struct placement);

	read_placement(vm->definition, placement);
	for (size_t i = 0; i < count && choice->to_count < QUEUE_HOSTS_MAX; i++)
		if (may_run_on(making, placement, places[i].host))
			evac_plan_add_host(making, choice, places[i].host);
	free(placement);
	return choice->to_count > 0;
}

/* A stopped VM may go to any host that takes guests, since it is not run there by itself; first to
 * those on which it may run.  The host decides. */
static void choose(const struct evac_making *making, const struct evac_seen_vm *vm,
		   const struct place *places, size_t count)
{
	struct evac_choice *choice;
	bool is_allowed;

	if (!vm->definition || evac_plan_find(making->ret, vm->uuid))
		return;
	choice = evac_plan_add(making->ret, vm->uuid, vm->name);
	choice->is_stopped = true;
	is_allowed = add_allowed(making, choice, vm, places, count);
	for (size_t i = 0; i < count && !is_allowed; i++)
		evac_plan_add_host(making, choice, places[i].host);
	if (!count)
		choice->why = xstrdup("no other host takes guests now");
	else
		choice->why = xasprintf(is_allowed ? "does not run, and goes to the emptiest host "
						     "on which it may, '%s'"
						   : "does not run, and goes to the emptiest host, "
						     "'%s', as it may run on none of them",
					choice->to[0]);
}

void evac_plan_stopped(const struct evac_making *making)
{
	CLEANUP(free_charp) char *room = xcalloc(making->input.host_count, sizeof(struct place));
	struct place *places = (struct place *)(void *)room;
	size_t count = places_of(making, places);

	for (size_t i = 0; i < making->seen->count; i++)
		choose(making, &making->seen->list[i], places, count);
}
