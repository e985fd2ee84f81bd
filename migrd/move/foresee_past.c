/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the records of moves to what the forecast learns of them (forecast/past.h). */
#include "move/foresee_past.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "forecast/past.h"
#include "move/foresee.h"
#include "move/links.h"
#include "move/priv.h"

double foresee_ms_between(const struct move *move, enum move_stamp from, enum move_stamp to)
{
	uint64_t a = move->stamps[from], b = move->stamps[to];

	return a && b > a ? (double)(b - a) / 1000 : 0;
}

double foresee_duration_ms(const struct move *move)
{
	double all_ms = foresee_ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_ENDED);

	return fmax(all_ms - (double)move_waited_ms(move), 0);
}

/* One that tells something of others: of a guest that ran. */
static bool is_told_by(const struct move *move, const char *peer)
{
	return move->side == MOVE_SRC && strcmp(move->row.peer, peer) == 0 &&
	       move->machine.state == MOVE_STATE_DONE && !move->facts.switch_wanted &&
	       !move->facts.stopped && move->plan &&
	       foresee_ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN) > 0;
}

/* Of the bytes those of the pass while the guest stood still, which is the last. */
static uint64_t last_pass_bytes(const struct passes *passes)
{
	const struct move_pass *last =
		passes && passes->count > 1 ? &passes->rows[passes->count - 1] : NULL;

	return last && last->first == last->last ? last->sent_bytes : 0;
}

uint64_t foresee_first_pass_bytes(const struct move *move)
{
	const struct passes *passes = move->passes;
	bool has_first = passes && passes->count > 1 && passes->rows[0].last == 1 &&
			 !move->options.transfer.has_multifd; /* whose bytes are counted late */

	return has_first ? passes->rows[0].sent_bytes : move->ram.info.ram_transferred_bytes;
}

/* The time in which QEMU sent: neither its set-up, nor the guest's stop, which are costs. */
static double sending_ms(const struct move *move)
{
	return foresee_ms_between(move, MOVE_STAMP_MIGRATE, MOVE_STAMP_STOPPED) -
	       (double)move->ram.info.setup_time_ms;
}

static bool memory_was_held(const struct move *move, double bytes, double ms)
{
	return move->options.bandwidth_bytes_per_s ||
	       (ms > 0 && move_was_held_by_budget(move, (uint64_t)(bytes / ms * 1000)));
}

/* From the request until disks are copied, or QEMU is told to send; and the copy. */
static void take_times_before(const struct move *move, struct forecast_past *ret)
{
	double waited_ms = (double)move_waited_ms(move);

	if (ret->has_disks) {
		ret->prepare_ms = foresee_ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_PREPARED);
		ret->disks_ms = foresee_ms_between(move, MOVE_STAMP_PREPARED, MOVE_STAMP_MIGRATE) -
				waited_ms;
	} else {
		ret->prepare_ms =
			fmax(foresee_ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_MIGRATE) -
				     waited_ms,
			     0);
	}
}

static struct forecast_past past_of(const struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;
	const int64_t age_ms = clock_wall_ms() - move->row.ended_ms;
	struct forecast_past ret = {
		.age_ms = age_ms > 0 ? (uint64_t)age_ms : 0,
		.duration_ms = foresee_duration_ms(move),
		.setup_ms = (double)info->setup_time_ms,
		.sending_ms = sending_ms(move),
		.still_ms = foresee_ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN),
		.end_ms = foresee_ms_between(move, MOVE_STAMP_TAKEN, MOVE_STAMP_ENDED),
		.memory_bytes = (double)info->ram_total_bytes,
		.sent_bytes = (double)info->ram_transferred_bytes,
		.first_pass_bytes = (double)foresee_first_pass_bytes(move),
		.last_bytes = (double)last_pass_bytes(move->passes),
		.limit_bytes_per_s = (double)move->options.bandwidth_bytes_per_s,
		.has_disks = transfer_plan_has_disks(move->plan),
		.disks_were_held = move->facts.budget_least > 0,
		.disk_bytes = (double)move->measure.disk_bytes,
		.said = move->forecast,
	};

	ret.memory_was_held = memory_was_held(move, ret.sent_bytes, ret.sending_ms);
	take_times_before(move, &ret);
	return ret;
}

/* Of the guest's CPUs; 0: not known. */
static double pace_of(const struct move *move)
{
	const struct move_measured measured = move_show_measured(move);

	return measured.has_brownout ? 1 - measured.brownout_percent / 100 : 0;
}

/* ---- the link as it is now ----------------------------------------------------------- */

/* A move under way tells the link as it is now. */
static void add_running(const struct move *move, struct forecast_input *ret)
{
	uint64_t began_us = move->stamps[MOVE_STAMP_MIGRATE], now_us = clock_monotonic_us();
	uint64_t bytes = move->ram.info.ram_transferred_bytes;
	double rate;

	if (move->options.bandwidth_bytes_per_s || bytes < FORECAST_SMALL_BYTES || !began_us ||
	    now_us <= began_us || transfer_plan_has_disks(move->plan) ||
	    ret->link_moves == FORECAST_LINK_MOVES)
		return;
	rate = (double)bytes * 1000000 / (double)(now_us - began_us);
	if (!move_was_held_by_budget(move, (uint64_t)rate))
		ret->link_bytes_per_s[ret->link_moves++] = rate;
}

static bool is_running(const struct move *move, const char *peer)
{
	return move->side == MOVE_SRC && strcmp(move->row.peer, peer) == 0 && move->plan &&
	       move->machine.state == MOVE_STATE_TRANSFER;
}

static void add_probe(const struct moves *moves, const char *peer, struct forecast_input *ret)
{
	struct link_found found;
	int64_t age_ms;

	if (!links_found(moves->links, peer, &found))
		return;
	age_ms = clock_wall_ms() - found.at_ms;
	ret->probe_bytes_per_s = (double)found.bytes_per_s;
	ret->probe_is_least = found.is_least;
	ret->probe_age_ms = age_ms > 0 ? (uint64_t)age_ms : 0;
}

bool foresee_knows_link(struct moves *moves, const char *peer)
{
	struct forecast_input input = { 0 };

	foresee_history(moves, peer, &input);
	return input.link_moves && input.link_age_ms < LINKS_AGED_MS;
}

void foresee_history(struct moves *moves, const char *peer, struct forecast_input *ret)
{
	struct forecast_history history = { .sent_count = 0 };

	add_probe(moves, peer, ret);
	for (const struct move *move = moves_first(moves); move; move = move_next(move)) {
		if (is_running(move, peer))
			add_running(move, ret);
		if (is_told_by(move, peer)) {
			struct forecast_past past = past_of(move);

			if (history.pace_count < FORECAST_LINK_MOVES)
				past.pace = pace_of(move);
			forecast_history_add(&history, &past);
		}
	}
	forecast_learn(&history, ret);
}
