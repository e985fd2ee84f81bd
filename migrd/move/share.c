/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's budget of bandwidth, shared by its moves away once a second by what they have sent
 * (move/budget.h).  A move's own limit stays what was asked for; the lower of the two is in force.
 *
 * Nothing of it is recorded: after a restart each move is new again.  What counts is what goes out
 * of the streams, so disks and memory together. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "move/amounts.h"
#include "move/budget.h"
#include "move/priv.h"
#include "move/src.h"

/* How often it is shared, and how often a QEMU is told of another limit at most. */
#define SHARE_MS 1000

/* ---- which moves -------------------------------------------------------------------- */

/* What its stream sends counts. */
static bool is_sharer(const struct move *move)
{
	if (move->side != MOVE_SRC || !move->stream || move->machine.is_dormant)
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
	return move->machine.state != MOVE_STATE_TRANSFER || move->facts.saw_stop;
}

static size_t count_sharers(const struct moves *moves)
{
	const struct move *move;
	size_t count = 0;

	TAILQ_FOREACH(move, &moves->active, active_link)
	count += is_sharer(move);
	return count;
}

/* ---- what each sends ------------------------------------------------------------------- */

static void measure(struct move *move, uint64_t now_ms)
{
	struct move_share *share = &move->share;
	uint64_t sent = stream_status(move->stream)->bytes_out;
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

static struct budget_move row_of(const struct move *move)
{
	return (struct budget_move){
		.priority = (enum move_priority)move->options.priority,
		.own = move->options.bandwidth_bytes_per_s,
		.given = move->share.limit_bytes_per_s,
		.used = used_by(move),
		.is_known = move->share.known == MOVE_SHARE_RATES,
		.is_free = is_free(move),
	};
}

/* ---- sharing ------------------------------------------------------------------------------ */

static void give(struct move *move, uint64_t bytes_per_s)
{
	if (move->share.limit_bytes_per_s == bytes_per_s)
		return;
	move->share.limit_bytes_per_s = bytes_per_s;
	if (bytes_per_s && (!move->facts.budget_least || bytes_per_s < move->facts.budget_least))
		move->facts.budget_least = bytes_per_s;
	move_src_apply_options(move);
}

static void share(struct moves *moves)
{
	uint64_t budget = moves->env.limits.budget_bytes_per_s;
	uint64_t now_ms = loop_now_ms(moves->env.loop);
	size_t count = count_sharers(moves), i = 0;
	struct budget_move *rows = xcalloc(count + 1, sizeof(*rows));
	uint64_t *limits = xcalloc(count + 1, sizeof(*limits));
	struct move *move;

	if (count)
		moves->shared_at_ms = now_ms;
	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (!is_sharer(move))
			continue;
		measure(move, now_ms);
		rows[i++] = row_of(move);
	}
	budget_share(budget, rows, count, limits);
	i = 0;
	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (!is_sharer(move))
			continue;
		move->share.among = count;
		if (!is_free(move))
			give(move, limits[i]);
		i++;
	}
	free(rows);
	free(limits);
	if (count)
		loop_timer_start(moves->share_timer, SHARE_MS);
}

void moves_share_due(void *moves)
{
	share(moves);
}

/* At once, unless QEMUs were told less than a second ago: then it is false. */
static bool share_soon(struct moves *moves)
{
	uint64_t passed_ms = loop_now_ms(moves->env.loop) - moves->shared_at_ms;

	if (moves->shared_at_ms && passed_ms < SHARE_MS) {
		loop_timer_start(moves->share_timer, SHARE_MS - passed_ms);
		return false;
	}
	share(moves);
	return true;
}

/* What no other move was given, but the least that a move has. */
static uint64_t spare_for(const struct move *move)
{
	uint64_t budget = move->moves->env.limits.budget_bytes_per_s, given = 0, spare;
	uint64_t own = move->options.bandwidth_bytes_per_s;
	const struct move *other;

	TAILQ_FOREACH(other, &move->moves->active, active_link)
	{
		if (other != move && is_sharer(other))
			given += is_free(other) ? used_by(other) : other->share.limit_bytes_per_s;
	}
	spare = given + BUDGET_MOVE_MIN_BYTES_PER_S < budget ? budget - given
							     : BUDGET_MOVE_MIN_BYTES_PER_S;
	return own && own < spare ? own : spare;
}

