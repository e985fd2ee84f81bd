/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All moves of this host: how they come to be, and how they are found again. */
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/admission.h"
#include "job/move_priv.h"
#include "job/move_src.h"

/* Ended moves that are kept to be shown; the store keeps as many. */
#define HISTORY_MAX 1000

struct moves *moves_new(const struct moves_env *env)
{
	struct moves *moves = xnew(struct moves);

	moves->env = *env;
	return moves;
}

void moves_clear(struct moves *moves)
{
	while (moves && moves->list) {
		move_release_vm(moves->list);
		move_free(moves->list);
	}
}

void moves_free(struct moves *moves)
{
	moves_clear(moves);
	free(moves);
}

struct move *moves_find(struct moves *moves, const char *id)
{
	struct move *move = moves->list;

	while (move && strcmp(move->row.id, id) != 0)
		move = move->next;
	return move;
}

struct move *moves_next(struct moves *moves, const char *after)
{
	const struct move *move = after ? moves_find(moves, after) : NULL;

	if (after)
		return move ? move->next : NULL;
	return moves->list;
}

struct move *moves_active_of(struct moves *moves, const char *vm_uuid)
{
	for (struct move *move = moves->list; move; move = move->next) {
		if (!move_is_final(move) && strcmp(move->row.vm_uuid, vm_uuid) == 0)
			return move;
	}
	return NULL;
}

void moves_settled(struct moves *moves)
{
	size_t ended = 0, active = 0;

	for (struct move *move = moves->list, *next; move; move = next) {
		next = move->next;
		if (!move_is_final(move))
			active++;
		else if (++ended > HISTORY_MAX && !move->waiters)
			move_free(move);
	}
	if (active == 0)
		store_idle(moves->env.store);
}

/* ---- what there is to know ------------------------------------------- */

const struct store_move *move_row(const struct move *move)
{
	return &move->row;
}

const char *move_state_name(const struct move *move)
{
	return move_def(move, move->state)->name;
}

bool move_is_final(const struct move *move)
{
	return !move->is_new && move_def(move, move->state)->is_final;
}

bool move_can_cancel(const struct move *move)
{
	return move_def(move, move->state)->can_cancel;
}

bool move_is_out(const struct move *move)
{
	return move->side == MOVE_SRC;
}

const char *move_source(const struct move *move)
{
	return move->side == MOVE_SRC ? move->moves->env.host_id : move->row.peer;
}

const char *move_destination(const struct move *move)
{
	return move->side == MOVE_DST ? move->moves->env.host_id : move->row.peer;
}

/* The source has asked the destination to take the guest, and has no answer. */
static bool is_undecided(const struct move *move)
{
	return move->side == MOVE_SRC && move->stamps[MOVE_STAMP_GO] &&
	       move->verdict == MOVE_VERDICT_NONE && !move_is_final(move);
}

/* The verdict alone changes the owner. */
const char *move_owner(const struct move *move)
{
	bool taken = move->verdict == MOVE_VERDICT_TAKEN &&
		     (move->side == MOVE_SRC || move->state != MOVE_STATE_TRANSFER);

	if (is_undecided(move))
		return NULL;
	return taken ? move_destination(move) : move_source(move);
}

bool move_run(const struct move *move)
{
	return move->run;
}

const char *move_reason(const struct move *move)
{
	return move->reason;
}

const char *move_token(const struct move *move)
{
	return move->token;
}

/* ---- while it runs ---------------------------------------------------- */

bool move_cancel(struct move *move, struct err *err)
{
	if (move->side == MOVE_DST)
		return err_set(err, ERR_CONFLICT, "ask host '%s', where the guest comes from",
			       move->row.peer);
	if (move_is_final(move))
		return err_set(err, ERR_TOO_LATE, "the move has ended: %s", move_state_name(move));
	if (!move_can_cancel(move) && move->state != MOVE_STATE_ROLLBACK)
		return err_set(err, ERR_TOO_LATE, "the move is in its %s", move_state_name(move));
	move->cancel_requested = true;
	move_note(move, "cancel-requested", "%s", "");
	move_step(move);
	return true;
}

bool move_set(struct move *move, const struct move_options *options, struct err *err)
{
	if (move->side != MOVE_SRC || move_is_final(move))
		return err_set(err, ERR_CONFLICT, "the move is %s: nothing can be set",
			       move->side == MOVE_SRC ? move_state_name(move) : "another host's");
	if (options->has_bandwidth)
		move->options.bandwidth_bytes_per_s = options->bandwidth_bytes_per_s;
	if (options->has_downtime_limit)
		move->options.downtime_limit_ms = options->downtime_limit_ms;
	move_save_detail(move);
	move_src_apply_options(move);
	move_tell(move);
	return true;
}

