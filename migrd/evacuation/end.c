/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an evacuation is stopped: pauses, its deadline, its ends, and the cordon. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"

#define CORDON_RETRY_MS 1000

/* ---- the cordon ------------------------------------------------------------------------ */

static void on_cordon(void *data, const struct store_hold *hold, const struct err *err)
{
	uint64_t on;
	struct evacuation *evac = evac_ref_take(data, &on);

	(void)hold;
	if (!evac)
		return;
	evac->now.is_cordon_asked = false;
	if (err) {
		log_error("evacuation", "cordon",
			  "evacuation=%s on=%" PRIu64 " error=%s; trying again", evac->row.id, on,
			  err->msg);
		evac_look_in(evac, CORDON_RETRY_MS);
		return;
	}
	evac->now.is_cordon_on = on;
	evac->now.is_cordon_off = !on;
	evac->now.is_news = true;
	evacuations_look(evac->evacs);
}

static void ask_for_cordon(struct evacuation *evac, enum cordon_party party, bool on)
{
	CLEANUP(free_charp)
	char *reason = xasprintf("evacuation %s%s", evac->row.id,
				 party == CORDON_PERSON ? " was told to keep it" : "");

	evac->now.is_cordon_asked = true;
	cordon_set(evac->evacs->env.holds,
		   &(struct cordon_wish){
			   .party = party, .on = on, .reason = reason, .by = "evacuation" },
		   on_cordon, evac_ref_new(evac, on));
}

bool evac_cordon(struct evacuation *evac, bool on)
{
	if (evac->now.is_cordon_asked)
		return false;
	if (on ? evac->now.is_cordon_on : evac->now.is_cordon_off)
		return true;
	ask_for_cordon(evac, CORDON_EVACUATION, on);
	return false;
}

/* A person's takes its place, before it is taken off. */
static bool keep_cordon(struct evacuation *evac)
{
	if (cordon_of(evac->evacs->env.holds, CORDON_PERSON))
		return true;
	if (!evac->now.is_cordon_asked)
		ask_for_cordon(evac, CORDON_PERSON, true);
	return false;
}

/* ---- its entries in the queue -------------------------------------------------------------- */

/* The id of the move of its present attempt, or of the last one; "": that has none yet. */
static const char *move_of(const struct queue_entry *entry)
{
	const struct queue_reply reply = queue_show(entry);

	return reply.move ? reply.move : "";
}

/* A cancel that came too late: the move goes on to its end. */
static void on_cancelled(void *data, struct queue_entry *entry, const struct err *err)
{
	uint64_t number;
	struct evacuation *evac = evac_ref_take(data, &number);
	struct evac_vm *vm = evac ? evac_vm_of_number(evac, number) : NULL;

	if (vm && entry && err) {
		vm->was_too_late = true;
		snprintf(vm->too_late, sizeof(vm->too_late), "%s", move_of(entry));
	}
	if (evac)
		evacuations_look(evac->evacs);
}

static bool is_waiting(const struct queue_entry *entry)
{
	return strcmp(queue_row(entry)->state, "waiting") == 0;
}

/* The move that was too far to be cancelled has ended, and not well: the entry has not. */
static bool is_past_it(const struct evac_vm *vm, const struct queue_entry *entry)
{
	return vm->was_too_late && (is_waiting(entry) || strcmp(move_of(entry), vm->too_late) != 0);
}

static const char *who_cancels(const struct evacuation *evac)
{
	const struct evac_detail *detail = &evac->detail;

	return detail->moves_by[0] ? detail->moves_by : "evacuation";
}

/* It is on disk first that it is to end, so that a restart does not take it for somebody else's
 * wish.  The move of a cancel that came too late may end badly: then the entry waits for another
 * attempt or makes it at once, and is told again. */
void evac_entries_cancel(struct evacuation *evac)
{
	for (size_t i = 0; i < evac->vm_count; i++) {
		struct evac_vm *vm = &evac->vms[i];
		struct queue_entry *entry = vm->is_cancelling ? evac_vm_entry(evac, vm) : NULL;

		if (!entry || !evac_has(evac, vm->cancel_change))
			continue;
		if (is_past_it(vm, entry))
			vm->was_too_late = vm->is_cancel_told = false;
		if (vm->is_cancel_told)
			continue;
		vm->is_cancel_told = true;
		queue_cancel(entry, who_cancels(evac), on_cancelled,
			     evac_ref_new(evac, vm->number));
	}
}

bool evac_entries_end(struct evacuation *evac, bool cancel)
{
	bool has_ended = true;

	for (size_t i = 0; i < evac->vm_count; i++) {
		struct evac_vm *vm = &evac->vms[i];
		const struct queue_entry *entry = evac_vm_entry(evac, vm);

		has_ended = has_ended && !entry && !vm->is_adding;
		if (!entry || vm->is_cancelling || (!cancel && !is_waiting(entry)))
			continue;
		vm->is_cancelling = true;
		vm->is_cancel_told = false;
		vm->cancel_change = evac_change(evac);
	}
	return has_ended;
}

