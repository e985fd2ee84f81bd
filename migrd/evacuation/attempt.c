/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attempts to move a VM: each is an entry of the queue, with the destinations of a plan. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "evacuation/priv.h"
#include "vm/vm.h"

#define BACKOFF_MIN_MS 2000
#define BACKOFF_MAX_MS 60000
/* Entries are added in a look, as each is compared with all that there are. */
#define FEED_AT_ONCE 16

/* ---- its entries in the queue ---------------------------------------------------------- */

void evac_key(const char *prefix, const char *id, uint64_t number, uint64_t attempt,
	      char ret[EVAC_KEY_SIZE])
{
	snprintf(ret, EVAC_KEY_SIZE, "%s%s-%" PRIu64 "-%" PRIu64, prefix, id, number, attempt);
}

struct queue_entry *evac_vm_attempt_entry(const struct evacuation *evac, const struct evac_vm *vm)
{
	return vm->entry[0] ? queue_find(evac->evacs->env.queue, vm->entry) : NULL;
}

/* It is of the last attempt of VM: a restart finds it so. */
static bool is_of_attempt(const struct evacuation *evac, const struct evac_vm *vm,
			  const struct store_queue_entry *row)
{
	char key[EVAC_KEY_SIZE];

	if (vm->attempt == 0 || vm->is_over || row->idempotency_key[0] != EVAC_KEY_PREFIX[0])
		return false;
	evac_key(EVAC_KEY_PREFIX, evac->row.id, vm->number, vm->attempt, key);
	return strcmp(row->idempotency_key, key) == 0;
}

/* Once for all VMs, as there may be thousands of both. */
void evac_vms_find_entries(struct evacuation *evac)
{
	for (size_t i = 0; i < evac->vm_count; i++)
		evac->vms[i].live = NULL;
	for (struct queue_entry *entry = queue_first(evac->evacs->env.queue); entry;
	     entry = queue_next(entry)) {
		const struct store_queue_entry *row = queue_row(entry);
		struct evac_vm *vm = evac_vm_find(evac, row->vm_uuid);

		if (!vm)
			continue;
		if (!queue_is_final(entry))
			vm->live = entry;
		if (!vm->entry[0] && is_of_attempt(evac, vm, row))
			snprintf(vm->entry, sizeof(vm->entry), "%s", row->id);
	}
}

struct queue_entry *evac_vm_entry(const struct evacuation *evac, const struct evac_vm *vm)
{
	struct queue_entry *entry =
		vm->entry[0] ? queue_find(evac->evacs->env.queue, vm->entry) : NULL;

	return entry && !queue_is_final(entry) ? entry : NULL;
}

/* ---- an attempt has ended ---------------------------------------------------------------- */

void evac_vm_drop_rejected(struct evac_vm *vm)
{
	free(TAKE_PTR(vm->rejected));
	vm->rejected_count = 0;
}

