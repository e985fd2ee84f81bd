/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast/forecast.h"

#include <math.h>
#include <stdio.h>

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

/* ---- the guest's writes ------------------------------------------------------- */

static double fit_x(double ratio, double growth)
{
	double low = 1e-6, high = 50;

	for (int i = 0; i < 60; i++) {
		double x = (low + high) / 2;
		double seen = -expm1(-ratio * x) / -expm1(-x);

		if (seen > growth)
			low = x;
		else
			high = x;
	}
	return (low + high) / 2;
}

struct forecast_dirty forecast_fit_dirty(double t1_s, double dirty1, double t2_s, double dirty2,
					 double room)
{
	struct forecast_dirty ret = { .is_known = true };
	double ratio = t2_s / t1_s, growth = dirty1 > 0 ? dirty2 / dirty1 : ratio;
	double x;

	if (dirty2 <= 0)
		return ret;
	if (growth >= 0.9 * ratio) { /* no end of the set was seen */
		ret.bytes_per_s = dirty2 / t2_s;
		ret.set_bytes = ret.set_high_bytes = fmax(room, dirty2);
		return ret;
	}
	x = fit_x(ratio, fmax(growth, 1.0));
	ret.set_bytes = fmin(fmax(dirty2 / -expm1(-x * ratio), dirty2), fmax(room, dirty2));
	ret.set_high_bytes = fmin(ret.set_bytes * 1.3, fmax(room, ret.set_bytes));
	ret.bytes_per_s = x * ret.set_bytes / t1_s;
	return ret;
}

/* ---- what is known, and how well ------------------------------------------------- */

static double mean_of_moves(const struct forecast_input *input)
{
	double mean = 0;

	for (unsigned i = 0; i < input->link_moves; i++)
		mean += input->link_bytes_per_s[i] / input->link_moves;
	return mean;
}

/* Beside moves, a newer probe only tells that the link has become slower: that it is faster than
 * they got says nothing of QEMU. */
static bool is_by_probe(const struct forecast_input *input)
{
	if (input->probe_bytes_per_s <= 0 || !input->link_moves)
		return input->probe_bytes_per_s > 0;
	return input->probe_age_ms < input->link_age_ms && !input->probe_is_least &&
	       input->probe_bytes_per_s < mean_of_moves(input);
}

/* A newer probe that found no less than the moves got bears them out. */
static uint64_t link_age_ms(const struct forecast_input *input)
{
	bool bears_out = input->probe_bytes_per_s > 0 && input->probe_age_ms < input->link_age_ms &&
			 input->probe_bytes_per_s >= mean_of_moves(input);

	return is_by_probe(input) || bears_out ? input->probe_age_ms : input->link_age_ms;
}

static double age_spread(uint64_t age_ms)
{
	return LINK_SPREAD_AN_HOUR * (double)age_ms / 3600000;
}

static double link_spread(const struct forecast_input *input)
{
	double mean = mean_of_moves(input), widest = 0;

	for (unsigned i = 0; i < input->link_moves; i++)
		widest = fmax(widest, fabs(input->link_bytes_per_s[i] / mean - 1));
	return fmin(fmax(LINK_SPREAD, widest) + age_spread(link_age_ms(input)), LINK_SPREAD_MAX);
}

