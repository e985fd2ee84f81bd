/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast/forecast.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "forecast/play.h"

/* A link that nobody has measured: one of 1 Gbit/s, and what else there may be. */
#define LINK_GUESS      117.0e6
#define LINK_GUESS_LOW  11.0e6
#define LINK_GUESS_HIGH 1.2e9
/* How far the link may be from what was measured: now, and more with each hour since. */
#define LINK_SPREAD         0.10
#define LINK_SPREAD_AN_HOUR 0.02
#define LINK_SPREAD_MAX     0.60
/* What a move may get of what a probe got. */
#define PROBE_WORSE        0.50
#define PROBE_BETTER       1.10
#define PROBE_BETTER_LEAST 4.00
/* How much faster a guest may write than it did when it was sampled. */
#define DIRTY_WORSE 1.5
/* What a small move gets of the link, before some have shown it. */
#define SMALL_SHARE       0.6
#define SMALL_SHARE_WORST 0.3
/* So many earlier forecasts tell how far the next may be missed: as far as this part of them. */
#define MISSED_MIN   4
#define MISSED_SHARE 0.85
/* So many steps are looked at between what comes to its end and what does not. */
#define END_STEPS 4

/* ---- what is known, and how well ------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The middle of them, so that one move on a busy host does not count; of two in the middle that of
 * their times. */
static double middle_of_moves(const struct forecast_input *input)
{
	double rates[FORECAST_LINK_MOVES];
	const unsigned count = input->link_moves;

	if (!count)
		return 0;
	memcpy(rates, input->link_bytes_per_s, sizeof(rates));
	qsort(rates, count, sizeof(*rates), compare);
	return 2 / (1 / rates[count / 2] + 1 / rates[(count - 1) / 2]);
}

/* Beside moves, a newer probe only tells that the link has become slower: that it is faster than
 * they got says nothing of QEMU. */
static bool is_by_probe(const struct forecast_input *input)
{
	if (input->probe_bytes_per_s <= 0 || !input->link_moves)
		return input->probe_bytes_per_s > 0;
	return input->probe_age_ms < input->link_age_ms && !input->probe_is_least &&
	       input->probe_bytes_per_s < middle_of_moves(input);
}

/* A newer probe that found no less than the moves got bears them out. */
static uint64_t link_age_ms(const struct forecast_input *input)
{
	bool bears_out = input->probe_bytes_per_s > 0 && input->probe_age_ms < input->link_age_ms &&
			 input->probe_bytes_per_s >= middle_of_moves(input);

	return is_by_probe(input) || bears_out ? input->probe_age_ms : input->link_age_ms;
}

static double age_spread(uint64_t age_ms)
{
	return LINK_SPREAD_AN_HOUR * (double)age_ms / 3600000;
}

static double link_spread(const struct forecast_input *input)
{
	double middle = middle_of_moves(input), widest = 0;

	for (unsigned i = 0; i < input->link_moves; i++)
		widest = fmax(widest, fabs(input->link_bytes_per_s[i] / middle - 1));
	return fmin(fmax(LINK_SPREAD, widest) + age_spread(link_age_ms(input)), LINK_SPREAD_MAX);
}

static double link_of(const struct forecast_input *input)
{
	if (is_by_probe(input))
		return input->probe_bytes_per_s;
	return input->link_moves ? middle_of_moves(input) : LINK_GUESS;
}

enum end { BETTER = -1, MIDDLE = 0, WORSE = 1 };

/* QEMU may be slower than the link, and TCP may become faster than it was in so short a time. */
static double link_by_probe(const struct forecast_input *input, enum end end)
{
	double age = fmin(age_spread(input->probe_age_ms), LINK_SPREAD_MAX);

	if (end == WORSE)
		return input->probe_bytes_per_s * PROBE_WORSE * (1 - age);
	if (end == BETTER)
		return input->probe_bytes_per_s *
		       ((input->probe_is_least ? PROBE_BETTER_LEAST : PROBE_BETTER) + age);
	return input->probe_bytes_per_s;
}

static double link_of_large(const struct forecast_input *input, enum end end)
{
	if (is_by_probe(input))
		return link_by_probe(input, end);
	if (!input->link_moves)
		return end == WORSE ? LINK_GUESS_LOW : end == BETTER ? LINK_GUESS_HIGH : LINK_GUESS;
	return link_of(input) * (1 - (int)end * link_spread(input));
}

