/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/fault.h -- named points at which a test build fails, waits or dies.
 *
 * MIGRD_FAULTS holds a comma-separated plan of
 *     POINT:ACTION[:after=N][:times=M][:ms=D][:held]
 * POINT is a name or "any"; a name that ends in '*' matches by prefix.
 * ACTION: error (fault_hit() returns true and sets *err), delay (D ms, blocking),
 * hold (blocking, as long as there is a file MIGRD_FAULT_HOLD, 60 s at most),
 * drop (fault_drop() returns true), crash (_exit(99), as a kill would).
 * after=N: the Nth passage (1 is the first; default 1); times=M: how many
 * passages from there (default 1, 0 = all); held: only while there is that file.
 * fault_message() counts one passage for both error and drop.
 * A point passed is counted and, with MIGRD_FAULT_LOG=FILE, written there.
 *
 * Without --enable-fault-injection every call is a constant.
 * Thread: any.
 */
#ifndef MIGRD_BASE_FAULT_H
#define MIGRD_BASE_FAULT_H

#include <stdbool.h>

#include "base/err.h"

/* What the plan does to a message. */
enum fault_kind { FAULT_NONE, FAULT_ERROR, FAULT_DROP };

#ifdef ENABLE_FAULT_INJECTION
/* Reads the plan; a plan that cannot be understood is an error. */
bool fault_init(struct err *err);
bool fault_hit(const char *point, struct err *err);
bool fault_drop(const char *point);
/* FAULT_ERROR sets *err, and wins over FAULT_DROP. */
enum fault_kind fault_message(const char *point, struct err *err);
#else
static inline bool fault_init(struct err *err)
{
	(void)err;
	return true;
}
static inline bool fault_hit(const char *point, struct err *err)
{
	(void)point;
	(void)err;
	return false;
}
static inline bool fault_drop(const char *point)
{
	(void)point;
	return false;
}
static inline enum fault_kind fault_message(const char *point, struct err *err)
{
	(void)point;
	(void)err;
	return FAULT_NONE;
}
#endif

#endif
