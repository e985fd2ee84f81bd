/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the moves of a host leave to each other: its budgets of bandwidth, and the way to a guest
 * that stands still.
 *
 * The host's budgets of bandwidth, each shared by its moves (move/budget.h): one by the moves away,
 * one by those to here.  They are shared once a second by what went over the streams, and at once
 * when a move begins to send or has sent all: else the part of a move that lasts half a second
 * would lie idle for longer than it was used.  A move's own limit stays what was asked for; the
 * lowest of all is in force.  What a destination lets come is told to the source with the answers
 * that it asks for twice a second (move/lease.c), and is in force there.
 *
 * Nothing of it is recorded: after a restart each move is new again.  What counts is what goes over
 * the streams, so disks and memory together. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "move/amounts.h"
#include "move/budget.h"
#include "move/priv.h"
#include "move/src.h"
#include "wire/peer_msg.h"

/* How often the streams are looked at, and the budget is shared if nothing else happens. */
#define SHARE_MS 1000
/* How often a QEMU is told of another limit at most.  A newcomer has its part at once, so that for
 * so long all together may send more than the budget. */
#define SHARE_LEAST_MS 50

static uint64_t budget_of(const struct moves *moves, enum move_side side)
{
	return side == MOVE_SRC ? moves->env.limits.budget_bytes_per_s
				: moves->env.limits.budget_in_bytes_per_s;
}

/* 0 is no limit. */
static uint64_t lower_of(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* ---- which moves -------------------------------------------------------------------- */

/* What goes over its stream counts. */
static bool is_sharer(const struct move *move)
{
	if (!move->stream || move->machine.is_dormant)
		return false;
	switch ((enum move_state)move->machine.state) {
	case MOVE_STATE_TRANSFER:
	case MOVE_STATE_HANDOVER:
	case MOVE_STATE_FETCH:
	case MOVE_STATE_STUCK:
		return true;
	case MOVE_STATE_BEGIN:
	case MOVE_STATE_PREPARE:
	case MOVE_STATE_CONFIRM:
	case MOVE_STATE_DONE:
	case MOVE_STATE_ROLLBACK:
	case MOVE_STATE_CANCELLED:
	case MOVE_STATE_FAILED:
	case MOVE_STATE_LOST:
	case MOVE_STATE_COUNT:
		break;
	}
	return false;
}

/* The guest stands still, or waits for its memory: that is not made longer. */
static bool is_free(const struct move *move)
{
	return move->machine.state != MOVE_STATE_TRANSFER || move->facts.saw_stop ||
	       move->facts.forced;
}

static int role_of(const struct move *move)
{
	if (!is_sharer(move))
		return MOVE_SHARES_NOT;
	return is_free(move) ? MOVE_SHARES_FREELY : MOVE_SHARES_HELD;
}

static size_t count_sharers(const struct moves *moves, enum move_side side)
{
	const struct move *move;
	size_t count = 0;

	TAILQ_FOREACH(move, &moves->active, active_link)
	count += move->side == side && is_sharer(move);
	return count;
}

/* ---- what each uses -------------------------------------------------------------------- */

static void measure(struct move *move, uint64_t now_ms)
{
	struct move_share *share = &move->share;
	const struct stream_status *status = stream_status(move->stream);
	uint64_t sent = move->side == MOVE_SRC ? status->bytes_out : status->bytes_in;
	uint64_t ms = now_ms - share->at_ms;

	if (share->at_ms && ms) {
		memmove(share->rates + 1, share->rates, sizeof(share->rates) - sizeof(uint64_t));
		share->rates[0] = sent > share->sent ? (sent - share->sent) * 1000 / ms : 0;
		share->known += share->known < MOVE_SHARE_RATES;
	}
	share->at_ms = now_ms;
	share->sent = sent;
	stream_refresh(move->stream); /* for the next time */
}

/* QEMU pauses now and then to look for changed pages, so a short lull does not count. */
static uint64_t used_by(const struct move *move)
{
	uint64_t most = 0;

	for (size_t i = 0; i < MOVE_SHARE_RATES; i++)
		if (move->share.rates[i] > most)
			most = move->share.rates[i];
	return most;
}

/* A destination does not know it: the source's user may have changed it. */
static uint64_t own_limit(const struct move *move)
{
	return move->side == MOVE_SRC ? lower_of(move->options.bandwidth_bytes_per_s,
						 move->share.there_bytes_per_s)
				      : 0;
}

static struct budget_move row_of(const struct move *move)
{
	return (struct budget_move){
		.priority = (enum move_priority)move->options.priority,
		.own = own_limit(move),
		.given = move->share.limit_bytes_per_s,
		.used = used_by(move),
		.is_known = move->share.known == MOVE_SHARE_RATES,
		.is_free = is_free(move),
	};
}

/* ---- sharing ------------------------------------------------------------------------------ */

/* In force here is another limit. */
static void apply(struct move *move)
{
	uint64_t limit = lower_of(move->share.limit_bytes_per_s, move->share.there_bytes_per_s);

	if (limit && (!move->facts.budget_least || limit < move->facts.budget_least))
		move->facts.budget_least = limit;
	move_src_apply_options(move);
}

static void give(struct move *move, uint64_t bytes_per_s)
{
	if (move->share.limit_bytes_per_s == bytes_per_s)
		return;
	move->share.limit_bytes_per_s = bytes_per_s;
	if (move->side == MOVE_SRC)
		apply(move);
}

/* The moves of SIDE that share, each with its limit. */
struct shared {
	size_t count;
	struct move **moves;
	struct budget_move *rows; /* room for one more */
	uint64_t *limits;         /* room for one more */
};

static struct shared gather(const struct moves *moves, enum move_side side)
{
	size_t room = count_sharers(moves, side) + 1;
	struct shared ret = { .moves = xcalloc(room, sizeof(struct move *)),
			      .rows = xcalloc(room, sizeof(struct budget_move)),
			      .limits = xcalloc(room, sizeof(uint64_t)) };
	struct move *move;

	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (move->side != side || !is_sharer(move))
			continue;
		ret.moves[ret.count] = move;
		ret.rows[ret.count++] = row_of(move);
	}
	return ret;
}

