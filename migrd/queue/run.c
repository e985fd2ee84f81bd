/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From attempt to attempt: begins the move of an entry, and decides by its end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "owner/start.h"
#include "queue/priv.h"
#include "vm/vm.h"

/* ---- an attempt has ended -------------------------------------------------------------- */

static void end_attempt(struct queue_entry *entry, const struct err *err)
{
	struct queue_attempt *attempt = queue_last_attempt(entry);

	if (!attempt)
		return;
	attempt->ended_at = clock_wall_ms();
	snprintf(attempt->code, sizeof(attempt->code), "%s", err ? err_name(err->code) : "");
	snprintf(attempt->reason, sizeof(attempt->reason), "%.500s", err ? err->msg : "");
}

bool queue_end_round(struct queue_entry *entry)
{
	struct queue_detail *detail = &entry->detail;

	detail->next = 0;
	if (detail->failed == entry->failed_before)
		return false;
	entry->failed_before = detail->failed;
	detail->rounds++;
	detail->not_before_ms =
		clock_wall_ms() + (int64_t)pick_backoff_ms((unsigned)detail->rounds, entry->row.id);
	return true;
}

static void turn_to_next_host(struct queue_entry *entry)
{
	struct queue_detail *detail = &entry->detail;

	detail->not_before_ms = 0;
	if (++detail->next >= entry->request->to_count)
		(void)queue_end_round(entry);
}

static void end(struct queue_entry *entry, enum queue_state state, const struct err *err)
{
	end_attempt(entry, err);
	queue_go(entry, state, err);
}

/* IS_LASTING: no other host and no later attempt would change it. */
static void fail_attempt(struct queue_entry *entry, const struct err *err, bool is_lasting)
{
	struct queue_detail *detail = &entry->detail;
	struct queue *queue = entry->queue;
	const struct queue_attempt *attempt = queue_last_attempt(entry);
	bool is_full = attempt && attempt->move[0] && err->code == ERR_LIMIT;
	struct err last = *err;

	if (detail->cancel_wanted) {
		err_set(&last, ERR_CANCELLED, "cancelled on request");
		end(entry, QUEUE_STATE_CANCELLED, &last);
		return;
	}
	if (is_full) {
		(void)lanes_look(&queue->lanes, queue->env.moves, loop_now_ms(queue->env.loop));
		lane_is_full(lanes_to(&queue->lanes, attempt->host), detail->priority,
			     loop_now_ms(queue->env.loop));
	} else {
		detail->failed++;
	}
	if (is_lasting || detail->failed >= entry->request->attempts_max) {
		if (!is_lasting)
			err_wrap(&last, "%" PRIu64 " attempt%s failed; the last one",
				 detail->failed, detail->failed == 1 ? " has" : "s have");
		end(entry, QUEUE_STATE_FAILED, &last);
		return;
	}
	end_attempt(entry, err);
	turn_to_next_host(entry);
	queue_go(entry, QUEUE_STATE_WAITING, NULL);
}

/* The source has refused it before the destination was asked, for a reason that stays. */
static bool is_lasting(const struct queue_entry *entry, const struct move *move, enum err_code code)
{
	return entry->is_begun_here && !move_has_asked(move) &&
	       (code == ERR_CONFLICT || code == ERR_QEMU || code == ERR_INVALID);
}

static void decide(struct queue_entry *entry, struct move *move)
{
	const struct store_move *row = move_row(move);
	struct queue *queue = entry->queue;
	struct err err;

	err_set(&err, row->error_code[0] ? err_from_name(row->error_code) : ERR_INTERNAL, "%s",
		row->error_text);
	if (strcmp(row->state, "done") == 0) {
		end_attempt(entry, NULL);
		queue_go(entry, QUEUE_STATE_DONE, NULL);
	} else if (move_was_cancelled(move)) {
		err.code = ERR_CANCELLED;
		end(entry, QUEUE_STATE_CANCELLED, &err);
	} else if (strcmp(move_owner(move), queue->env.host_id) != 0) {
		err_wrap(&err, "the move ended as %s, and the guest is on host '%s'", row->state,
			 row->peer);
		end(entry, QUEUE_STATE_FAILED, &err);
	} else {
		entry->detail.is_refused_here = is_lasting(entry, move, err.code);
		fail_attempt(entry, &err, entry->detail.is_refused_here);
	}
}

/* ---- an attempt begins -------------------------------------------------------------------- */

static void key_of(const struct queue_entry *entry, char ret[QUEUE_KEY_SIZE])
{
	snprintf(ret, QUEUE_KEY_SIZE, QUEUE_KEY_PREFIX "%s-%" PRIu64, entry->row.id,
		 entry->detail.begun);
}

static struct move *find_move(struct queue_entry *entry)
{
	char key[QUEUE_KEY_SIZE];

	key_of(entry, key);
	return moves_find_key(entry->queue->env.moves, key);
}

/* Still in the attempt that was begun. */
static bool is_moving(const struct queue_entry *entry)
{
	return entry && entry->machine.state == QUEUE_STATE_MOVING && !entry->machine.is_saving;
}

static void on_move_ended(void *data, struct move *move)
{
	struct queue_entry *entry = queue_ref_take(data);

	if (move && is_moving(entry))
		decide(entry, move);
}

static void follow(struct queue_entry *entry, struct move *move)
{
	struct queue_attempt *attempt = queue_last_attempt(entry);
	struct err ignored;

	memcpy(attempt->move, move_row(move)->id, sizeof(attempt->move));
	move_when(move, MOVE_ENDED, on_move_ended, queue_ref_new(entry));
	if (entry->detail.cancel_wanted)
		move_cancel(move, entry->detail.cancelled_by, &ignored);
	else
		queue_pass_on_late(entry, move);
	queue_tell(entry);
	queue_look(entry->queue);
}

