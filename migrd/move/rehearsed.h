/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/rehearsed.h -- what only the QEMU of the destination can tell, known before a move: whether
 * it starts with the guest's machine and CPU, and what it lacks of the guest's.  A move itself asks
 * the QEMU that waits for the guest.  Private to the layer.
 */
#ifndef MIGRD_MOVE_REHEARSED_H
#define MIGRD_MOVE_REHEARSED_H

#include "preflight/checks.h"
#include "qemu/rehearse.h"

/* Holds copies only. */
struct rehearsed {
	char *binary;
	struct vm_def *def;
	struct rehearsal said;
	struct evidence *cpu; /* the feature words */
};

struct rehearsed *rehearsed_new(const char *binary, const struct vm_def *def);
void rehearsed_free(struct rehearsed *rehearsed); /* accepts NULL */
/* Thread: a worker. */
void rehearsed_run_blocking(struct rehearsed *rehearsed);
/* Adds to RET.  THERE: what the source says of the guest.  Pure. */
void rehearsed_judge(const struct rehearsed *rehearsed, const struct evidence *there,
		     struct preflight_reasons *ret);

#endif
