/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a move's machine puts on disk, and what is done in every change of state. */
#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "move/foresee.h"
#include "move/priv.h"

/* ---- the record ------------------------------------------------------- */

uint32_t move_sync_jobs(const struct move *move, enum move_state state)
{
	return move->facts.stopped ? 0 : move->machine.type->states[state].flags / MOVE_BEARS(0);
}

static void fill_end(struct move *move)
{
	struct store_move *row = &move->row;

	row->ended_ms = row->updated_ms;
	row->settled = move->facts.source_has_ended && move_agrees(move, move->source_verdict);
	move_stamp(move, MOVE_STAMP_ENDED);
}

static void fill(struct machine *machine, unsigned to)
{
	struct move *move = move_of(machine);
	struct store_move *row = &move->row;

	move->reason[0] = '\0';
	/* Until the record is on disk, only the jobs that both states bear. */
	move->job.allowed &= move_sync_jobs(move, to);
	snprintf(row->state, sizeof(row->state), "%s", machine->type->states[to].name);
	snprintf(row->verdict, sizeof(row->verdict), "%s",
		 move->verdict == VERDICT_NONE ? "" : verdict_names[move->verdict]);
	row->is_final = machine->type->states[to].flags & MACHINE_FINAL;
	row->updated_ms = clock_wall_ms();
	row->settled = false;
	if (row->is_final) {
		fill_end(move);
		move_notices_end(move, to == MOVE_STATE_DONE);
	}
	if (err_is_set(&move->error)) {
		snprintf(row->error_code, sizeof(row->error_code), "%s",
			 err_name(move->error.code));
		snprintf(row->error_text, sizeof(row->error_text), "%s", move->error.msg);
	}
	move_detail_encode(move);
}

static void fill_facts(struct machine *machine)
{
	move_detail_encode(move_of(machine));
}

static struct store_change row(struct machine *machine)
{
	return store_put_move(&move_of(machine)->row);
}

/* ---- from state to state ------------------------------------------------- */

static void log_state(const struct move *move, unsigned from, const char *why)
{
	bool has_failed = move->machine.state == MOVE_STATE_FAILED;

	log_record(has_failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "move", "state",
		   "move=%s vm=%s peer=%s from=%s to=%s why=%s", move->row.id, move->row.vm_name,
		   move->row.peer,
		   move->machine.is_new ? "-" : move->machine.type->states[from].name,
		   move->row.state, has_failed ? move->error.msg : why);
}

/* If the change deletes the VM's row, the VM goes from memory too. */
static void forget_deleted(struct move *move, const struct store_change *change)
{
	struct vm *vm;

	if (!change->row || change->table != STORE_VM || change->op != STORE_DELETE)
		return;
	vm = vm_find_uuid(move->moves->env.vms, change->row);
	if (vm) {
		move->holds_vm = false;
		vm_forget(vm);
	}
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct move *move = move_of(machine);

	log_state(move, from, change->why);
	for (size_t i = 0; i < ARRAY_LEN(change->with); i++)
		forget_deleted(move, &change->with[i]);
}

static void entering(struct machine *machine)
{
	struct move *move = move_of(machine);

	move->facts.asked = false;
	move->facts.answered = false;
	move->facts.run_asked = false;
	move->facts.lease_asked = false;
	move->facts.query_pending = false; /* an answer to an earlier state is dropped */
	move->ram.is_answer_old = false;
	move->disks.is_asking = false;
	move->retry_ms = 0;
	move->patience_ms = 0;
	move->probed_ms = machine->entered_ms;
	move->store_error = (struct err){ 0 };
	move->job.allowed = move_sync_jobs(move, machine->state);
	loop_timer_stop(move->tick);
	loop_timer_stop(move->retry);
	if (move_is_final(move)) {
		foresee_compare(move);
		move_end_stream(move);
		move_release_vm(move);
		move_become_history(move);
	}
}

static void tell_lost_start(const struct move *move)
{
	const struct moves_env *env = &move->moves->env;
	char reason[ERR_MSG_SIZE];

	if (!move->facts.start_is_lost || move->machine.state != MOVE_STATE_DONE)
		return;
	move_say_lost_start(move, reason);
	log_warning("move", "start-lost", "move=%s vm=%s peer=%s reason=%s", move->row.id,
		    move->row.vm_name, move->row.peer, reason);
	if (env->start_lost)
		env->start_lost(env->data, move, reason);
}

static void entered(struct machine *machine)
{
	struct move *move = move_of(machine);
	bool is_final = move_is_final(move);

	move_share_follow(move);
	if (is_final) {
		move_count_end(move);
		move_frames_end(move);
		move->settle.is_done = move->row.settled;
		move_settle_begin(move);
		move_tell_end(move);
		tell_lost_start(move);
	}
	move_tell(move);
	if (is_final)
		moves_settled(move->moves); /* may free the move */
}

static void refused(struct machine *machine, const struct err *err)
{
	struct move *move = move_of(machine);
	struct err reason = *err;

	err_wrap(&reason, "cannot record state '%s', trying again", move->row.state);
	snprintf(move->reason, sizeof(move->reason), "%s", reason.msg);
	move_tell(move);
}

static void saved(struct machine *machine, const struct err *err)
{
	struct move *move = move_of(machine);

	move->store_error = err ? *err : (struct err){ 0 };
}

static void give_up(struct machine *machine, const struct err *why)
{
	move_roll_back(move_of(machine), why);
}

#define HOOKS                                                                                \
	.state_count = MOVE_STATE_COUNT, .fill = fill, .fill_facts = fill_facts, .row = row, \
	.recorded = recorded, .entering = entering, .entered = entered, .refused = refused,  \
	.saved = saved, .give_up = give_up

const struct machine_type move_types[] = {
	[MOVE_SRC] = { .name = "move.src", .states = move_src_states, HOOKS },
	[MOVE_DST] = { .name = "move.dst", .states = move_dst_states, HOOKS },
};

/* ---- the timeline ----------------------------------------------------- */

void move_note(struct move *move, const char *event, const char *fmt, ...)
{
	char detail[ERR_MSG_SIZE];
	va_list ap;

	if (move_is_final(move))
		return; /* the timeline of an ended move takes no more */
	va_start(ap, fmt);
	err_vtext(detail, fmt, ap);
	va_end(ap);
	machine_note(&move->machine, event, "%s", detail);
	log_debug("move", event, "move=%s detail=%s", move->row.id, detail);
}
