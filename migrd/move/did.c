/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request of a user does with a move that runs, in words: for the answer. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "move/amounts.h"
#include "move/priv.h"
#include "move/src_priv.h"

#define MIB(bytes) ((unsigned long long)((bytes) >> 20))

__attribute__((format(printf, 2, 3))) static void say(char ret[MOVE_DID_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ret, MOVE_DID_SIZE, fmt, ap);
	va_end(ap);
}

void move_say_lost_start(const struct move *move, char ret[ERR_MSG_SIZE])
{
	snprintf(ret, ERR_MSG_SIZE,
		 "it was to be started, as host '%s' was booted, and goes stopped to host '%s', "
		 "whose older migrd does not know that: start it there",
		 move->moves->env.host_id, move->row.peer);
}

/* ---- post-copy -------------------------------------------------------------------- */

void move_say_switch(const struct move *move, char ret[MOVE_DID_SIZE])
{
	if (move->facts.switch_wanted)
		say(ret, "post-copy had been asked for before: nothing has changed");
	else if (!move_ram_has_started(move))
		say(ret,
		    "noted: the guest goes over as soon as QEMU sends its memory, and fetches the "
		    "rest of it there; until then the move can be cancelled");
	else if (move->facts.lease_held || move_src_link_is_lost(move))
		say(ret,
		    "noted: the guest goes over as soon as both hosts can finish the move again; "
		    "until then it runs here, and the move can be cancelled");
	else
		say(ret,
		    "the guest is stopped now, goes over, and runs on there while %llu MiB of its "
		    "memory follow: it cannot come back",
		    MIB(move->ram.info.ram_remaining_bytes));
}

/* ---- the end of a hold -------------------------------------------------------------- */

void move_say_release(const struct move *move, char ret[MOVE_DID_SIZE])
{
	int64_t held_ms = clock_wall_ms() - (int64_t)move->facts.held_since_ms;
	unsigned long long held_s = (unsigned long long)(held_ms > 0 ? held_ms / 1000 : 0);

	if (move_waits_for_parties(move))
		say(ret, "no party is waited for any more: memory is sent now, and the guest runs "
			 "on until little of it is left");
	else if (move->facts.hold_released)
		say(ret, "the hold was over before: nothing has changed");
	else if (!move_is_held(move))
		say(ret, "the move is not held yet, and will not be: memory is sent as soon as all "
			 "that goes before it is there");
	else if (move_has_notices(move))
		say(ret,
		    "the hold is over after %llu s: the parties of the move are told now, and "
		    "memory is sent when none of them delays it any more",
		    held_s);
	else
		say(ret,
		    "the hold is over after %llu s: memory is sent now, and the guest runs on "
		    "until little of it is left",
		    held_s);
}

/* ---- other settings ------------------------------------------------------------------- */

static const char *when(const struct move *move)
{
	switch ((enum move_state)move->machine.state) {
	case MOVE_STATE_BEGIN:
	case MOVE_STATE_PREPARE:
		return "recorded, and in force when the transfer begins";
	case MOVE_STATE_TRANSFER:
		if (move->facts.saw_stop)
			break;
		return "recorded, and passed on to QEMU and the stream";
	case MOVE_STATE_HANDOVER:
	case MOVE_STATE_FETCH:
	case MOVE_STATE_CONFIRM:
	case MOVE_STATE_ROLLBACK:
	case MOVE_STATE_STUCK:
	case MOVE_STATE_DONE:
	case MOVE_STATE_LOST:
	case MOVE_STATE_CANCELLED:
	case MOVE_STATE_FAILED:
	case MOVE_STATE_COUNT:
		break;
	}
	return "recorded, and without effect: the transfer is past the point at which limits "
	       "count";
}

static bool has_changed(const struct move_changes *changes, const char *setting)
{
	for (size_t i = 0; i < changes->changed_count; i++)
		if (strcmp(changes->changed[i], setting) == 0)
			return true;
	return false;
}