static void free_shared(struct shared *shared)
{
	free(shared->limits);
	free(shared->rows);
	free(shared->moves);
}

static struct shared share_out(const struct moves *moves, enum move_side side)
{
	struct shared ret = gather(moves, side);

	budget_share(budget_of(moves, side), ret.rows, ret.count, ret.limits);
	return ret;
}

static void give_part(const struct shared *shared, size_t i)
{
	struct move *move = shared->moves[i];

	move->share.among = shared->count;
	if (!is_free(move))
		give(move, shared->limits[i]);
}

/* A newcomer's part, from which its rates are counted, is measured from where it begins. */
static void measure_all(struct moves_share *of, uint64_t now_ms)
{
	bool is_due = !of->measured_ms || now_ms - of->measured_ms >= SHARE_MS;
	struct move *move;

	TAILQ_FOREACH(move, &of->moves->active, active_link)
	{
		if (move->side == of->side && is_sharer(move) && (is_due || !move->share.at_ms))
			measure(move, now_ms);
	}
	if (is_due)
		of->measured_ms = now_ms;
}

static void share(struct moves_share *of)
{
	uint64_t now_ms = loop_now_ms(of->moves->env.loop);
	struct shared shared;

	measure_all(of, now_ms);
	shared = share_out(of->moves, of->side);
	for (size_t i = 0; i < shared.count; i++)
		give_part(&shared, i);
	if (shared.count) {
		of->at_ms = now_ms;
		loop_timer_start(of->timer, of->measured_ms + SHARE_MS - now_ms);
	}
	free_shared(&shared);
}

static void on_due(void *data)
{
	share(data);
}

