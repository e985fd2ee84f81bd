/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both sides do when post-copy goes on over new streams. */
#include "move/priv.h"

static uint64_t now_ms(const struct move *move)
{
	return loop_now_ms(move->moves->env.loop);
}

void move_rejoin_to(struct move *move, enum move_rejoin_step step)
{
	move->rejoin.step = step;
	move->rejoin.since_ms = now_ms(move);
}

uint64_t move_rejoin_step_ms(const struct move *move)
{
	return now_ms(move) - move->rejoin.since_ms;
}

void move_rejoin_is_done(struct move *move)
{
	move_note(move, "recovered", "post-copy goes on over a new data stream");
	move->rejoin = (struct move_rejoin){ 0 };
	move->reason[0] = '\0';
}

bool move_stream_is_over(const struct move *move)
{
	return move_stream_fault(move) ||
	       (move->stream && stream_status(move->stream)->state == STREAM_CHANNEL_CLOSED);
}

void move_rejoin_end_stream(struct move *move)
{
	move_end_stream(move);
	move->facts.stream_started = move->facts.stream_ready = move->facts.stream_gone = false;
	move->stream_told = NULL;
	move_rejoin_to(move, MOVE_REJOIN_ENDING);
}
