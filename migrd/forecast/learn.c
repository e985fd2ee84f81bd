/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast/learn.h"

#include <math.h>

/* By how much the time of a move is uncertain, in seconds and as a share: hosts do other things
 * too. By how much the assumed scan is. */
#define TIME_SPREAD_S 0.1
#define TIME_SPREAD   0.1
#define SCAN_SPREAD   8.0
/* The scan is no further than that from what is assumed. */
#define SCAN_FACTOR 40
/* A move that was nearly all zero tells nothing of the link. */
#define LINK_SHARE 0.25

double forecast_learn_zero(const struct forecast_sent *list, unsigned count)
{
	const double assumed = 1 / FORECAST_ZERO_BYTES_PER_S; /* seconds a byte */
	const double prior = pow(1 / (SCAN_SPREAD * assumed), 2);
	double bb = 0, bz = 0, zz = prior, bt = 0, zt = prior * assumed, scan, link;

	for (unsigned i = 0; i < count; i++) {
		const struct forecast_sent *sent = &list[i];
		double weight = pow(TIME_SPREAD_S + TIME_SPREAD * sent->seconds, -2);

		bb += weight * sent->bytes * sent->bytes;
		bz += weight * sent->bytes * sent->zero_bytes;
		zz += weight * sent->zero_bytes * sent->zero_bytes;
		bt += weight * sent->bytes * sent->seconds;
		zt += weight * sent->zero_bytes * sent->seconds;
	}
	if (bb * zz - bz * bz <= 0)
		return FORECAST_ZERO_BYTES_PER_S; /* nothing was sent */
	scan = (bb * zt - bz * bt) / (bb * zz - bz * bz);
	link = (bt - bz * scan) / bb;
	if (link <= 0)
		return FORECAST_ZERO_BYTES_PER_S;
	return 1 / fmin(fmax(scan, assumed / SCAN_FACTOR), assumed * SCAN_FACTOR);
}

double forecast_link_of(const struct forecast_sent *sent, double zero_bytes_per_s)
{
	double seconds = sent->seconds - sent->zero_bytes / zero_bytes_per_s;

	return seconds > sent->seconds * LINK_SHARE ? sent->bytes / seconds : 0;
}
