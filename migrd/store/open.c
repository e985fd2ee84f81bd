/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening, with everything that can be wrong with a file.
 *
 * A database is made under another name and renamed when it is whole, so that
 * an empty or half-made migrd.db never means "new": it means "broken". */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/dir.h"
#include "store/sound.h"
#include "store/upgrade.h"

#define PAGE_MIN_BYTES 512 /* sqlite.org/fileformat2.html, 1.3.2 */

static const char pragmas[] = "PRAGMA journal_mode = WAL;"
			      "PRAGMA synchronous = FULL;"
			      "PRAGMA wal_autocheckpoint = 0;"
			      "PRAGMA foreign_keys = ON;"
			      "PRAGMA cell_size_check = ON;"
			      "PRAGMA trusted_schema = OFF;";

static int count_frames(void *data, sqlite3 *sqlite, const char *name, int frames)
{
	struct store_db *db = data;

	(void)sqlite;
	(void)name;
	db->wal_frames = frames;
	return SQLITE_OK;
}

static bool connect_file(struct store_db *db, const char *path, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	free(db->path);
	db->path = xstrdup(path);
	if (sqlite3_open_v2(path, &db->sqlite, flags, NULL) != SQLITE_OK)
		return store_sql_err(db, err, "open the state database");
	sqlite3_extended_result_codes(db->sqlite, 1);
	/* No checkpoint on close: a file that is refused stays as it is, its WAL too. */
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* No other process has the file.  From the first access on, the exclusive mode
	 * keeps the WAL index in memory (no -shm file that a full disk could break),
	 * and keeps other programs from stalling a commit with locks of theirs. */
	return store_sql_exec(db, "PRAGMA locking_mode = EXCLUSIVE", err) &&
	       store_sums_register(db, err);
}

static void disconnect(struct store_db *db)
{
	for (size_t i = 0; i < STORE_STMT_COUNT; i++) {
		sqlite3_finalize(db->stmts[i]);
		db->stmts[i] = NULL;
	}
	store_rows_unprepare(db);
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
}

/* 0600 from the start: SQLite gives its other files the mode of this one. */
static bool make_empty(const char *path, struct err *err)
{
	CLEANUP(closep) int fd = -1;

	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove '%s'", path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "cannot make '%s'", path);
	return true;
}

static bool make_file(struct store_db *db, const char *dir, const char *path, struct err *err)
{
	CLEANUP(free_charp) char *draft = xasprintf("%s.new", path);
	bool ok;

	if (!make_empty(draft, err) || !connect_file(db, draft, err))
		return false;
	ok = store_sql_exec(db, "PRAGMA synchronous = FULL", err) &&
	     store_upgrade_run(db, store_upgrades, store_upgrade_count, err);
	disconnect(db);
	if (!ok)
		return false;
	if (rename(draft, path) < 0)
		return err_errno(err, "cannot rename '%s' to '%s'", draft, path);
	return store_dir_sync(dir, err);
}

/* A database that is missing while its log is there was lost, so none is made in its place. */
static bool make_if_missing(struct store_db *db, const char *dir, const char *path, struct err *err)
{
	CLEANUP(free_charp) char *wal = xasprintf("%s-wal", path);

	if (access(path, F_OK) == 0)
		return true;
	if (errno != ENOENT)
		return err_errno(err, "cannot open '%s'", path);
	if (access(wal, F_OK) == 0)
		return err_set(err, ERR_STORE,
			       "'%s' is gone, but its log '%s-wal' is there: put a backup back by "
			       "'migrd --restore FILE', or remove the log to start without any VM",
			       path, path);
	return make_file(db, dir, path, err);
}

/* The file is never deleted here: what it holds may be all that is known about
 * guests that run. */
static bool refuse_broken(const struct store_db *db, const char *why, struct err *err)
{
	return err_set(err, ERR_STORE,
		       "the state database '%s' is broken (%s); migrd did not change it: put back "
		       "a backup by 'migrd --restore FILE', or, to start without any VM, move "
		       "'%s' and '%s-wal' away",
		       db->path, why, db->path, db->path);
}

/* True: the last error is about the file's content, not about reading it. */
static bool is_broken(const struct store_db *db)
{
	int code = sqlite3_errcode(db->sqlite) & 0xff;

	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

static bool check_content(struct store_db *db, struct err *err)
{
	struct stat st;
	char why[256];

	/* SQLite would treat a file without a whole header as a new database. */
	if (stat(db->path, &st) < 0)
		return err_errno(err, "cannot look at '%s'", db->path);
	if (st.st_size < PAGE_MIN_BYTES)
		return refuse_broken(db, "it is cut off", err);
	if (!store_upgrade_check(db, store_upgrade_count, err))
		return false;
	return store_sound_look(db, why, err) && (!why[0] || refuse_broken(db, why, err));
}

static bool check(struct store_db *db, struct err *err)
{
	if (!check_content(db, err))
		return is_broken(db) ? refuse_broken(db, sqlite3_errmsg(db->sqlite), err) : false;
	if (sqlite3_db_readonly(db->sqlite, "main") == 1)
		return err_set(err, ERR_STORE,
			       "the state database '%s' cannot be written: check "
			       "its owner and mode, and whether the file system is read-only",
			       db->path);
	return true;
}

static bool prepare(struct store_db *db, struct err *err)
{
	return store_sql_prepare(db, "BEGIN IMMEDIATE", &db->stmts[STORE_STMT_BEGIN], err) &&
	       store_sql_prepare(db, "COMMIT", &db->stmts[STORE_STMT_COMMIT], err) &&
	       store_sql_prepare(db, "ROLLBACK", &db->stmts[STORE_STMT_ROLLBACK], err) &&
	       store_rows_prepare(db, err) && store_identity_prepare(db, err);
}

static bool open_file(struct store_db *db, const char *path, struct err *err)
{
	CLEANUP(free_charp) char *wal = xasprintf("%s-wal", path);

	db->found_wal = store_wal_look_blocking(wal);
	if (!connect_file(db, path, err) || !check(db, err) || !store_sql_exec(db, pragmas, err) ||
	    !store_upgrade_run(db, store_upgrades, store_upgrade_count, err) || !prepare(db, err))
		return false;
	sqlite3_wal_hook(db->sqlite, count_frames, db);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return true;
}

struct store_db *store_db_open(const char *dir, struct err *err)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/migrd.db", dir);
	CLEANUP(store_db_freep) struct store_db *db = xnew(struct store_db);

	db->lock_fd = -1;
	db->mark_fd = -1;
	if (!store_dir_lock(dir, &db->lock_fd, err) || !make_if_missing(db, dir, path, err) ||
	    !open_file(db, path, err))
		return NULL;
	return TAKE_PTR(db);
}

void store_db_free(struct store_db *db)
{
	if (!db)
		return;
	store_identity_close(db);
	disconnect(db);
	if (db->mark_fd >= 0)
		close(db->mark_fd);
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	free(db->path);
	free(db);
}
