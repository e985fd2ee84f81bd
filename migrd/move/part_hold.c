/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A move that is held before its memory is sent: all that is sent before is there by then, and the
 * guest runs.  Later QEMU could not be held: as soon as little is left to send it stops the guest by
 * itself, and no setting of all versions keeps it from that. */
#include "base/clock.h"
#include "base/log.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"

static bool is_wanted(const struct move *move)
{
	return move->side == MOVE_SRC && move->options.has_hold;
}

int64_t move_hold_end_ms(const struct move *move)
{
	int64_t until_ms;

	if (when_parse(move->options.hold.until, &until_ms))
		return until_ms;
	return (int64_t)(move->facts.held_since_ms + move->options.hold.timeout_s * 1000);
}

bool move_is_held(const struct move *move)
{
	return is_wanted(move) && move->machine.state == MOVE_STATE_TRANSFER &&
	       move->facts.held_since_ms && !move->facts.hold_released;
}

/* Loop time until the end. */
static uint64_t left_ms(const struct move *move)
{
	uint64_t now_ms = loop_now_ms(move->moves->env.loop);

	return move->hold_end_ms > now_ms ? move->hold_end_ms - now_ms : 0;
}

static void tell(struct move *move)
{
	move_set_reason(move,
			"held before memory is sent: `migrctl move release %s' lets it go on, and "
			"in %llu s it %s",
			move->row.id, (unsigned long long)(left_ms(move) + 999) / 1000,
			move->options.hold.then == MOVE_HOLD_RELEASE ? "goes on by itself"
								     : "is cancelled");
}

/* What has passed before a restart counts.  A clock that is set back makes no hold longer than it
 * may be. */
static void start_clock(struct move *move)
{
	int64_t left_ms = move_hold_end_ms(move) - clock_wall_ms();
	int64_t most_ms = (int64_t)move->options.hold.timeout_s * 1000;

	if (left_ms > most_ms)
		left_ms = most_ms;
	move->hold_end_ms =
		loop_now_ms(move->moves->env.loop) + (left_ms > 0 ? (uint64_t)left_ms : 0);
}

static void start(struct move *move)
{
	if (move->facts.hold_released)
		return;
	move_stamp(move, MOVE_STAMP_HELD);
	if (!move->facts.held_since_ms) {
		move->facts.held_since_ms = (uint64_t)clock_wall_ms();
		move_note(move, "hold", "for %llu s at most%s%s",
			  (unsigned long long)move->options.hold.timeout_s,
			  move->options.hold.until[0] ? ", until " : "", move->options.hold.until);
		log_info("move", "held", "move=%s vm=%s timeout_s=%llu", move->row.id,
			 move->row.vm_name, (unsigned long long)move->options.hold.timeout_s);
		machine_save(&move->machine);
	}
	start_clock(move);
}

bool move_src_roll_back_if_cut(struct move *move)
{
	const char *fault = move_stream_fault(move);
	struct err err;

	if (!fault)
		return false;
	err_set(&err, ERR_PEER,
		"the data connection to host '%s' broke while the move was held: %s",
		move->row.peer, fault);
	move_roll_back(move, &err);
	return true;
}

static void step(struct move *move)
{
	if (!move_is_held(move) || !move->hold_end_ms || move->facts.cancel_requested ||
	    move_src_roll_back_if_cut(move))
		return;
	if (left_ms(move)) {
		tell(move);
	} else if (move->options.hold.then == MOVE_HOLD_RELEASE) {
		move_note(move, "hold-over", "nobody released it: it goes on, as was asked for");
		move_end_hold(move);
	} else {
		move->facts.cancel_requested = true;
		err_set(&move->error, ERR_CANCELLED,
			"the move was held for %llu s before memory was sent, and nobody released "
			"it",
			(unsigned long long)move->options.hold.timeout_s);
	}
}

void move_end_hold(struct move *move)
{
	move->facts.hold_released = true;
	move->reason[0] = '\0';
	machine_step(&move->machine);
	machine_save(&move->machine); /* unless the next state is being recorded already */
}

static bool is_ready(const struct move *move)
{
	return move->facts.hold_released;
}

const struct move_part move_part_hold = {
	.name = "hold",
	.wanted = is_wanted,
	.start = start,
	.is_ready = is_ready,
	.step = step,
};
