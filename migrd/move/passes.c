/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/passes.h"

#include <stdio.h>
#include <string.h>

#define RATE_MIN_MS 1000
#define RECENT_MS   500
#define TOP_MIN_MS  20

static struct move_pass *last_of(struct passes *passes)
{
	return passes->count ? &passes->rows[passes->count - 1] : NULL;
}

/* The figures of ROW up to SAMPLE. */
static void extend(struct move_pass *row, const struct passes_sample *sample)
{
	row->duration_ms = sample->at_ms - row->began_ms;
	if (sample->sent_bytes >= row->begun_at_bytes)
		row->sent_bytes = sample->sent_bytes - row->begun_at_bytes;
	if (sample->throttle_percent > row->throttle_percent)
		row->throttle_percent = sample->throttle_percent;
}

/* ---- room for one more ------------------------------------------------------------- */

static uint64_t mean(const struct move_pass *a, const struct move_pass *b)
{
	uint64_t ms = a->duration_ms + b->duration_ms;
	double sum = (double)a->dirty_pages_per_s * (double)a->duration_ms +
		     (double)b->dirty_pages_per_s * (double)b->duration_ms;

	return ms ? (uint64_t)(sum / (double)ms) : b->dirty_pages_per_s;
}

static void join(struct passes *passes, size_t i)
{
	struct move_pass *a = &passes->rows[i];
	const struct move_pass *b = a + 1;

	a->dirty_pages_per_s = mean(a, b);
	a->last = b->last;
	a->duration_ms += b->duration_ms;
	a->sent_bytes += b->sent_bytes;
	if (b->throttle_percent > a->throttle_percent)
		a->throttle_percent = b->throttle_percent;
	if (b->decision[0])
		memcpy(a->decision, b->decision, sizeof(a->decision));
	passes->count--;
	memmove(a + 1, a + 2, (passes->count - i - 1) * sizeof(*a));
}

/* Rows with a decision are joined last. */
static uint64_t cost(const struct move_pass *a)
{
	uint64_t decided = (a[0].decision[0] ? 1 : 0) + (a[1].decision[0] ? 1 : 0);

	return (decided << 48) + a[0].duration_ms + a[1].duration_ms;
}

static void make_room(struct passes *passes)
{
	size_t best = 0;

	if (passes->count < PASSES_MAX)
		return;
	for (size_t i = 1; i + 1 < passes->count; i++)
		if (cost(&passes->rows[i]) < cost(&passes->rows[best]))
			best = i;
	join(passes, best);
}

/* ---- samples ------------------------------------------------------------------------ */

static void begin(struct passes *passes, const struct passes_sample *sample)
{
	uint64_t first = passes->count ? last_of(passes)->last + 1 : 1;

	make_room(passes);
	passes->rows[passes->count++] = (struct move_pass){
		.first = first,
		.last = sample->pass,
		.began_ms = sample->at_ms,
		.begun_at_bytes = sample->sent_bytes,
		.to_send_bytes = sample->left_bytes,
		.dirty_pages_per_s = sample->dirty_pages_per_s,
		.throttle_percent = sample->throttle_percent,
	};
}

static void note_recent(struct passes *passes, const struct passes_sample *sample)
{
	size_t last = passes->recent_count;

	if (last && sample->sent_bytes < passes->recent[last - 1].sent_bytes)
		passes->recent_count = last = 0; /* it counts anew */
	if (last && sample->at_ms < passes->recent[last - 1].at_ms + RECENT_MS)
		return;
	if (last == PASSES_RECENT)
		memmove(passes->recent, passes->recent + 1, --last * sizeof(passes->recent[0]));
	passes->recent[last].at_ms = sample->at_ms;
	passes->recent[last].sent_bytes = sample->sent_bytes;
	passes->recent_count = last + 1;
}

void passes_note(struct passes *passes, const struct passes_sample *sample)
{
	struct move_pass *row = last_of(passes);

	if (!sample->pass ||
	    (row && (sample->pass < row->last || sample->at_ms < row->began_ms + row->duration_ms)))
		return;
	note_recent(passes, sample);
	if (row)
		extend(row, sample);
	if (row && sample->is_end) {
		row->last = sample->pass;
		return;
	}
	if (row && sample->pass > row->last) /* QEMU tells the rate of a pass at its end */
		row->dirty_pages_per_s = sample->dirty_pages_per_s;
	if (!row || sample->pass > row->last)
		begin(passes, sample);
}

static uint64_t per_s(uint64_t bytes, uint64_t ms)
{
	double rate = ms ? (double)bytes * 1000 / (double)ms : 0;

	return rate < 0x1p53 ? (uint64_t)rate : UINT64_C(1) << 53;
}

/* 0: not known, or nothing was sent. */
static uint64_t recent_bytes_per_s(const struct passes *passes)
{
	size_t last = passes->recent_count ? passes->recent_count - 1 : 0;
	uint64_t ms = passes->recent[last].at_ms - passes->recent[0].at_ms;

	if (ms < RATE_MIN_MS)
		return 0;
	return per_s(passes->recent[last].sent_bytes - passes->recent[0].sent_bytes, ms);
}

uint64_t passes_bytes_per_s(const struct passes *passes)
{
	uint64_t bytes = 0, ms = 0, recent = recent_bytes_per_s(passes);

	for (size_t i = passes->count; i > 0 && ms < RATE_MIN_MS; i--) {
		bytes += passes->rows[i - 1].sent_bytes;
		ms += passes->rows[i - 1].duration_ms;
	}
	return recent ? recent : per_s(bytes, ms);
}

uint64_t passes_top_bytes_per_s(const struct passes *passes)
{
	uint64_t top = 0;

	for (size_t i = 0; i + 1 < passes->count; i++) {
		const struct move_pass *row = &passes->rows[i];
		uint64_t rate = row->duration_ms < TOP_MIN_MS
					? 0
					: per_s(row->sent_bytes, row->duration_ms);

		top = rate > top ? rate : top;
	}
	return top;
}

void passes_decide(struct passes *passes, const char *decision)
{
	struct move_pass *row = last_of(passes);

	if (row)
		snprintf(row->decision, sizeof(row->decision), "%s", decision);
}
