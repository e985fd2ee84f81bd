/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may not hand a guest over must not let it come to that.
 *
 * QEMU ends a transfer by itself: it stops the guest as soon as the rest is small
 * enough, and only coordinators on both sides can let it run again.  If one is
 * away, the guest would stand still until it is back.  So the source's stream
 * sends on a short lease, which the source's coordinator renews at each answer
 * of the destination's: with one of them away no data goes, QEMU never gets to
 * its last pass, and the guest runs on.
 */
#include "job/move_priv.h"

/* As long as a tick, a question and some. */
#define LEASE_MS             2000
#define PRESENCE_DEADLINE_MS 1000

static bool is_wanted(const struct move *move)
{
	return move->state == MOVE_STATE_TRANSFER && !move->saw_stop && move->stream;
}

static void hold(struct move *move, const struct err *why)
{
	stream_set_lease(move->stream, 0);
	if (!move->lease_held)
		move_note(move, "held", "%s", why->msg);
	move->lease_held = true;
	/* No stall of the network: the move goes on when the host is back. */
	move->moved_at_ms = loop_now_ms(move->moves->env.loop);
	move_set_reason(move, "the transfer waits for host '%s': %s", move->row.peer, why->msg);
}

static void let_flow(struct move *move)
{
	stream_set_lease(move->stream, LEASE_MS);
	if (!move->lease_held)
		return;
	move->lease_held = false;
	move->reason[0] = '\0';
	move_note(move, "flows", "host '%s' is there again", move->row.peer);
	move_tell(move);
}

static void on_presence(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	move->lease_asked = false;
	if (!is_wanted(move))
		return;
	if (err)
		hold(move, err);
	else
		let_flow(move);
}

void move_lease_begin(struct move *move)
{
	if (move->side == MOVE_SRC && move->stream)
		stream_set_lease(move->stream, LEASE_MS);
}

void move_lease_renew(struct move *move)
{
	if (move->lease_asked || !is_wanted(move))
		return;
	move->lease_asked = true;
	move_ask_peer(move, NULL, NULL, PRESENCE_DEADLINE_MS, on_presence);
}

void move_lease_end(struct move *move)
{
	if (move->stream)
		stream_set_lease(move->stream, STREAM_LEASE_FOREVER);
	move->lease_held = false;
}
