/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One move: its life, and its way from state to state. */
#include "job/move.h"

#include <assert.h>
#include <stdarg.h>
#include <time.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/move_priv.h"

/* A record that could not be written is tried again so soon. */
#define SAVE_RETRY_MS 500
#define NOTES_MAX     64

struct move_waiter {
	struct move_waiter *next;
	enum move_moment moment;
	move_when_fn *fn;
	void *data;
};

/* What a commit under way is for; found again by id, since the move may go. */
struct save {
	struct moves *moves;
	char id[ID_UUID_SIZE];
	struct store_vm put_vm; /* copied, but for its definition, which VM_DEFINITION owns */
	char *vm_definition;
	char delete_vm[ID_UUID_SIZE];
	char why[ERR_MSG_SIZE];
};

static const char *const kind_names[] = {
	[MOVE_SRC] = "MIGRATION_OUT",
	[MOVE_DST] = "MIGRATION_IN",
};

const struct move_state_def *move_def(const struct move *move, enum move_state state)
{
	return move->side == MOVE_SRC ? &move_src_states[state] : &move_dst_states[state];
}

/* ---- life ------------------------------------------------------------ */

static void on_tick(void *data);
static void on_retry(void *data);
static void free_save(struct save *save);

struct move *move_new(struct moves *moves, enum move_side side, const char *id)
{
	struct move *move = xnew(struct move);

	move->moves = moves;
	move->side = side;
	move->tick = loop_timer_new(moves->env.loop, on_tick, move);
	move->retry = loop_timer_new(moves->env.loop, on_retry, move);
	move->row.created_ms = clock_wall_ms();
	snprintf(move->row.id, sizeof(move->row.id), "%s", id);
	snprintf(move->row.kind, sizeof(move->row.kind), "%s", kind_names[side]);
	move->next = moves->list;
	moves->list = move;
	return move;
}

/* All that a running move needs: history is kept by the hundreds. */
void move_become_history(struct move *move)
{
	free(TAKE_PTR(move->notes));
	move->note_count = 0;
	loop_timer_free(TAKE_PTR(move->tick));
	loop_timer_free(TAKE_PTR(move->retry));
}

void move_free(struct move *move)
{
	struct move **link = &move->moves->list;

	while (*link != move)
		link = &(*link)->next;
	*link = move->next;
	while (move->waiters) {
		struct move_waiter *waiter = move->waiters;

		move->waiters = waiter->next;
		free(waiter);
	}
	stream_free(move->stream);
	free_save(move->unsaved);
	move_become_history(move);
	json_object_put(move->peer_times);
	store_move_fini(&move->row);
	free(move);
}

struct vm *move_vm(const struct move *move)
{
	return vm_find_uuid(move->moves->env.vms, move->row.vm_uuid);
}

struct qemu *move_qemu(const struct move *move)
{
	const struct vm *vm = move_vm(move);

	return vm && qemu_is_alive(vm_qemu(vm)) ? vm_qemu(vm) : NULL;
}

bool move_is_gone(const struct move *move)
{
	return move_qemu(move) == NULL;
}

bool move_hold_vm(struct move *move, struct vm *vm, struct err *err)
{
	move->job = (struct vm_job){
		.kind = kind_names[move->side],
		.allowed = move_def(move, move->state)->sync_jobs,
		.event = move->side == MOVE_SRC ? move_src_event : move_dst_event,
		.exited = move_qemu_exited,
		.data = move,
	};
	memcpy(move->job.id, move->row.id, sizeof(move->job.id));
	move->holds_vm = vm_job_begin(vm, &move->job, err);
	return move->holds_vm;
}

void move_release_vm(struct move *move)
{
	struct vm *vm = move_vm(move);

	if (move->holds_vm && vm)
		vm_job_end(vm, &move->job);
	move->holds_vm = false;
}

void move_qemu_exited(void *data)
{
	struct move *move = data;

	move_note(move, "qemu-exited", "%s", "");
	move_step(move);
}

/* ---- notes ----------------------------------------------------------- */

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
	vsnprintf(note->detail, sizeof(note->detail), fmt, ap);
	va_end(ap);
	log_debug("move", event, "move=%s %s", move->row.id, note->detail);
}

