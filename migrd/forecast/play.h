/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forecast/play.h -- one way that a move may go, played through; private to the forecast.  Pure. */
#ifndef MIGRD_FORECAST_PLAY_H
#define MIGRD_FORECAST_PLAY_H

#include "forecast/forecast.h"

/* What is played through: one end of what is known, or the middle. */
struct play {
	const struct forecast_input *input;
	double link, rate, set, nonzero; /* bytes, bytes a second */
	const struct forecast_costs *costs;
	/* results */
	bool has_ended;
	double seconds, bytes, blackout_s, left;
	unsigned passes;
};

/* The bytes a second that the passes get. */
double play_bandwidth(const struct play *play);
/* Fills the results, which are 0 before. */
void play_all(struct play *play);

#endif
