/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All moves of this host: what there is to know of them, and how they are started. */
#include "base/mem.h"
#include "job/move_priv.h"

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
