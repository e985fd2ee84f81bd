/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast/past.h"

#include <math.h>
#include <stdlib.h>

/* Moves that send less tell only how fast memory that is zero is passed over. */
#define SMALL_BYTES_MIN (8.0 * (1 << 20))
/* Smaller copies of disks tell nothing of their speed. */
#define DISK_BYTES_MIN (8.0 * (1 << 20))
/* Of a blackout no more is taken for data: the link may have been faster than it is now, and is so
 * while the guest's CPUs take nothing from the host's. */
#define DATA_SHARE_MAX 0.5

/* No move has been made to that host yet: those of a host of two CPUs, without KVM. */
static const struct forecast_costs first = { 700, 15, 60, 20 }, first_low = { 200, 5, 10, 5 },
				   first_high = { 2000, 60, 300, 100 };

/* ---- one move ------------------------------------------------------------------------- */

static void add_small(const struct forecast_sent *sent, struct forecast_history *history)
{
	bool is_empty = sent->bytes < SMALL_BYTES_MIN;
	struct forecast_sent *list = is_empty ? history->empty : history->small;
	unsigned *count = is_empty ? &history->empty_count : &history->small_count;

	if (*count < FORECAST_LINK_MOVES)
		list[(*count)++] = *sent;
}

static void add_large(const struct forecast_sent *sent, uint64_t age_ms,
		      struct forecast_history *history)
{
	if (history->sent_count == FORECAST_LINK_MOVES)
		return;
	history->age_ms[history->sent_count] = age_ms;
	history->sent[history->sent_count++] = *sent;
}

/* What no limit held back. */
static void add_sent(const struct forecast_past *past, struct forecast_history *history)
{
	const struct forecast_sent sent = {
		.seconds = past->sending_ms / 1000,
		.bytes = past->sent_bytes - past->last_bytes,
		.zero_bytes = fmax(past->memory_bytes - past->first_pass_bytes, 0),
	};

	if (past->memory_was_held || sent.seconds <= 0 || sent.bytes < 0)
		return;
	if (sent.bytes < (double)FORECAST_SMALL_BYTES)
		add_small(&sent, history);
	else if (!past->has_disks)
		add_large(&sent, past->age_ms, history);
}

/* What no limit held back shows how fast disks are copied; else it shows what a copy takes beside
 * its data. */
static double disks_ms(const struct forecast_past *past, struct forecast_history *history)
{
	double limit = past->limit_bytes_per_s, bytes = past->disk_bytes;
	double beside_ms =
		limit > 0 ? fmax(past->disks_ms - bytes * 1000 / limit, 0) : first.disk_ms;

	if (past->disks_were_held || bytes < DISK_BYTES_MIN)
		return first.disk_ms;
	if (limit <= 0 && past->disks_ms > beside_ms && history->disk_rate <= 0)
		history->disk_rate = bytes * 1000 / (past->disks_ms - beside_ms);
	return beside_ms;
}

/* Of the blackout. */
static double said_data_ms(const struct forecast *said)
{
	return said && said->blackout_ms.expected > said->basis.handover_ms
		       ? (double)(said->blackout_ms.expected - said->basis.handover_ms)
		       : 0;
}

static void add_costs(const struct forecast_past *past, struct forecast_history *history)
{
	struct forecast_past_costs *costs = &history->costs[past->has_disks];

	if (costs->count == FORECAST_LINK_MOVES)
		return;
	costs->last_bytes[costs->count] = past->last_bytes;
	costs->data_ms[costs->count] = said_data_ms(past->said);
	costs->of[costs->count++] = (struct forecast_costs){
		.prepare_ms = past->prepare_ms + past->setup_ms,
		.handover_ms = past->still_ms,
		.end_ms = past->end_ms,
		.disk_ms = past->has_disks ? disks_ms(past, history) : 0,
	};
}

static void add_missed(const struct forecast_past *past, struct forecast_history *history)
{
	const struct forecast *said = past->said;
	double bytes = past->sent_bytes + past->disk_bytes;

	if (!said || history->missed_count == FORECAST_MISSED_MOVES ||
	    said->duration_ms.expected < 1 || said->blackout_ms.expected < 1 ||
	    said->bytes.expected < 1 || bytes <= 0)
		return;
	history->missed[history->missed_count++] = (struct forecast_missed){
		past->duration_ms / (double)said->duration_ms.expected,
		past->still_ms / (double)said->blackout_ms.expected,
		bytes / (double)said->bytes.expected,
	};
}

void forecast_history_add(struct forecast_history *history, const struct forecast_past *past)
{
	add_missed(past, history);
	add_costs(past, history);
	add_sent(past, history);
	if (!past->has_disks && past->pace > 0 && history->pace_count < FORECAST_LINK_MOVES)
		history->pace[history->pace_count++] = past->pace;
}

/* ---- the link ------------------------------------------------------------------------- */