static void on_started(void *data, struct move *move, const struct err *err)
{
	struct queue_entry *entry = queue_ref_take(data);

	if (!is_moving(entry))
		return;
	if (move)
		follow(entry, move);
	else
		fail_attempt(entry, err, /* its policy is gone, or the moment of its hold past */
			     err->code == ERR_NOT_FOUND || err->code == ERR_INVALID);
}

struct move_options queue_options_of(const struct queue_entry *entry)
{
	const struct move_options *defaults = entry->queue->env.defaults;
	struct move_options options = entry->request->move.options;

	options.priority = entry->detail.priority;
	if (!options.has_bandwidth)
		options.bandwidth_bytes_per_s = defaults->bandwidth_bytes_per_s;
	if (!options.has_downtime_limit)
		options.downtime_limit_ms = defaults->downtime_limit_ms;
	return options;
}

static void start(struct queue_entry *entry, bool may_start)
{
	const struct queue_request *request = entry->request;
	struct move_wish wish = {
		.vm = entry->row.vm_name,
		.vm_uuid = entry->row.vm_uuid,
		.to = queue_last_attempt(entry)->host,
		.policy = request->move.policy,
		.options = queue_options_of(entry),
		.may_start = may_start,
		.by = entry->detail.by,
	};
	char key[QUEUE_KEY_SIZE];

	key_of(entry, key);
	wish.key = key;
	moves_start(entry->queue->env.moves, &wish, on_started, queue_ref_new(entry));
}

static void on_asked(void *data, const struct err *err)
{
	struct queue_entry *entry = queue_ref_take(data);

	if (!is_moving(entry))
		return;
	if (!err) {
		start(entry, true);
		return;
	}
	fail_attempt(entry, err, false);
}

/* The peers are asked first whether they have a stopped VM, as before a start. */
static void ask_or_start(struct queue_entry *entry, struct vm *vm)
{
	const struct start_wish wish = { .action = VM_ACTION_START, .by = "queue" };
	const struct queue_env *env = &entry->queue->env;

	entry->is_begun_here = true;
	if (vm_is_stopped(vm) && !vm_job(vm))
		start_ask(env->newest_env, env->newest, vm, &wish, on_asked, queue_ref_new(entry));
	else
		start(entry, false);
}

/* An entry of an automaton may be older than the pins of its VM.  A stopped one runs nowhere, and a
 * definition that is not understood has none. */
static bool may_go_there(const struct queue_entry *entry, struct vm *vm, struct err *err)
{
	const char *host = queue_last_attempt(entry)->host;
	const struct vm_def *def = vm_def_of(vm, err);

	return entry->detail.priority == MOVE_PRIORITY_INTERACTIVE || vm_is_stopped(vm) || !def ||
	       placement_pins_allow(&def->placement, host) ||
	       err_set(err, ERR_CONFLICT,
		       "VM '%s' is pinned to other hosts than '%s' (pins of its placement)",
		       vm_name(vm), host);
}

/* Not from inside the change of state. */
static void on_begin(void *data)
{
	struct queue_entry *entry = queue_ref_take(data);
	struct move *move;
	struct vm *vm;
	struct err err;

	if (!is_moving(entry) || entry->queue->is_closing)
		return;
	move = find_move(entry);
	if (move) {
		follow(entry, move);
	} else if (entry->detail.cancel_wanted) {
		err_set(&err, ERR_CANCELLED, "cancelled on request");
		end(entry, QUEUE_STATE_CANCELLED, &err);
	} else if (!queue_has_vm(entry, &vm, &err)) {
		fail_attempt(entry, &err, true);
	} else if (!peer_clients_address(entry->queue->env.peers,
					 queue_last_attempt(entry)->host)) {
		err_set(&err, ERR_CONFLICT, "host '%s' is not known here any more",
			queue_last_attempt(entry)->host);
		fail_attempt(entry, &err, false);
	} else if (!may_go_there(entry, vm, &err)) {
		fail_attempt(entry, &err, false);
	} else {
		ask_or_start(entry, vm);
	}
}

void queue_attempt(struct queue_entry *entry, const char *host)
{
	struct queue_detail *detail = &entry->detail;
	struct queue_attempt attempt = { .began_at = clock_wall_ms() };

	queue_leave(entry);
	snprintf(attempt.host, sizeof(attempt.host), "%s", host);
	if (detail->attempt_count == QUEUE_ATTEMPTS_KEPT) {
		memmove(&detail->attempts[0], &detail->attempts[1],
			(QUEUE_ATTEMPTS_KEPT - 1) * sizeof(detail->attempts[0]));
		detail->attempt_count--;
	}
	detail->attempts[detail->attempt_count++] = attempt;
	detail->is_passing_on = false;
	if (!detail->begun++)
		queue_count_wait(entry->queue, attempt.began_at - entry->row.created_ms);
	queue_go(entry, QUEUE_STATE_MOVING, NULL);
}

/* ---- the states --------------------------------------------------------------------------- */

void queue_enter_waiting(struct machine *machine)
{
	struct queue_entry *entry = queue_entry_of(machine);

	if (entry->request)
		queue_join(entry);
	else
		queue_go(entry, QUEUE_STATE_FAILED, NULL); /* its record was not understood */
}

void queue_enter_moving(struct machine *machine)
{
	struct queue_entry *entry = queue_entry_of(machine);

	if (!entry->request)
		queue_go(entry, QUEUE_STATE_FAILED, NULL);
	else
		loop_post(entry->queue->env.loop, on_begin, queue_ref_new(entry));
}

void queue_step(struct machine *machine)
{
	queue_carry_out(queue_entry_of(machine));
}