void moves_share_init(struct moves *moves)
{
	for (int side = MOVE_SRC; side <= MOVE_DST; side++) {
		struct moves_share *of = &moves->shares[side];

		of->moves = moves;
		of->side = (enum move_side)side;
		of->timer = loop_timer_new(moves->env.loop, on_due, of);
	}
}

void moves_share_fini(struct moves *moves)
{
	for (int side = MOVE_SRC; side <= MOVE_DST; side++)
		loop_timer_free(TAKE_PTR(moves->shares[side].timer));
}

/* At once, unless QEMUs were told a moment ago: then it is false. */
static bool share_soon(struct moves_share *of)
{
	uint64_t passed_ms = loop_now_ms(of->moves->env.loop) - of->at_ms;

	if (of->at_ms && passed_ms < SHARE_LEAST_MS) {
		loop_timer_start(of->timer, SHARE_LEAST_MS - passed_ms);
		return false;
	}
	share(of);
	return true;
}

/* It has its part now; the others are told in time. */
static void give_now(struct move *move)
{
	struct shared shared = share_out(move->moves, move->side);

	for (size_t i = 0; i < shared.count; i++)
		if (shared.moves[i] == move)
			give_part(&shared, i);
	free_shared(&shared);
}

static void share_with(struct move *move)
{
	if (!share_soon(&move->moves->shares[move->side]))
		give_now(move);
}

/* The destination lets so much come; 0: all. */
static void let_come(struct move *move, uint64_t bytes_per_s)
{
	if (bytes_per_s && bytes_per_s < MOVE_BANDWIDTH_MIN)
		bytes_per_s = MOVE_BANDWIDTH_MIN;
	if (move->share.there_bytes_per_s == bytes_per_s)
		return;
	move->share.there_bytes_per_s = bytes_per_s;
	apply(move);
}

/* ---- way for a guest that stands still ------------------------------------------------------ */

/* And something is still to be sent from here.  One that has stood still for long waits for
 * something else than the others here. */
static bool needs_way(const struct move *move)
{
	return move->side == MOVE_SRC && is_sharer(move) && !move->facts.saw_completed &&
	       (move->facts.saw_stop ||
		(move->machine.state == MOVE_STATE_HANDOVER && move->facts.run));
}

static size_t count_standing(const struct moves *moves, uint64_t now_ms)
{
	const struct move *move;
	size_t count = 0;

	TAILQ_FOREACH(move, &moves->active, active_link)
	count += move->share.stands_since_ms &&
		 now_ms - move->share.stands_since_ms < GIVE_WAY_MAX_MS;
	return count;
}

static void give_way(struct move *move, uint64_t ms)
{
	if (!ms && !move->share.gives_way)
		return;
	move->share.gives_way = ms > 0;
	stream_give_way(move->stream, (uint32_t)ms);
}

/* The streams go on by themselves if nothing more is said. */
static void make_way(struct moves *moves)
{
	uint64_t now_ms = loop_now_ms(moves->env.loop);
	uint64_t ms = give_way_step(&moves->way, count_standing(moves, now_ms), now_ms);
	struct move *move;

	TAILQ_FOREACH(move, &moves->active, active_link)
	if (move->side == MOVE_SRC && is_sharer(move))
		give_way(move, role_of(move) == MOVE_SHARES_HELD ? ms : 0);
}

void move_share_way(struct move *move)
{
	bool stands = needs_way(move);

	if (stands == (move->share.stands_since_ms > 0))
		return;
	move->share.stands_since_ms = stands ? loop_now_ms(move->moves->env.loop) : 0;
	make_way(move->moves);
}

/* ---- it needs its part no longer ------------------------------------------------------------ */

/* The destination has let it come, but would not say for up to half a second that others may. */
static bool is_heir(const struct move *move, const struct move *of)
{
	return move != of && move->side == MOVE_SRC && move->share.role == MOVE_SHARES_HELD &&
	       move->share.there_bytes_per_s && strcmp(move->row.peer, of->row.peer) == 0;
}

