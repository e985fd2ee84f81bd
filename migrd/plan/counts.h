/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/counts.h -- how many members of a set are at a place: a table of what is not 0.  Private to
 * the planner. */
#ifndef MIGRD_PLAN_COUNTS_H
#define MIGRD_PLAN_COUNTS_H

#include <stdint.h>

struct counts_slot {
	uint64_t key;
	uint32_t count; /* 0: free */
};

struct counts {
	struct counts_slot *slots;
	uint32_t mask;
};

/* For at most MAX members in all sets together. */
void counts_init(struct counts *counts, uint32_t max);
void counts_fini(struct counts *counts);
uint32_t counts_get(const struct counts *counts, uint32_t set, uint32_t place);
void counts_add(struct counts *counts, uint32_t set, uint32_t place);
/* There is one. */
void counts_sub(struct counts *counts, uint32_t set, uint32_t place);

#endif
