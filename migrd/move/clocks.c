/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/clocks.h"

uint64_t clocks_error_us(const struct clocks *clocks, uint64_t now_us)
{
	uint64_t age_us = now_us > clocks->at_us ? now_us - clocks->at_us : clocks->at_us - now_us;

	return clocks->error_us + age_us / 1000000 * CLOCKS_DRIFT_PPM +
	       age_us % 1000000 * CLOCKS_DRIFT_PPM / 1000000;
}

static uint64_t distance(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

void clocks_note(struct clocks *clocks, const struct clocks_sample *sample)
{
	uint64_t half_us = sample->round_trip_us / 2;
	const struct clocks new = {
		.is_known = true,
		.ahead_us = sample->there_us - sample->asked_us - (int64_t)half_us,
		.error_us = half_us + 1, /* the halves of a microsecond */
		.at_us = sample->at_us,
	};
	uint64_t old_error_us = clocks_error_us(clocks, sample->at_us);

	if (!clocks->is_known || new.error_us <= old_error_us ||
	    distance(new.ahead_us, clocks->ahead_us) > new.error_us + old_error_us)
		*clocks = new;
}
