/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics/look.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

const char *const look_vm_states[LOOK_VM_STATES] = {
	"running",     "paused",  "stopped",  "starting", "incoming",
	"unreachable", "crashed", "was-here", "other",
};

static size_t index_of(const char *state)
{
	size_t i = 0;

	while (i < LOOK_VM_STATES - 1 && strcmp(look_vm_states[i], state) != 0)
		i++;
	return i;
}

static void look_at_vms(struct vms *vms, struct look *ret)
{
	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm)))
		ret->vms[index_of(vm_state(vm))]++;
}

/* ---- an evacuation --------------------------------------------------------------------- */

static void add_blocked(const struct evacuation_vm_reply *vm, struct look_evacuation *ret)
{
	struct look_blocked *blocked = &ret->blocked[ret->blocked_count];

	if (ret->blocked_count == METRICS_VMS_MAX)
		return;
	snprintf(blocked->vm, sizeof(blocked->vm), "%s", vm->vm);
	snprintf(blocked->why, sizeof(blocked->why), "%s", vm->why ? vm->why : "");
	utf8_trim(blocked->why);
	ret->blocked_count++;
}

static bool is_blocked(const struct evacuation_vm_reply *vm)
{
	return strcmp(vm->state, "blocked") == 0 || strcmp(vm->state, "held") == 0;
}

static double number_of(struct json_object *obj, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(obj, key, &value);
	return json_object_get_double(value);
}

/* As evacuation_plan_fields has it. */
static void add_fill(struct json_object *host, struct look_evacuation *ret)
{
	struct look_fill *fill = &ret->fills[ret->fill_count];
	const char *name = json_get_str(host, "host");
	const double all_mib = number_of(host, "memory_mib");
	struct json_object *before = NULL;

	if (!name || ret->fill_count == LOOK_HOSTS_MAX || all_mib <= 0)
		return;
	json_object_object_get_ex(host, "before", &before);
	snprintf(fill->host, sizeof(fill->host), "%s", name);
	fill->before = number_of(before, "memory_mib") / all_mib;
	fill->after = number_of(host, "memory_percent_after") / 100;
	fill->worst = number_of(host, "memory_percent_worst") / 100;
	ret->fill_count++;
}

static void add_fills(struct json_object *plan, struct look_evacuation *ret)
{
	struct json_object *hosts = NULL;

	if (!plan || !json_object_object_get_ex(plan, "hosts", &hosts))
		return;
	for (size_t i = 0; i < json_count(hosts); i++)
		add_fill(json_object_array_get_idx(hosts, i), ret);
}

static void look_at_evacuation(struct evacuations *all, struct look_evacuation *ret)
{
	struct evacuation *evac = evacuations_find(all, "current");
	const struct evacuation_reply *reply;

	if (!evac || evacuation_is_final(evac))
		return;
	reply = evacuation_show(evac);
	snprintf(ret->state, sizeof(ret->state), "%s", reply->state);
	ret->is_paused = reply->paused;
	ret->counts = reply->counts;
	ret->end_ms = reply->has_end ? reply->expected_end.expected : 0;
	ret->deadline_ms = reply->deadline_at;
	for (size_t i = 0; i < reply->vm_count; i++)
		if (is_blocked(&reply->vms[i]))
			add_blocked(&reply->vms[i], ret);
	add_fills(reply->plan, ret);
}

static void look_at_maintenance(struct maintenances *all, struct look *ret)
{
	struct maintenance *m = maintenances_find(all, "current");
	const struct maintenance_reply *reply;

	if (!m || maintenance_is_final(m))
		return;
	reply = maintenance_show(m);
	snprintf(ret->maintenance.state, sizeof(ret->maintenance.state), "%s", reply->state);
	ret->maintenance.counts = reply->counts;
}

void look(const struct metrics_env *env, struct look *ret)
{
	memset(ret, 0, sizeof(*ret));
	look_at_vms(env->vms, ret);
	look_at_evacuation(env->evacuations, &ret->evacuation);
	look_at_maintenance(env->maintenances, ret);
	process_look(&ret->process);
}
