/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/totals.h"

const struct totals_kind totals_blackout = {
	.bounds = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 },
	.count = 10,
};
const struct totals_kind totals_outage = {
	.bounds = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 },
	.count = 10,
};
const struct totals_kind totals_duration = {
	.bounds = { 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600 },
	.count = 11,
};

void totals_add(struct totals_histogram *histogram, const struct totals_kind *kind, double s)
{
	size_t i = 0;

	while (i < kind->count && s > kind->bounds[i])
		i++;
	histogram->buckets[i]++;
	histogram->count++;
	histogram->sum_s += s;
}