/* The destination has a budget of its own. */
static void say_priority(const struct move *move, char *ret, size_t size)
{
	const char *name = move_priority_names[move->options.priority];
	const char *there = move->share.there_priority == MOVE_THERE_OLDER
				    ? "has an older migrd, and keeps what it was told"
				    : "is told";

	if (move->moves->env.limits.budget_bytes_per_s)
		snprintf(ret, size,
			 ", priority '%s', by which it has its part of this host's budget of %llu "
			 "MiB a second within a second; host '%s' %s",
			 name, MIB(move->moves->env.limits.budget_bytes_per_s), move->row.peer,
			 there);
	else
		snprintf(ret, size,
			 ", priority '%s', which changes nothing now, as this host has no budget "
			 "of bandwidth; host '%s' %s",
			 name, move->row.peer, there);
}

void move_say_set(const struct move *move, const struct move_changes *changes,
		  char ret[MOVE_DID_SIZE])
{
	const struct move_options *options = &move->options;
	char bandwidth[64] = "as much as the link takes", priority[256] = "",
	     amount[AMOUNT_SIZE];

	if (has_changed(changes, "priority"))
		say_priority(move, priority, sizeof(priority));
	if (options->bandwidth_bytes_per_s)
		snprintf(bandwidth, sizeof(bandwidth), "%s/s at most",
			 amount_bytes(options->bandwidth_bytes_per_s, amount));
	say(ret, "%zu settings changed, %zu kept; %s: %s, a stop of %llu ms, policy '%s'%s",
	    changes->changed_count, changes->kept_count, when(move), bandwidth,
	    (unsigned long long)options->downtime_limit_ms, move->policy.name, priority);
}

/* ---- the end, now ------------------------------------------------------------------------ */

static void say_rest(const struct move *move, const struct move_finishing *finishing, char *ret,
		     size_t size)
{
	if (!finishing->sent_bytes_per_s)
		snprintf(ret, size,
			 "%llu MiB are left, and how fast they are sent is not known yet",
			 MIB(finishing->left_bytes));
	else
		snprintf(ret, size, "%llu MiB are left at %llu MiB/s, which takes about %llu ms%s",
			 MIB(finishing->left_bytes), MIB(finishing->sent_bytes_per_s),
			 (unsigned long long)finishing->stop_ms,
			 move->options.bandwidth_bytes_per_s
				 ? " or less, as the limit of bandwidth ends when the guest is "
				   "stopped"
				 : "");
}

static void say_force(const struct move *move, uint64_t stop_ms, const char *rest,
		      char ret[MOVE_DID_SIZE])
{
	bool waits = move->facts.lease_held || move_src_link_is_lost(move);

	say(ret,
	    "QEMU %s stops the guest%s, and sends the rest while it stands still: %s; until all is "
	    "sent a cancel calls the guest back",
	    waits ? "will be told, as soon as both hosts can finish the move again, that it"
		  : "is told that it",
	    stop_ms > CONVERGE_LIMIT_MAX_MS ? " when the rest takes 2000 s at most"
	    : waits                         ? ""
					    : " at its next chance",
	    rest);
}

static void say_end(const struct move *move, const struct move_finishing *finishing,
		    const char *rest, char ret[MOVE_DID_SIZE])
{
	uint64_t limit_ms = move_converge_end_limit_ms(move);

	say(ret,
	    "the guest may stand still for %llu ms from now on, and is stopped as soon as the rest "
	    "fits into that: %s, %s",
	    (unsigned long long)limit_ms, rest,
	    !finishing->sent_bytes_per_s     ? "so nobody can say when that is"
	    : finishing->stop_ms <= limit_ms ? "so that is now"
					     : "so not yet: `force' stops the guest all the same");
}

void move_say_finish(const struct move *move, bool force, struct move_finishing *ret)
{
	struct converge_rest left = move_converge_rest(move);
	char rest[200];

	ret->left_bytes = left.left_bytes;
	ret->sent_bytes_per_s = left.sent_bytes_per_s;
	ret->stop_ms = left.ms;
	say_rest(move, ret, rest, sizeof(rest));
	if (move->facts.forced || move->facts.finish_forced)
		say(ret->did, "%s: %s",
		    left.ms > CONVERGE_LIMIT_MAX_MS
			    ? "QEMU is told already that it stops the guest when the rest takes "
			      "2000 s at most, and until then it runs on"
			    : "the guest is being stopped already until all is sent",
		    rest);
	else if (force)
		say_force(move, left.ms, rest, ret->did);
	else
		say_end(move, ret, rest, ret->did);
}
