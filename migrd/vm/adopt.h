/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/adopt.h -- taking over a QEMU that somebody else started.
 *
 * A look (dry_run) and a takeover take the same steps: which process listens at the
 * socket (the kernel tells), what it was started with (/proc/PID/cmdline), what it
 * answers (adopt/facts.h), and the definition that follows (adopt/plan.h).  At the end
 * QEMU is let go or, if nothing has changed since it was looked at, becomes a VM.
 * Neither changes anything in that QEMU.
 *
 * One adoption at a time: a monitor serves one client, and each adoption is a person's
 * decision.  Thread: loop.
 */
#ifndef MIGRD_VM_ADOPT_H
#define MIGRD_VM_ADOPT_H

#include "adopt/plan.h"
#include "vm/vm.h"
#include "wire/adopt_request.h"

/* What was found; borrowed.  If `refused' has faults, nothing was taken. */
struct adopt_found {
	const struct adopt_result *result;
	struct proc_id id;
	struct qmp_version version;
	enum qmp_run_state run_state;
	const char *confirm; /* identifies this definition and this process */
	bool is_taken;
};

/* Once, on the loop, never from inside the call: FOUND or ERR. BUSY (another one is
 * under way), CONFLICT (not a QEMU that can be adopted; it is one of ours already;
 * it has changed since it was looked at), EXISTS (name or uuid), UNAVAILABLE,
 * TIMEOUT, INVALID (no QMP monitor). */
typedef void adopt_done_fn(void *data, const struct adopt_found *found, const struct err *err);

struct adopter;
struct adopter *adopter_new(struct loop *loop, struct vms *vms);
/* Call before vms_clear(): a QEMU that is being looked at is let go (CANCELLED). */
void adopter_clear(struct adopter *adopter);
/* Call when the store is closed.  Both accept NULL. */
void adopter_free(struct adopter *adopter);
void adopt_begin(struct adopter *adopter, const struct adopt_request *request, adopt_done_fn *done,
		 void *data);

#endif
