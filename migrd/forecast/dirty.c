/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "forecast/forecast.h"

/* QEMU compares one page of so much memory (4096 of a GiB: vm/dirty.c), and tells whole MiB a
 * second. */
#define SAMPLE_BYTES 262144.0
#define RATE_STEP    1048576.0
/* What differs by less than so many standard deviations is taken to be the same. */
#define SAME_DEVIATIONS 1.5
/* Nor is it the end of a set if hardly more was seen in the longer time. */
#define SAME_GROWTH 1.15
/* A set that was full in the shorter time may have been so for long: it is taken to have been
 * filled three times meanwhile. */
#define FULL_X 3.0
/* By how much a set may be larger than it seems. */
#define SET_HIGH 1.3

/* Of bytes that were seen to be changed in a time; of a rate that was rounded down. */
static double variance(double bytes, double seconds)
{
	return SAMPLE_BYTES * bytes + pow(seconds * RATE_STEP, 2) / 12;
}

/* The two grow as the times do, as far as so few samples tell. */
static bool is_steady(const struct forecast_sample *sample)
{
	double ratio = sample->long_s / sample->short_s;
	double spread = sqrt(ratio * ratio * variance(sample->short_bytes, sample->short_s) +
			     variance(sample->long_bytes, sample->long_s));
	double missing = ratio * sample->short_bytes - sample->long_bytes;

	return missing <= 0 || (missing <= SAME_DEVIATIONS * spread &&
				sample->long_bytes > SAME_GROWTH * sample->short_bytes);
}

static double fit_x(double ratio, double growth)
{
	double low = 1e-6, high = FULL_X;

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

struct forecast_dirty forecast_fit_dirty(const struct forecast_sample *sample, double room)
{
	struct forecast_dirty ret = { .is_known = true, .sample = *sample };
	double ratio = sample->long_s / sample->short_s, seen = sample->long_bytes, x;

	if (sample->long_bytes <= 0)
		return ret;
	if (is_steady(sample)) {
		ret.is_steady = true;
		ret.bytes_per_s = (sample->short_bytes + sample->long_bytes) /
				  (sample->short_s + sample->long_s);
		ret.set_bytes = ret.set_high_bytes = fmax(room, seen);
		return ret;
	}
	seen = fmax(seen, (sample->short_bytes + seen) / 2);
	x = fit_x(ratio, fmax(sample->long_bytes / sample->short_bytes, 1));
	ret.set_bytes = fmin(seen / -expm1(-x * ratio), fmax(room, seen));
	ret.set_high_bytes = fmin(ret.set_bytes * SET_HIGH, fmax(room, ret.set_bytes));
	ret.bytes_per_s = x * ret.set_bytes / sample->short_s;
	return ret;
}

double forecast_dirty_after(const struct forecast_dirty *dirty, double seconds, double at_random)
{
	double set = dirty->set_bytes, rate = dirty->bytes_per_s, known_s = dirty->sample.short_s;
	double random, line;

	if (set <= 0 || rate <= 0 || seconds <= 0)
		return 0;
	if (dirty->is_steady)
		return fmin(set, rate * seconds);
	random = set * -expm1(-rate * seconds / set);
	if (seconds >= known_s)
		return random;
	line = set * -expm1(-rate * known_s / set) * seconds / known_s;
	return at_random * random + (1 - at_random) * line;
}
