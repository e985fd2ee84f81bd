/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/totals.h -- how the moves of this host went that this run of migrd has brought to their end.
 * Thread: any (pure). */
#ifndef MIGRD_MOVE_TOTALS_H
#define MIGRD_MOVE_TOTALS_H

#include "base/histogram.h"

/* In seconds; totals_ratio and totals_error have no unit. */
extern const struct histogram_kind totals_blackout, totals_outage, totals_duration, totals_ratio,
	totals_error;

enum totals_result {
	TOTALS_DONE,
	TOTALS_FAILED,
	TOTALS_CANCELLED,
	TOTALS_LOST, /* the guest is nowhere any more */
	TOTALS_RESULT_COUNT
};
extern const char *const totals_result_names[TOTALS_RESULT_COUNT];

enum totals_mode {
	TOTALS_PRECOPY,
	TOTALS_POSTCOPY, /* the guest ran on before all of its memory was there */
	TOTALS_STOPPED,  /* it did not run */
	TOTALS_MODE_COUNT
};
extern const char *const totals_mode_names[TOTALS_MODE_COUNT];

struct move_totals {
	uint64_t out[TOTALS_RESULT_COUNT][TOTALS_MODE_COUNT];
	uint64_t in[TOTALS_RESULT_COUNT][TOTALS_MODE_COUNT];
	/* Of moves away that ended well. */
	struct histogram blackout, outage, duration;
	struct histogram of_limit; /* the blackout by the downtime limit, as it was asked for */
	/* By how much their forecasts were missed: |said / was - 1|. */
	struct histogram duration_error, blackout_error;
};

#endif
