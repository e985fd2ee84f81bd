/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metrics of moves, of the bandwidth that they share, and of the queue. */
#include "base/mem.h"
#include "metrics/priv.h"
#include "move/totals.h"

static const char *direction(bool is_out)
{
	return is_out ? "out" : "in";
}

static const struct move_totals *totals_of(const struct metrics *metrics)
{
	return moves_totals(metrics->env.moves);
}

/* ---- those that have ended ------------------------------------------------------------- */

static void add_ended(struct metrics_out *out, const char *way,
		      const uint64_t counts[TOTALS_RESULT_COUNT][TOTALS_MODE_COUNT])
{
	for (size_t i = 0; i < TOTALS_RESULT_COUNT; i++)
		for (size_t k = 0; k < TOTALS_MODE_COUNT; k++)
			metrics_add(out, (double)counts[i][k],
				    LABELS(way, totals_result_names[i], totals_mode_names[k]));
}

void metrics_read_moves(struct metrics_out *out, const struct metrics *metrics)
{
	const struct move_totals *totals = totals_of(metrics);

	add_ended(out, direction(true), totals->out);
	add_ended(out, direction(false), totals->in);
}

void metrics_read_move_blackout(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add_histogram(out, &totals_of(metrics)->blackout, &totals_blackout, NULL);
}

void metrics_read_move_of_limit(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add_histogram(out, &totals_of(metrics)->of_limit, &totals_ratio, NULL);
}

void metrics_read_move_outage(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add_histogram(out, &totals_of(metrics)->outage, &totals_outage, NULL);
}

void metrics_read_move_duration(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add_histogram(out, &totals_of(metrics)->duration, &totals_duration, NULL);
}

void metrics_read_forecast_error(struct metrics_out *out, const struct metrics *metrics)
{
	const struct move_totals *totals = totals_of(metrics);

	metrics_add_histogram(out, &totals->duration_error, &totals_error, LABELS("duration"));
	metrics_add_histogram(out, &totals->blackout_error, &totals_error, LABELS("blackout"));
}

/* ---- those under way --------------------------------------------------------------------- */

void metrics_read_moves_active(struct metrics_out *out, const struct metrics *metrics)
{
	const struct move *move = NULL;
	size_t away = 0, here = 0;

	while ((move = moves_next_active(metrics->env.moves, move))) {
		if (move_is_out(move))
			away++;
		else
			here++;
	}
	metrics_add(out, (double)away, LABELS(direction(true)));
	metrics_add(out, (double)here, LABELS(direction(false)));
}

typedef double figure_fn(const struct move_figures *figures);

static void add_each(struct metrics_out *out, const struct metrics *metrics, figure_fn *figure)
{
	const struct move *move = NULL;
	size_t count = 0;

	while (count < METRICS_VMS_MAX && (move = moves_next_active(metrics->env.moves, move))) {
		const struct store_move *row = move_row(move);
		const struct move_figures figures = move_figures(move);

		if (!move_is_out(move))
			continue;
		metrics_add(out, figure(&figures), LABELS(row->vm_name, row->peer));
		count++;
	}
}

static double sent(const struct move_figures *figures)
{
	return (double)figures->sent_bytes;
}

static double left(const struct move_figures *figures)
{
	return (double)figures->left_bytes;
}

static double rate(const struct move_figures *figures)
{
	return figures->sent_bytes_per_s;
}

static double dirty(const struct move_figures *figures)
{
	return (double)figures->dirty_bytes_per_s;
}

void metrics_read_move_sent(struct metrics_out *out, const struct metrics *metrics)
{
	add_each(out, metrics, sent);
}

void metrics_read_move_left(struct metrics_out *out, const struct metrics *metrics)
{
	add_each(out, metrics, left);
}

void metrics_read_move_rate(struct metrics_out *out, const struct metrics *metrics)
{
	add_each(out, metrics, rate);
}

void metrics_read_move_dirty(struct metrics_out *out, const struct metrics *metrics)
{
	add_each(out, metrics, dirty);
}

/* ---- bandwidth, notices ------------------------------------------------------------------ */

void metrics_read_budget(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, (double)moves_bandwidth(metrics->env.moves).budget, NULL);
}

static void add_rates(struct metrics_out *out, const uint64_t *rates)
{
	for (size_t i = 0; i < MOVE_PRIORITY_COUNT; i++)
		metrics_add(out, (double)rates[i], LABELS(move_priority_names[i]));
}

void metrics_read_given(struct metrics_out *out, const struct metrics *metrics)
{
	add_rates(out, moves_bandwidth(metrics->env.moves).given);
}

void metrics_read_used(struct metrics_out *out, const struct metrics *metrics)
{
	add_rates(out, moves_bandwidth(metrics->env.moves).used);
}

void metrics_read_notices(struct metrics_out *out, const struct metrics *metrics)
{
	static const char *const results[MOVE_NOTICE_COUNTS] = {
		[MOVE_NOTICE_SENT] = "sent",
		[MOVE_NOTICE_UNHEARD] = "unheard",
		[MOVE_NOTICE_DELAYED] = "delayed",
		[MOVE_NOTICE_REFUSED] = "refused",
	};

	for (size_t i = 0; i < MOVE_NOTICE_COUNTS; i++)
		metrics_add(out,
			    (double)moves_notice_count(metrics->env.moves,
						       (enum move_notice_count)i),
			    LABELS(results[i]));
}

/* ---- the queue ----------------------------------------------------------------------------- */

void metrics_read_queue(struct metrics_out *out, const struct metrics *metrics)
{
	const struct queue_counts counts = queue_counts(metrics->env.queue);

	metrics_add(out, (double)counts.waiting, LABELS("waiting"));
	metrics_add(out, (double)counts.moving, LABELS("moving"));
}

void metrics_read_queue_ended(struct metrics_out *out, const struct metrics *metrics)
{
	const struct queue_ended ended = queue_ended(metrics->env.queue);

	metrics_add(out, (double)ended.done, LABELS("done"));
	metrics_add(out, (double)ended.failed, LABELS("failed"));
	metrics_add(out, (double)ended.cancelled, LABELS("cancelled"));
}

void metrics_read_queue_waiting(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add_histogram(out, queue_waited(metrics->env.queue), &totals_duration, NULL);
}