static double link_of(const struct forecast_input *input)
{
	if (is_by_probe(input))
		return input->probe_bytes_per_s;
	return input->link_moves ? mean_of_moves(input) : LINK_GUESS;
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

static double link_at(const struct forecast_input *input, enum end end)
{
	if (is_by_probe(input))
		return link_by_probe(input, end);
	if (!input->link_moves)
		return end == WORSE ? LINK_GUESS_LOW : end == BETTER ? LINK_GUESS_HIGH : LINK_GUESS;
	return link_of(input) * (1 - (int)end * link_spread(input));
}

/* A guest that was not sampled may write nothing, or all it has. */
static void set_dirty(struct play *play, enum end end)
{
	const struct forecast_dirty *dirty = &play->input->dirty;
	/* It was sampled at its full pace, and a move takes CPU time from it; in the worst case
	 * none. */
	double pace = play->input->pace > 0 ? play->input->pace : 1;

	if (play->input->is_still || (!dirty->is_known && end != WORSE))
		return;
	if (!dirty->is_known) {
		play->set = play->nonzero;
		play->rate = play->link;
	} else if (end == BETTER) {
		play->set = dirty->set_bytes * 0.85;
		play->rate = dirty->bytes_per_s * 0.75 * pace;
	} else if (end == WORSE) {
		play->set = dirty->set_high_bytes;
		play->rate = dirty->bytes_per_s * 1.5;
	} else {
		play->set = dirty->set_bytes;
		play->rate = dirty->bytes_per_s * pace;
	}
}

static struct play play_at(const struct forecast_input *input, enum end end)
{
	struct play play = {
		.input = input,
		.link = link_at(input, end),
		.nonzero = (double)input->nonzero_bytes * (end == BETTER ? 0.9 : 1),
		.costs = end == BETTER  ? &input->costs_low
			 : end == WORSE ? &input->costs_high
					: &input->costs,
	};

	set_dirty(&play, end);
	play_all(&play);
	return play;
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
		.has_link = input->link_moves > 0 || is_by_probe(input),
		.link_bytes_per_s = (uint64_t)link_of(input),
		.link_age_ms = link_age_ms(input),
		.link_moves = is_by_probe(input) ? 0 : input->link_moves,
		.link_was_probed = is_by_probe(input),
		.disk_bytes = input->disk_bytes,
		.disk_write_bytes_per_s = input->disk_write_bytes_per_s,
		.zero_bytes_per_s = (uint64_t)input->zero_bytes_per_s,
		.pace_percent = (uint64_t)llround(input->pace * 100),
		.prepare_ms = (uint64_t)input->costs.prepare_ms,
		.handover_ms = (uint64_t)input->costs.handover_ms,
		.end_ms = (uint64_t)input->costs.end_ms,
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
	double rate = play_bandwidth(play);

	if (input->disk_bytes && (double)input->disk_write_bytes_per_s >= rate)
		snprintf(ret->summary, sizeof(ret->summary),
			 "the guest writes %.0f MiB/s to its local disks, and %.0f MiB/s can be "
			 "sent: the copy never ends; raise the bandwidth, or limit the guest's "
			 "writes",
			 mib((double)input->disk_write_bytes_per_s), mib(rate));
	else
		snprintf(ret->summary, sizeof(ret->summary),
			 "does not converge: after each pass %.0f MiB are changed again, and %.0f "
			 "MiB/s can be sent; ask with postcopy, with auto_converge, with more "
			 "bandwidth, or with a downtime_limit_ms of %.0f",
			 mib(play->left), mib(rate), ceil(play->left / rate * 1.2 * 1000));
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
	snprintf(ret->summary, sizeof(ret->summary),
		 "takes about %.1f s (%.1f to %.1f)%s, of which the guest stands still for %llu ms "
		 "(%llu to %llu), and sends %.0f MiB%s%s",
		 (double)ret->duration_ms.expected / 1000, (double)ret->duration_ms.low / 1000,
		 (double)ret->duration_ms.high / 1000,
		 middle->input->is_held ? " beside the time for which it is held" : "",
		 (unsigned long long)ret->blackout_ms.expected,
		 (unsigned long long)ret->blackout_ms.low,
		 (unsigned long long)ret->blackout_ms.high, mib((double)ret->bytes.expected),
		 ret->converges == FORECAST_MAY_CONVERGE
			 ? "; it may not converge: watch it, or ask with postcopy or auto_converge"
			 : "",
		 not_known);
}

void forecast_make(const struct forecast_input *input, struct forecast *ret)
{
	struct play better = play_at(input, BETTER), middle = play_at(input, MIDDLE),
		    worse = play_at(input, WORSE);
	const enum forecast_convergence converges = convergence(&better, &middle, &worse);

	if (converges == FORECAST_MAY_CONVERGE && !middle.has_ended)
		middle = better; /* what it is like if it comes to its end */
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
	fill_basis(input, &ret->basis);
	say(&middle, ret);
}
