/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each VM of an evacuation: what has become of it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "evacuation/priv.h"
#include "vm/vm.h"

const char *const evac_vm_names[] = { "waiting",   "queued",   "moving", "moved", "blocked", "held",
				      "stopping",  "stopped",  "saving", "saved", "left",    "gone",
				      "returning", "returned", "away",   NULL };

/* ---- the list ------------------------------------------------------------------------ */

/* The slot that has the number of UUID in it, or that is free for it (FNV-1a, linear probing; half
 * of the slots are free). */
static uint32_t *slot_of(const struct evacuation *evac, const char *uuid)
{
	uint64_t sum = UINT64_C(14695981039346656037);
	size_t at;

	for (const char *c = uuid; *c; c++)
		sum = (sum ^ (unsigned char)*c) * UINT64_C(1099511628211);
	at = (size_t)sum % evac->slot_count;
	while (evac->slots[at] && strcmp(evac->vms[evac->slots[at] - 1].uuid, uuid) != 0)
		at = (at + 1) % evac->slot_count;
	return &evac->slots[at];
}

void evac_vms_index(struct evacuation *evac)
{
	free(evac->slots);
	evac->slot_count = evac->vm_size * 2 + 1;
	evac->slots = xcalloc(evac->slot_count, sizeof(*evac->slots));
	for (size_t i = 0; i < evac->vm_count; i++)
		if (evac->vms[i].uuid[0])
			*slot_of(evac, evac->vms[i].uuid) = (uint32_t)i + 1;
}

struct evac_vm *evac_vm_find(const struct evacuation *evac, const char *uuid)
{
	uint32_t number = evac->slots ? *slot_of(evac, uuid) : 0;

	return number ? &evac->vms[number - 1] : NULL;
}

struct evac_vm *evac_vm_of_number(const struct evacuation *evac, uint64_t number)
{
	for (size_t i = 0; i < evac->vm_count; i++)
		if (evac->vms[i].number == number)
			return &evac->vms[i];
	return NULL;
}

struct evac_vm *evac_vm_add(struct evacuation *evac, const char *uuid, const char *name)
{
	struct evac_vm *vm;

	if (!evac->vms || evac->vm_count == evac->vm_size) {
		evac->vm_size = evac->vm_size ? evac->vm_size * 2 : 16;
		evac->vms = xrealloc(evac->vms, evac->vm_size * sizeof(*evac->vms));
		evac_vms_index(evac);
	}
	vm = &evac->vms[evac->vm_count++];
	*vm = (struct evac_vm){ .number = ++evac->detail.next_number };
	snprintf(vm->uuid, sizeof(vm->uuid), "%s", uuid);
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	if (uuid[0]) /* else it is being read: evac_vms_index() follows */
		*slot_of(evac, uuid) = (uint32_t)evac->vm_count;
	return vm;
}

