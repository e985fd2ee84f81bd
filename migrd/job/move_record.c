/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A move's records: the only way from state to state, and its timeline. */
#include <assert.h>
#include <stdarg.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/move_priv.h"

/* A record that could not be written is tried again so soon. */
#define SAVE_RETRY_MS 500
#define NOTES_MAX     64

/* What a commit under way is for; found again by id, since the move may go. */
struct save {
	struct moves *moves;
	char id[ID_UUID_SIZE];
	struct store_vm put_vm; /* copied, but for its definition, which VM_DEFINITION owns */
	char *vm_definition;
	char delete_vm[ID_UUID_SIZE];
	char why[ERR_MSG_SIZE];
	struct store_timeline_entry *notes; /* kept until they are on disk */
	size_t note_count;
};

/* ---- the timeline ----------------------------------------------------- */

void move_note(struct move *move, const char *event, const char *fmt, ...)
{
	struct store_timeline_entry *note;
	va_list ap;

	if (move_is_final(move))
		return;
	if (move->note_count == NOTES_MAX)
		move_save_detail(move);
	if (move->note_count == NOTES_MAX)
		return; /* a change is being written: better lost than late */
	if (!move->notes)
		move->notes = xcalloc(NOTES_MAX, sizeof(*move->notes));
	note = &move->notes[move->note_count++];
	note->at_ms = clock_wall_ms();
	snprintf(note->event, sizeof(note->event), "%s", event);
	va_start(ap, fmt);
	err_vtext(note->detail, fmt, ap);
	va_end(ap);
	log_debug("move", event, "move=%s detail=%s", move->row.id, note->detail);
}

/* ---- from state to state --------------------------------------------- */

static void commit(struct save *save, struct move *move);

static void free_save(struct save *save)
{
	if (!save)
		return;
	free(save->vm_definition);
	free(save->notes);
	free(save);
}

static void enter(struct move *move)
{
	const struct move_state_def *def = move_def(move, move->state);

	move->is_saving = false;
	move->is_new = false;
	move->asked = false;
	move->answered = false;
	move->lease_asked = false;
	move->query_pending = false; /* an answer to an earlier state is dropped */
	move->retry_ms = 0;
	move->patience_ms = 0;
	move->entered_ms = loop_now_ms(move->moves->env.loop);
	move->probed_ms = move->entered_ms;
	move->store_error = (struct err){ 0 };
	move->job.allowed = def->sync_jobs;
	loop_timer_stop(move->tick);
	loop_timer_stop(move->retry);
	if (def->is_final) {
		move_end_stream(move);
		move_release_vm(move);
		move_become_history(move);
	} else if (def->enter) {
		def->enter(move);
	}
	move_step(move);
	if (def->is_final) {
		move->is_settled = move->row.settled;
		move_settle_begin(move);
	}
	move_tell(move);
	if (def->is_final)
		moves_settled(move->moves); /* which may free it */
}

void move_reenter(struct move *move)
{
	enter(move);
}

/* "move.SIDE.STATE": a state that is on disk and not entered yet. */
static void fault_point(const struct move *move)
{
	char point[64];
	struct err ignored;

	snprintf(point, sizeof(point), "move.%s.%s", move->side == MOVE_SRC ? "src" : "dst",
		 move_def(move, move->target)->name);
	fault_hit(point, &ignored);
}

/* The disk refuses: nothing may go on before it takes the record. */
static void retry_commit(struct save *save, struct move *move, const struct err *err)
{
	struct err reason = *err;

	log_error("move", "save", "move=%s state=%s error=%s; trying again", move->row.id,
		  move->row.state, err->msg);
	err_wrap(&reason, "cannot record state '%s', trying again", move->row.state);
	snprintf(move->reason, sizeof(move->reason), "%s", reason.msg);
	move->unsaved = save;
	loop_timer_start(move->retry, SAVE_RETRY_MS);
	move_tell(move);
}

static void on_committed(void *data, const struct err *err)
{
	struct save *save = data;
	struct move *move = moves_find(save->moves, save->id);
	struct vm *vm;

	if (!move) {
		free_save(save);
		return;
	}
	if (err) {
		retry_commit(save, move, err);
		return;
	}
	fault_point(move);
	log_record(move->target == MOVE_STATE_FAILED ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "move",
		   "state", "move=%s vm=%s peer=%s from=%s to=%s why=%s", move->row.id,
		   move->row.vm_name, move->row.peer,
		   move->is_new ? "-" : move_def(move, move->state)->name, move->row.state,
		   move->target == MOVE_STATE_FAILED ? move->error.msg : save->why);
	move->state = move->target;
	vm = save->delete_vm[0] ? vm_find_uuid(save->moves->env.vms, save->delete_vm) : NULL;
	if (vm) {
		move->holds_vm = false;
		vm_forget(vm);
	}
	free_save(save);
	enter(move);
}

