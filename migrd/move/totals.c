/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/totals.h"

const struct histogram_kind totals_blackout = {
	.bounds = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 },
	.count = 10,
};
const struct histogram_kind totals_outage = {
	.bounds = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 },
	.count = 10,
};
const struct histogram_kind totals_duration = {
	.bounds = { 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600 },
	.count = 11,
};
const struct histogram_kind totals_ratio = {
	.bounds = { 0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 5, 10 },
	.count = 10,
};
const struct histogram_kind totals_error = {
	.bounds = { 0.02, 0.05, 0.08, 0.15, 0.3, 0.5, 1, 2 },
	.count = 8,
};

const char *const totals_result_names[TOTALS_RESULT_COUNT] = {
	[TOTALS_DONE] = "done",
	[TOTALS_FAILED] = "failed",
	[TOTALS_CANCELLED] = "cancelled",
	[TOTALS_LOST] = "lost",
};

const char *const totals_mode_names[TOTALS_MODE_COUNT] = {
	[TOTALS_PRECOPY] = "precopy",
	[TOTALS_POSTCOPY] = "postcopy",
	[TOTALS_STOPPED] = "stopped",
};
