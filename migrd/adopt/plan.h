/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt/plan.h -- a definition out of a foreign QEMU's command line and facts.
 *
 * The destination of a move must build the very same machine, and the stream of a
 * move names a device by its place: so the devices of the definition are those of
 * the command line, at the PCI addresses that QEMU tells, and what QEMU adds by
 * itself (it was started without -nodefaults) is written out.  An option becomes
 * a member of the definition, or stays as it is among the extra arguments, or has
 * no part in the guest and is dropped; an option that we do not know how to repeat
 * is refused by its name, and so is a device that no option explains.
 *
 * Pure; thread: any.  Sources: qemu-system-x86_64(1), QEMU's softmmu/vl.c.
 */
#ifndef MIGRD_ADOPT_PLAN_H
#define MIGRD_ADOPT_PLAN_H

#include "adopt/facts.h"
#include "wire/vm_def.h"

#define ADOPT_CMDLINE_MAX (64u << 10) /* bytes of /proc/PID/cmdline */

struct adopt_wishes {
	const char *name;  /* NULL: QEMU's own */
	const char *uuid;  /* for a QEMU that has none */
	bool disks_shared; /* both hosts of a move see the images */
};

/* DEF is complete if REFUSED is empty. */
struct adopt_result {
	struct vm_def *def;
	struct faults *refused; /* pointer: the option; detail: why, and what to do */
	struct faults *notes;   /* what the reader of DEF should know */
};

/* CMDLINE: arguments with a NUL behind each, as in /proc/PID/cmdline. */
void adopt_plan(const char *cmdline, size_t len, const struct adopt_facts *facts,
		const struct adopt_wishes *wishes, struct adopt_result *ret);
void adopt_result_fini(struct adopt_result *result);

#endif