static void commit(struct save *save, struct move *move)
{
	const struct store_notes notes = { move->row.id, save->notes, save->note_count };
	/* The name of one VM may go to another in the same change. */
	const struct store_txn txn = { {
		store_delete_vm(save->delete_vm[0] ? save->delete_vm : NULL),
		store_put_vm(save->put_vm.uuid[0] ? &save->put_vm : NULL),
		store_put_move(&move->row),
		store_put_notes(&notes),
	} };

	store_commit(move->moves->env.store, &txn, on_committed, save);
}

static struct save *new_save(struct move *move)
{
	struct save *save = xnew(struct save);

	save->moves = move->moves;
	memcpy(save->id, move->row.id, sizeof(save->id));
	return save;
}

static void take_notes(struct save *save, struct move *move)
{
	save->notes = TAKE_PTR(move->notes);
	save->note_count = move->note_count;
	move->note_count = 0;
}

/* The disk did not take them: they go before what has come since. */
static void give_notes_back(struct save *save, struct move *move)
{
	struct store_timeline_entry *later = TAKE_PTR(move->notes);
	size_t room = NOTES_MAX - save->note_count;
	size_t count = move->note_count < room ? move->note_count : room;

	move->notes = xcalloc(NOTES_MAX, sizeof(*move->notes));
	if (save->note_count)
		memcpy(move->notes, save->notes, save->note_count * sizeof(*save->notes));
	if (count)
		memcpy(move->notes + save->note_count, later, count * sizeof(*later));
	move->note_count = save->note_count + count;
	free(later);
}

static void fill_row(struct move *move, enum move_state to)
{
	struct store_move *row = &move->row;

	snprintf(row->state, sizeof(row->state), "%s", move_def(move, to)->name);
	snprintf(row->verdict, sizeof(row->verdict), "%s",
		 move->verdict == VERDICT_NONE ? "" : verdict_names[move->verdict]);
	row->is_final = move_def(move, to)->is_final;
	row->updated_ms = clock_wall_ms();
	row->settled =
		row->is_final && move->source_has_ended && move_agrees(move, move->source_verdict);
	if (row->is_final) {
		row->ended_ms = row->updated_ms;
		move_stamp(move, MOVE_STAMP_ENDED);
	}
	if (err_is_set(&move->error)) {
		snprintf(row->error_code, sizeof(row->error_code), "%s",
			 err_name(move->error.code));
		snprintf(row->error_text, sizeof(row->error_text), "%s", move->error.msg);
	}
	move_detail_encode(move);
}

static void write_change(struct move *move, const struct move_change *change)
{
	struct save *save = new_save(move);

	if (change->put_vm) {
		save->put_vm = *change->put_vm;
		save->vm_definition = xstrdup(change->put_vm->definition);
		save->put_vm.definition = save->vm_definition;
	}
	if (change->delete_vm)
		snprintf(save->delete_vm, sizeof(save->delete_vm), "%s", change->delete_vm);
	snprintf(save->why, sizeof(save->why), "%s", change->why ? change->why : "");
	move->is_saving = true;
	move->target = change->to;
	fill_row(move, change->to);
	move_note(move, move->row.state, "%s", save->why);
	take_notes(save, move);
	commit(save, move);
}

void move_go_to(struct move *move, const struct move_change *change)
{
	assert(!move->is_saving);
	assert(move_def(move, move->state)->next & (1u << change->to));
	move->is_resumed = false;
	move->reason[0] = '\0';
	/* Until it is on disk, only what both states bear. */
	move->job.allowed &= move_def(move, change->to)->sync_jobs;
	write_change(move, change);
}

void move_record(struct move *move, enum move_state state, const struct store_vm *put_vm)
{
	move->is_new = true;
	move->state = state;
	write_change(move, &(struct move_change){ .to = state, .put_vm = put_vm });
}

void move_record_again(struct move *move)
{
	commit(TAKE_PTR(move->unsaved), move);
}

void move_forget_unsaved(struct move *move)
{
	free_save(TAKE_PTR(move->unsaved));
}

/* ---- the detail alone -------------------------------------------------- */

static void on_detail_saved(void *data, const struct err *err)
{
	struct save *save = data;
	struct move *move = moves_find(save->moves, save->id);

	if (err)
		log_error("move", "save", "move=%s error=%s", save->id, err->msg);
	if (move)
		move->store_error = err ? *err : (struct err){ 0 };
	if (err && move && !move_is_final(move))
		give_notes_back(save, move);
	free_save(save);
}

void move_write_detail(struct move *move, store_done_fn *done, void *data)
{
	struct save *save = done ? NULL : new_save(move);
	struct store_notes notes = { .move_id = move->row.id };
	const struct store_txn txn = { { store_put_move(&move->row), store_put_notes(&notes) } };

	assert(!move->is_saving);
	move_detail_encode(move);
	if (save) {
		take_notes(save, move);
		notes.list = save->notes;
		notes.count = save->note_count;
	}
	store_commit(move->moves->env.store, &txn, done ? done : on_detail_saved,
		     done ? data : save);
}

void move_save_detail(struct move *move)
{
	if (!move->is_saving) /* else the next change carries it */
		move_write_detail(move, NULL, NULL);
}
