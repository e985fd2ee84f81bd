/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A person or a fencing agent decides what two hosts cannot know. */
#include "base/log.h"
#include "move/dst.h"
#include "move/priv.h"

static const char *const keep_names[] = {
	[MOVE_KEEP_SOURCE] = "source",
	[MOVE_KEEP_DESTINATION] = "destination",
};

/* The host whose copy is given up by this choice. */
static const char *loser(const struct move *move, enum move_keep keep)
{
	return keep == MOVE_KEEP_SOURCE ? move_destination(move) : move_source(move);
}

/* A decision is possible for a source that waits in vain for an answer, and for a
 * destination that holds a complete guest. */
static bool is_open(const struct move *move)
{
	if (move->verdict != VERDICT_NONE && move->error.code != ERR_CONFLICT)
		return false;
	if (move->side == MOVE_DST)
		return move->machine.state == MOVE_STATE_STUCK ||
		       (move->machine.state == MOVE_STATE_TRANSFER &&
			(move->ram.state == QMP_MIG_COMPLETED || move->facts.source_has_switched));
	return move->machine.state == MOVE_STATE_STUCK ||
	       (move->machine.state == MOVE_STATE_HANDOVER && move->facts.saw_completed) ||
	       (move->machine.state == MOVE_STATE_ROLLBACK && move->facts.go_in_doubt);
}

/* The move has ended here, and the other side has not noted that; so the record is kept. */
static bool is_unsettled(const struct move *move)
{
	return move_is_final(move) && !move->settle.is_done && !move->settle.is_writing;
}

/* This decision only says that nobody will ask for the verdict any more; the verdict stays. */
static bool check_unsettled(const struct move *move, const struct move_resolution *resolution,
			    struct err *err)
{
	enum move_keep keep =
		move->verdict == VERDICT_TAKEN ? MOVE_KEEP_DESTINATION : MOVE_KEEP_SOURCE;

	if (move->verdict != VERDICT_UNKNOWN && resolution->keep != keep)
		return err_set(err, ERR_CONFLICT,
			       "the move has ended, and the %s has the guest: that cannot be "
			       "changed; --keep %s lets this host forget it",
			       keep_names[keep], keep_names[keep]);
	if (strcmp(resolution->assert_dead, move->row.peer) != 0)
		return err_set(err, ERR_CONFLICT,
			       "make sure that host '%s' never comes back with the records that it "
			       "has now (it is gone, or was set up anew), then say so with "
			       "--assert-dead %s",
			       move->row.peer, move->row.peer);
	return true;
}

static bool check(const struct move *move, const struct move_resolution *resolution,
		  struct err *err)
{
	const char *dead = loser(move, resolution->keep);

	if (!is_open(move) || move->machine.is_saving)
		return err_set(err, ERR_CONFLICT, "the move is %s: there is nothing to resolve",
			       move_state_name(move));
	if (move->error.code != ERR_CONFLICT && !move->reason[0])
		return err_set(err, ERR_CONFLICT,
			       "host '%s' has not been found silent: the move goes on by itself",
			       move->row.peer);
	if (move->side == MOVE_DST && resolution->keep == MOVE_KEEP_DESTINATION &&
	    !move_dst_is_loaded(move))
		return err_set(err, ERR_CONFLICT,
			       "the guest has not come here whole: only --keep source is possible");
	if (strcmp(resolution->assert_dead, dead) != 0)
		return err_set(
			err, ERR_CONFLICT,
			"make sure that the guest does not run on host '%s', has not run there "
			"since the handover began, and never will (the host is off or fenced, "
			"and its QEMU gone), then say so with --assert-dead %s",
			dead, dead);
	return true;
}

/* In post-copy only the destination can have the guest: the choice is to wait no more. */
static bool check_fetch(const struct move *move, const struct move_resolution *resolution,
			struct err *err)
{
	if (resolution->keep == MOVE_KEEP_SOURCE)
		return err_set(err, ERR_CONFLICT,
			       "the guest runs on the destination with what memory it has there, "
			       "and cannot come back: only --keep destination is possible");
	if (move->machine.is_saving || !move->reason[0])
		return err_set(err, ERR_CONFLICT,
			       "host '%s' has not been found silent: the move goes on by itself",
			       move->row.peer);
	if (strcmp(resolution->assert_dead, move->row.peer) != 0)
		return err_set(err, ERR_CONFLICT,
			       "the guest needs both hosts until all its memory is there; if host "
			       "'%s' never comes back with its QEMU, say so with --assert-dead %s",
			       move->row.peer, move->row.peer);
	return true;
}

/* The source ends its QEMU, for which nobody waits; the destination gives the guest up. */
static void resolve_fetch(struct move *move)
{
	if (move->side == MOVE_SRC) {
		move->facts.memory_lost = move_parts_progress(move) != MOVE_PART_DONE;
		move->facts.answered = true;
		machine_step(&move->machine);
	} else {
		move_dst_give_up_memory(move);
	}
}

static void note(struct move *move, const struct move_resolution *resolution)
{
	move_note(move, "resolved", "keep=%s by=%s why=%s", keep_names[resolution->keep],
		  resolution->by, resolution->why);
	err_set(&move->error, ERR_REFUSED, "resolved by %s: the %s keeps the guest%s%s",
		resolution->by, keep_names[resolution->keep], resolution->why[0] ? ": " : "",
		resolution->why);
}

bool move_resolve(struct move *move, const struct move_resolution *resolution, struct err *err)
{
	bool keep_source = resolution->keep == MOVE_KEEP_SOURCE;

	if (is_unsettled(move)) {
		if (!check_unsettled(move, resolution, err))
			return false;
		log_info("move", "resolved", "move=%s by=%s why=%s", move->row.id, resolution->by,
			 resolution->why);
		move_note_settled(move);
		return true;
	}
	if (move->machine.state == MOVE_STATE_FETCH) {
		if (!check_fetch(move, resolution, err))
			return false;
		note(move, resolution);
		resolve_fetch(move);
		return true;
	}
	if (!check(move, resolution, err))
		return false;
	move->facts.resolved = true;
	note(move, resolution);
	if (move->side == MOVE_SRC) {
		move->verdict = keep_source ? VERDICT_REFUSED : VERDICT_TAKEN;
		machine_step(&move->machine);
	} else if (keep_source) {
		move_roll_back(move, &move->error);
	} else {
		move_dst_take(move);
	}
	return true;
}
