/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An offer that has not become a guest: when this host may end it, and when it does. */
#include "move/dst.h"
#include "move/priv.h"

bool move_dst_may_refuse(const struct move *move)
{
	bool is_open = move->machine.state == MOVE_STATE_PREPARE ||
		       move->machine.state == MOVE_STATE_TRANSFER;

	return move->side == MOVE_DST && is_open && move->verdict == VERDICT_NONE &&
	       !move->facts.go_requested && !move_dst_is_loaded(move);
}

/* A number that changes with each byte of the source's and each step of QEMU. */
static uint64_t progress_of(const struct move *move)
{
	const struct stream_status *status = move->stream ? stream_status(move->stream) : NULL;

	return (status ? status->bytes_in + status->bytes_out : 0) * 64 +
	       (uint64_t)move->ram.state * 8 + (status ? status->state : 0);
}

/* Time does not count as idle while the source waits for this host's disk; nor while the
 * guest is complete here and the source is silent, for this may be the only copy. */
static bool is_excused(const struct move *move)
{
	return err_is_set(&move->store_error) ||
	       (move_dst_is_loaded(move) && move->offer.silent_since_ms);
}

static uint64_t idle_ms(struct move *move)
{
	uint64_t now_ms = loop_now_ms(move->moves->env.loop);
	uint64_t progress = progress_of(move);

	if (!move->offer.progress_at_ms || progress != move->offer.progress || is_excused(move))
		move->offer.progress_at_ms = now_ms;
	move->offer.progress = progress;
	return now_ms - move->offer.progress_at_ms;
}

/* Longer while the source may hold the move: until memory comes. */
static uint64_t idle_max_ms(const struct move *move)
{
	bool may_be_held = move->ram.state == QMP_MIG_NONE || move->ram.state == QMP_MIG_SETUP;

	return move->moves->env.offer_timeout_ms + (may_be_held ? move->facts.hold_s * 1000 : 0);
}

bool move_dst_offer_is_over(struct move *move)
{
	return move->machine.state == MOVE_STATE_TRANSFER && !move->facts.go_requested &&
	       idle_ms(move) >= idle_max_ms(move);
}

bool move_dst_is_idle(struct move *move)
{
	return idle_ms(move) >= idle_max_ms(move) / 2;
}

void move_dst_say_idle(struct move *move)
{
	uint64_t ms = idle_ms(move);

	if (move->stream && !move->facts.stream_gone)
		stream_refresh(move->stream);
	if (ms >= idle_max_ms(move) / 2)
		move_set_reason(move,
				"host '%s' has sent nothing for %llu s; after %llu s it is refused",
				move->row.peer, (unsigned long long)ms / 1000,
				(unsigned long long)idle_max_ms(move) / 1000);
}
