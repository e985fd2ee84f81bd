/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forecast/play.h -- one way that a move may go, played through; private to the forecast.  Pure. */
#ifndef MIGRD_FORECAST_PLAY_H
#define MIGRD_FORECAST_PLAY_H

#include "forecast/forecast.h"

/* What is played through: one end of what is known, or the middle. */
struct play {
	const struct forecast_input *input;
	double link, still_link;     /* bytes a second, while the guest runs and when it does not */
	double nonzero;              /* bytes */
	struct forecast_dirty dirty; /* set_bytes 0: the guest writes nothing */
	double pace;                 /* of the guest, of that in which it was sampled */
	double at_random;            /* forecast_dirty_after() */
	const struct forecast_costs *costs;
	/* results */
	bool has_ended;
	double seconds, bytes, blackout_s, left;
	unsigned passes;
};

/* The bytes a second that the passes get. */
double play_bandwidth(const struct play *play);
/* The same of the copies of disks, while nothing else is sent. */
double play_disk_bandwidth(const struct play *play);
/* Fills the results, which are 0 before. */
void play_all(struct play *play);

#endif
