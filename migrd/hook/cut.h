/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/cut.h -- what a migrd-hook has left running that was itself ended from outside, as by
 * kill(1) or for want of memory. */
#ifndef MIGRD_HOOK_CUT_H
#define MIGRD_HOOK_CUT_H

#include "hook/files.h"

/* Ends it, and writes that to the hook's file.  False: there is nothing of it; true: RET says how
 * many processes are left nevertheless.  RUNNER is of the host's present boot, and gone.
 * Thread: any; not the loop: 7 s. */
bool hook_cut_blocking(const char *dir, const char *hook_id, struct proc_id runner,
		       struct hook_end *ret);

#endif