/* The others are told in time; it need not wait for that. */
static void share_with(struct move *move)
{
	if (share_soon(move->moves) || is_free(move) || !is_sharer(move))
		return;
	move->share.among = count_sharers(move->moves);
	give(move, spare_for(move));
}

void move_share_begin(struct move *move)
{
	if (move->moves->env.limits.budget_bytes_per_s)
		share_with(move);
	else if (move->machine.is_resumed)
		move_src_apply_options(move); /* an earlier coordinator may have had a budget */
}

void move_share_again(struct move *move)
{
	if (move->moves->env.limits.budget_bytes_per_s)
		share_with(move);
}

void moves_set_limits(struct moves *moves, const struct moves_limits *limits)
{
	bool has_changed = moves->env.limits.budget_bytes_per_s != limits->budget_bytes_per_s;
	struct move *move;

	moves->env.limits = *limits;
	if (!has_changed)
		return;
	if (limits->budget_bytes_per_s) {
		share_soon(moves);
		return;
	}
	loop_timer_stop(moves->share_timer);
	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		move->share.among = 0;
		give(move, 0);
	}
}

/* ---- what holds ----------------------------------------------------------------------------- */

uint64_t move_limit_bytes_per_s(const struct move *move)
{
	uint64_t own = move->options.bandwidth_bytes_per_s;
	uint64_t share = move->share.limit_bytes_per_s;

	return !share || (own && own < share) ? own : share;
}

uint64_t moves_limit_of_new(const struct moves *moves, const struct move_options *options)
{
	uint64_t budget = moves->env.limits.budget_bytes_per_s, limit;
	size_t count = count_sharers(moves), i = 0;
	struct budget_move *rows;
	const struct move *move;
	uint64_t *limits;

	if (!budget)
		return options->bandwidth_bytes_per_s;
	rows = xcalloc(count + 1, sizeof(*rows));
	limits = xcalloc(count + 1, sizeof(*limits));
	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (is_sharer(move))
			rows[i++] = row_of(move);
	}
	rows[count] = (struct budget_move){ .priority = (enum move_priority)options->priority,
					    .own = options->bandwidth_bytes_per_s };
	budget_share(budget, rows, count + 1, limits);
	limit = limits[count];
	free(rows);
	free(limits);
	return limit;
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
	uint64_t budget = move->moves->env.limits.budget_bytes_per_s;
	char amount[AMOUNT_SIZE];

	amount_bytes(budget, amount);
	if (move->share.among > 1)
		snprintf(ret, MOVE_LIMIT_WHY_SIZE,
			 "the host's budget of %s/s is shared by %zu moves", amount,
			 move->share.among);
	else
		snprintf(ret, MOVE_LIMIT_WHY_SIZE, "the host's budget is %s/s", amount);
}

void move_show_limit(const struct move *move, struct move_progress *ret)
{
	uint64_t limit = move_limit_bytes_per_s(move);
	bool is_own = limit == move->options.bandwidth_bytes_per_s;

	if (!is_sharer(move))
		return;
	ret->has_limit = true;
	ret->limit_bytes_per_s = is_free(move) ? 0 : limit;
	if (is_free(move))
		snprintf(ret->limit_why, sizeof(ret->limit_why),
			 "the guest %s: nothing is held back",
			 move->machine.state == MOVE_STATE_FETCH ? "waits for its memory"
								 : "stands still");
	else if (!limit)
		snprintf(ret->limit_why, sizeof(ret->limit_why), "nothing limits it");
	else if (is_own)
		say_own(move, ret->limit_why);
	else
		say_share(move, ret->limit_why);
}

struct moves_bandwidth moves_bandwidth(const struct moves *moves)
{
	struct moves_bandwidth ret = { .budget = moves->env.limits.budget_bytes_per_s };
	const struct move *move;

	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (!ret.budget || !is_sharer(move))
			continue;
		if (!is_free(move))
			ret.given[move->options.priority] += move->share.limit_bytes_per_s;
		ret.used[move->options.priority] += move->share.rates[0];
	}
	return ret;
}
