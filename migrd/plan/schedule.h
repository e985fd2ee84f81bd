/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/schedule.h -- the moves of a plan in time, for an order of them.  Private to the planner. */
#ifndef MIGRD_PLAN_SCHEDULE_H
#define MIGRD_PLAN_SCHEDULE_H

#include "plan/priv.h"

#define SCHEDULE_BESIDE_S 1.0 /* of a move, beside its data */

struct schedule;

struct schedule *schedule_new(struct plan *plan);
void schedule_free(struct schedule *schedule);
/* Plays the moves in ORDER, which are numbers of theirs; their times are set.  Returns when the
 * last one ends.  TO_IDLE: moves to hosts that receive nothing go first, whatever the order. */
double schedule_play(struct schedule *schedule, const uint32_t *order, bool to_idle);
/* What HOST had at most when that was played. */
const struct plan_use *schedule_worst(const struct schedule *schedule, uint32_t host);
/* No order is faster. */
double schedule_bound_s(const struct schedule *schedule);
/* How long a move takes if it shares no link. */
double schedule_alone_s(const struct plan_cluster *cluster, const struct plan_move *move);

#endif