void move_stamp(struct move *move, enum move_stamp stamp)
{
	struct timespec ts;

	if (move->stamps[stamp])
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	move->stamps[stamp] = (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

void move_set_reason(struct move *move, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(move->reason, sizeof(move->reason), fmt, ap);
	va_end(ap);
	move_tell(move);
}

/* ---- who waits ------------------------------------------------------- */

static bool has_come(const struct move *move, enum move_moment moment)
{
	switch (moment) {
	case MOVE_RECORDED:
		return !move->is_new;
	case MOVE_PREPARED:
		return !move->is_new && move->state != MOVE_STATE_PREPARE;
	case MOVE_VERDICT:
		return move_is_final(move) || move->state == MOVE_STATE_ROLLBACK ||
		       (move->state == MOVE_STATE_HANDOVER && move->is_running);
	case MOVE_ENDED:
		return move_is_final(move);
	}
	return false;
}

static struct move_waiter *take_waiter(struct move *move)
{
	for (struct move_waiter **link = &move->waiters; *link; link = &(*link)->next) {
		struct move_waiter *waiter = *link;

		if (has_come(move, waiter->moment)) {
			*link = waiter->next;
			return waiter;
		}
	}
	return NULL;
}

void move_tell(struct move *move)
{
	struct move_waiter *waiter;

	while ((waiter = take_waiter(move))) {
		waiter->fn(waiter->data, move);
		free(waiter);
	}
	if (move->moves->env.changed)
		move->moves->env.changed(move->moves->env.data, move);
}

/* The moment may have come already, but FN must not be called from in here. */
struct late_look {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};

static void look_again(void *data)
{
	struct late_look *look = data;
	struct move *move = moves_find(look->moves, look->id);

	if (move)
		move_tell(move);
	free(look);
}

void move_when(struct move *move, enum move_moment moment, move_when_fn *fn, void *data)
{
	struct move_waiter *waiter = xnew(struct move_waiter);
	struct late_look *look = xnew(struct late_look);

	*waiter = (struct move_waiter){ move->waiters, moment, fn, data };
	move->waiters = waiter;
	look->moves = move->moves;
	memcpy(look->id, move->row.id, sizeof(look->id));
	loop_post(move->moves->env.loop, look_again, look);
}

/* ---- from state to state --------------------------------------------- */

static void commit(struct save *save, struct move *move);

static void free_save(struct save *save)
{
	if (!save)
		return;
	free(save->vm_definition);
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

	log_error("move", "save", "move=%s state=%s error=\"%s\"; trying again", move->row.id,
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
	log_info("move", "state", "move=%s vm=%s from=%s to=%s why=\"%s\"", move->row.id,
		 move->row.vm_name, move->is_new ? "-" : move_def(move, move->state)->name,
		 move->row.state, save->why);
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
	const struct store_txn txn = {
		.put_vm = save->put_vm.uuid[0] ? &save->put_vm : NULL,
		.delete_vm = save->delete_vm[0] ? save->delete_vm : NULL,
		.put_move = &move->row,
		.timeline_move = move->row.id,
		.timeline = move->notes,
		.timeline_count = move->note_count,
	};

	store_commit(move->moves->env.store, &txn, on_committed, save);
	move->note_count = 0;
}

static void fill_row(struct move *move, enum move_state to)
{
	static const char *const verdicts[] = {
		[MOVE_VERDICT_NONE] = "",
		[MOVE_VERDICT_TAKEN] = "taken",
		[MOVE_VERDICT_REFUSED] = "refused",
	};
	struct store_move *row = &move->row;

	snprintf(row->state, sizeof(row->state), "%s", move_def(move, to)->name);
	snprintf(row->verdict, sizeof(row->verdict), "%s", verdicts[move->verdict]);
	row->is_final = move_def(move, to)->is_final;
	row->updated_ms = clock_wall_ms();
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
	struct save *save = xnew(struct save);

	save->moves = move->moves;
	memcpy(save->id, move->row.id, sizeof(save->id));
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

void move_roll_back(struct move *move, const struct err *why)
{
	if (!err_is_set(&move->error))
		move->error = *why;
	if (move->side == MOVE_DST)
		move->verdict = MOVE_VERDICT_REFUSED;
	move_go_to(move, &(struct move_change){ .to = MOVE_STATE_ROLLBACK, .why = why->msg });
}

void move_give_up(struct move *move, enum err_code code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	move_roll_back(move, &err);
}

static void explain_stuck(const struct move *move, char why[ERR_MSG_SIZE])
{
	bool is_src = move->side == MOVE_SRC;

	snprintf(why, ERR_MSG_SIZE,
		 "host '%s' is silent; %s; it is asked on and on. If that host is dead or fenced: "
		 "migrctl move resolve %s --keep %s --assert-dead %s; to give this copy up: "
		 "migrctl move resolve %s --keep %s --assert-dead %s",
		 move->row.peer,
		 is_src ? "the guest stands still here, complete, and may have been taken there"
			: "the guest is complete here and does not run; it may run there",
		 move->row.id, is_src ? "source" : "destination", move->row.peer, move->row.id,
		 is_src ? "destination" : "source", move->moves->env.host_id);
}

void move_is_waiting(struct move *move, const struct err *why)
{
	char text[ERR_MSG_SIZE];

	if (move->state != MOVE_STATE_STUCK) {
		move_set_reason(move, "waiting for host '%s': %s", move->row.peer, why->msg);
		return;
	}
	explain_stuck(move, text);
	move_set_reason(move, "%s", text);
}

void move_become_stuck(struct move *move)
{
	char why[ERR_MSG_SIZE];

	explain_stuck(move, why);
	move_go_to(move, &(struct move_change){ .to = MOVE_STATE_STUCK, .why = why });
	snprintf(move->reason, sizeof(move->reason), "%s", why);
}

void move_step(struct move *move)
{
	const struct move_state_def *def = move_def(move, move->state);

	if (!move->is_saving && !move->is_dormant && def->step)
		def->step(move);
}

void move_save_detail(struct move *move)
{
	const struct store_txn txn = {
		.put_move = &move->row,
		.timeline_move = move->row.id,
		.timeline = move->notes,
		.timeline_count = move->note_count,
	};

	if (move->is_saving)
		return; /* the next change carries it */
	move_detail_encode(move);
	store_commit(move->moves->env.store, &txn, NULL, NULL);
	move->note_count = 0;
}

/* ---- timers ---------------------------------------------------------- */

static void on_tick(void *data)
{
	struct move *move = data;

	if (!move->is_saving)
		move_query(move);
	move_step(move);
}

static void on_retry(void *data)
{
	struct move *move = data;

	if (move->unsaved) {
		commit(TAKE_PTR(move->unsaved), move);
		return;
	}
	move->asked = false;
	move_step(move);
}
