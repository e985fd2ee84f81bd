/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another host asks for a guest that came from it: the queue of this one moves it there. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "evacuation/priv.h"
#include "vm/vm.h"
#include "wire/peer_back.h"

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
	return evac_give_check(evacs, wish->uuid, vm, err) &&
	       (came_from(evacs->env.moves, vm, wish->peer) ||
		err_set(err, ERR_FORBIDDEN, "VM '%s' has not come from host '%s'", vm_name(vm),
			wish->peer));
}

/* ---- the order ----------------------------------------------------------------------------- */

/* What is a matter of each host's configuration does not keep the guest from its home. */
static void leave_out_unknown(const struct evacuations *evacs,
			      const struct evacuation_back_wish *wish, struct move_request *move)
{
	struct policies_item item;
	struct err err;

	if (move->policy[0] && !policies_find(evacs->env.policies, move->policy, &item)) {
		log_warning("evacuation", "back", "vm=%s peer=%s policy=%s reason=%s", move->vm,
			    wish->peer, move->policy,
			    "this host has no such policy: the move has the VM's");
		move->policy[0] = '\0';
	}
	if (!move_may_ping(evacs->env.moves, &move->options, &err)) {
		log_warning("evacuation", "back", "vm=%s peer=%s reason=%s", move->vm, wish->peer,
			    err.msg);
		move->options.has_outage_ping = false;
		move->options.outage_ping_ms = 0;
	}
}

static void note_asserted(const struct evacuation_back_wish *wish, const struct move_request *move)
{
	const struct move_options *options = &move->options;

	if (options->assert_same_disks || options->assert_same_cpu || options->assert_safe_cache)
		log_warning("move", "asserted", "vm=%s peer=%s what=%s%s%s by=%s", move->vm,
			    wish->peer, options->assert_same_disks ? "disks " : "",
			    options->assert_same_cpu ? "cpu " : "",
			    options->assert_safe_cache ? "cache" : "", wish->peer);
}

void evacuations_send_back(struct evacuations *evacs, const struct evacuation_back_wish *wish,
			   queue_done_fn *done, void *data)
{
	const struct vm *vm = vm_find_uuid(evacs->env.vms, wish->uuid);
	struct queue_request request = { .move = *wish->move,
					 .to_count = 1,
					 .attempts_max = QUEUE_ATTEMPTS_DEFAULT,
					 .give_up_s = wish->give_up_s };
	char key[EVAC_KEY_SIZE];
	struct err err;

	if (!check_back(evacs, wish, vm, &err)) {
		queue_refuse(evacs->env.loop, &err, done, data);
		return;
	}
	evac_key(EVAC_BACK_PREFIX, wish->id, wish->number, wish->attempt, key);
	snprintf(request.to[0], sizeof(request.to[0]), "%s", wish->peer);
	snprintf(request.move.vm, sizeof(request.move.vm), "%s", vm_name(vm));
	if (!queue_find_key(evacs->env.queue, key)) {
		leave_out_unknown(evacs, wish, &request.move);
		note_asserted(wish, &request.move);
	}
	queue_add(evacs->env.queue,
		  &(struct queue_wish){ .request = &request,
					.by = wish->peer,
					.key = key,
					.is_known_by_key = true },
		  done, data);
}