/* ---- what the peer asks ------------------------------------------------ */

static bool same_source(const struct move *move, const char *source, uint64_t generation,
			struct err *err)
{
	if (move->side != MOVE_DST || strcmp(move->row.peer, source) != 0)
		return err_set(err, ERR_FORBIDDEN, "move %s is not one from host '%s'",
			       move->row.id, source);
	if (move->row.generation != generation)
		return err_set(err, ERR_CONFLICT, "move %s is of generation %llu, not %llu",
			       move->row.id, (unsigned long long)move->row.generation,
			       (unsigned long long)generation);
	return true;
}

static bool decode_offer(const struct move_offer *offer, struct vm_def *ret, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok = vm_def_decode(offer->definition, ret, faults);

	if (!ok)
		faults_to_err(faults, err);
	faults_free(faults);
	return ok;
}

/* Promised to guests that are not here yet. */
static uint64_t reserved_mib(const struct moves *moves)
{
	uint64_t sum = 0;

	for (const struct move *move = moves->list; move; move = move->next) {
		if (move->side == MOVE_DST && !move_is_final(move) &&
		    move->verdict == MOVE_VERDICT_NONE)
			sum += move->memory_mib;
	}
	return sum;
}

static bool has_room(const struct moves *moves, const struct vm_def *def, struct err *err)
{
	const struct admission admission = {
		.available_mib = admission_available_mib(),
		.reserved_mib = reserved_mib(moves),
		.kept_mib = moves->env.memory_reserve_mib,
		.wanted_mib = def->memory_mib,
	};

	return admission_check(&admission, err);
}

static struct move *new_incoming(struct moves *moves, const char *id, const char *source,
				 uint64_t generation)
{
	struct move *move = move_new(moves, MOVE_DST, id);

	move->row.generation = generation;
	snprintf(move->row.peer, sizeof(move->row.peer), "%s", source);
	move_stamp(move, MOVE_STAMP_CREATED);
	return move;
}

struct move *moves_offered(struct moves *moves, const struct move_offer *offer, struct err *err)
{
	struct move *move = moves_find(moves, offer->id);
	struct vm_def *def = NULL;
	struct vm *vm = NULL;
	uint64_t memory_mib;

	if (move)
		return same_source(move, offer->source, offer->generation, err) ? move : NULL;
	def = xnew(struct vm_def);
	if (decode_offer(offer, def, err) && has_room(moves, def, err))
		vm = vm_new_incoming(moves->env.vms, def, offer->generation, err);
	memory_mib = def->memory_mib;
	free(def);
	if (!vm)
		return NULL;
	move = new_incoming(moves, offer->id, offer->source, offer->generation);
	move->options = offer->options;
	move->run = offer->run;
	move->memory_mib = memory_mib;
	snprintf(move->row.vm_uuid, sizeof(move->row.vm_uuid), "%s", vm_uuid(vm));
	snprintf(move->row.vm_name, sizeof(move->row.vm_name), "%s", vm_name(vm));
	move->state = MOVE_STATE_PREPARE;
	if (!move_hold_vm(move, vm, err)) {
		move_free(move);
		return NULL;
	}
	move_record(move, MOVE_STATE_PREPARE, vm_row(vm));
	return move;
}

/* A record that refuses an offer which may still be on its way. */
static struct move *refuse_unknown(struct moves *moves, const char *id, const char *source,
				   uint64_t generation)
{
	struct move *move = new_incoming(moves, id, source, generation);

	move->verdict = MOVE_VERDICT_REFUSED;
	err_set(&move->error, ERR_NOT_FOUND, "this host knows no such move");
	move_record(move, MOVE_STATE_FAILED, NULL);
	return move;
}

static struct move *find_or_refuse(struct moves *moves, const char *id, const char *source,
				   uint64_t generation, struct err *err)
{
	struct move *move = moves_find(moves, id);

	if (!move)
		return refuse_unknown(moves, id, source, generation);
	return same_source(move, source, generation, err) ? move : NULL;
}

struct move *moves_go(struct moves *moves, const char *id, const char *source, uint64_t generation,
		      bool run, struct err *err)
{
	struct move *move = find_or_refuse(moves, id, source, generation, err);

	if (!move)
		return NULL;
	if (!move->go_requested && move->verdict == MOVE_VERDICT_NONE) {
		move->go_requested = true;
		move->run = run;
		move->go_at_ms = loop_now_ms(moves->env.loop);
		move_stamp(move, MOVE_STAMP_GO);
		loop_timer_stop(move->tick); /* from here on it looks more often */
		if (move->qemu_state != QMP_MIG_COMPLETED && move->state == MOVE_STATE_TRANSFER)
			move_query(move);
	}
	move_step(move);
	return move;
}

