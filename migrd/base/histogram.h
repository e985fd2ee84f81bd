/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/histogram.h -- how many values were how large, as GET /metrics tells it.
 *
 * Thread: any (pure); one owner at a time. */
#ifndef MIGRD_BASE_HISTOGRAM_H
#define MIGRD_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 12

/* What the values of one kind are sorted into. */
struct histogram_kind {
	double bounds[HISTOGRAM_BOUNDS_MAX]; /* upper ones, rising, in the unit of the values */
	size_t count;
};

struct histogram {
	uint64_t buckets[HISTOGRAM_BOUNDS_MAX + 1]; /* of each bound alone; the last: above all */
	uint64_t count;
	double sum;
};

/* VALUE is 0 or more. */
void histogram_add(struct histogram *histogram, const struct histogram_kind *kind, double value);

#endif
