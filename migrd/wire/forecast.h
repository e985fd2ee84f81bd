/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/forecast.h -- what a move will be like, said before it begins; it is shown, and kept with
 * the move.  migrd/forecast makes it.  Thread: any. */
#ifndef MIGRD_WIRE_FORECAST_H
#define MIGRD_WIRE_FORECAST_H

#include "base/json.h"

#define FORECAST_SUMMARY_SIZE 320

struct forecast_value {
	uint64_t expected, low, high;
};

enum forecast_convergence {
	FORECAST_CONVERGES,
	FORECAST_MAY_CONVERGE, /* with the better end of what is known, or with the worse */
	FORECAST_NEVER_CONVERGES,
};

enum forecast_mode { FORECAST_PRECOPY, FORECAST_POSTCOPY, FORECAST_STILL };

/* What it was made of. */
struct forecast_basis {
	uint64_t memory_bytes, nonzero_bytes, resident_bytes;
	bool has_dirty; /* the guest's writes were sampled */
	uint64_t dirty_set_bytes, dirty_bytes_per_s, dirty_age_ms;
	/* as sampled: so much was changed in so long */
	uint64_t dirty_short_ms, dirty_short_bytes, dirty_long_ms, dirty_long_bytes;
	bool has_link; /* earlier moves have measured it, or a probe */
	bool link_was_probed;
	uint64_t link_bytes_per_s, link_age_ms, link_moves;
	uint64_t small_bytes_per_s; /* what small moves got; 0: not known, or this one is not small
				     */
	uint64_t zero_bytes_per_s; /* 0: earlier moves do not tell */
	uint64_t pace_percent;     /* likewise */
	uint64_t disk_bytes, disk_write_bytes_per_s;
	uint64_t disk_bytes_per_s;                /* 0: earlier moves do not tell */
	uint64_t limit_bytes_per_s;               /* that is known before the move; 0: none */
	uint64_t prepare_ms, handover_ms, end_ms; /* what a move takes beside its data */
	uint64_t disk_ms;                         /* 0: no disks, or not known */
};

struct forecast {
	int converges; /* enum forecast_convergence */
	int mode;      /* enum forecast_mode */
	struct forecast_value duration_ms, blackout_ms, bytes, passes;
	char summary[FORECAST_SUMMARY_SIZE];
	struct forecast_basis basis;
};

extern const struct json_field forecast_fields[];

#endif