static void leave_to_others(struct move *of)
{
	uint64_t left = of->share.there_bytes_per_s;
	double all = 0;
	struct move *move;

	of->share.there_bytes_per_s = 0;
	if (!left)
		return;
	TAILQ_FOREACH(move, &of->moves->active, active_link)
	all += is_heir(move, of) ? (double)move->share.there_bytes_per_s : 0;
	TAILQ_FOREACH(move, &of->moves->active, active_link)
	{
		uint64_t there = move->share.there_bytes_per_s;

		if (is_heir(move, of))
			let_come(move, there + (uint64_t)((double)left * (double)there / all));
	}
}

void move_share_follow(struct move *move)
{
	int former = move->share.role, role = role_of(move);

	move_share_way(move);
	move->share.role = role;
	if (role >= former)
		return;
	if (former == MOVE_SHARES_HELD)
		leave_to_others(move);
	if (budget_of(move->moves, move->side))
		share_soon(&move->moves->shares[move->side]);
}

void move_share_begin(struct move *move)
{
	bool has_budget = budget_of(move->moves, move->side);

	move->share.role = role_of(move); /* of one that is resumed too */
	if (move->side == MOVE_SRC && !move->machine.is_resumed)
		let_come(move, move->begin.let_come_bytes_per_s); /* until it says more */
	if (has_budget)
		share_with(move);
	if (move->side == MOVE_SRC && (move->share.is_to_apply ||
				       (move->machine.is_resumed &&
					!has_budget))) /* an earlier coordinator may have had one */
		move_src_apply_options(move);
}

void move_share_again(struct move *move)
{
	if (budget_of(move->moves, move->side))
		share_with(move);
}

static void note_priority_there(struct move *move, const char *name)
{
	move->share.there_priority =
		!*name                                                           ? MOVE_THERE_OLDER
		: strcmp(name, move_priority_names[move->options.priority]) == 0 ? MOVE_THERE_SAME
										 : MOVE_THERE_OTHER;
}

void move_share_told(struct move *move, const struct peer_fate *fate)
{
	note_priority_there(move, fate->priority);
	let_come(move, fate->limit_bytes_per_s);
}

void move_follow_priority(struct move *move, const char *name)
{
	int priority = 0;

	while (move_priority_names[priority] && strcmp(move_priority_names[priority], name) != 0)
		priority++;
	if (move->side != MOVE_DST || !move_priority_names[priority] || move_is_final(move) ||
	    priority == move->options.priority)
		return;
	move->options.priority = priority;
	move_note(move, "priority", "%s, as host '%s' says", name, move->row.peer);
	move_share_again(move);
	move_tell(move);
}

uint64_t move_share_let_come(const struct move *move)
{
	return move->side == MOVE_DST ? move->share.limit_bytes_per_s : 0;
}

uint64_t move_is_let_come(const struct move *move)
{
	return move->side == MOVE_SRC ? move->share.there_bytes_per_s : 0;
}

static void set_budget(struct moves_share *of)
{
	struct move *move;

	if (budget_of(of->moves, of->side)) {
		share_soon(of);
		return;
	}
	loop_timer_stop(of->timer);
	TAILQ_FOREACH(move, &of->moves->active, active_link)
	{
		if (move->side != of->side)
			continue;
		move->share.among = 0;
		give(move, 0);
	}
}

void moves_set_limits(struct moves *moves, const struct moves_limits *limits)
{
	const struct moves_limits former = moves->env.limits;

	moves->env.limits = *limits;
	if (former.budget_bytes_per_s != limits->budget_bytes_per_s)
		set_budget(&moves->shares[MOVE_SRC]);
	if (former.budget_in_bytes_per_s != limits->budget_in_bytes_per_s)
		set_budget(&moves->shares[MOVE_DST]);
}

/* ---- what holds ----------------------------------------------------------------------------- */

uint64_t move_limit_bytes_per_s(const struct move *move)
{
	return lower_of(own_limit(move), move->share.limit_bytes_per_s);
}

