/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "forecast/forecast.h"
#include "move/foresee.h"
#include "move/move.h"

#define SAMPLE_MS  200  /* a shorter time says little of what a link carries */
#define MEASURE_MS 1000 /* earlier moves are looked at again */

/* How far a link may be from what was seen, and from what a probe found. */
#define SEEN_LOW         0.8
#define SEEN_HIGH        1.15
#define PROBE_LOW        0.5
#define PROBE_HIGH       1.1
#define PROBE_HIGH_LEAST 4.0
/* One of which nothing is known: 1 Gbit/s, and what else there may be. */
#define GUESS      117.0e6
#define GUESS_LOW  11.0e6
#define GUESS_HIGH 1.2e9

static const struct {
	const char *state;
	enum lane_stage stage;
} stages[] = {
	{ "begin", LANE_STAGE_SETUP },       { "prepare", LANE_STAGE_SETUP },
	{ "transfer", LANE_STAGE_TRANSFER }, { "handover", LANE_STAGE_HANDOVER },
	{ "fetch", LANE_STAGE_TRANSFER },
};

enum lane_stage lane_stage_of(const struct move *move)
{
	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (strcmp(stages[i].state, move_state_name(move)) == 0)
			return stages[i].stage;
	return LANE_STAGE_REST;
}

struct lane *lanes_to(struct lanes *lanes, const char *host)
{
	struct lane *lane;

	for (size_t i = 0; i < lanes->count; i++)
		if (strcmp(lanes->list[i].host, host) == 0)
			return &lanes->list[i];
	lanes->list = xrealloc(lanes->list, (lanes->count + 1) * sizeof(*lanes->list));
	lane = &lanes->list[lanes->count++];
	memset(lane, 0, sizeof(*lane));
	snprintf(lane->host, sizeof(lane->host), "%s", host);
	return lane;
}

/* A sum that others of the same number hardly have. */
static uint64_t sum_of(const char *id)
{
	uint64_t sum = 14695981039346656037u;

	for (; *id; id++)
		sum = (sum ^ (unsigned char)*id) * 1099511628211u;
	return sum;
}

/* What the transfers of a lane are and have sent by now, and how many moves the host has taken. */
struct sent {
	uint64_t which, bytes, let_come;
	unsigned taken;
};

static void add_transfer(struct lane *lane, const struct move *move, struct sent *sent)
{
	const struct move_reply shown = move_show(move);

	if (shown.held)
		return;
	lane->link.transfers++;
	sent->let_come += move_is_let_come(move);
	sent->which += sum_of(shown.id);
	sent->bytes += shown.progress.ram_transferred_bytes;
	for (size_t i = 0; i < shown.progress.disk_count; i++)
		sent->bytes += shown.progress.disks[i].copied_bytes;
}

/* SENT changes by itself as QEMU is asked, so that a look in between sees no change. */
static void learn(struct lane *lane, const struct sent *sent, uint64_t now_ms)
{
	bool is_same = lane->link.transfers > 0 && sent->which == lane->which;
	uint64_t ms = now_ms - lane->since_ms;

	if (is_same && (ms < SAMPLE_MS || sent->bytes <= lane->sent_bytes))
		return;
	if (is_same)
		pick_learn(&lane->link,
			   (double)(sent->bytes - lane->sent_bytes) / (double)ms * 1000);
	lane->which = sent->which;
	lane->sent_bytes = sent->bytes;
	lane->since_ms = now_ms;
}

/* The host has taken one more than it did: it may be asked for another. */
static void widen(struct lane_full *full, unsigned taken, uint64_t now_ms)
{
	if (!full->is_full || taken <= full->out_max)
		return;
	full->out_max = taken;
	full->wait_ms = LANES_FULL_MIN_MS;
	full->until_ms = now_ms;
}

void lane_measure(struct lane *lane, struct moves *moves, uint64_t now_ms)
{
	struct forecast_input *history = &lane->history;

	if (lane->measured_at_ms && now_ms < lane->measured_at_ms + MEASURE_MS)
		return;
	*history = (struct forecast_input){ 0 };
	foresee_history(moves, lane->host, history);
	lane->link.measured_bytes_per_s = 0;
	for (unsigned i = 0; i < history->link_moves; i++)
		if (history->link_bytes_per_s[i] > lane->link.measured_bytes_per_s)
			lane->link.measured_bytes_per_s = history->link_bytes_per_s[i];
	lane->measured_at_ms = now_ms ? now_ms : 1;
}

/* ---- what the link gives to all of them ---- */

static double best_seen(const struct lane *lane)
{
	double best = lane->link.measured_bytes_per_s;

	for (unsigned n = 1; n <= PICK_TRANSFERS_MAX; n++)
		if (lane->link.bytes_per_s[n] > best)
			best = lane->link.bytes_per_s[n];
	return best;
}

static struct lane_rate known_rate(const struct lane *lane)
{
	double best = best_seen(lane), probe = lane->history.probe_bytes_per_s;

	if (best > 0)
		return (struct lane_rate){ best, best * SEEN_LOW, best * SEEN_HIGH };
	if (probe > 0)
		return (struct lane_rate){ probe, probe * PROBE_LOW,
					   probe * (lane->history.probe_is_least ? PROBE_HIGH_LEAST
										 : PROBE_HIGH) };
	return (struct lane_rate){ GUESS, GUESS_LOW, GUESS_HIGH };
}