struct move *moves_drop(struct moves *moves, const char *id, const char *source,
			uint64_t generation, struct err *err)
{
	struct move *move = find_or_refuse(moves, id, source, generation, err);

	if (!move)
		return NULL;
	move->drop_requested = true;
	move_step(move);
	return move;
}

bool moves_claim(void *data, const char *id, const char *channel, int fd)
{
	struct move *move = moves_find(data, id);

	if (!move || move->side != MOVE_DST || !move->stream || move->stream_gone ||
	    (move->state != MOVE_STATE_PREPARE && move->state != MOVE_STATE_TRANSFER))
		return false;
	stream_accept(move->stream, fd, channel);
	return true;
}

/* ---- restart ------------------------------------------------------------ */

static enum move_state state_from_name(const struct move *move, const char *name)
{
	for (unsigned i = 0; i < MOVE_STATE_COUNT; i++) {
		if (strcmp(move_def(move, (enum move_state)i)->name, name) == 0)
			return (enum move_state)i;
	}
	return MOVE_STATE_STUCK;
}

static enum move_verdict verdict_from_name(const char *name)
{
	if (strcmp(name, "taken") == 0)
		return MOVE_VERDICT_TAKEN;
	return strcmp(name, "refused") == 0 ? MOVE_VERDICT_REFUSED : MOVE_VERDICT_NONE;
}

bool move_row_is_known(const struct move *move, struct err *err)
{
	const struct store_move *row = &move->row;

	if (strcmp(row->kind, "MIGRATION_OUT") != 0 && strcmp(row->kind, "MIGRATION_IN") != 0)
		return err_set(err, ERR_STORE, "its kind is '%s'", row->kind);
	if (strcmp(move_def(move, state_from_name(move, row->state))->name, row->state) != 0)
		return err_set(err, ERR_STORE, "its state is '%s'", row->state);
	return true;
}

void moves_add_row(struct moves *moves, struct store_move *row)
{
	enum move_side side = strcmp(row->kind, "MIGRATION_OUT") == 0 ? MOVE_SRC : MOVE_DST;
	struct move *move = move_new(moves, side, row->id);

	store_move_fini(&move->row);
	move->row = *row;
	move->state = state_from_name(move, row->state);
	move->verdict = verdict_from_name(row->verdict);
	move->qemu_state = QMP_MIG_UNKNOWN;
	if (row->error_code[0])
		err_set(&move->error, err_from_name(row->error_code), "%s", row->error_text);
	move_detail_decode(move);
	if (move_is_final(move)) {
		move_become_history(move);
		return;
	}
	move->is_dormant = true;
	move_attach_stream(move); /* also of a rollback, which ends it */
	move_lease_begin(move);
}

static void recover(struct move *move)
{
	struct vm *vm = move_vm(move);
	struct err err;

	move->entered_ms = loop_now_ms(move->moves->env.loop);
	if (vm && !move_hold_vm(move, vm, &err))
		log_error("move", "recover", "move=%s error=\"%s\"", move->row.id, err.msg);
	log_info("move", "recovered", "move=%s vm=%s state=%s", move->row.id, move->row.vm_name,
		 move_state_name(move));
	move_note(move, "recovered", "the coordinator was restarted");
	move->is_dormant = false;
	switch (move_def(move, move->state)->restart) {
	case MOVE_RESTART_NOTHING:
		break;
	case MOVE_RESTART_ROLL_BACK:
		err_set(&err, ERR_UNAVAILABLE, "the coordinator of host '%s' was restarted in %s",
			move->moves->env.host_id, move_state_name(move));
		move_roll_back(move, &err);
		break;
	case MOVE_RESTART_CONTINUE:
		move->is_resumed = true;
		move_reenter(move);
		break;
	}
}

/* Rows come newest first; every move_new() puts its own before the others. */
static void reverse(struct moves *moves)
{
	struct move *reversed = NULL, *next;

	for (struct move *move = moves->list; move; move = next) {
		next = move->next;
		move->next = reversed;
		reversed = move;
	}
	moves->list = reversed;
}

static bool has_dir(const struct move *move)
{
	CLEANUP(free_charp) char *dir = move_dir(move);

	return access(dir, F_OK) == 0;
}

void moves_recover(struct moves *moves)
{
	reverse(moves);
	for (struct move *move = moves->list; move; move = move->next) {
		if (!move_is_final(move))
			recover(move);
		else if (has_dir(move))
			move_end_stream(move); /* a crash between its end and the tidying up */
	}
}
