/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which ended moves are kept: all that the other side may still ask for, and the
 * newest of the others. */
#include "base/mem.h"
#include "move/priv.h"

/* The order in which moves are deleted: first those that only record that a request was in
 * vain (UNKNOWN), then the oldest.  store/moves.c has the same order. */
static int by_age(const void *a, const void *b)
{
	const struct move *left = *(struct move *const *)a, *right = *(struct move *const *)b;
	bool left_is_vain = left->verdict == VERDICT_UNKNOWN;
	bool right_is_vain = right->verdict == VERDICT_UNKNOWN;

	if (left_is_vain != right_is_vain)
		return left_is_vain ? -1 : 1;
	if (left->row.ended_ms != right->row.ended_ms)
		return left->row.ended_ms < right->row.ended_ms ? -1 : 1;
	return strcmp(left->row.id, right->row.id);
}

static bool may_go(const struct move *move)
{
	return move_is_final(move) && move->settle.is_done && !move->settle.asked;
}

static void trim(struct moves *moves)
{
	struct move **list = xcalloc(moves->settled_count, sizeof(struct move *));
	size_t found = 0;

	for (struct move *move = TAILQ_FIRST(&moves->list); move; move = TAILQ_NEXT(move, link)) {
		if (may_go(move))
			list[found++] = move;
	}
	qsort(list, found, sizeof(struct move *), by_age);
	for (size_t i = 0; i + STORE_HISTORY_MAX < found; i++) {
		if (!list[i]->waiters)
			move_free(list[i]);
	}
	free(list);
}

/* The store deletes old moves only when no move is under way, so nothing is freed here
 * before: else an idempotency key that is still on disk would be taken for a new one. */
void moves_settled(struct moves *moves)
{
	const struct move *move;

	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (!move_is_final(move) && move->machine.state != MOVE_STATE_STUCK)
			return;
	}
	if (moves->settled_count > STORE_HISTORY_MAX)
		trim(moves);
	store_idle(moves->env.store);
}
