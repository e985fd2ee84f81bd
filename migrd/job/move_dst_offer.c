/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An offer that has not become a guest: when this host may end it, and when it does. */
#include "job/move_dst.h"
#include "job/move_priv.h"

bool move_dst_may_refuse(const struct move *move)
{
	bool is_open = move->state == MOVE_STATE_PREPARE || move->state == MOVE_STATE_TRANSFER;

	return move->side == MOVE_DST && is_open && move->verdict == MOVE_VERDICT_NONE &&
	       !move->go_requested && move->qemu_state != QMP_MIG_COMPLETED;
}

/* All that shows that the source carries on. */
static uint64_t progress_of(const struct move *move)
{
	const struct stream_status *status = move->stream ? stream_status(move->stream) : NULL;

	return (status ? status->bytes_in + status->bytes_out : 0) * 64 + move->qemu_state * 8u +
	       (status ? status->state : 0);
}

static uint64_t idle_ms(struct move *move)
{
	uint64_t now_ms = loop_now_ms(move->moves->env.loop);
	uint64_t progress = progress_of(move);

	/* While the source is silent it cannot be blamed, and may be dead. */
	if (!move->progress_at_ms || progress != move->progress || move->silent_since_ms)
		move->progress_at_ms = now_ms;
	move->progress = progress;
	return now_ms - move->progress_at_ms;
}

bool move_dst_offer_is_over(struct move *move)
{
	return move->state == MOVE_STATE_TRANSFER && !move->go_requested &&
	       idle_ms(move) >= move->moves->env.offer_timeout_ms;
}

bool move_dst_is_idle(struct move *move)
{
	return idle_ms(move) >= move->moves->env.offer_timeout_ms / 2;
}

void move_dst_say_idle(struct move *move)
{
	uint64_t ms = idle_ms(move);

	if (move->stream && !move->stream_gone)
		stream_refresh(move->stream);
	if (move_dst_is_idle(move))
		move_set_reason(move,
				"host '%s' says that the move goes on, and has sent nothing for "
				"%llu s; after %llu s it is refused",
				move->row.peer, (unsigned long long)ms / 1000,
				(unsigned long long)move->moves->env.offer_timeout_ms / 1000);
}