void evac_vm_set(struct evacuation *evac, struct evac_vm *vm, enum evac_vm_state state,
		 const char *fmt, ...)
{
	char why[sizeof(vm->why)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (strcmp(why, vm->why) != 0 || vm->state != (int)state)
		evac->now.is_news = true;
	memcpy(vm->why, why, sizeof(why));
	if (vm->state == (int)state)
		return;
	log_info("evacuation", "vm", "evacuation=%s vm=%s from=%s to=%s why=%s", evac->row.id,
		 vm->name, evac_vm_names[vm->state], evac_vm_names[state], why);
	vm->state = (int)state;
	evac_change(evac);
}

void evac_vm_set_host(struct evacuation *evac, struct evac_vm *vm, const char *host)
{
	if (strcmp(vm->host, host) == 0)
		return;
	snprintf(vm->host, sizeof(vm->host), "%s", host);
	evac_change(evac);
}

bool evac_vm_is_settled(const struct evac_vm *vm)
{
	static const bool is_settled[EVAC_VM_STATE_COUNT] = {
		[EVAC_VM_MOVED] = true, [EVAC_VM_STOPPED] = true, [EVAC_VM_SAVED] = true,
		[EVAC_VM_LEFT] = true,  [EVAC_VM_GONE] = true,
	};

	return is_settled[vm->state];
}

/* ---- a VM that is this host's ------------------------------------------------------------- */

static void look_at_entry(struct evacuation *evac, struct evac_vm *vm, struct queue_entry *entry)
{
	const struct queue_reply reply = queue_show(entry);
	bool is_moving = strcmp(reply.state, "moving") == 0;
	bool is_ours = strcmp(reply.id, vm->entry) == 0;
	const struct queue_attempt *last =
		reply.attempt_count ? &reply.attempts[reply.attempt_count - 1] : NULL;

	if (is_moving && last)
		evac_vm_set_host(evac, vm, last->host);
	if (reply.move)
		snprintf(vm->move, sizeof(vm->move), "%s", reply.move);
	evac_vm_set(evac, vm, is_moving ? EVAC_VM_MOVING : EVAC_VM_QUEUED, "%s%s%s%.400s",
		    is_ours ? "" : "somebody has ordered this move: entry ",
		    is_ours ? "" : reply.id, is_ours ? "" : ": ", reply.reason);
}

/* False: no move of it is under way that somebody else has ordered. */
static bool look_at_move(struct evacuation *evac, struct evac_vm *vm)
{
	struct move *move = moves_active_of(evac->evacs->env.moves, vm->uuid);

	if (!move)
		return false;
	if (move_is_out(move)) {
		evac_vm_set_host(evac, vm, move_row(move)->peer);
		snprintf(vm->move, sizeof(vm->move), "%s", move_row(move)->id);
	}
	evac_vm_set(evac, vm, EVAC_VM_MOVING,
		    "move %s is under way, which is not of this evacuation", move_row(move)->id);
	return true;
}

/* True: it stays here, and may. */
static bool look_at_stay(struct evacuation *evac, struct evac_vm *evac_vm, const struct vm *vm)
{
	bool is_left = evac->request && evac->request->stopped == EVACUATION_STOPPED_LEAVE &&
		       vm_is_stopped(vm);

	if (is_left) {
		evac_vm_set_host(evac, evac_vm, evac->evacs->env.host_id);
		evac_vm_set(evac, evac_vm, EVAC_VM_LEFT,
			    "does not run, and such VMs are left here");
		return true;
	}
	if (evac_vm->state == EVAC_VM_STOPPED || evac_vm->state == EVAC_VM_SAVED)
		return vm_is_stopped(vm);
	if (evac_vm->state == EVAC_VM_STOPPING || evac_vm->state == EVAC_VM_SAVING)
		return vm_job(vm) || strcmp(vm_state(vm), "crashed") != 0; /* can be neither */
	return evac_vm->state == EVAC_VM_LEFT && evac_vm->stays;
}

static void look_at_owned(struct evacuation *evac, struct evac_vm *evac_vm, const struct vm *vm)
{
	struct evacuations_env *env = &evac->evacs->env;
	struct queue_entry *mine = evac_vm->is_over ? NULL : evac_vm_attempt_entry(evac, evac_vm);
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	if (mine && queue_is_final(mine))
		evac_vm_attempt_ended(evac, evac_vm, mine);
	if (evac_vm->live) {
		look_at_entry(evac, evac_vm, evac_vm->live);
		return;
	}
	if (evac_vm->is_adding || look_at_stay(evac, evac_vm, vm) || look_at_move(evac, evac_vm))
		return;
	evac_vm_look_at_refused(evac, evac_vm, vm);
	if (holds_vm(env->holds, evac_vm->uuid, &why))
		evac_vm_set(evac, evac_vm, EVAC_VM_HELD, "%.480s", strbuf_str(&why));
	else if (evac_vm->state == EVAC_VM_BLOCKED || evac_vm->state == EVAC_VM_WAITING)
		; /* it is said why */
	else
		evac_vm_set(evac, evac_vm, EVAC_VM_WAITING,
			    "is on this host, and waits for a plan");
}

/* ---- a VM that is not ---------------------------------------------------------------------- */

/* Its newest move, by what is kept, if that has brought it to another host; NULL: none is known, or
 * it was here after that. */
static const struct move *find_departure(const struct evacuation *evac, const struct evac_vm *vm)
{
	struct move *move = moves_first(evac->evacs->env.moves);

	while (move && (strcmp(move_row(move)->vm_uuid, vm->uuid) != 0 ||
			strcmp(move_row(move)->state, "done") != 0))
		move = move_next(move);
	return move && move_is_out(move) ? move : NULL;
}

static void set_gone(struct evacuation *evac, struct evac_vm *evac_vm, const struct vm *vm)
{
	const struct move *move = find_departure(evac, evac_vm);
	const char *host = move ? move_row(move)->peer : vm ? vm_row(vm)->elsewhere : NULL;

	evac_vm->is_over = true;
	evac_vm_drop_rejected(evac_vm);
	if (move)
		snprintf(evac_vm->move, sizeof(evac_vm->move), "%s", move_row(move)->id);
	if (host) {
		evac_vm_set_host(evac, evac_vm, host);
		evac_vm_set(evac, evac_vm, EVAC_VM_GONE,
			    "is on host '%s' now, by somebody else's order", host);
	} else {
		evac_vm_set_host(evac, evac_vm, "");
		evac_vm_set(evac, evac_vm, EVAC_VM_GONE, "was deleted");
	}
}

/* It was deleted, or is another host's. */
static void look_at_gone(struct evacuation *evac, struct evac_vm *evac_vm, const struct vm *vm)
{
	const struct queue_entry *entry =
		evac_vm->is_over ? NULL : evac_vm_attempt_entry(evac, evac_vm);

	if (entry && strcmp(queue_row(entry)->state, "done") == 0) {
		evac_vm_attempt_done(evac, evac_vm, entry);
		return;
	}
	if (entry && !queue_is_final(entry))
		return; /* it is about to say so */
	if (evac_vm->state != EVAC_VM_MOVED && evac_vm->state != EVAC_VM_GONE)
		set_gone(evac, evac_vm, vm);
}

/* ---- all -------------------------------------------------------------- */

static void take_new(struct evacuation *evac)
{
	struct vms *vms = evac->evacs->env.vms;

	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm))) {
		if (vm_role(vm) == VM_ROLE_FORMER || evac_vm_find(evac, vm_uuid(vm)))
			continue;
		evac_vm_add(evac, vm_uuid(vm), vm_name(vm));
		evac_change(evac);
		evac->now.is_news = true;
	}
}

