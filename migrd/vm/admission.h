/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/admission.h -- whether this host has the memory for one more guest, or for one a second time.
 *
 * Three kinds of jobs fill memory bit by bit: an incoming move, a restore, and a refresh that
 * copies.  Each counts here from its beginning until it is over, and in full, though part of it is
 * filled already: a needless refusal is better than a host out of memory.  There is one sum for
 * all three, so none of them takes what another was promised.
 *
 * Huge pages are not part of it: preflight/memory.h counts them.
 */
#ifndef MIGRD_VM_ADMISSION_H
#define MIGRD_VM_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct vms;

struct admission {
	uint64_t available_mib; /* proc_available_mib() */
	uint64_t reserved_mib;  /* by jobs under way */
	uint64_t kept_mib;      /* to stay free, as configured */
	uint64_t wanted_mib;
};

/* Pure.  NO_SPACE, with the figures: WHAT ("the guest") does not fit.  Thread: any. */
bool admission_check(const struct admission *admission, const char *what, struct err *err);

#define VMS_PROMISES_MAX 3
/* The memory in MiB that the jobs of one kind were promised. */
typedef uint64_t vms_promised_fn(void *data);
/* FN is asked at each vms_have_room() from now on.  Thread: loop, as of the next one. */
void vms_count_promises(struct vms *vms, vms_promised_fn *fn, void *data);
/* admission_check() of this host as it is now; what is promised to WHAT itself is not WANTED_MIB.
 */
bool vms_have_room(struct vms *vms, const char *what, uint64_t wanted_mib, struct err *err);

#endif
