/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two sides of an ended move tell each other that they have noted its end.
 *
 * A verdict is kept for as long as the other side may ask for it.  The source says
 * `settle' when its own end is on disk; the destination notes that and answers, and
 * asks for the source's end by itself when nothing is heard.  Both repeat that over
 * restarts, and ever more slowly.  What is settled may go (move/moves_history.c).
 */
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "wire/peer_msg.h"

#define DEADLINE_MS 5000
/* The destination lets the source speak first. */
#define DESTINATION_WAITS_MS 10000
#define RETRY_FIRST_MS       1000
#define RETRY_MAX_MS         60000
/* The most questions under way at once, to all hosts together. */
#define AT_ONCE_MAX 8

static uint64_t now_ms(const struct moves *moves)
{
	return loop_now_ms(moves->env.loop);
}

static bool is_open(const struct move *move)
{
	return move_is_final(move) && !move->settle.is_done && !move->settle.is_writing;
}

/* ---- on disk ----------------------------------------------------------- */

struct note {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};

static void put_off(struct move *move)
{
	move->settle.retry_ms = move->settle.retry_ms ? move->settle.retry_ms * 2 : RETRY_FIRST_MS;
	if (move->settle.retry_ms > RETRY_MAX_MS)
		move->settle.retry_ms = RETRY_MAX_MS;
	move->settle.at_ms = now_ms(move->moves) + move->settle.retry_ms;
	move_settle_later(move->moves);
}

static void on_noted(void *data, const struct err *err)
{
	struct note *note = data;
	struct move *move = moves_find(note->moves, note->id);

	if (err)
		log_error("move", "settle", "move=%s error=%s", note->id, err->msg);
	if (move) {
		move->settle.is_writing = false;
		move->settle.is_done = !err;
		move->row.settled = !err;
		moves_file(note->moves, move);
		if (err)
			put_off(move);
		move_tell(move);
		moves_settled(note->moves); /* may free the move */
	}
	free(note);
}

void move_note_settled(struct move *move)
{
	const struct store_txn txn = { { store_put_move(&move->row) } };
	struct note *note;

	if (!is_open(move))
		return;
	note = xnew(struct note);
	note->moves = move->moves;
	memcpy(note->id, move->row.id, sizeof(note->id));
	move->settle.is_writing = true;
	move->row.settled = true;
	store_commit(move->moves->env.store, &txn, on_noted, note);
}

/* ---- the question ------------------------------------------------------- */

bool move_agrees(const struct move *move, enum verdict theirs)
{
	return move->verdict == VERDICT_UNKNOWN || theirs == VERDICT_UNKNOWN ||
	       (move->verdict == VERDICT_TAKEN) == (theirs == VERDICT_TAKEN);
}

static void on_settled(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	move->moves->settling--;
	move->settle.asked = false;
	if (err)
		put_off(move);
	else
		move_note_settled(move);
	move_settle_later(move->moves);
}

/* The final record of the source counts as its `settle'. */
static void on_end(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_fate fate;
	struct err bad;

	move->moves->settling--;
	move->settle.asked = false;
	if (!err && peer_fate_decode(result, &fate, &bad) && fate.final &&
	    move_agrees(move, (enum verdict)fate.verdict))
		move_note_settled(move);
	else
		put_off(move);
	move_settle_later(move->moves);
}

static struct json_object *settle_json(const struct move *move)
{
	struct peer_settle settle = {
		.generation = move->row.generation,
		.verdict = move->verdict,
		.run = move->facts.run,
	};

	memcpy(settle.uuid, move->row.vm_uuid, sizeof(settle.uuid));
	return json_encode(peer_settle_fields, &settle);
}

static void ask(struct move *move)
{
	move->settle.asked = true;
	move->moves->settling++;
	if (move->side == MOVE_DST) {
		move_ask_peer(move, NULL, NULL, DEADLINE_MS, on_end);
		return;
	}
	move_ask_peer(move, "settle", settle_json(move), DEADLINE_MS, on_settled);
}

/* ---- when ----------------------------------------------------------------- */

static void on_due(void *data)
{
	struct moves *moves = data;

	for (struct move *move = TAILQ_FIRST(&moves->unsettled);
	     move && moves->settling < AT_ONCE_MAX; move = TAILQ_NEXT(move, settle.link)) {
		if (is_open(move) && !move->settle.asked && move->settle.at_ms <= now_ms(moves))
			ask(move);
	}
	move_settle_later(moves);
}

/* While AT_ONCE_MAX questions are under way no timer is set: an answer calls this again. */
void move_settle_later(struct moves *moves)
{
	uint64_t now = now_ms(moves), next = UINT64_MAX;

	for (const struct move *move = TAILQ_FIRST(&moves->unsettled); move;
	     move = TAILQ_NEXT(move, settle.link)) {
		if (is_open(move) && !move->settle.asked && move->settle.at_ms < next)
			next = move->settle.at_ms;
	}
	if (!moves->settle_timer)
		moves->settle_timer = loop_timer_new(moves->env.loop, on_due, moves);
	loop_timer_stop(moves->settle_timer);
	if (next != UINT64_MAX && moves->settling < AT_ONCE_MAX)
		loop_timer_start(moves->settle_timer, next > now ? (uint32_t)(next - now) : 0);
}

void move_settle_is_due(struct move *move)
{
	moves_file(move->moves, move);
	move->settle.at_ms =
		now_ms(move->moves) + (move->side == MOVE_DST ? DESTINATION_WAITS_MS : 0);
}

void move_settle_begin(struct move *move)
{
	move_settle_is_due(move);
	move_settle_later(move->moves);
}