static uint64_t backoff_ms(uint64_t failed)
{
	uint64_t ms = BACKOFF_MIN_MS;

	while (failed-- > 1 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

void evac_vm_attempt_failed(struct evacuation *evac, struct evac_vm *vm, const char *why)
{
	vm->is_over = true;
	vm->is_cancelling = false;
	vm->failed++;
	vm->again_ms = loop_now_ms(evac->evacs->env.loop) + backoff_ms(vm->failed);
	vm->entry[0] = '\0';
	evac_change(evac);
	evac_vm_set(evac, vm, EVAC_VM_BLOCKED, "%.480s", why);
}

/* An entry that we have cancelled says nothing of the VM. */
static void attempt_cancelled(struct evacuation *evac, struct evac_vm *vm)
{
	vm->is_over = true;
	vm->is_cancelling = false;
	vm->entry[0] = '\0';
	evac_change(evac);
	evac_vm_set(evac, vm, EVAC_VM_WAITING, "its entry in the queue was taken back");
}

void evac_vm_attempt_ended(struct evacuation *evac, struct evac_vm *vm,
			   const struct queue_entry *entry)
{
	const struct queue_reply reply = queue_show(entry);

	if (strcmp(reply.state, "done") == 0) {
		/* It was there, and is here again. */
		vm->is_over = true;
		vm->is_cancelling = false;
		vm->entry[0] = '\0';
		evac_change(evac);
		evac_vm_set(evac, vm, EVAC_VM_WAITING, "has come back to this host");
	} else if (vm->is_cancelling) {
		attempt_cancelled(evac, vm);
	} else if (strcmp(reply.state, "cancelled") == 0) {
		vm->failed = vm->failed < 4 ? 4 : vm->failed; /* some time passes */
		evac_vm_attempt_failed(evac, vm, "somebody has cancelled its entry in the queue");
	} else if (queue_is_refused_here(entry)) {
		evac_vm_refused(evac, vm, reply.reason);
	} else {
		evac_vm_forget_refusals(vm);
		evac_vm_attempt_failed(evac, vm, reply.reason);
	}
}

void evac_vm_attempt_done(struct evacuation *evac, struct evac_vm *vm,
			  const struct queue_entry *entry)
{
	const struct queue_reply reply = queue_show(entry);
	const struct queue_attempt *last =
		reply.attempt_count ? &reply.attempts[reply.attempt_count - 1] : NULL;

	if (vm->is_over && vm->state == EVAC_VM_MOVED)
		return;
	if (last) { /* of a record that is understood */
		evac_vm_set_host(evac, vm, last->host);
		snprintf(vm->move, sizeof(vm->move), "%s", last->move);
	}
	vm->is_over = true;
	vm->is_cancelling = false;
	vm->failed = 0;
	evac_vm_drop_rejected(vm);
	evac_vm_forget_refusals(vm);
	evac_change(evac);
	evac_vm_set(evac, vm, EVAC_VM_MOVED, "runs on host '%s' now, by the records of both hosts",
		    vm->host);
}

/* ---- the next one, by a plan ------------------------------------------------------------ */

static void take_rejected(struct evac_vm *vm, struct evac_choice *choice)
{
	free(vm->rejected);
	vm->rejected = TAKE_PTR(choice->rejected);
	vm->rejected_count = choice->rejected_count;
	choice->rejected_count = 0;
}

void evac_vm_foresee(struct evacuation *evac, struct evac_vm *vm, struct evac_choice *choice)
{
	take_rejected(vm, choice);
	if (choice->to_count) {
		evac_vm_set_host(evac, vm, choice->to[0]);
		evac_vm_set(evac, vm, EVAC_VM_WAITING, "%.480s", choice->why);
	} else if (vm->state == EVAC_VM_WAITING && choice->becomes == EVAC_VM_BLOCKED) {
		evac_vm_set(evac, vm, EVAC_VM_BLOCKED, "%.480s", choice->why);
	}
}

void evac_vm_take_choice(struct evacuation *evac, struct evac_vm *vm, struct evac_choice *choice)
{
	CLEANUP(free_charp) char *why = NULL;

	take_rejected(vm, choice);
	if (choice->to_count) {
		memcpy(vm->to, choice->to, sizeof(vm->to));
		vm->to_count = choice->to_count;
		vm->attempt++;
		vm->is_over = vm->is_cancelling = vm->was_too_late = false;
		vm->entry[0] = '\0';
		evac_vm_set_host(evac, vm, vm->to[0]);
		evac_vm_set(evac, vm, EVAC_VM_WAITING, "%.480s", choice->why);
		vm->change = evac_change(evac);
	} else if (choice->becomes == EVAC_VM_BLOCKED) {
		why = vm->rejected_count ? evac_rooms_why(evac, choice->why) : xstrdup(choice->why);
		evac_vm_attempt_failed(evac, vm, why);
	} else if (choice->waits_for_asking && vm->awaited_room) {
		why = evac_rooms_why(evac, choice->why);
		evac_vm_attempt_failed(evac, vm, why);
	} else if (!evac_vm_waits_out(evac, vm, choice)) {
		vm->is_over = vm->stays = true;
		evac_vm_set_host(evac, vm, evac->evacs->env.host_id);
		evac_vm_set(evac, vm, (enum evac_vm_state)choice->becomes, "%.480s", choice->why);
		vm->failed = 0;
		vm->again_ms = vm->powerdown_ms = 0;
		vm->change = evac_change(evac);
	}
}

void evac_vm_has_no_choice(struct evacuation *evac, struct evac_vm *vm)
{
	const struct vm *mine = vm_find_uuid(evac->evacs->env.vms, vm->uuid);
	CLEANUP(free_charp)
	char *why = xasprintf("is %s: only a running, paused or stopped VM can be moved",
			      mine ? vm_state(mine) : "gone");

	evac_vm_attempt_failed(evac, vm, why);
}

bool evac_vm_wants_plan(const struct evacuation *evac, const struct evac_vm *vm, uint64_t *ret_ms)
{
	const struct vm *mine = vm_find_uuid(evac->evacs->env.vms, vm->uuid);
	bool is_without = (vm->state == EVAC_VM_WAITING || vm->state == EVAC_VM_BLOCKED) &&
			  (vm->is_over || vm->attempt == 0) && mine &&
			  vm_role(mine) == VM_ROLE_OWNED;
	uint64_t now_ms = loop_now_ms(evac->evacs->env.loop);

	*ret_ms = is_without && vm->again_ms > now_ms ? vm->again_ms : UINT64_MAX;
	return is_without && vm->again_ms <= now_ms;
}

/* ---- it gets its entry ------------------------------------------------------------------- */

static void on_added(void *data, struct queue_entry *entry, const struct err *err)
{
	uint64_t number;
	struct evacuation *evac = evac_ref_take(data, &number);
	struct evac_vm *vm = evac ? evac_vm_of_number(evac, number) : NULL;

	if (!vm)
		return;
	vm->is_adding = false;
	if (entry && !err)
		snprintf(vm->entry, sizeof(vm->entry), "%s", queue_row(entry)->id);
	else if (!vm->is_over)
		evac_vm_attempt_failed(evac, vm, err->msg);
	evacuations_look(evac->evacs);
}

/* As many attempts as it has destinations: then a new plan is made. */
static void add(struct evacuation *evac, struct evac_vm *vm)
{
	struct queue_request request = {
		.move = evac->request->move,
		.to_count = vm->to_count,
		.attempts_max = vm->to_count,
	};
	char key[EVAC_KEY_SIZE];

	evac_key(EVAC_KEY_PREFIX, evac->row.id, vm->number, vm->attempt, key);
	memcpy(request.to, vm->to, sizeof(request.to));
	memcpy(request.move.vm, vm->name, sizeof(request.move.vm));
	request.move.options.priority = MOVE_PRIORITY_EVACUATION;
	vm->is_adding = true;
	queue_add(evac->evacs->env.queue,
		  &(struct queue_wish){
			  .request = &request, .by = evac->detail.began_by, .key = key },
		  on_added, evac_ref_new(evac, vm->number));
}

/* On disk, and no entry was made of it. */
static bool is_to_be_added(const struct evacuation *evac, struct evac_vm *vm)
{
	return vm->state == EVAC_VM_WAITING && vm->attempt > 0 && !vm->is_over && !vm->is_adding &&
	       evac_has(evac, vm->change) && !evac_vm_attempt_entry(evac, vm);
}

void evac_vms_feed(struct evacuation *evac)
{
	size_t left = FEED_AT_ONCE;

	for (size_t i = 0; i < evac->vm_count && left; i++)
		if (is_to_be_added(evac, &evac->vms[i])) {
			add(evac, &evac->vms[i]);
			left--;
		}
	if (!left)
		evacuations_look(evac->evacs);
}
