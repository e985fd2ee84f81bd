/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What users want of an entry.  Orders are carried out one after the other, when no change of state
 * is being written, and are answered when what they change is on disk. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "queue/priv.h"

static void answer_first(struct queue_entry *entry, const struct err *err)
{
	struct queue_order *order = STAILQ_FIRST(&entry->orders);

	STAILQ_REMOVE_HEAD(&entry->orders, link);
	order->done(order->data, entry, err);
	free(order);
}

void queue_answer_all(struct queue_entry *entry)
{
	bool is_cancelled = entry->machine.state == QUEUE_STATE_CANCELLED;
	struct err late;

	err_set(&late, ERR_TOO_LATE, "the entry has ended: %s", entry->row.state);
	entry->is_order_under_way = false;
	while (!STAILQ_EMPTY(&entry->orders)) {
		const struct queue_order *order = STAILQ_FIRST(&entry->orders);
		bool is_done = order->kind == QUEUE_ORDER_ADD ||
			       (order->kind == QUEUE_ORDER_CANCEL && is_cancelled);

		answer_first(entry, is_done ? NULL : &late);
	}
}

void queue_dismiss_all(struct queue_entry *entry)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	while (!STAILQ_EMPTY(&entry->orders)) {
		struct queue_order *order = STAILQ_FIRST(&entry->orders);

		STAILQ_REMOVE_HEAD(&entry->orders, link);
		order->done(order->data, NULL, &err);
		free(order);
	}
}

/* ---- the move under way has the priority too -------------------------------------------- */

static struct move *move_under_way(const struct queue_entry *entry)
{
	const struct queue_attempt *attempt = queue_last_attempt(entry);

	return entry->machine.state == QUEUE_STATE_MOVING && attempt->move[0]
		       ? moves_find(entry->queue->env.moves, attempt->move)
		       : NULL;
}

static void say_done(struct queue_entry *entry)
{
	const char *name = move_priority_names[entry->detail.priority];

	if (entry->is_in_turn) {
		queue_number(entry->queue);
		snprintf(entry->did, sizeof(entry->did),
			 "recorded: with priority '%s' it has place %" PRIu64 " of those that wait",
			 name, entry->position);
	} else {
		snprintf(entry->did, sizeof(entry->did),
			 "recorded: priority '%s'; its move is being begun, and gets it", name);
	}
}

static void answer_priority(struct queue_entry *entry)
{
	answer_first(entry, NULL);
	queue_tell(entry);
	queue_look(entry->queue);
	machine_step(&entry->machine);
}

/* On disk before a restart could pass it on once more. */
static void note_passed_on(struct queue_entry *entry)
{
	entry->detail.is_passing_on = false;
	if (!queue_is_final(entry))
		machine_save(&entry->machine);
}

static void on_passed_on(void *data, struct move *move, const struct move_changes *changes,
			 const struct err *err)
{
	struct queue_entry *entry = queue_ref_take(data);
	char did[MOVE_DID_SIZE];

	if (!entry || STAILQ_EMPTY(&entry->orders) || !entry->is_order_under_way)
		return; /* it has ended meanwhile, and the order was answered */
	entry->is_order_under_way = false;
	note_passed_on(entry);
	if (move && !err) {
		move_say_set(move, changes, did);
		snprintf(entry->did, sizeof(entry->did), "recorded, and its move has it: %s", did);
	} else {
		snprintf(entry->did, sizeof(entry->did),
			 "recorded, and its next attempt has it; its move keeps what it had: "
			 "%.400s",
			 err ? err->msg : "it has ended");
	}
	answer_priority(entry);
}

static struct move_setting setting_of(const struct queue_entry *entry)
{
	return (struct move_setting){ .priority = (enum move_priority)entry->detail.priority,
				      .has_priority = true };
}

/* False: no move is under way that could take it. */
static bool pass_on(struct queue_entry *entry)
{
	const struct move_setting setting = setting_of(entry);
	struct move *move = move_under_way(entry);
	struct machine_ref *ref;
	struct err ignored;

	if (!move)
		return false;
	ref = queue_ref_new(entry);
	entry->is_order_under_way = move_set(move, &setting, on_passed_on, ref, &ignored);
	if (!entry->is_order_under_way)
		free(ref);
	return entry->is_order_under_way;
}

static void on_passed_on_late(void *data, struct move *move, const struct move_changes *changes,
			      const struct err *err)
{
	struct queue_entry *entry = queue_ref_take(data);

	(void)changes;
	if (move && err)
		log_warning("queue", "priority", "move=%s error=%s", move_row(move)->id, err->msg);
	if (entry)
		note_passed_on(entry);
}

void queue_pass_on_late(struct queue_entry *entry, struct move *move)
{
	const struct move_setting setting = setting_of(entry);
	struct machine_ref *ref;
	struct err ignored; /* it has ended */

	if (!entry->detail.is_passing_on)
		return;
	if ((int)move_priority(move) == entry->detail.priority) {
		note_passed_on(entry);
		return;
	}
	ref = queue_ref_new(entry);
	if (!move_set(move, &setting, on_passed_on_late, ref, &ignored))
		free(ref);
}

const char *queue_did(const struct queue_entry *entry)
{
	return entry->did;
}

/* ---- a change beside the states ------------------------------------------------------- */

