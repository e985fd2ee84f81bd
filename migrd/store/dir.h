/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/dir.h -- the state directory: ours alone, and one daemon at a time.
 * Thread: loop, at the start. */
#ifndef MIGRD_STORE_DIR_H
#define MIGRD_STORE_DIR_H

#include "base/err.h"

/* Makes DIR if missing (0700), refuses one of another user or open to others
 * (STORE), takes DIR/lock (BUSY, with the holder's pid).  The lock is held
 * until RET_LOCK_FD is closed. */
bool store_dir_lock(const char *dir, int *ret_lock_fd, struct err *err);
/* Makes sure that what was made or renamed in DIR survives a power loss. */
bool store_dir_sync(const char *dir, struct err *err);

#endif