static void fill_link(const struct forecast_history *history, struct forecast_input *ret)
{
	struct forecast_sent all[2 * FORECAST_LINK_MOVES] = { { 0 } };
	unsigned count = 0;
	double zero;

	for (unsigned i = 0; i < history->sent_count; i++)
		all[count++] = history->sent[i];
	for (unsigned i = 0; i < history->empty_count; i++)
		all[count++] = history->empty[i];
	zero = forecast_learn_zero(all, count);
	ret->zero_bytes_per_s = count ? zero : 0;
	for (unsigned i = 0; i < history->sent_count; i++) {
		double link = forecast_link_of(&history->sent[i], zero);

		if (link <= 0 || ret->link_moves == FORECAST_LINK_MOVES)
			continue;
		if (!ret->link_moves)
			ret->link_age_ms = history->age_ms[i];
		ret->link_bytes_per_s[ret->link_moves++] = link;
	}
}

static void fill_small(const struct forecast_history *history, struct forecast_input *ret)
{
	double zero = ret->zero_bytes_per_s > 0 ? ret->zero_bytes_per_s : FORECAST_ZERO_BYTES_PER_S;

	for (unsigned i = 0; i < history->small_count; i++) {
		double rate = forecast_link_of(&history->small[i], zero);

		if (rate <= 0)
			continue;
		ret->small_bytes[ret->small_moves] = history->small[i].bytes;
		ret->small_bytes_per_s[ret->small_moves++] = rate;
	}
}

/* ---- what a move takes beside its data ---------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The middle of the earlier ones, so that one move on a busy host does not count; and the best and
 * the worst of them, but a fifth apart at least. */
static void take_costs(double *of, unsigned count, double *ret, double *ret_low, double *ret_high)
{
	qsort(of, count, sizeof(*of), compare);
	*ret = of[count / 2];
	*ret_low = fmin(of[0], *ret * 0.8);
	*ret_high = fmax(of[count - 1], *ret * 1.2);
}

static void fill_costs(const struct forecast_past_costs *costs, bool disks,
		       struct forecast_input *ret)
{
	double prepare[FORECAST_LINK_MOVES], handover[FORECAST_LINK_MOVES],
		end[FORECAST_LINK_MOVES], disk[FORECAST_LINK_MOVES];
	const unsigned count = costs->count;

	for (unsigned i = 0; i < count; i++) {
		prepare[i] = costs->of[i].prepare_ms;
		handover[i] = costs->of[i].handover_ms;
		end[i] = costs->of[i].end_ms;
		disk[i] = costs->of[i].disk_ms;
	}
	take_costs(prepare, count, &ret->costs.prepare_ms, &ret->costs_low.prepare_ms,
		   &ret->costs_high.prepare_ms);
	take_costs(handover, count, &ret->costs.handover_ms, &ret->costs_low.handover_ms,
		   &ret->costs_high.handover_ms);
	take_costs(end, count, &ret->costs.end_ms, &ret->costs_low.end_ms, &ret->costs_high.end_ms);
	if (disks)
		take_costs(disk, count, &ret->costs.disk_ms, &ret->costs_low.disk_ms,
			   &ret->costs_high.disk_ms);
}

/* A blackout is what the hand-over takes, and the data of the last pass, which has no limit. */
static void take_off_data(struct forecast_past_costs *costs, const struct forecast_input *known)
{
	double link = known->link_moves ? known->link_bytes_per_s[0] : known->probe_bytes_per_s;

	for (unsigned i = 0; i < costs->count && link > 0; i++) {
		double *ms = &costs->of[i].handover_ms;
		double data_ms = costs->last_bytes[i] > 0 ? costs->last_bytes[i] * 1000 / link
							  : costs->data_ms[i];

		*ms = data_ms < *ms * DATA_SHARE_MAX ? *ms - data_ms : *ms * (1 - DATA_SHARE_MAX);
	}
}

/* Those of moves with disks for one with disks, and of the others for others, if there were some.
 */
static void take_all_costs(struct forecast_history *history, struct forecast_input *ret)
{
	bool disks = history->costs[ret->disk_bytes > 0].count ? ret->disk_bytes > 0
							       : ret->disk_bytes == 0;
	struct forecast_past_costs *costs = &history->costs[disks];

	ret->disk_bytes_per_s = history->disk_rate;
	ret->costs = first;
	ret->costs_low = first_low;
	ret->costs_high = first_high;
	if (!costs->count)
		return;
	take_off_data(costs, ret);
	fill_costs(costs, disks, ret);
}

static void fill_pace(struct forecast_history *history, struct forecast_input *ret)
{
	if (!history->pace_count)
		return;
	qsort(history->pace, history->pace_count, sizeof(*history->pace), compare);
	ret->pace = history->pace[history->pace_count / 2];
}

void forecast_learn(struct forecast_history *history, struct forecast_input *ret)
{
	fill_link(history, ret);
	fill_small(history, ret);
	take_all_costs(history, ret);
	fill_pace(history, ret);
	for (unsigned i = 0; i < history->missed_count; i++)
		ret->missed[ret->missed_count++] = history->missed[i];
}
