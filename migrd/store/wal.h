/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/wal.h -- detects lost commits in a log, about which SQLite says nothing.
 *
 * SQLite plays a log back up to the first frame whose checksum is wrong, and
 * leaves the rest without a word (sqlite.org/fileformat2.html, 4.4).
 * Thread: any; it waits for the disk.
 */
#ifndef MIGRD_STORE_WAL_H
#define MIGRD_STORE_WAL_H

#include <stdbool.h>

enum store_wal {
	STORE_WAL_NONE,   /* no file, or one without a whole frame */
	STORE_WAL_WHOLE,  /* nothing is lost */
	STORE_WAL_BROKEN, /* it has commits behind a broken place */
};

/* To be called before the database is opened. */
enum store_wal store_wal_look_blocking(const char *path);

#endif
