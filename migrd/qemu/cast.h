/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/cast.h -- who plays in a rehearsal (qemu/rehearse.h): the parts of a guest's command line
 * that make its CPU, and the kinds of its devices.  Pure.  Thread: any.
 */
#ifndef MIGRD_QEMU_CAST_H
#define MIGRD_QEMU_CAST_H

#include "qemu/rehearse.h"

#define CAST_ARGS_MAX 64

struct cast {
	const char *args[CAST_ARGS_MAX];
	size_t arg_count;
	char *owned[CAST_ARGS_MAX]; /* what some of ARGS point to */
	size_t owned_count;
	struct rehearsal_driver drivers[REHEARSAL_DRIVERS_MAX];
	size_t driver_count;
};

/* Fills CAST, which is zero, from ARGV, the guest's command line (ended by NULL), which must
 * outlive it.  Raw options count too: they stand behind ours, and the last one counts, as in the
 * guest's QEMU. */
void cast_choose(struct cast *cast, const char *const *argv);
void cast_fini(struct cast *cast);

#endif
