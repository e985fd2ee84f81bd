/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SQLite's calls with our errors. */
#include <errno.h>

#include "base/mem.h"
#include "store/db.h"

/* The errno of the last failed call on the log; sqlite3_system_errno() may be that
 * of a later call, or 0. */
static int log_errno(const struct store_db *db)
{
	sqlite3_file *log = NULL;
	int sys = 0;

	sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log && log->pMethods)
		log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &sys);
	return sys;
}

static int system_errno(const struct store_db *db)
{
	int sys = log_errno(db);

	if (sys == 0)
		sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_LAST_ERRNO, &sys);
	return sys ? sys : sqlite3_system_errno(db->sqlite);
}

/* EFBIG: a limit on the file's size, of the user or of the file system. */
static bool is_no_space(const struct store_db *db, int sys)
{
	int code = sqlite3_errcode(db->sqlite) & 0xff;

	if (code == SQLITE_FULL)
		return true;
	/* With any other code, SYS is left from an older failure. */
	if (code != SQLITE_IOERR && code != SQLITE_CANTOPEN)
		return false;
	return sys == ENOSPC || sys == EDQUOT || sys == EFBIG;
}

bool store_sql_err(const struct store_db *db, struct err *err, const char *what)
{
	const char *words = sqlite3_errmsg(db->sqlite);
	int code = sqlite3_extended_errcode(db->sqlite);
	int sys = system_errno(db);

	if (is_no_space(db, sys))
		return err_set(err, ERR_NO_SPACE,
			       "cannot %s in '%s': %s; make room on that file system", what,
			       db->path, words);
	return err_set(err, ERR_STORE, "cannot %s in '%s': %s (SQLite error %d, system error %d)",
		       what, db->path, words, code, sys);
}

bool store_sql_prepare(struct store_db *db, const char *sql, sqlite3_stmt **ret_stmt,
		       struct err *err)
{
	if (sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL) !=
	    SQLITE_OK)
		return store_sql_err(db, err, "prepare a statement");
	return true;
}

sqlite3_stmt *store_sql_cleared(sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return stmt;
}

sqlite3_stmt *store_sql_stmt(struct store_db *db, enum store_stmt stmt)
{
	return store_sql_cleared(db->stmts[stmt]);
}

bool store_sql_run(struct store_db *db, sqlite3_stmt *stmt, const char *what, struct err *err)
{
	bool ok = sqlite3_step(stmt) == SQLITE_DONE;

	if (!ok)
		store_sql_err(db, err, what);
	sqlite3_reset(stmt);
	return ok;
}

bool store_sql_exec(struct store_db *db, const char *sql, struct err *err)
{
	if (sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_sql_err(db, err, "work");
	return true;
}

bool store_sql_int(struct store_db *db, const char *sql, int64_t *ret_value, struct err *err)
{
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;

	if (!store_sql_prepare(db, sql, &stmt, err))
		return false;
	if (sqlite3_step(stmt) != SQLITE_ROW)
		return store_sql_err(db, err, "read");
	*ret_value = sqlite3_column_int64(stmt, 0);
	return true;
}

void store_sql_roll_back(struct store_db *db)
{
	if (sqlite3_get_autocommit(db->sqlite))
		return;
	sqlite3_step(store_sql_stmt(db, STORE_STMT_ROLLBACK));
	sqlite3_reset(db->stmts[STORE_STMT_ROLLBACK]);
}
