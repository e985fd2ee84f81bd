/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/sound.h -- whether the file holds what was written to it.
 *
 * SQLite detects a broken structure, but not a value that a disk or another program has
 * changed.  So each row of `vm' and `move' has a checksum, `sum', over all its other columns in
 * the order of the table: SQL's row_sum(), which store_row_put_sql() uses.
 *
 * Thread: the store's.
 */
#ifndef MIGRD_STORE_SOUND_H
#define MIGRD_STORE_SOUND_H

#include "store/db.h"

/* Makes row_sum() known to this connection. */
bool store_sums_register(struct store_db *db, struct err *err);
/* Called after an upgrade, in its transaction: computes the sums of all rows anew, if the
 * schema has sums. */
bool store_sums_renew(struct store_db *db, struct err *err);

/* Checks the structure and all sums.  False and ERR: SQLite failed, and sqlite3_errcode() still
 * tells how.  True: RET_WHY says what is broken, "" if nothing is. */
bool store_sound_look(struct store_db *db, char ret_why[256], struct err *err);

#endif
