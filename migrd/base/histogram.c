/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/histogram.h"

void histogram_add(struct histogram *histogram, const struct histogram_kind *kind, double value)
{
	size_t i = 0;

	while (i < kind->count && value > kind->bounds[i])
		i++;
	histogram->buckets[i == kind->count ? HISTOGRAM_BOUNDS_MAX : i]++;
	histogram->count++;
	histogram->sum += value;
}
