/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/identity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/db.h"

/* What the database says about itself. */
struct own {
	struct store_mark mark;
	char file[64];
	bool is_open;
	char doubt[STORE_DOUBT_SIZE];
};

/* Names the file by its inode and the inode's time of birth, since inodes are used
 * again.  A copy over the file keeps both; then only the mark shows it. */
static void file_of(const struct store_db *db, char ret_file[64])
{
	struct statx st = { 0 };

	ret_file[0] = '\0';
	if (statx(AT_FDCWD, db->path, 0, STATX_INO | STATX_BTIME, &st) == 0)
		snprintf(ret_file, 64, "%" PRIu64 " %" PRId64 ".%09" PRIu32, (uint64_t)st.stx_ino,
			 (int64_t)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
}

static void take_text(char *to, size_t size, sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	snprintf(to, size, "%s", text ? text : "");
}

/* *RET_FOUND false: the database was made just now, or upgraded from a schema without identity. */
static bool read_own(struct store_db *db, struct own *ret, bool *ret_found, struct err *err)
{
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;
	int rc;

	if (!store_sql_prepare(db, "SELECT id, epoch, sequence, file, is_open, doubt FROM identity",
			       &stmt, err))
		return false;
	rc = sqlite3_step(stmt);
	*ret_found = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW) {
		take_text(ret->mark.id, sizeof(ret->mark.id), stmt, 0);
		ret->mark.epoch = (uint64_t)sqlite3_column_int64(stmt, 1);
		ret->mark.sequence = (uint64_t)sqlite3_column_int64(stmt, 2);
		take_text(ret->file, sizeof(ret->file), stmt, 3);
		ret->is_open = sqlite3_column_int64(stmt, 4) != 0;
		take_text(ret->doubt, sizeof(ret->doubt), stmt, 5);
	}
	return rc == SQLITE_ROW || rc == SQLITE_DONE || store_sql_err(db, err, "read");
}

static void doubt(struct own *own, const char *why)
{
	if (!own->doubt[0])
		snprintf(own->doubt, sizeof(own->doubt), "%s", why);
}

static void compare_mark(struct own *own, const struct store_mark *mark)
{
	char why[STORE_DOUBT_SIZE];

	if (strcmp(mark->id, own->mark.id) != 0) {
		doubt(own, "it is not the store that was in use since this host was booted: that "
			   "one was moved away or replaced");
	} else if (mark->epoch > own->mark.epoch || mark->sequence > own->mark.sequence) {
		snprintf(why, sizeof(why),
			 "it ends at commit %" PRIu64 " of epoch %" PRIu64
			 ", and the store that was in use had reached commit %" PRIu64
			 " of epoch %" PRIu64 ": an old copy was put back, or its log was lost",
			 own->mark.sequence, own->mark.epoch, mark->sequence, mark->epoch);
		doubt(own, why);
	}
}

static void look_at_log(const struct store_db *db, struct own *own)
{
	if (db->found_wal == STORE_WAL_BROKEN)
		doubt(own, "its log has commits behind a broken place, and they are lost");
	if (own->is_open && db->found_wal == STORE_WAL_NONE)
		doubt(own, "it was in use, and its log is gone");
}

static void compare_file(struct own *own, const char *file)
{
	if (strcmp(own->file, file) != 0)
		doubt(own, "it is not the file that was in use last, but a copy");
}

static bool write_own(struct store_db *db, const struct own *own, struct err *err)
{
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;

	if (!store_sql_prepare(db,
			       "INSERT INTO identity (id, epoch, sequence, file, is_open, doubt) "
			       "VALUES (?1, ?2, ?3, ?4, 1, ?5) ON CONFLICT (id) DO UPDATE SET "
			       "epoch = ?2, sequence = ?3, file = ?4, is_open = 1, doubt = ?5",
			       &stmt, err))
		return false;
	sqlite3_bind_text(stmt, 1, own->mark.id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (int64_t)own->mark.epoch);
	sqlite3_bind_int64(stmt, 3, (int64_t)own->mark.sequence);
	sqlite3_bind_text(stmt, 4, own->file, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 5, own->doubt, -1, SQLITE_STATIC);
	return store_sql_run(db, stmt, "begin an epoch", err);
}

static void tell(const struct own *own)
{
	if (own->doubt[0])
		log_error("store", "doubt",
			  "store=%s epoch=%" PRIu64 " sequence=%" PRIu64 " reason=%s action=%s",
			  own->mark.id, own->mark.epoch, own->mark.sequence, own->doubt,
			  "its records count when every peer has said which VMs it has");
}

static bool begin(struct store_db *db, struct own *own, struct err *err)
{
	char file[sizeof(own->file)];
	struct store_mark mark;
	bool found = false;

	file_of(db, file);
	if (!read_own(db, own, &found, err))
		return false;
	if (!found)
		id_uuid_new(own->mark.id);
	else
		look_at_log(db, own);
	if (store_mark_read(db->mark_fd, &mark))
		compare_mark(own, &mark);
	if (found)
		compare_file(own, file);
	memcpy(own->file, file, sizeof(file));
	own->mark.epoch++;
	own->mark.sequence++;
	return write_own(db, own, err);
}

/* The checkpoint writes `is_open' into the database file itself and begins a log,
 * so a log that is missing at the next start was lost. */
bool store_identity_begin(struct store_db *db, const char *run_dir, struct store_identity *ret,
			  struct err *err)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/store.mark", run_dir);
	struct own own = { 0 };

	db->mark_fd = store_mark_open(path);
	if (!begin(db, &own, err) || !store_checkpoint(db, err))
		return false;
	db->mark = own.mark;
	store_mark_write(db->mark_fd, &db->mark);
	tell(&own);
	*ret = (struct store_identity){ .epoch = own.mark.epoch, .sequence = own.mark.sequence };
	memcpy(ret->id, own.mark.id, sizeof(ret->id));
	memcpy(ret->doubt, own.doubt, sizeof(ret->doubt));
	return true;
}

bool store_identity_prepare(struct store_db *db, struct err *err)
{
	return store_sql_prepare(db, "UPDATE identity SET sequence = ?",
				 &db->stmts[STORE_STMT_SEQUENCE], err);
}

bool store_identity_step(struct store_db *db, struct err *err)
{
	sqlite3_stmt *stmt;

	if (!db->mark.id[0])
		return true;
	stmt = store_sql_stmt(db, STORE_STMT_SEQUENCE);
	sqlite3_bind_int64(stmt, 1, (int64_t)db->mark.sequence + 1);
	return store_sql_run(db, stmt, "number a commit", err);
}

void store_identity_stepped(struct store_db *db)
{
	if (!db->mark.id[0])
		return;
	db->mark.sequence++;
	store_mark_write(db->mark_fd, &db->mark);
}

void store_identity_close(struct store_db *db)
{
	if (db->mark.id[0])
		sqlite3_exec(db->sqlite, "UPDATE identity SET is_open = 0", NULL, NULL, NULL);
}
