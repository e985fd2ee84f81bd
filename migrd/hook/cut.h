/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/cut.h -- what a migrd-hook has left running that was itself ended from outside, as by
 * kill(1) or for want of memory; or that of a hook which is not known any more. */
#ifndef MIGRD_HOOK_CUT_H
#define MIGRD_HOOK_CUT_H

#include "hook/files.h"

enum hook_cut {
	HOOK_CUT_NOTHING, /* there is nothing of it */
	HOOK_CUT_ENDED,   /* RET says how many processes are left nevertheless */
	HOOK_CUT_UNSEEN, /* nobody can tell: no descriptor was free for a look; to be tried again */
};

#define HOOK_RUNNER_IS_GONE "their migrd-hook is gone"

/* Ends it, and writes that to the hook's file.  RUNNER is of the host's present boot.
 * Thread: any; not the loop: 7 s. */
enum hook_cut hook_cut_blocking(const char *dir, const char *hook_id, struct proc_id runner,
				const char *why, struct hook_end *ret);

#endif
