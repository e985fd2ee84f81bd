/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What earlier moves to a host tell of the next. */
#include "move/foresee_past.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "forecast/learn.h"
#include "move/foresee.h"
#include "move/links.h"
#include "move/priv.h"

/* Moves that send less tell only how fast memory that is zero is passed over. */
#define SMALL_BYTES_MIN (UINT64_C(8) << 20)
/* Smaller copies of disks tell nothing of their speed. */
#define DISK_BYTES_MIN (8.0 * (1 << 20))
/* Of a blackout no more is taken for data, since the link may have been faster than it is now. */
#define DATA_SHARE_MAX 0.8

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

/* What the records of moves tell, newest first. */
struct history {
	struct forecast_sent sent[FORECAST_LINK_MOVES];
	uint64_t age_ms[FORECAST_LINK_MOVES];
	unsigned sent_count;
	/* Those that tell nothing of the link; and that sent hardly more than what is zero takes.
	 */
	struct forecast_sent small[FORECAST_LINK_MOVES], empty[FORECAST_LINK_MOVES];
	unsigned small_count, empty_count;
	/* What moves of memory alone took beside their data, and those with disks. */
	struct past_costs {
		struct forecast_costs of[FORECAST_LINK_MOVES];
		/* of the same moves, while the guest stood still */
		double last_bytes[FORECAST_LINK_MOVES];
		unsigned count;
	} costs[2];
	double disk_rate; /* of the newest copy that no limit held back; 0: none */
	double pace[FORECAST_LINK_MOVES];
	unsigned pace_count;
};

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

/* What the first pass went over and did not send. */
static uint64_t zero_bytes(const struct move *move)
{
	uint64_t all = move->ram.info.ram_total_bytes, sent = foresee_first_pass_bytes(move);

	return all > sent ? all - sent : 0;
}

static void add_small(const struct forecast_sent *sent, struct history *history)
{
	bool is_empty = sent->bytes < (double)SMALL_BYTES_MIN;
	struct forecast_sent *list = is_empty ? history->empty : history->small;
	unsigned *count = is_empty ? &history->empty_count : &history->small_count;

	if (*count < FORECAST_LINK_MOVES)
		list[(*count)++] = *sent;
}

static void add_large(const struct move *move, const struct forecast_sent *sent,
		      struct history *history)
{
	int64_t age_ms = clock_wall_ms() - move->row.ended_ms;

	if (history->sent_count == FORECAST_LINK_MOVES)
		return;
	history->age_ms[history->sent_count] = age_ms > 0 ? (uint64_t)age_ms : 0;
	history->sent[history->sent_count++] = *sent;
}

/* The time in which QEMU sent: neither its set-up, nor the guest's stop, which are costs. */
static void add_sent(const struct move *move, struct history *history)
{
	double ms = foresee_ms_between(move, MOVE_STAMP_MIGRATE, MOVE_STAMP_STOPPED) -
		    (double)move->ram.info.setup_time_ms;
	uint64_t bytes = move->ram.info.ram_transferred_bytes, zero = zero_bytes(move);
	uint64_t last = last_pass_bytes(move->passes);
	struct forecast_sent sent = { ms / 1000, (double)bytes - (double)last, (double)zero };

	if (move->options.bandwidth_bytes_per_s || ms <= 0 || last > bytes ||
	    move_was_held_by_budget(move, (uint64_t)((double)bytes / ms * 1000)))
		return;
	if (sent.bytes < (double)FORECAST_SMALL_BYTES)
		add_small(&sent, history);
	else if (!transfer_plan_has_disks(move->plan))
		add_large(move, &sent, history);
}

static void add_pace(const struct move *move, struct history *history)
{
	struct move_measured measured;

	if (history->pace_count == FORECAST_LINK_MOVES)
		return;
	measured = move_show_measured(move);
	if (measured.has_brownout)
		history->pace[history->pace_count++] = 1 - measured.brownout_percent / 100;
}

