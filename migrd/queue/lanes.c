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

/* What a move costs this host, by its state. */
enum stage { STAGE_SETUP, STAGE_TRANSFER, STAGE_HANDOVER, STAGE_REST };
static const struct {
	const char *state;
	enum stage stage;
} stages[] = {
	{ "begin", STAGE_SETUP },       { "prepare", STAGE_SETUP },  { "transfer", STAGE_TRANSFER },
	{ "handover", STAGE_HANDOVER }, { "fetch", STAGE_TRANSFER },
};

static enum stage stage_of(const struct move *move)
{
	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (strcmp(stages[i].state, move_state_name(move)) == 0)
			return stages[i].stage;
	return STAGE_REST;
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
	uint64_t which, bytes;
	unsigned taken;
};

static void add_transfer(struct lane *lane, const struct move *move, struct sent *sent)
{
	const struct move_reply shown = move_show(move);

	if (shown.held)
		return;
	lane->link.transfers++;
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

static void measure(struct lane *lane, struct moves *moves, uint64_t now_ms)
{
	struct forecast_input input = { 0 };

	if (lane->measured_at_ms && now_ms < lane->measured_at_ms + MEASURE_MS)
		return;
	foresee_history(moves, lane->host, &input);
	lane->link.measured_bytes_per_s = 0;
	for (unsigned i = 0; i < input.link_moves; i++)
		if (input.link_bytes_per_s[i] > lane->link.measured_bytes_per_s)
			lane->link.measured_bytes_per_s = input.link_bytes_per_s[i];
	lane->measured_at_ms = now_ms ? now_ms : 1;
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
		lanes->list[i].out = lanes->list[i].link.transfers = 0;
	for (struct move *move = moves_first(moves); move; move = move_next(move)) {
		struct lane *lane;
		enum stage stage;

		if (!move_is_out(move) || move_is_final(move))
			continue;
		lane = lanes_to(lanes, move_destination(move));
		stage = stage_of(move);
		lane->out++;
		totals.out++;
		totals.setting_up += stage == STAGE_SETUP || stage == STAGE_HANDOVER;
		sent[lane - lanes->list].taken += stage != STAGE_SETUP;
		if (stage == STAGE_TRANSFER)
			add_transfer(lane, move, &sent[lane - lanes->list]);
	}
	for (size_t i = 0; i < lanes->count; i++) {
		struct lane *lane = &lanes->list[i];

		totals.transfers += lane->link.transfers;
		learn(lane, &sent[i], now_ms);
		widen(&lane->interactive, sent[i].taken, now_ms);
		widen(&lane->others, sent[i].taken, now_ms);
		measure(lane, moves, now_ms);
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