void evac_vms_look(struct evacuation *evac)
{
	take_new(evac);
	evac_vms_find_entries(evac);
	for (size_t i = 0; i < evac->vm_count; i++) {
		struct evac_vm *evac_vm = &evac->vms[i];
		const struct vm *vm = vm_find_uuid(evac->evacs->env.vms, evac_vm->uuid);

		if (!vm || vm_role(vm) == VM_ROLE_FORMER)
			look_at_gone(evac, evac_vm, vm);
		else if (vm_role(vm) == VM_ROLE_INCOMING)
			evac_vm_set(evac, evac_vm, EVAC_VM_WAITING, "is still coming to this host");
		else
			look_at_owned(evac, evac_vm, vm);
	}
}

/* The source's record has the destination's answer, which it gave when its own was on disk; of a
 * move whose record has gone, the VM's tells it. */
static bool is_proved(const struct evacuation *evac, const struct evac_vm *evac_vm)
{
	const struct vm *vm = vm_find_uuid(evac->evacs->env.vms, evac_vm->uuid);
	const struct move *move = moves_find(evac->evacs->env.moves, evac_vm->move);

	if (move)
		return strcmp(move_row(move)->state, "done") == 0 &&
		       strcmp(move_row(move)->verdict, "taken") == 0;
	return !vm || (vm_role(vm) == VM_ROLE_FORMER && vm_row(vm)->elsewhere[0] &&
		       vm_row(vm)->elsewhere[0] != '?');
}

/* A VM of the store may be here. */
static bool may_be_here(const struct evacuation *evac, const struct vm *vm)
{
	const struct evac_vm *evac_vm = evac_vm_find(evac, vm_uuid(vm));

	if (!evac_vm || vm_role(vm) != VM_ROLE_OWNED)
		return false;
	return evac_vm->state == EVAC_VM_LEFT ||
	       ((evac_vm->state == EVAC_VM_STOPPED || evac_vm->state == EVAC_VM_SAVED) &&
		vm_is_stopped(vm));
}

bool evac_is_empty(const struct machine *machine)
{
	const struct evacuation *evac = evac_of((struct machine *)(uintptr_t)machine);
	const struct evacuations_env *env = &evac->evacs->env;

	for (struct vm *vm = vm_next(env->vms, NULL); vm; vm = vm_next(env->vms, vm_name(vm)))
		if (vm_role(vm) != VM_ROLE_FORMER && !may_be_here(evac, vm))
			return false;
	for (size_t i = 0; i < evac->vm_count; i++) {
		const struct evac_vm *vm = &evac->vms[i];

		if (!evac_vm_is_settled(vm) || (vm->state == EVAC_VM_MOVED && !is_proved(evac, vm)))
			return false;
	}
	return cordon_creations_under_way(env->holds) == 0;
}