/* That of one more move, which ROW describes. */
static uint64_t limit_of_new(const struct moves *moves, enum move_side side,
			     const struct budget_move *row)
{
	uint64_t budget = budget_of(moves, side), limit;
	struct shared shared;

	if (!budget)
		return row->own;
	shared = gather(moves, side);
	shared.rows[shared.count] = *row;
	budget_share(budget, shared.rows, shared.count + 1, shared.limits);
	limit = shared.limits[shared.count];
	free_shared(&shared);
	return limit;
}

uint64_t moves_limit_of_new(const struct moves *moves, const struct move_options *options)
{
	return limit_of_new(moves, MOVE_SRC,
			    &(struct budget_move){ .priority =
							   (enum move_priority)options->priority,
						   .own = options->bandwidth_bytes_per_s });
}

uint64_t moves_let_come_of_new(const struct moves *moves)
{
	return limit_of_new(moves, MOVE_DST,
			    &(struct budget_move){ .priority = MOVE_PRIORITY_INTERACTIVE });
}

bool move_was_held_by_budget(const struct move *move, uint64_t rate)
{
	return move->facts.budget_least && rate >= move->facts.budget_least / 10 * 9;
}

static void say_own(const struct move *move, char ret[MOVE_LIMIT_WHY_SIZE])
{
	if (move->options.has_bandwidth)
		snprintf(ret, MOVE_LIMIT_WHY_SIZE, "the request says so");
	else if (move->policy.has_bandwidth && !move->policy.observe)
		snprintf(ret, MOVE_LIMIT_WHY_SIZE, "policy '%s' says so", move->policy.name);
	else
		snprintf(ret, MOVE_LIMIT_WHY_SIZE, "the configuration says so");
}

static void say_share(const struct move *move, char ret[MOVE_LIMIT_WHY_SIZE])
{
	char amount[AMOUNT_SIZE];

	amount_bytes(budget_of(move->moves, move->side), amount);
	if (move->share.among > 1)
		snprintf(ret, MOVE_LIMIT_WHY_SIZE,
			 "the host's budget of %s/s is shared by %zu moves", amount,
			 move->share.among);
	else
		snprintf(ret, MOVE_LIMIT_WHY_SIZE, "the host's budget is %s/s", amount);
}

static void say_limit(const struct move *move, uint64_t limit, char ret[MOVE_LIMIT_WHY_SIZE])
{
	if (is_free(move))
		snprintf(ret, MOVE_LIMIT_WHY_SIZE, "the guest %s: nothing is held back",
			 move->machine.state == MOVE_STATE_FETCH ? "waits for its memory"
								 : "stands still");
	else if (!limit)
		snprintf(ret, MOVE_LIMIT_WHY_SIZE, "nothing limits it");
	else if (move->side == MOVE_SRC && limit == move->options.bandwidth_bytes_per_s)
		say_own(move, ret);
	else if (limit == move->share.there_bytes_per_s)
		snprintf(ret, MOVE_LIMIT_WHY_SIZE,
			 "host '%s' lets no more come, by a budget of its own", move->row.peer);
	else
		say_share(move, ret);
}

void move_show_limit(const struct move *move, struct move_progress *ret)
{
	uint64_t limit = move_limit_bytes_per_s(move);

	if (!is_sharer(move) || (move->side == MOVE_DST && !limit))
		return;
	ret->has_limit = true;
	ret->limit_bytes_per_s = is_free(move) ? 0 : limit;
	say_limit(move, limit, ret->limit_why);
}

struct moves_bandwidth moves_bandwidth(const struct moves *moves)
{
	struct moves_bandwidth ret = { .budget = moves->env.limits.budget_bytes_per_s };
	const struct move *move;

	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (!ret.budget || move->side != MOVE_SRC || !is_sharer(move))
			continue;
		if (!is_free(move))
			ret.given[move->options.priority] += move->share.limit_bytes_per_s;
		ret.used[move->options.priority] += move->share.rates[0];
	}
	return ret;
}
