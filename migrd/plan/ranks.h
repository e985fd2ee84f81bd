/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/ranks.h -- the hosts in service, from the emptiest to the fullest, as VMs see them: one that
 * has much load for its memory looks for a host with little load, another for one with much memory
 * free.  Private to the planner.
 *
 * A direction is a weight of memory and one of load.  The order is of the moment in which it was
 * made or refreshed.
 */
#ifndef MIGRD_PLAN_RANKS_H
#define MIGRD_PLAN_RANKS_H

#include "plan/priv.h"

#define RANKS_DIRECTIONS 16 /* all around; what a VM adds is in the first quarter */

struct ranks {
	uint32_t count; /* of hosts */
	uint32_t *lists[RANKS_DIRECTIONS];
	double *keys;                /* of each host, while a list is sorted */
	double mem_least, cpu_least; /* use of the emptiest, as shares */
};

/* Hosts that are held are not among them. */
void ranks_init(struct ranks *ranks, const struct plan_state *state);
void ranks_fini(struct ranks *ranks);
void ranks_refresh(struct ranks *ranks, const struct plan_state *state);
/* For a VM with such shares of all memory and of all load. */
const uint32_t *ranks_for(const struct ranks *ranks, double mem, double cpu);

#endif
