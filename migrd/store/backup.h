/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/backup.h -- a copy of the store that is in use, and putting one back.
 *
 * A backup is old as soon as a guest has moved.  A store that was put back by
 * store_restore_blocking() is in doubt (store/identity.h), with these words; one
 * that was put back by hand is found out at its opening.
 */
#ifndef MIGRD_STORE_BACKUP_H
#define MIGRD_STORE_BACKUP_H

#include "store/store.h"

/* Writes FILE (absolute, mode 0600) through FILE.new, some pages at a time with
 * commits between them, so that a handover does not wait for it.  EXISTS when FILE is
 * there; NO_SPACE, STORE. DONE is called once, on the loop. */
void store_backup(struct store *store, const char *file, store_done_fn *done, void *data);

/* For a daemon that is not running (BUSY): FILE takes the place of DIR/migrd.db, is
 * upgraded and marked as restored.  What was there is kept under other names: RET_KEPT
 * (the caller frees it) or NULL if nothing was.  A FILE that is broken, or another
 * program's, is refused before anything is changed.  It waits for the disk. */
bool store_restore_blocking(const char *dir, const char *file, char **ret_kept, struct err *err);

#endif
