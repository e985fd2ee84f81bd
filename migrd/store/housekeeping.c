/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work for when nobody waits: deletes old history, and copies the log into the database file. */
#include "store/item.h"
#include "store/upgrade.h"

/* A larger log is cut by a checkpoint.  A smaller one is kept, because SQLite then
 * writes it again from its start, in place, which is cheaper than growing a new one. */
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

/* The first commit after a checkpoint begins the log anew, and waits for the
 * disk once more than others do.  That commit is made here, with a value that does
 * not change, so that no commit of a handover has to wait. */
static bool begin_log(struct store_db *db, struct err *err)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %zu", store_upgrade_count);
	return store_sql_exec(db, sql, err);
}

bool store_checkpoint(struct store_db *db, struct err *err)
{
	int mode = db->wal_frames > WAL_KEEP_FRAMES ? SQLITE_CHECKPOINT_TRUNCATE
						    : SQLITE_CHECKPOINT_PASSIVE;

	if (sqlite3_wal_checkpoint_v2(db->sqlite, NULL, mode, NULL, NULL) != SQLITE_OK)
		return store_sql_err(db, err, "checkpoint");
	if (!begin_log(db, err))
		return false;
	db->wal_frames = 0; /* nothing to checkpoint */
	return true;
}

bool store_housekeep(struct store_db *db, bool *ret_more, struct err *err)
{
	return trim(db, ret_more, err) && (*ret_more || store_checkpoint(db, err));
}