static double no_more_than(double rate, double most)
{
	return most > 0 && most < rate ? most : rate;
}

struct lane_rate lane_rate(const struct lane *lane)
{
	const struct lane_rate rate = known_rate(lane);
	double most = lane->link.let_come_bytes_per_s;

	return (struct lane_rate){ no_more_than(rate.expected, most), no_more_than(rate.low, most),
				   no_more_than(rate.high, most) };
}

unsigned lane_at_once(const struct lane *lane)
{
	double best = best_seen(lane);

	for (unsigned n = PICK_TRANSFERS_MIN; n <= PICK_TRANSFERS_MAX; n++)
		if (best > 0 && lane->link.bytes_per_s[n] * 100 >= best * PICK_FULL_PERCENT)
			return n;
	return PICK_TRANSFERS_MIN;
}

static void empty(struct lane *lane)
{
	lane->out = lane->link.transfers = 0;
	lane->link.let_come_bytes_per_s = 0;
}

static double seen(const struct pick_link *link)
{
	return link->transfers <= PICK_TRANSFERS_MAX ? link->bytes_per_s[link->transfers] : 0;
}

struct lanes_totals lanes_look(struct lanes *lanes, struct moves *moves, uint64_t now_ms)
{
	struct lanes_totals totals = { 0 };
	struct sent *sent;

	for (struct move *move = moves_first(moves); move; move = move_next(move))
		if (move_is_out(move) && !move_is_final(move))
			(void)lanes_to(lanes, move_destination(move));
	sent = xcalloc(lanes->count + 1, sizeof(*sent));
	for (size_t i = 0; i < lanes->count; i++)
		empty(&lanes->list[i]);
	for (struct move *move = moves_first(moves); move; move = move_next(move)) {
		struct lane *lane;
		enum lane_stage stage;

		if (!move_is_out(move) || move_is_final(move))
			continue;
		lane = lanes_to(lanes, move_destination(move));
		stage = lane_stage_of(move);
		lane->out++;
		totals.out++;
		totals.setting_up += stage == LANE_STAGE_SETUP || stage == LANE_STAGE_HANDOVER;
		sent[lane - lanes->list].taken += stage != LANE_STAGE_SETUP;
		totals.transfers_of[move_priority(move)] += stage == LANE_STAGE_TRANSFER;
		if (stage == LANE_STAGE_TRANSFER)
			add_transfer(lane, move, &sent[lane - lanes->list]);
	}
	for (size_t i = 0; i < lanes->count; i++) {
		struct lane *lane = &lanes->list[i];

		lane->link.let_come_bytes_per_s = (double)sent[i].let_come;
		totals.transfers += lane->link.transfers;
		learn(lane, &sent[i], now_ms);
		totals.bytes_per_s += seen(&lane->link);
		widen(&lane->interactive, sent[i].taken, now_ms);
		widen(&lane->others, sent[i].taken, now_ms);
		lane_measure(lane, moves, now_ms);
	}
	free(sent);
	return totals;
}

void lane_is_full(struct lane *lane, int priority, uint64_t now_ms)
{
	struct lane_full *full =
		priority == MOVE_PRIORITY_INTERACTIVE ? &lane->interactive : &lane->others;

	if (!full->is_full)
		full->wait_ms = LANES_FULL_MIN_MS;
	else if (now_ms >= full->at_ms + full->wait_ms) /* not one of several at once */
		full->wait_ms = full->wait_ms * 2 < LANES_FULL_MAX_MS ? full->wait_ms * 2
								      : LANES_FULL_MAX_MS;
	full->is_full = true;
	full->at_ms = now_ms;
	full->until_ms = now_ms + full->wait_ms;
	full->out_max = lane->out;
}

static bool is_closed(const struct lane_full *full, unsigned out, uint64_t now_ms)
{
	return full->is_full && out >= full->out_max && now_ms < full->until_ms;
}

/* A host that refuses an interactive move would refuse any. */
bool lane_is_closed(const struct lane *lane, int priority, uint64_t now_ms)
{
	return is_closed(&lane->interactive, lane->out, now_ms) ||
	       (priority != MOVE_PRIORITY_INTERACTIVE &&
		is_closed(&lane->others, lane->out, now_ms));
}

uint64_t lane_opens_ms(const struct lane *lane, int priority)
{
	bool is_later = priority != MOVE_PRIORITY_INTERACTIVE &&
			lane->others.until_ms > lane->interactive.until_ms;

	return is_later ? lane->others.until_ms : lane->interactive.until_ms;
}

/* One is tried: the next one waits for what comes of it. */
static void try_one(struct lane_full *full, unsigned out, uint64_t now_ms)
{
	if (full->is_full && out > full->out_max)
		full->until_ms = now_ms + full->wait_ms;
}

void lane_add(struct lane *lane, int priority, uint64_t now_ms)
{
	lane->out++;
	try_one(&lane->interactive, lane->out, now_ms);
	if (priority != MOVE_PRIORITY_INTERACTIVE)
		try_one(&lane->others, lane->out, now_ms);
}

void lanes_fini(struct lanes *lanes)
{
	free(lanes->list);
	lanes->list = NULL;
	lanes->count = 0;
}
