/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/trace.h -- records in order what the code under test did to the world.
 *
 * A line for each act: "disk transfer", "qmp migrate", "peer go run", "stream kill".
 * Questions (query-...) are left out, because they change nothing.
 */
#ifndef MIGRD_TESTS_LIB_TRACE_H
#define MIGRD_TESTS_LIB_TRACE_H

#include <stdbool.h>
#include <stddef.h>

void trace_add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trace_clear(void);
/* How many lines are WHAT, or begin with WHAT and a space. */
size_t trace_count(const char *what);
/* The lines since the last trace_clear() are exactly these; ended by NULL. */
void trace_assert(const char *first, ...) __attribute__((sentinel));
void trace_assert_empty(void);
/* There is a line FIRST, and no line THEN before it. */
void trace_assert_order(const char *first, const char *then);

#endif
