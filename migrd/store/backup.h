/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/backup.h -- copies a store that is in use, and puts a copy back.
 *
 * A backup is out of date as soon as a guest has moved.  So a store that
 * store_restore_blocking() has put back is in doubt (store/identity.h), and the
 * reason says so; one that was put back by hand is detected when it is opened.
 */
#ifndef MIGRD_STORE_BACKUP_H
#define MIGRD_STORE_BACKUP_H

#include "store/store.h"

/* Writes FILE (absolute, mode 0600) through FILE.new, some pages at a time with
 * commits between them, so that a handover does not wait for it.  EXISTS when FILE is
 * there; NO_SPACE, STORE. DONE is called once, on the loop. */
void store_backup(struct store *store, const char *file, store_done_fn *done, void *data);

/* Puts FILE in the place of DIR/migrd.db, upgrades it and marks it as restored, while no daemon
 * runs (BUSY).  The old database is kept under another name: RET_KEPT (the caller frees it), or
 * NULL if there was none.  A FILE that is broken, or another program's, is refused before
 * anything is changed.  It waits for the disk. */
bool store_restore_blocking(const char *dir, const char *file, char **ret_kept, struct err *err);

#endif
