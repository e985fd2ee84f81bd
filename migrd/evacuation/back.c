/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back: each host that has a VM of this one is asked to move it here (give_back.c).  The
 * order is that host's; the same question again gives the same order, and tells what has become of
 * it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"
#include "vm/vm.h"
#include "wire/peer_back.h"
#include "wire/problem.h"

#define ASK_MS        5000 /* deadline of a question */
#define ASK_EVERY_MS  2000
#define ASK_EACH_MS   50 /* so much longer for each VM that is awaited */
#define ASKS_MAX      4  /* of one host at a time: moves need their connections to it too */
#define LOOK_EVERY_MS 500
#define ATTEMPTS_MAX  3 /* orders that have failed; then the VM stays where it is */

/* ---- what a host answers ------------------------------------------------------------------ */

/* It has come, or comes. */
static bool is_here(const struct evacuation *evac, const struct evac_vm *evac_vm)
{
	const struct vm *vm = vm_find_uuid(evac->evacs->env.vms, evac_vm->uuid);

	return vm && vm_role(vm) != VM_ROLE_FORMER;
}

/* No other attempt would change it. */
static bool is_lasting(const struct err *err)
{
	return err->code == ERR_NOT_FOUND || err->code == ERR_FORBIDDEN ||
	       err->code == ERR_INVALID || err->code == ERR_PROTOCOL;
}

/* ---- how long it is asked ------------------------------------------------------------------- */

/* When it is given up, on the clock of the wall; 0: not as long as its host answers. */
static int64_t back_until_ms(const struct evacuation *evac, const struct evac_vm *vm)
{
	if (evac->detail.return_until_ms)
		return evac->detail.return_until_ms;
	return vm->silent_ms ? vm->silent_ms + EVACUATION_SILENT_S * INT64_C(1000) : 0;
}

/* IS_SILENT: its host has not answered, or cannot be asked.  Only the change is on record. */
static void note_silence(struct evacuation *evac, struct evac_vm *vm, bool is_silent)
{
	if (is_silent == (vm->silent_ms != 0))
		return;
	vm->silent_ms = is_silent ? clock_wall_ms() : 0;
	evac_change(evac);
}

/* True: the VM stays where it is. */
static bool give_up(struct evacuation *evac, struct evac_vm *vm)
{
	int64_t until_ms = back_until_ms(evac, vm);
	char since[WHEN_SIZE] = "";

	if (!until_ms || until_ms > clock_wall_ms())
		return false;
	if (vm->silent_ms)
		when_text(vm->silent_ms, since);
	evac_vm_set(evac, vm, EVAC_VM_AWAY,
		    "stays on host '%s', which %s%s: 'migrctl move start %s --to %s' there brings "
		    "it "
		    "back",
		    vm->host,
		    vm->silent_ms ? "has been asked in vain since "
				  : "has not moved it back in the time that was given",
		    since, vm->name, evac->evacs->env.host_id);
	return true;
}

static void say_silent(struct evacuation *evac, struct evac_vm *vm, const char *why)
{
	char until[WHEN_SIZE];

	when_text(back_until_ms(evac, vm), until);
	evac_vm_set(evac, vm, EVAC_VM_RETURNING,
		    "host '%s' is asked until %s, and then the VM stays there: %.400s", vm->host,
		    until, why);
}

static void say_older(struct evacuation *evac, struct evac_vm *vm)
{
	CLEANUP(free_charp)
	char *why = xasprintf("its migrd is older than this question: upgrade it to %s or a later "
			      "one, or say 'migrctl move start %s --to %s' there",
			      PACKAGE_VERSION, vm->name, evac->evacs->env.host_id);

	say_silent(evac, vm, why);
}

/* ---- what becomes of it ---------------------------------------------------------------------- */

static void order_failed(struct evacuation *evac, struct evac_vm *vm, const char *why, bool lasting)
{
	vm->failed++;
	vm->is_over = true;
	evac_change(evac);
	if (lasting || vm->failed >= ATTEMPTS_MAX)
		evac_vm_set(evac, vm, EVAC_VM_AWAY, "stays on host '%s': %.400s", vm->host, why);
	else
		evac_vm_set(evac, vm, EVAC_VM_RETURNING, "host '%s' is asked again: %.400s",
			    vm->host, why);
}