/* What the small move got that sent about as much, or the slowest or fastest of them; 0: this one
 * is not small, or there was none. */
static double small_at(const struct forecast_input *input, enum end end)
{
	double nonzero = (double)input->nonzero_bytes, best = INFINITY, ret = 0;

	if (input->nonzero_bytes >= FORECAST_SMALL_BYTES)
		return 0;
	for (unsigned i = 0; i < input->small_moves; i++) {
		double rate = input->small_bytes_per_s[i];
		double rank = end == MIDDLE ? fabs(input->small_bytes[i] - nonzero)
					    : (double)(int)end * rate;

		if (rank < best) {
			best = rank;
			ret = rate;
		}
	}
	return ret;
}

static double link_at(const struct forecast_input *input, enum end end)
{
	static const double shares[] = { 1, SMALL_SHARE, SMALL_SHARE_WORST };
	double link = link_of_large(input, end), small = small_at(input, end);
	bool is_guess = !input->link_moves && !is_by_probe(input);

	if (small <= 0 && !is_guess && input->nonzero_bytes < FORECAST_SMALL_BYTES)
		return link * shares[end - BETTER];
	return small > 0 && (small < link || is_guess) ? small : link;
}

/* A guest that was not sampled may write nothing, or all it has.  One that was wrote at its full
 * pace, and a move takes CPU time from it; in the worst case none. */
static void set_dirty(struct play *play, enum end end)
{
	/* Most of what guests write in tenths of a second is in order. */
	static const double at_random[] = { 0, 1.0 / 3, 1 }, part_of_set[] = { 0.85, 1, 1 },
			    part_of_pace[] = { 0.75, 1, 1 };
	const struct forecast_input *input = play->input;
	size_t i = (size_t)(end - BETTER);

	if (input->is_still || (!input->dirty.is_known && end != WORSE))
		return;
	play->dirty = input->dirty;
	play->at_random = at_random[i];
	play->pace = part_of_pace[i] * (input->pace > 0 && end != WORSE ? input->pace : 1);
	if (!input->dirty.is_known) {
		play->dirty.set_bytes = play->nonzero;
		play->dirty.bytes_per_s = play->link;
		return;
	}
	play->dirty.set_bytes *= part_of_set[i];
	if (end == WORSE) {
		play->dirty.set_bytes = input->dirty.set_high_bytes;
		play->pace = DIRTY_WORSE;
	}
}

/* What is known, at one end of it. */
static struct play prepared(const struct forecast_input *input, enum end end)
{
	struct play play = {
		.input = input,
		.link = link_at(input, end),
		.still_link = fmax(link_of_large(input, end), link_at(input, end)),
		.nonzero = (double)input->nonzero_bytes * (end == BETTER ? 0.9 : 1),
		.costs = end == BETTER  ? &input->costs_low
			 : end == WORSE ? &input->costs_high
					: &input->costs,
	};

	set_dirty(&play, end);
	return play;
}

static struct play play_at(const struct forecast_input *input, enum end end)
{
	struct play play = prepared(input, end);

	play_all(&play);
	return play;
}

static double between(double from, double to, double share)
{
	return from + (to - from) * share;
}

/* TO, but so far on the way from there to FROM: what the guest writes, and all else. */
static bool ends_between(const struct forecast_input *input, enum end from, enum end to,
			 double writes, double rest, struct play *ret)
{
	const struct play a = prepared(input, from);
	struct forecast_dirty *dirty = &ret->dirty;

	*ret = prepared(input, to);
	ret->link = between(ret->link, a.link, rest);
	ret->still_link = between(ret->still_link, a.still_link, rest);
	ret->nonzero = between(ret->nonzero, a.nonzero, rest);
	ret->pace = between(ret->pace, a.pace, writes);
	ret->at_random = between(ret->at_random, a.at_random, writes);
	dirty->set_bytes = between(dirty->set_bytes, a.dirty.set_bytes, writes);
	dirty->bytes_per_s = between(dirty->bytes_per_s, a.dirty.bytes_per_s, writes);
	play_all(ret);
	return ret->has_ended;
}

/* The worst of what lies between the two that comes to its end; FROM does, and TO does not. */
static struct play worst_end(const struct forecast_input *input, enum end from, enum end to)
{
	struct play play;

	for (int step = 1; step <= END_STEPS; step++) {
		if (ends_between(input, from, to, (double)step / END_STEPS, 0, &play))
			return play;
	}
	for (int step = 1; step < END_STEPS; step++) {
		if (ends_between(input, from, to, 1, (double)step / END_STEPS, &play))
			return play;
	}
	return play_at(input, from);
}

