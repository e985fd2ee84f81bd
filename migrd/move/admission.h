/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/admission.h -- whether this host has the memory for one more guest.
 *
 * An incoming guest reserves its memory from the offer until it is here or
 * refused.  All that time it is counted in full, though part of it is filled
 * already: a needless refusal is better than a host out of memory.
 */
#ifndef MIGRD_MOVE_ADMISSION_H
#define MIGRD_MOVE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct admission {
	uint64_t available_mib; /* proc_available_mib() */
	uint64_t reserved_mib;  /* by guests that are on their way */
	uint64_t kept_mib;      /* to stay free, as configured */
	uint64_t wanted_mib;
};

/* Pure.  NO_SPACE, with the figures: the guest does not fit.  Thread: any. */
bool admission_check(const struct admission *admission, struct err *err);

#endif
