/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/db.h -- the database connection; inside this folder only.
 *
 * Thread: the store's own.  Before the first item is submitted and after the
 * worker has ended, the loop thread may use it instead.  Everything here waits
 * for the disk.
 */
#ifndef MIGRD_STORE_DB_H
#define MIGRD_STORE_DB_H

#include <sqlite3.h>

#include "store/identity.h"
#include "store/mark.h"
#include "store/store.h"
#include "store/wal.h"

/* "MIGR", in the file's header: tells our file from another program's. */
#define STORE_APPLICATION_ID 0x4d494752

#define STORE_TIMELINE_MAX 1000 /* entries of one move that are kept */

enum store_stmt {
	STORE_STMT_BEGIN,
	STORE_STMT_COMMIT,
	STORE_STMT_ROLLBACK,
	STORE_STMT_MOVE_TRIM,
	STORE_STMT_TIMELINE_ADD,
	STORE_STMT_TIMELINE_TRIM,
	STORE_STMT_TIMELINE_LIST,
	STORE_STMT_SEQUENCE,
	STORE_STMT_COUNT
};

struct store_db {
	sqlite3 *sqlite;
	char *path;
	int lock_fd;
	sqlite3_stmt *stmts[STORE_STMT_COUNT];
	sqlite3_stmt *put[STORE_TABLE_COUNT], *delete[STORE_TABLE_COUNT]; /* see rows.c */
	int wal_frames;           /* in the log after the last commit */
	enum store_wal found_wal; /* its log before it was opened */
	struct store_mark mark;   /* the current position; id "": not identified yet */
	int mark_fd;              /* -1: none */
};

/* ---- open.c ---- */
struct store_db *store_db_open(const char *dir, struct err *err);
void store_db_free(struct store_db *db);
static inline void store_db_freep(struct store_db **db)
{
	store_db_free(*db);
}

/* ---- sizes.c ---- */
/* Of the file and its log, in bytes; 0: it is not there. */
struct store_sizes {
	uint64_t file, log;
};
struct store_sizes store_db_sizes(const struct store_db *db);

/* ---- sql.c ---- */
/* Sets "cannot WHAT: ..." with SQLite's words and the system's; NO_SPACE or STORE. */
bool store_sql_err(const struct store_db *db, struct err *err, const char *what);
bool store_sql_prepare(struct store_db *db, const char *sql, sqlite3_stmt **ret_stmt,
		       struct err *err);
/* STMT, reset and without values. */
sqlite3_stmt *store_sql_cleared(sqlite3_stmt *stmt);
/* The same of a statement of DB. */
sqlite3_stmt *store_sql_stmt(struct store_db *db, enum store_stmt stmt);
/* Runs a statement that gives no rows, then resets it. */
bool store_sql_run(struct store_db *db, sqlite3_stmt *stmt, const char *what, struct err *err);
/* SQL without rows or values, maybe several statements. */
bool store_sql_exec(struct store_db *db, const char *sql, struct err *err);
/* Runs SQL, which answers with one integer. */
bool store_sql_int(struct store_db *db, const char *sql, int64_t *ret_value, struct err *err);
/* Ends a transaction that failed; SQLite may have done so already. */
void store_sql_roll_back(struct store_db *db);
static inline void store_stmtp(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

/* ---- identity.c ---- */
bool store_identity_begin(struct store_db *db, const char *run_dir, struct store_identity *ret,
			  struct err *err);
bool store_identity_prepare(struct store_db *db, struct err *err);
/* Called in a transaction: writes the next sequence.  After its commit,
 * store_identity_stepped() writes the mark. */
bool store_identity_step(struct store_db *db, struct err *err);
void store_identity_stepped(struct store_db *db);
/* Records that the database is closed in order; called before it is. */
void store_identity_close(struct store_db *db);
/* housekeeping.c: copies the log into the database file. */
bool store_checkpoint(struct store_db *db, struct err *err);

/* ---- rows.c: all tables ---- */
bool store_rows_prepare(struct store_db *db, struct err *err);
void store_rows_unprepare(struct store_db *db);
bool store_rows_apply(struct store_db *db, const struct store_change *change, struct err *err);
/* See store_load_blocking(). */
bool store_rows_load(struct store_db *db, enum store_table_id id, store_row_fn *each, void *data,
		     struct err *err);

/* ---- moves.c, timeline.c ---- */
/* Deletes some of the ended moves that are too many; true in RET_MORE: call it
 * again. */
bool store_moves_trim(struct store_db *db, bool *ret_more, struct err *err);


#endif