/* It was refused, so that nobody has cancelled it. */
static void forget_cancel(struct queue_entry *entry)
{
	entry->detail.cancel_wanted = entry->is_cancel_on_disk = false;
	entry->detail.cancelled_by[0] = '\0';
}

static void put_back(struct queue_entry *entry, const struct queue_order *order)
{
	if (order->kind == QUEUE_ORDER_CANCEL) {
		forget_cancel(entry);
	} else {
		entry->detail.priority = order->priority; /* the former one */
		entry->detail.is_passing_on = false;
	}
	machine_save_put_back(&entry->machine);
}

/* The first order is on disk; ERR: it is not, and is undone. */
static void on_saved(void *data, const struct err *err)
{
	struct queue_entry *entry = queue_ref_take(data);
	struct queue_order *order = entry ? STAILQ_FIRST(&entry->orders) : NULL;

	if (!order || !entry->is_order_under_way)
		return; /* it has ended meanwhile, and the order was answered */
	entry->is_order_under_way = false;
	if (order->kind == QUEUE_ORDER_CANCEL)
		entry->is_cancel_on_disk = !err;
	if (err)
		put_back(entry, order);
	if (entry->is_in_turn)
		queue_join(entry);
	if (!err && order->kind == QUEUE_ORDER_PRIORITY) {
		if (pass_on(entry))
			return;
		say_done(entry);
		answer_priority(entry);
		return;
	}
	if (err) {
		answer_first(entry, err);
		queue_tell(entry);
		queue_look(entry->queue);
	}
	machine_step(&entry->machine);
}

static void save(struct queue_entry *entry)
{
	entry->is_order_under_way = true;
	machine_save_for(&entry->machine, on_saved, queue_ref_new(entry));
}

/* ---- one order -------------------------------------------------------------------------- */

static void end_at_once(struct queue_entry *entry)
{
	struct err err;

	err_set(&err, ERR_CANCELLED, "cancelled on request");
	entry->detail.cancel_wanted = true;
	queue_leave(entry);
	queue_go(entry, QUEUE_STATE_CANCELLED, &err);
}

/* The wish is on disk: else a restart would make another attempt. */
static void cancel_move(struct queue_entry *entry)
{
	const struct queue_attempt *attempt = queue_last_attempt(entry);
	struct move *move =
		attempt->move[0] ? moves_find(entry->queue->env.moves, attempt->move) : NULL;
	struct err err;

	if (!move || move_cancel(move, entry->detail.cancelled_by,
				 &err)) { /* no move: it is cancelled as soon as it begins */
		answer_first(entry, NULL);
		return;
	}
	forget_cancel(entry);
	machine_save(&entry->machine);
	answer_first(entry, &err);
}

static void cancel(struct queue_entry *entry, const struct queue_order *order)
{
	struct queue_detail *detail = &entry->detail;

	if (!detail->cancelled_by[0])
		snprintf(detail->cancelled_by, sizeof(detail->cancelled_by), "%s", order->by);
	if (entry->machine.state == QUEUE_STATE_WAITING) {
		end_at_once(entry);
	} else if (entry->is_cancel_on_disk) {
		cancel_move(entry);
	} else {
		entry->detail.cancel_wanted = true;
		save(entry);
	}
}

static void set_priority(struct queue_entry *entry, struct queue_order *order)
{
	int former = entry->detail.priority;

	entry->detail.priority = order->priority;
	entry->detail.is_passing_on = entry->machine.state == QUEUE_STATE_MOVING;
	order->priority = former; /* to be put back if the disk refuses it */
	save(entry);
}

void queue_carry_out(struct queue_entry *entry)
{
	while (!STAILQ_EMPTY(&entry->orders) && !entry->machine.is_saving &&
	       !entry->is_order_under_way && !queue_is_final(entry)) {
		struct queue_order *order = STAILQ_FIRST(&entry->orders);

		switch (order->kind) {
		case QUEUE_ORDER_ADD:
			answer_first(entry, NULL);
			break;
		case QUEUE_ORDER_CANCEL:
			cancel(entry, order);
			break;
		case QUEUE_ORDER_PRIORITY:
			set_priority(entry, order);
			break;
		}
	}
}

/* ---- from outside ----------------------------------------------------------------------- */

static void on_order(void *data)
{
	struct queue_entry *entry = queue_ref_take(data);

	if (entry && queue_is_final(entry))
		queue_answer_all(entry);
	else if (entry)
		machine_step(&entry->machine);
}

void queue_order(struct queue_entry *entry, const struct queue_order *order)
{
	struct queue_order *mine = xnew(struct queue_order);

	*mine = *order;
	STAILQ_INSERT_TAIL(&entry->orders, mine, link);
	loop_post(entry->queue->env.loop, on_order, queue_ref_new(entry));
}

void queue_cancel(struct queue_entry *entry, const char *by, queue_done_fn *done, void *data)
{
	struct queue_order order = { .kind = QUEUE_ORDER_CANCEL, .done = done, .data = data };

	snprintf(order.by, sizeof(order.by), "%s", by);
	queue_order(entry, &order);
}

void queue_set_priority(struct queue_entry *entry, int priority, queue_done_fn *done, void *data)
{
	queue_order(entry, &(struct queue_order){ .kind = QUEUE_ORDER_PRIORITY,
						  .priority = priority,
						  .done = done,
						  .data = data });
}
