/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/nearest.h -- "did you mean": the known word nearest to a wrong one.
 *
 *   struct nearest n = { .word = "memory_mb" };
 *   for each known word: nearest_offer(&n, known);
 *   n.best: the nearest, or NULL when none is near.
 *
 * Thread: any. */
#ifndef MIGRD_BASE_NEAREST_H
#define MIGRD_BASE_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *word;
	const char *best; /* one of those offered */
	size_t distance;  /* of best */
};

void nearest_offer(struct nearest *nearest, const char *known);

#endif
