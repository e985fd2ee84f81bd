/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "converge/history.h"

#include <string.h>

/* A link that has become slow must not hide that for longer. */
#define PASS_MAX_MS 5000
/* Rates are of so much time, or of so many passes. */
#define RATE_MS     1000
#define RATE_PASSES 4

static void begin_pass(struct converge_history *history, const struct converge_look *look)
{
	history->began = history->last = *look;
	history->dirty_bytes = 0;
	history->has_begun = true;
}

static void push(struct converge_history *history, const struct converge_pass *pass)
{
	if (history->count == CONVERGE_PASSES_MAX)
		memmove(history->passes, history->passes + 1,
			--history->count * sizeof(history->passes[0]));
	history->passes[history->count++] = *pass;
}

static bool is_over(const struct converge_look *began, const struct converge_look *look)
{
	return look->visited_bytes - began->visited_bytes >= began->left_bytes / 2 ||
	       look->at_ms - began->at_ms >= PASS_MAX_MS;
}

bool converge_history_add(struct converge_history *history, const struct converge_look *look)
{
	const struct converge_look began = history->began, last = history->last;

	/* A QEMU that has begun anew counts from nothing. */
	if (!history->has_begun || look->at_ms < last.at_ms || look->sent_bytes < last.sent_bytes ||
	    look->visited_bytes < last.visited_bytes) {
		begin_pass(history, look);
		return false;
	}
	history->dirty_bytes += look->dirty_bytes_per_s * (look->at_ms - last.at_ms) / 1000;
	history->last = *look;
	if (look->at_ms == began.at_ms || !is_over(&began, look))
		return false;
	push(history, &(struct converge_pass){ .began_ms = began.at_ms,
					       .ended_ms = look->at_ms,
					       .sent_bytes = look->sent_bytes - began.sent_bytes,
					       .left_bytes = look->left_bytes,
					       .dirty_bytes = history->dirty_bytes,
					       .throttle_percent = began.throttle_percent });
	begin_pass(history, look);
	return true;
}

static uint64_t per_s(uint64_t bytes, uint64_t ms)
{
	uint64_t rate = ms ? bytes * 1000 / ms : 0;

	return rate ? rate : 1;
}

struct converge_rates converge_rates(const struct converge_history *history, size_t count)
{
	uint64_t ms = 0, sent = 0, dirty = 0;

	for (size_t i = 0; i < count && i < RATE_PASSES && ms < RATE_MS; i++) {
		const struct converge_pass *pass = &history->passes[count - 1 - i];

		ms += pass->ended_ms - pass->began_ms;
		sent += pass->sent_bytes;
		dirty += pass->dirty_bytes;
	}
	return (struct converge_rates){ per_s(sent, ms), per_s(dirty, ms) };
}

uint64_t converge_least_left(const struct converge_history *history)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < history->count; i++) {
		if (history->passes[i].left_bytes < least)
			least = history->passes[i].left_bytes;
	}
	return least;
}