static void take_answer(struct evacuation *evac, struct evac_vm *vm,
			const struct peer_back_reply *reply)
{
	if (reply->final && strcmp(reply->state, "done") == 0)
		evac_vm_set(evac, vm, EVAC_VM_AWAY, "came back, and is not here any more");
	else if (reply->final)
		order_failed(evac, vm, reply->reason, false);
	else
		evac_vm_set(evac, vm, EVAC_VM_RETURNING, "its order on host '%s' is %s%s%.400s",
			    vm->host, reply->state, reply->reason[0] ? ": " : "", reply->reason);
}

/* What is asked again is only whether the order has failed: the VM itself is seen here. */
static uint64_t pause_ms(const struct evacuation *evac)
{
	uint64_t ms = ASK_EVERY_MS;

	for (size_t i = 0; i < evac->vm_count; i++)
		ms += evac->vms[i].state == EVAC_VM_RETURNING ? ASK_EACH_MS : 0;
	return ms;
}

static void on_answer(void *data, struct json_object *obj, const struct err *err)
{
	uint64_t number;
	struct evacuation *evac = evac_ref_take(data, &number);
	struct evac_vm *vm = evac ? evac_vm_of_number(evac, number) : NULL;
	struct peer_back_reply reply;
	struct err bad;

	if (!vm)
		return;
	vm->is_adding = false;
	vm->again_ms = loop_now_ms(evac->evacs->env.loop) + pause_ms(evac);
	evacuations_look(evac->evacs);
	if (evac->machine.state != EVAC_STATE_RETURNING || vm->state != EVAC_VM_RETURNING ||
	    is_here(evac, vm))
		return;
	if (!err && !peer_back_reply_decode(obj, &reply, &bad))
		err = &bad;
	note_silence(evac, vm, err && (!obj || problem_is_of_older(obj, err)));
	if (!err)
		take_answer(evac, vm, &reply);
	else if (problem_is_of_older(obj, err))
		say_older(evac, vm);
	else if (is_lasting(err))
		order_failed(evac, vm, err->msg, true);
	else if (err->code == ERR_KEY_REUSED) /* by an evacuation of before a backup was put back */
		order_failed(evac, vm, err->msg, false);
	else if (vm->silent_ms)
		say_silent(evac, vm, err->msg);
	else
		evac_vm_set(evac, vm, EVAC_VM_RETURNING, "host '%s' is asked again: %.400s",
			    vm->host, err->msg);
}

/* How many questions to each host are under way; in a look. */
struct asked {
	const char *host;
	unsigned count;
};

static struct asked *asked_of(struct evacuation *evac, const char *host)
{
	struct asked *list = evac->now.asked;

	while (list->host && strcmp(list->host, host) != 0)
		list++;
	list->host = host;
	return list;
}

static void count_asked(struct evacuation *evac)
{
	for (size_t i = 0; i < evac->vm_count; i++)
		if (evac->vms[i].is_adding)
			asked_of(evac, evac->vms[i].host)->count++;
}

static bool may_ask(struct evacuation *evac, const struct evac_vm *vm)
{
	struct asked *asked = asked_of(evac, vm->host);

	return asked->count < ASKS_MAX && ++asked->count;
}

/* What is left of the time that was given. */
static uint64_t left_s(const struct evacuation *evac)
{
	int64_t until_ms = evac->detail.return_until_ms;
	int64_t left_ms = until_ms - clock_wall_ms();

	return !until_ms ? 0 : left_ms > 1000 ? (uint64_t)left_ms / 1000 : 1;
}

/* The guest comes back as it went. */
static void ask(struct evacuation *evac, struct evac_vm *vm)
{
	struct peer_back mine = { .number = vm->number,
				  .attempt = vm->attempt,
				  .give_up_s = left_s(evac),
				  .move = evac->request->move };
	CLEANUP(free_charp) char *path = xasprintf("/peer/v1/evacuations/%s/back", evac->row.id);

	peer_back_keep_common(&mine.move);
	memcpy(mine.uuid, vm->uuid, sizeof(mine.uuid));
	vm->is_adding = true;
	peer_request(evac->evacs->env.peers, vm->host, "POST", path,
		     json_encode(peer_back_fields, &mine), ASK_MS, on_answer,
		     evac_ref_new(evac, vm->number));
}