/* ---- the answer ------------------------------------------------------------------ */

static struct forecast_value value_of(double middle, double one, double other)
{
	return (struct forecast_value){
		.expected = (uint64_t)llround(middle),
		.low = (uint64_t)llround(fmin(middle, fmin(one, other))),
		.high = (uint64_t)llround(fmax(middle, fmax(one, other))),
	};
}

/* As far from what was expected as all but a few of the earlier forecasts were; they are wider than
 * what was played if something was missed that is not known of. */
static void widen(struct forecast_value *value, const double *missed, unsigned count)
{
	double spread;

	if (count < MISSED_MIN)
		return;
	spread = missed[(unsigned)((count - 1) * MISSED_SHARE)];
	value->low = (uint64_t)fmin((double)value->low, (double)value->expected / spread);
	value->high = (uint64_t)fmax((double)value->high, ceil((double)value->expected * spread));
}

/* Of earlier forecasts, in order: each as a factor above 1. */
static void widen_all(const struct forecast_input *input, struct forecast *ret)
{
	double missed[3][FORECAST_MISSED_MOVES];
	struct forecast_value *values[] = { &ret->duration_ms, &ret->blackout_ms, &ret->bytes };
	unsigned count = input->missed_count;

	for (unsigned i = 0; i < count; i++) {
		const struct forecast_missed *of = &input->missed[i];

		missed[0][i] = fmax(of->duration, 1 / of->duration);
		missed[1][i] = fmax(of->blackout, 1 / of->blackout);
		missed[2][i] = fmax(of->bytes, 1 / of->bytes);
	}
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		qsort(missed[i], count, sizeof(*missed[i]), compare);
		widen(values[i], missed[i], count);
	}
}

static enum forecast_convergence convergence(const struct play *better, const struct play *middle,
					     const struct play *worse)
{
	if (better->has_ended && middle->has_ended && worse->has_ended)
		return FORECAST_CONVERGES;
	return better->has_ended || middle->has_ended ? FORECAST_MAY_CONVERGE
						      : FORECAST_NEVER_CONVERGES;
}

static void fill_basis(const struct forecast_input *input, struct forecast_basis *ret)
{
	*ret = (struct forecast_basis){
		.memory_bytes = input->memory_bytes,
		.nonzero_bytes = input->nonzero_bytes,
		.resident_bytes = input->resident_bytes,
		.has_dirty = input->dirty.is_known,
		.dirty_set_bytes = (uint64_t)input->dirty.set_bytes,
		.dirty_bytes_per_s = (uint64_t)input->dirty.bytes_per_s,
		.dirty_age_ms = input->dirty.age_ms,
		.dirty_short_ms = (uint64_t)(input->dirty.sample.short_s * 1000),
		.dirty_short_bytes = (uint64_t)input->dirty.sample.short_bytes,
		.dirty_long_ms = (uint64_t)(input->dirty.sample.long_s * 1000),
		.dirty_long_bytes = (uint64_t)input->dirty.sample.long_bytes,
		.has_link = input->link_moves > 0 || is_by_probe(input),
		.link_bytes_per_s = (uint64_t)link_of(input),
		.link_age_ms = link_age_ms(input),
		.link_moves = is_by_probe(input) ? 0 : input->link_moves,
		.link_was_probed = is_by_probe(input),
		.small_bytes_per_s = (uint64_t)small_at(input, MIDDLE),
		.disk_bytes = input->disk_bytes,
		.disk_write_bytes_per_s = input->disk_write_bytes_per_s,
		.disk_bytes_per_s = (uint64_t)input->disk_bytes_per_s,
		.limit_bytes_per_s = input->limit_bytes_per_s,
		.zero_bytes_per_s = (uint64_t)input->zero_bytes_per_s,
		.pace_percent = (uint64_t)llround(input->pace * 100),
		.prepare_ms = (uint64_t)input->costs.prepare_ms,
		.handover_ms = (uint64_t)input->costs.handover_ms,
		.end_ms = (uint64_t)input->costs.end_ms,
		.disk_ms = input->disk_bytes ? (uint64_t)input->costs.disk_ms : 0,
	};
}

static double mib(double bytes)
{
	return bytes / (1 << 20);
}

/* What the guest would have to bear for an end without other means: all that it has changed while
 * that was sent. */
