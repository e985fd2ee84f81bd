/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/identity.h -- detects a store that may not be the newest.
 *
 * Each store has an id, an epoch (it grows at each opening) and a sequence (it
 * grows at each commit).  A mark in the run directory repeats the three; it is
 * written after each commit and is no part of a backup.  At the opening a store
 * is in doubt, with the reason in words, if
 *
 *   - the mark has another id, or a higher epoch or sequence (a backup was put
 *     back, the log was cut or removed, the directory was moved away);
 *   - the file is not the one that was opened last (inode and time of birth);
 *   - it was not closed and its log is gone, or the log has commits behind a
 *     broken place;
 *   - it was restored (store/backup.h).
 *
 * The doubt is on disk, and only store_trust() ends it.  A missing mark proves
 * nothing: the run directory is empty after the boot of the host.
 */
#ifndef MIGRD_STORE_IDENTITY_H
#define MIGRD_STORE_IDENTITY_H

#include "store/store.h"

#define STORE_DOUBT_SIZE 256

struct store_identity {
	char id[ID_UUID_SIZE];
	uint64_t epoch;
	uint64_t sequence;            /* when it was opened */
	char doubt[STORE_DOUBT_SIZE]; /* why it may not be the newest; "": it is in order */
};

/* Called at the start, before the rows are loaded: compares the store with the mark,
 * begins the next epoch, and writes the mark RUN_DIR/store.mark. */
bool store_identify_blocking(struct store *store, const char *run_dir, struct err *err);
/* All members are empty before store_identify_blocking(). */
const struct store_identity *store_identity(const struct store *store);
/* Ends the doubt; DONE (may be NULL) is called when that is on disk. */
void store_trust(struct store *store, store_done_fn *done, void *data);

#endif