/* ---- each VM --------------------------------------------------------------------------------- */

static void order(struct evacuation *evac, struct evac_vm *vm)
{
	vm->attempt++;
	vm->is_over = false;
	vm->again_ms = 0;
	vm->change = evac_change(evac);
}

static void look_at_returning(struct evacuation *evac, struct evac_vm *evac_vm)
{
	const struct vm *vm = vm_find_uuid(evac->evacs->env.vms, evac_vm->uuid);
	uint64_t now_ms = loop_now_ms(evac->evacs->env.loop);

	if (vm && vm_role(vm) == VM_ROLE_OWNED) {
		snprintf(evac_vm->host, sizeof(evac_vm->host), "%s", evac->evacs->env.host_id);
		evac_vm_set(evac, evac_vm, EVAC_VM_RETURNED, "is back");
	} else if (vm && vm_role(vm) == VM_ROLE_INCOMING) {
		evac_vm_set(evac, evac_vm, EVAC_VM_RETURNING, "is coming from host '%s'",
			    evac_vm->host);
	} else if (give_up(evac, evac_vm)) {
		;
	} else if (evac_vm->is_over) {
		if (!evac->detail.paused)
			order(evac, evac_vm);
	} else if (evac_has(evac, evac_vm->change) && !evac_vm->is_adding &&
		   evac_vm->again_ms <= now_ms && may_ask(evac, evac_vm)) {
		ask(evac, evac_vm);
	}
}

static void begin_return(struct evacuation *evac, struct evac_vm *evac_vm)
{
	if (evac->detail.paused)
		return;
	evac_vm->failed = 0;
	evac_vm->silent_ms = 0;
	order(evac, evac_vm);
	evac_vm_set(evac, evac_vm, EVAC_VM_RETURNING, "host '%s' is asked to move it back",
		    evac_vm->host);
}

static void look_at_unmoved(struct evacuation *evac, struct evac_vm *evac_vm)
{
	if (is_here(evac, evac_vm))
		evac_vm_set(evac, evac_vm, EVAC_VM_RETURNED, "has not left");
	else
		evac_vm_set(evac, evac_vm, EVAC_VM_GONE, "is not here any more");
}

/* NULL: nothing is to be done with it. */
static void (*const look_at[EVAC_VM_STATE_COUNT])(struct evacuation *evac, struct evac_vm *vm) = {
	[EVAC_VM_WAITING] = look_at_unmoved,     [EVAC_VM_QUEUED] = look_at_unmoved,
	[EVAC_VM_MOVING] = look_at_unmoved,      [EVAC_VM_BLOCKED] = look_at_unmoved,
	[EVAC_VM_HELD] = look_at_unmoved,        [EVAC_VM_MOVED] = begin_return,
	[EVAC_VM_RETURNING] = look_at_returning,
};

static bool is_under_way(const struct evacuation *evac)
{
	for (size_t i = 0; i < evac->vm_count; i++)
		if (evac->vms[i].state == EVAC_VM_RETURNING || evac->vms[i].state == EVAC_VM_MOVED)
			return true;
	return false;
}

/* Questions that were under way are asked again.  Who has asked for the way back once more while
 * its record was being written gets just that. */
void evac_enter_returning(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);

	if (evac->detail.ending != EVAC_ENDING_RETURNING)
		return;
	evac->detail.ending = EVAC_ENDING_NONE;
	evac_change(evac);
}

void evac_step_returning(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);

	if (evac->detail.ending != EVAC_ENDING_NONE || !evac->request) {
		evac_end(evac);
		return;
	}
	if (!evac_cordon(evac, false))
		return;
	evac->now.asked = xcalloc(evac->vm_count + 1, sizeof(*evac->now.asked));
	count_asked(evac);
	for (size_t i = 0; i < evac->vm_count; i++)
		if (look_at[evac->vms[i].state])
			look_at[evac->vms[i].state](evac, &evac->vms[i]);
	free(TAKE_PTR(evac->now.asked));
	if (evac_stays_go_on(evac) && !is_under_way(evac)) {
		evac_go(evac, EVAC_STATE_ENDED, NULL);
		return;
	}
	evac_look_in(evac, LOOK_EVERY_MS);
	if (evac->now.is_news) {
		evac->now.is_news = false;
		evac_tell(evac);
	}
}