static void say_no_end(const struct play *play, struct forecast *ret)
{
	const struct forecast_input *input = play->input;
	double rate = play_bandwidth(play), disk_rate = play_disk_bandwidth(play);

	if (input->disk_bytes && (double)input->disk_write_bytes_per_s >= disk_rate)
		snprintf(ret->summary, sizeof(ret->summary),
			 "the guest writes %.0f MiB/s to its local disks, and %.0f MiB/s can be "
			 "sent: the copy never ends; raise the bandwidth, or limit the guest's "
			 "writes",
			 mib((double)input->disk_write_bytes_per_s), mib(disk_rate));
	else
		snprintf(ret->summary, sizeof(ret->summary),
			 "does not converge: after each pass %.0f MiB are changed again, and %.0f "
			 "MiB/s can be sent; ask with postcopy, with auto_converge, with more "
			 "bandwidth, or with a downtime_limit_ms of %.0f",
			 mib(play->left), mib(rate), ceil(play->left / rate * 1.2 * 1000));
}

/* Adds to the sentence. */
__attribute__((format(printf, 2, 3))) static void add(struct forecast *ret, const char *fmt, ...)
{
	size_t len = strlen(ret->summary);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ret->summary + len, sizeof(ret->summary) - len, fmt, ap);
	va_end(ap);
}

/* The range is of a transfer that does. */
static void say_may_not(const struct forecast_input *input, struct forecast *ret)
{
	add(ret, "; it may not converge, and then goes on ");
	if (input->deadline_ms)
		add(ret, "for up to %llu s", (unsigned long long)(input->deadline_ms + 999) / 1000);
	else
		add(ret, "without end");
	add(ret, ": watch it, or ask with postcopy or auto_converge");
}

static void say(const struct play *middle, struct forecast *ret)
{
	const char *not_known =
		!ret->basis.has_link && !ret->basis.has_dirty
			? "; neither the link nor the guest's writes are known"
		: !ret->basis.has_link
			? "; the link is not known: no move and no probe has measured it"
		: !ret->basis.has_dirty && ret->mode != FORECAST_STILL
			? "; the guest's writes are not known"
			: "";

	if (!middle->has_ended) {
		say_no_end(middle, ret);
		return;
	}
	add(ret,
	    "takes about %.1f s (%.1f to %.1f)%s, of which the guest stands still for %llu ms "
	    "(%llu to %llu), and sends %.0f MiB",
	    (double)ret->duration_ms.expected / 1000, (double)ret->duration_ms.low / 1000,
	    (double)ret->duration_ms.high / 1000,
	    middle->input->is_held ? " beside the time for which it is held" : "",
	    (unsigned long long)ret->blackout_ms.expected, (unsigned long long)ret->blackout_ms.low,
	    (unsigned long long)ret->blackout_ms.high, mib((double)ret->bytes.expected));
	if (ret->converges == FORECAST_MAY_CONVERGE)
		say_may_not(middle->input, ret);
	add(ret, "%s", not_known);
}

void forecast_make(const struct forecast_input *input, struct forecast *ret)
{
	struct play better = play_at(input, BETTER), middle = play_at(input, MIDDLE),
		    worse = play_at(input, WORSE);
	const enum forecast_convergence converges = convergence(&better, &middle, &worse);

	/* What it is like if it comes to its end. */
	if (converges == FORECAST_MAY_CONVERGE) {
		bool is_expected = middle.has_ended;

		if (!is_expected)
			worse = worst_end(input, BETTER, MIDDLE);
		else if (!worse.has_ended)
			worse = worst_end(input, MIDDLE, WORSE);
		middle = is_expected ? middle : better;
		better = better.has_ended ? better : middle;
	}
	*ret = (struct forecast){
		.converges = (int)converges,
		.mode = input->is_still                             ? FORECAST_STILL
			: input->postcopy != FORECAST_POSTCOPY_NONE ? FORECAST_POSTCOPY
								    : FORECAST_PRECOPY,
		.duration_ms = value_of(middle.seconds * 1000, better.seconds * 1000,
					worse.seconds * 1000),
		.blackout_ms = value_of(middle.blackout_s * 1000, better.blackout_s * 1000,
					worse.blackout_s * 1000),
		.bytes = value_of(middle.bytes, better.bytes, worse.bytes),
		.passes = value_of(middle.passes, better.passes, worse.passes),
	};
	widen_all(input, ret);
	fill_basis(input, &ret->basis);
	say(&middle, ret);
}
