/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done when nobody waits: old history goes, and the log into the file. */
#include "store/item.h"

/* A log that was checkpointed is written again from its start, in place, which
 * is cheaper than growing a new one: it is cut only when it has become large. */
#define WAL_KEEP_FRAMES 1024 /* of 4 KiB */

static bool trim(struct store_db *db, bool *ret_more, struct err *err)
{
	if (!store_sql_run(db, store_sql_stmt(db, STORE_STMT_BEGIN), "begin to write", err))
		return false;
	if (store_moves_trim(db, ret_more, err) &&
	    store_sql_run(db, store_sql_stmt(db, STORE_STMT_COMMIT), "commit", err))
		return true;
	store_sql_roll_back(db);
	return false;
}

static bool checkpoint(struct store_db *db, struct err *err)
{
	int mode = db->wal_frames > WAL_KEEP_FRAMES ? SQLITE_CHECKPOINT_TRUNCATE
						    : SQLITE_CHECKPOINT_PASSIVE;

	if (sqlite3_wal_checkpoint_v2(db->sqlite, NULL, mode, NULL, NULL) != SQLITE_OK)
		return store_sql_err(db, err, "checkpoint");
	db->wal_frames = 0;
	return true;
}

bool store_housekeep(struct store_db *db, bool *ret_more, struct err *err)
{
	return trim(db, ret_more, err) && (*ret_more || checkpoint(db, err));
}
