/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts the moves that end, for GET /metrics. */
#include "move/priv.h"

static enum totals_result result_of(const struct move *move)
{
	if (move->machine.state == MOVE_STATE_DONE)
		return TOTALS_DONE;
	if (move->machine.state == MOVE_STATE_LOST)
		return TOTALS_LOST;
	return move_was_cancelled(move) ? TOTALS_CANCELLED : TOTALS_FAILED;
}

static enum totals_mode mode_of(const struct move *move)
{
	if (move->facts.stopped)
		return TOTALS_STOPPED;
	return move->facts.switch_wanted || move->facts.source_has_switched ? TOTALS_POSTCOPY
									    : TOTALS_PRECOPY;
}

/* A record of the destination that only says that a request was in vain. */
static bool was_no_move(const struct move *move)
{
	return move->side == MOVE_DST && move->verdict == VERDICT_UNKNOWN;
}

static void count_blackout(const struct move *move, struct move_totals *totals)
{
	const struct move_measured measured = move_show_measured(move);
	const double limit_ms = (double)move->options.downtime_limit_ms;

	if (!measured.has_blackout)
		return;
	histogram_add(&totals->blackout, &totals_blackout, measured.blackout_ms / 1000);
	if (limit_ms > 0)
		histogram_add(&totals->of_limit, &totals_ratio, measured.blackout_ms / limit_ms);
}

void move_count_end(const struct move *move)
{
	struct move_totals *totals = &move->moves->totals;
	const enum totals_result result = result_of(move);
	const enum totals_mode mode = mode_of(move);

	if (was_no_move(move))
		return;
	if (move->side == MOVE_DST) {
		totals->in[result][mode]++;
		return;
	}
	totals->out[result][mode]++;
	if (result != TOTALS_DONE)
		return;
	count_blackout(move, totals);
	histogram_add(&totals->duration, &totals_duration,
		      (double)(move->stamps[MOVE_STAMP_ENDED] - move->stamps[MOVE_STAMP_CREATED]) /
			      1000000);
}

void move_count_outage(const struct move *move)
{
	struct move_measured measured = { 0 };

	if (move->machine.state != MOVE_STATE_DONE)
		return;
	move_show_outage(move, &measured);
	if (measured.has_outage)
		histogram_add(&move->moves->totals.outage, &totals_outage,
			      measured.outage_ms / 1000);
}

const struct move_totals *moves_totals(const struct moves *moves)
{
	return &moves->totals;
}

/* ---- those under way ---------------------------------------------------------------------- */

struct move_figures move_figures(const struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;
	struct move_figures ret = {
		.sent_bytes = info->ram_transferred_bytes,
		.left_bytes = info->ram_remaining_bytes,
		.sent_bytes_per_s = info->throughput_mbit_per_s * 1000000 / 8,
		.dirty_bytes_per_s = info->ram_dirty_pages_per_s * info->ram_page_bytes,
	};

	for (size_t i = 0; i < VM_DEF_IMAGE_MAX; i++) {
		const struct move_mirror *mirror = &move->disks.mirrors[i];

		ret.sent_bytes += mirror->done;
		ret.left_bytes += mirror->total > mirror->done ? mirror->total - mirror->done : 0;
	}
	return ret;
}

const struct move *moves_next_active(const struct moves *moves, const struct move *after)
{
	const struct move *move =
		after ? TAILQ_NEXT(after, active_link) : TAILQ_FIRST(&moves->active);

	while (move && move_is_final(move))
		move = TAILQ_NEXT(move, active_link);
	return move;
}
