/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast/learn.h"

#include <math.h>
#include <stdbool.h>

/* By how much the time of a move is uncertain, in seconds and as a share: what the link gives
 * varies, and hosts do other things too. */
#define TIME_SPREAD_S 0.05
#define TIME_SPREAD   0.2
/* By which factor the assumed scan is. */
#define SCAN_SPREAD 3.0
/* So many are tried between the bounds: each is a tenth faster than the one before. */
#define SCAN_STEPS 43
/* A move in which that took more of its time tells nothing of the link, nor does one that was over
 * in less than QEMU and the clock are exact to. */
#define ZERO_SHARE_MAX 0.5
#define SECONDS_MIN    0.02

static double weight(const struct forecast_sent *sent)
{
	return pow(TIME_SPREAD_S + TIME_SPREAD * sent->seconds, -2);
}

/* How unlikely the moves are with that scan, and the link that suits it best.  INFINITY: none
 * does. */
static double unlikely(const struct forecast_sent *list, unsigned count, double scan)
{
	double bb = 0, bt = 0,
	       sum = pow(log(scan / FORECAST_ZERO_BYTES_PER_S) / log(SCAN_SPREAD), 2);

	for (unsigned i = 0; i < count; i++) {
		bb += weight(&list[i]) * list[i].bytes * list[i].bytes;
		bt += weight(&list[i]) * list[i].bytes *
		      (list[i].seconds - list[i].zero_bytes / scan);
	}
	if (bb <= 0 || bt <= 0)
		return INFINITY;
	for (unsigned i = 0; i < count; i++) {
		double said = list[i].zero_bytes / scan + list[i].bytes * bt / bb;

		sum += weight(&list[i]) * pow(list[i].seconds - said, 2);
	}
	return sum;
}

double forecast_learn_zero(const struct forecast_sent *list, unsigned count)
{
	const double step = pow(FORECAST_ZERO_MAX / FORECAST_ZERO_MIN, 1.0 / SCAN_STEPS);
	double ret = FORECAST_ZERO_BYTES_PER_S, least = unlikely(list, count, ret);

	for (int i = 0; i <= SCAN_STEPS; i++) {
		double scan = fmin(FORECAST_ZERO_MIN * pow(step, i), FORECAST_ZERO_MAX);
		double is = unlikely(list, count, scan);

		if (is < least) {
			least = is;
			ret = scan;
		}
	}
	return ret;
}

double forecast_link_of(const struct forecast_sent *sent, double zero_bytes_per_s)
{
	double seconds = sent->seconds - sent->zero_bytes / zero_bytes_per_s;
	bool is_told = seconds >= SECONDS_MIN && seconds >= sent->seconds * (1 - ZERO_SHARE_MAX);

	return is_told ? sent->bytes / seconds : 0;
}