static void fill_link(const struct history *history, struct forecast_input *ret)
{
	struct forecast_sent all[2 * FORECAST_LINK_MOVES];
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

static void fill_small(const struct history *history, struct forecast_input *ret)
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

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* ---- what a move takes beside its data ---------------------------------------------- */

/* The one of rank AT of the earlier ones, so that one move on a busy host does not count; and the
 * best and the worst of them, but a fifth apart at least. */
static void take_costs(double *of, unsigned count, unsigned at, double *ret, double *ret_low,
		       double *ret_high)
{
	qsort(of, count, sizeof(*of), compare);
	*ret = of[at];
	*ret_low = of[0] < *ret * 0.8 ? of[0] : *ret * 0.8;
	*ret_high = of[count - 1] > *ret * 1.2 ? of[count - 1] : *ret * 1.2;
}

static void fill_costs(const struct forecast_costs *list, unsigned count, bool disks,
		       struct forecast_input *ret)
{
	double prepare[FORECAST_LINK_MOVES], handover[FORECAST_LINK_MOVES],
		end[FORECAST_LINK_MOVES], disk[FORECAST_LINK_MOVES];

	for (unsigned i = 0; i < count; i++) {
		prepare[i] = list[i].prepare_ms;
		handover[i] = list[i].handover_ms;
		end[i] = list[i].end_ms;
		disk[i] = list[i].disk_ms;
	}
	take_costs(prepare, count, count / 2, &ret->costs.prepare_ms, &ret->costs_low.prepare_ms,
		   &ret->costs_high.prepare_ms);
	take_costs(handover, count, count / 2, &ret->costs.handover_ms, &ret->costs_low.handover_ms,
		   &ret->costs_high.handover_ms);
	take_costs(end, count, count / 2, &ret->costs.end_ms, &ret->costs_low.end_ms,
		   &ret->costs_high.end_ms);
	if (disks)
		take_costs(disk, count, count / 2, &ret->costs.disk_ms, &ret->costs_low.disk_ms,
			   &ret->costs_high.disk_ms);
}

/* No move has been made to that host yet: those of a host of two CPUs, without KVM. */
static const struct forecast_costs first = { 700, 15, 60, 20 }, first_low = { 200, 5, 10, 5 },
				   first_high = { 2000, 60, 300, 100 };

/* ---- disks ------------------------------------------------------------------------ */

/* What no limit held back shows how fast disks are copied; else it shows what a copy takes beside
 * its data. */
static double disks_ms(const struct move *move, struct history *history)
{
	double ms = foresee_ms_between(move, MOVE_STAMP_PREPARED, MOVE_STAMP_MIGRATE) -
		    (double)move_waited_ms(move);
	double bytes = (double)move->measure.disk_bytes;
	double limit = (double)move->options.bandwidth_bytes_per_s;
	double beside_ms = limit > 0 ? fmax(ms - bytes * 1000 / limit, 0) : first.disk_ms;

	if (move->facts.budget_least || bytes < DISK_BYTES_MIN)
		return first.disk_ms;
	if (limit <= 0 && ms > beside_ms && history->disk_rate <= 0)
		history->disk_rate = bytes * 1000 / (ms - beside_ms);
	return beside_ms;
}

/* What a move has taken beside its data. */
static struct forecast_costs costs_of(const struct move *move, struct history *history)
{
	bool has_disks = transfer_plan_has_disks(move->plan);
	double before_ms = foresee_ms_between(move, MOVE_STAMP_CREATED,
					      has_disks ? MOVE_STAMP_PREPARED : MOVE_STAMP_MIGRATE);

	if (!has_disks)
		before_ms = fmax(before_ms - (double)move_waited_ms(move), 0);
	return (struct forecast_costs){
		.prepare_ms = before_ms + (double)move->ram.info.setup_time_ms,
		.handover_ms = foresee_ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN),
		.end_ms = foresee_ms_between(move, MOVE_STAMP_TAKEN, MOVE_STAMP_ENDED),
		.disk_ms = has_disks ? disks_ms(move, history) : 0,
	};
}

static void add_costs(const struct move *move, struct history *history)
{
	struct past_costs *costs = &history->costs[transfer_plan_has_disks(move->plan)];

	if (costs->count == FORECAST_LINK_MOVES)
		return;
	costs->last_bytes[costs->count] = (double)last_pass_bytes(move->passes);
	costs->of[costs->count++] = costs_of(move, history);
}

/* A blackout is what the hand-over takes, and the data of the last pass, which has no limit. */
static void take_off_data(struct past_costs *costs, const struct forecast_input *known)
{
	double link = known->link_moves ? known->link_bytes_per_s[0] : known->probe_bytes_per_s;

	for (unsigned i = 0; i < costs->count && link > 0; i++) {
		double *ms = &costs->of[i].handover_ms;
		double data_ms = costs->last_bytes[i] * 1000 / link;

		*ms = data_ms < *ms * DATA_SHARE_MAX ? *ms - data_ms : *ms * (1 - DATA_SHARE_MAX);
	}
}

/* Those of moves with disks for one with disks, and of the others for others, if there were some.
 */
static void take_all_costs(struct history *history, struct forecast_input *ret)
{
	bool disks = history->costs[ret->disk_bytes > 0].count ? ret->disk_bytes > 0
							       : ret->disk_bytes == 0;
	struct past_costs *costs = &history->costs[disks];

	ret->disk_bytes_per_s = history->disk_rate;
	ret->costs = first;
	ret->costs_low = first_low;
	ret->costs_high = first_high;
	if (!costs->count)
		return;
	take_off_data(costs, ret);
	fill_costs(costs->of, costs->count, disks, ret);
}

static void fill_pace(struct history *history, struct forecast_input *ret)
{
	if (!history->pace_count)
		return;
	qsort(history->pace, history->pace_count, sizeof(*history->pace), compare);
	ret->pace = history->pace[history->pace_count / 2];
}

/* By which factors the forecast of a move was missed. */
static void add_missed(const struct move *move, struct forecast_input *ret)
{
	const struct forecast *said = move->forecast;
	double still_ms = foresee_ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN);
	double bytes =
		(double)move->ram.info.ram_transferred_bytes + (double)move->measure.disk_bytes;

	if (!said || ret->missed_count == FORECAST_MISSED_MOVES || said->duration_ms.expected < 1 ||
	    said->blackout_ms.expected < 1 || said->bytes.expected < 1 || bytes <= 0)
		return;
	ret->missed[ret->missed_count++] = (struct forecast_missed){
		foresee_duration_ms(move) / (double)said->duration_ms.expected,
		still_ms / (double)said->blackout_ms.expected,
		bytes / (double)said->bytes.expected,
	};
}

void foresee_history(struct moves *moves, const char *peer, struct forecast_input *ret)
{
	struct history history = { .sent_count = 0 };

	add_probe(moves, peer, ret);
	for (const struct move *move = moves_first(moves); move; move = move_next(move)) {
		if (is_running(move, peer))
			add_running(move, ret);
		if (!is_told_by(move, peer))
			continue;
		add_missed(move, ret);
		add_costs(move, &history);
		add_sent(move, &history);
		if (!transfer_plan_has_disks(move->plan))
			add_pace(move, &history);
	}
	fill_link(&history, ret);
	fill_small(&history, ret);
	take_all_costs(&history, ret);
	fill_pace(&history, ret);
}
