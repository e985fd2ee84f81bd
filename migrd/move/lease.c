/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A transfer must not finish while either coordinator could not complete the handover.
 *
 * QEMU ends a transfer by itself: it stops the guest as soon as the rest is small
 * enough, and only coordinators on both sides can let it run again.  If one is
 * away, the guest would stand still until it is back.  So the source's stream
 * sends on a short lease, which the source's coordinator renews at each answer
 * of the destination's: with one of them away no data goes on any connection, QEMU
 * never gets to its last pass, and the guest runs on.  A coordinator that cannot write
 * its records counts as away: a state is entered only when it is on disk, so the guest
 * would stand still until the disk takes records again.
 */
#include "move/priv.h"
#include "move/src_priv.h"
#include "wire/peer_msg.h"

/* One tick (500 ms), one question (1 s), and slack. */
#define LEASE_MS             2000
#define PRESENCE_DEADLINE_MS 1000
/* How often a record is written to see that it can be; each costs a sync of the disk. */
#define PROBE_EVERY_MS 2000

static bool is_wanted(const struct move *move)
{
	return move->machine.state == MOVE_STATE_TRANSFER && !move->facts.saw_stop && move->stream;
}

/* In transfer, from time to time: can this host write what it will have to? */
static void probe_store(struct move *move)
{
	uint64_t now_ms = loop_now_ms(move->moves->env.loop);

	if (move->machine.state != MOVE_STATE_TRANSFER || move->machine.is_saving ||
	    now_ms - move->probed_ms < PROBE_EVERY_MS)
		return;
	move->probed_ms = now_ms;
	machine_save(&move->machine);
}

bool move_can_record(struct move *move)
{
	probe_store(move);
	return !err_is_set(&move->store_error);
}

static void hold(struct move *move, const struct err *why)
{
	stream_set_lease(move->stream, 0);
	if (!move->facts.lease_held) {
		move_note(move, "held", "%s", why->msg);
		move_measure_hold(move);
	}
	move->facts.lease_held = true;
	/* A hold is no stall of the network, so it does not count as one (move/ram_state.c). */
	if (move_ram_has_started(move))
		move->ram.moved_at_ms = loop_now_ms(move->moves->env.loop);
	move_set_reason(move, "%s", why->msg);
}

static void let_flow(struct move *move)
{
	stream_set_lease(move->stream, LEASE_MS);
	if (!move->facts.lease_held)
		return;
	move->facts.lease_held = false;
	move->reason[0] = '\0';
	move_measure_flow(move);
	move_note(move, "flows", "%s", "");
	move_tell(move);
}

/* False and WHY: one of the two hosts could not complete the handover. */
static bool may_flow(const struct move *move, const struct peer_fate *fate, const struct err *err,
		     struct err *why)
{
	if (err)
		return err_set(why, err->code, "the transfer waits for host '%s': %s",
			       move->row.peer, move_peer_words(move, err));
	if (fate->cannot_record)
		return err_set(why, ERR_PEER,
			       "the transfer waits for host '%s': it cannot write its records, "
			       "its log says why",
			       move->row.peer);
	if (err_is_set(&move->store_error)) {
		*why = move->store_error;
		return err_wrap(why, "the transfer waits: its record cannot be written");
	}
	return true;
}

static void on_presence(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_fate fate = { 0 };
	struct err bad, why;

	move->facts.lease_asked = false;
	if (!err && !peer_fate_decode(result, &fate, &bad))
		err = &bad;
	if (!err)
		move_measure_time(move, fate.at_us);
	if (!is_wanted(move))
		return;
	if (!err && fate.verdict == VERDICT_UNKNOWN) {
		err_set(&why, ERR_PEER,
			"host '%s' has no record of the move any more: its database is new, or an "
			"older one was put back",
			move->row.peer);
		move_roll_back(move, &why);
		return;
	}
	if (!err && fate.verdict == VERDICT_REFUSED) {
		move_src_is_refused(move);
		return;
	}
	if (!err)
		move_share_told(move, &fate);
	if (may_flow(move, &fate, err, &why))
		let_flow(move);
	else
		hold(move, &why);
}

void move_lease_begin(struct move *move)
{
	if (move->side == MOVE_SRC && move->stream)
		stream_set_lease(move->stream, LEASE_MS);
}

void move_lease_renew(struct move *move)
{
	if (move->facts.lease_asked || !is_wanted(move))
		return;
	probe_store(move);
	move->facts.lease_asked = true;
	move_measure_ask_time(move);
	move_ask_peer(move, NULL, NULL, PRESENCE_DEADLINE_MS, on_presence);
}

void move_lease_end(struct move *move)
{
	if (move->stream) {
		stream_set_lease(move->stream, STREAM_LEASE_FOREVER);
		stream_set_bandwidth(move->stream, 0);
	}
	move->facts.lease_held = false;
	move_measure_flow(move);
}
