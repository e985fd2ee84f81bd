/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/totals.h -- how the moves away from this host went since the daemon was started, as the
 * histograms of GET /metrics.  Thread: any (pure). */
#ifndef MIGRD_MOVE_TOTALS_H
#define MIGRD_MOVE_TOTALS_H

#include <stddef.h>
#include <stdint.h>

#define TOTALS_BOUNDS_MAX 12

/* What the values of one kind are sorted into. */
struct totals_kind {
	double bounds[TOTALS_BOUNDS_MAX]; /* upper ones, rising, in seconds */
	size_t count;
};
extern const struct totals_kind totals_blackout, totals_outage, totals_duration;

struct totals_histogram {
	uint64_t buckets[TOTALS_BOUNDS_MAX + 1]; /* of each bound alone; the last one: above all */
	uint64_t count;
	double sum_s;
};

/* Of moves that ended well, as their source. */
struct move_totals {
	struct totals_histogram blackout, outage, duration;
};

void totals_add(struct totals_histogram *histogram, const struct totals_kind *kind, double s);

#endif
