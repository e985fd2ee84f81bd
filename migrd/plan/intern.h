/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/intern.h -- names become numbers, from 0 in the order of their first mention.  Names are
 * borrowed.  Private to the planner. */
#ifndef MIGRD_PLAN_INTERN_H
#define MIGRD_PLAN_INTERN_H

#include <stddef.h>
#include <stdint.h>

/* Two parts, since a label has a key and a value; the second may be NULL. */
struct intern_name {
	const char *first, *second;
};

struct intern {
	struct intern_name *names;
	uint32_t count, size; /* of names */
	uint32_t *slots;      /* number + 1; 0: free */
	uint32_t slot_count;  /* a power of two */
};

void intern_fini(struct intern *intern);
/* The number of the name; a new one if it has none. */
uint32_t intern_add(struct intern *intern, const char *first, const char *second);
/* PLAN_NOWHERE: it has none. */
uint32_t intern_find(const struct intern *intern, const char *first, const char *second);

#endif