/* ---- ends ------------------------------------------------------------- */

bool evac_is_just_ending(const struct evacuation *evac)
{
	const struct machine *machine = &evac->machine;

	return machine->is_saving && evac_states[machine->target].flags & MACHINE_FINAL;
}

/* The ending that wanted it is taken back when the state is handed to the disk: see evac_end(). */
bool evac_is_returning(const struct evacuation *evac)
{
	const struct machine *machine = &evac->machine;

	return machine->state == EVAC_STATE_RETURNING ||
	       (machine->is_saving && machine->target == EVAC_STATE_RETURNING);
}

void evac_set_moves(struct evacuation *evac, int moves, const char *by)
{
	struct evac_detail *detail = &evac->detail;

	detail->moves = moves;
	snprintf(detail->moves_by, sizeof(detail->moves_by), "%s", by);
}

void evac_want_end(struct evacuation *evac, enum evac_ending ending, int moves, const char *by,
		   const char *why)
{
	struct evac_detail *detail = &evac->detail;

	detail->ending = ending;
	evac_set_moves(evac, moves, by);
	snprintf(detail->ending_why, sizeof(detail->ending_why), "%s", why);
	evac->now.is_news = true;
	evac_change(evac);
}

static void end_with(struct evacuation *evac, enum evac_state state, enum err_code code)
{
	struct err err;

	err_set(&err, code, "%s", evac->detail.ending_why);
	evac_go(evac, state, &err);
}

/* Nothing was begun yet. */
static void end_before(struct evacuation *evac)
{
	end_with(evac, EVAC_STATE_ABORTED, ERR_CANCELLED);
}

static void end_now(struct evacuation *evac, enum evac_ending ending)
{
	bool is_draining = evac->machine.state == EVAC_STATE_DRAINING;

	if (ending == EVAC_ENDING_ABORTED && is_draining)
		end_with(evac, EVAC_STATE_ABORTED, ERR_CANCELLED);
	else if (is_draining)
		end_with(evac, EVAC_STATE_ENDED, evac->request ? ERR_TIMEOUT : ERR_STORE);
	else
		evac_go(evac, EVAC_STATE_ENDED, NULL);
}

void evac_end(struct evacuation *evac)
{
	struct evac_detail *detail = &evac->detail;
	unsigned state = evac->machine.state;

	evac_rooms_leave(evac);
	if (state == EVAC_STATE_PLANNED || state == EVAC_STATE_WAITING) {
		if (!detail->keep_cordon || keep_cordon(evac))
			end_before(evac);
	} else if (detail->ending == EVAC_ENDING_RETURNING && state != EVAC_STATE_RETURNING) {
		detail->ending = EVAC_ENDING_NONE;
		detail->paused = false;
		detail->paused_by[0] = '\0';
		evac_change(evac);
		evac_go(evac, EVAC_STATE_RETURNING, NULL);
	} else if (evac_stays_go_on(evac) && (!detail->keep_cordon || keep_cordon(evac)) &&
		   evac_cordon(evac, false)) {
		end_now(evac, detail->ending);
	}
}

/* ---- its deadline ----------------------------------------------------- */

int64_t evac_deadline_ms(const struct evacuation *evac)
{
	const struct evac_detail *detail = &evac->detail;
	bool counts = evac->request && !detail->is_late && !detail->drained_ms &&
		      detail->ending == EVAC_ENDING_NONE;

	return counts ? detail->deadline_ms : 0;
}

void evac_look_at_deadline(struct evacuation *evac)
{
	struct evac_detail *detail = &evac->detail;
	int64_t deadline_ms = evac_deadline_ms(evac);

	if (!deadline_ms || deadline_ms > clock_wall_ms())
		return;
	detail->is_late = true;
	evac_change(evac);
	log_warning("evacuation", "deadline", "evacuation=%s then=%s", evac->row.id,
		    evacuation_late_names[evac->request->on_deadline]);
	switch ((enum evacuation_late)evac->request->on_deadline) {
	case EVACUATION_LATE_PAUSE:
		detail->paused = true;
		detail->paused_by[0] = '\0';
		evac_set_moves(evac, EVACUATION_MOVES_FINISH, "");
		snprintf(detail->paused_why, sizeof(detail->paused_why), "its deadline has passed");
		break;
	case EVACUATION_LATE_ABORT:
		evac_want_end(evac, EVAC_ENDING_ABORTED, EVACUATION_MOVES_FINISH, "",
			      "its deadline has passed");
		break;
	case EVACUATION_LATE_LEAVE:
		detail->keep_cordon = true;
		evac_want_end(evac, EVAC_ENDING_ENDED, EVACUATION_MOVES_FINISH, "",
			      "its deadline has passed, and what had not moved by then stays here");
		break;
	}
}
