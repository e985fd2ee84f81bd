/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back: each host that has a VM of this one is asked to move it here.  The order is that
 * host's; the same question again gives the same order, and tells what has become of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "evacuation/priv.h"
#include "vm/vm.h"
#include "wire/peer_back.h"

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
	if (!err)
		take_answer(evac, vm, &reply);
	else if (is_lasting(err))
		order_failed(evac, vm, err->msg, true);
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

static void ask(struct evacuation *evac, struct evac_vm *vm)
{
	struct peer_back mine = { .number = vm->number, .attempt = vm->attempt };
	CLEANUP(free_charp) char *path = xasprintf("/peer/v1/evacuations/%s/back", evac->row.id);

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
	evac_change(evac);
	vm->version = evac->version;
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
	} else if (evac_vm->is_over) {
		if (!evac->detail.paused)
			order(evac, evac_vm);
	} else if (evac_vm->version <= evac->disk_version && !evac_vm->is_adding &&
		   evac_vm->again_ms <= now_ms && may_ask(evac, evac_vm)) {
		ask(evac, evac_vm);
	}
}

static void begin_return(struct evacuation *evac, struct evac_vm *evac_vm)
{
	if (evac->detail.paused)
		return;
	evac_vm->failed = 0;
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

/* ---- what another host asks -------------------------------------------------------------------
 */

/* The newest move that brought it here tells where it came from.  If that is not kept any more, a
 * host of the VM's record may be the one; a VM that was never moved is nobody else's. */
static bool came_from(struct moves *moves, const struct vm *vm, const char *peer)
{
	for (struct move *move = moves_first(moves); move; move = move_next(move)) {
		const struct store_move *row = move_row(move);

		if (!move_is_out(move) && strcmp(row->vm_uuid, vm_uuid(vm)) == 0 &&
		    strcmp(row->state, "done") == 0)
			return strcmp(row->peer, peer) == 0;
	}
	return vm_generation(vm) > 1 && vm_knows_host(vm, peer);
}

static bool check_back(const struct evacuations *evacs, const struct evacuation_back_wish *wish,
		       const struct vm *vm, struct err *err)
{
	if (!vm)
		return err_set(err, ERR_NOT_FOUND, "host '%s' has no VM %s", evacs->env.host_id,
			       wish->uuid);
	if (vm_role(vm) == VM_ROLE_FORMER)
		return err_set(err, ERR_NOT_FOUND, "VM '%s' is on host '%s' now", vm_name(vm),
			       vm_row(vm)->elsewhere);
	return came_from(evacs->env.moves, vm, wish->peer) ||
	       err_set(err, ERR_FORBIDDEN, "VM '%s' has not come from host '%s'", vm_name(vm),
		       wish->peer);
}

struct refusal {
	queue_done_fn *done;
	void *data;
	struct err err;
};

static void on_refused(void *data)
{
	struct refusal *refusal = data;

	refusal->done(refusal->data, NULL, &refusal->err);
	free(refusal);
}

void evacuations_send_back(struct evacuations *evacs, const struct evacuation_back_wish *wish,
			   queue_done_fn *done, void *data)
{
	const struct vm *vm = vm_find_uuid(evacs->env.vms, wish->uuid);
	struct queue_request request = { .to_count = 1, .attempts_max = QUEUE_ATTEMPTS_DEFAULT };
	struct refusal refusal = { .done = done, .data = data };
	char key[EVAC_KEY_SIZE];

	if (!check_back(evacs, wish, vm, &refusal.err)) {
		struct refusal *later = xnew(struct refusal);

		*later = refusal;
		loop_post(evacs->env.loop, on_refused, later);
		return;
	}
	snprintf(key, sizeof(key), EVAC_BACK_PREFIX "%s-%" PRIu64 "-%" PRIu64, wish->id,
		 wish->number, wish->attempt);
	snprintf(request.to[0], sizeof(request.to[0]), "%s", wish->peer);
	snprintf(request.move.vm, sizeof(request.move.vm), "%s", vm_name(vm));
	request.move.options.priority = MOVE_PRIORITY_EVACUATION;
	queue_add(evacs->env.queue, &(struct queue_wish){ .request = &request, .key = key }, done,
		  data);
}
