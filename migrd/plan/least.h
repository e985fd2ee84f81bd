/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/least.h -- an imbalance below which no plan gets.  Private to the planner. */
#ifndef MIGRD_PLAN_LEAST_H
#define MIGRD_PLAN_LEAST_H

#include "plan/priv.h"

/* From STATE, with at most so many moves and bytes as WANTED has. */
double least_imbalance(const struct plan_state *state, const struct plan_balance *wanted);

#endif
