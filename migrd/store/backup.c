/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/dir.h"
#include "store/item.h"
#include "store/sound.h"
#include "store/upgrade.h"

#define PAGES_A_STEP 64 /* of 4 KiB: the most that a commit waits for */

/* ---- a copy by SQLite's backup interface ------------------------------------------ */

struct copy {
	char *path; /* of the copy */
	struct store_db to;
	sqlite3_backup *backup;
};

static void copy_fini(struct copy *copy)
{
	if (copy->backup)
		sqlite3_backup_finish(copy->backup);
	sqlite3_close(copy->to.sqlite);
	copy->backup = NULL;
	copy->to.sqlite = NULL;
}

static bool copy_begin(struct copy *copy, sqlite3 *from, struct err *err)
{
	int fd;

	if (unlink(copy->path) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove '%s'", copy->path);
	fd = open(copy->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "cannot make '%s'", copy->path);
	close(fd);
	copy->to.path = copy->path;
	if (sqlite3_open_v2(copy->path, &copy->to.sqlite, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return store_sql_err(&copy->to, err, "open the copy");
	copy->backup = sqlite3_backup_init(copy->to.sqlite, "main", from, "main");
	return copy->backup || store_sql_err(&copy->to, err, "begin the copy");
}

/* *RET_MORE true: call it again. */
static bool copy_step(struct copy *copy, int pages, bool *ret_more, struct err *err)
{
	int rc = sqlite3_backup_step(copy->backup, pages);

	*ret_more = rc == SQLITE_OK;
	if (rc == SQLITE_OK)
		return true;
	sqlite3_backup_finish(TAKE_PTR(copy->backup));
	return rc == SQLITE_DONE || store_sql_err(&copy->to, err, "copy");
}

static bool sync_file(const char *path, struct err *err)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, "cannot sync '%s'", path);
	return true;
}

/* ---- backup of a store in use -------------------------------------------------------- */

struct backup_item {
	struct store_item item;
	struct copy copy;
	char *file;
	bool has_more;
	store_done_fn *done;
	void *data;
};

/* link(2), unlike rename(2), fails if somebody else has made the file meanwhile. */
static bool publish(const struct backup_item *backup, struct err *err)
{
	if (!sync_file(backup->copy.path, err))
		return false;
	if (link(backup->copy.path, backup->file) < 0)
		return errno == EEXIST ? err_set(err, ERR_EXISTS, "there is a file '%s' already",
						 backup->file)
				       : err_errno(err, "cannot make '%s'", backup->file);
	return true;
}

static bool backup_step(struct backup_item *backup, struct store_db *db, struct err *err)
{
	if (!backup->has_more && !copy_begin(&backup->copy, db->sqlite, err))
		return false;
	if (!copy_step(&backup->copy, PAGES_A_STEP, &backup->has_more, err))
		return false;
	if (backup->has_more)
		return true;
	copy_fini(&backup->copy);
	return publish(backup, err);
}

static bool backup_run(struct store_item *item, struct store_db *db, struct err *err)
{
	struct backup_item *backup = CONTAINER_OF(item, struct backup_item, item);
	bool ok = backup_step(backup, db, err);

	if (ok && backup->has_more)
		return true;
	backup->has_more = false;
	copy_fini(&backup->copy);
	unlink(backup->copy.path);
	return ok;
}

static void backup_done(struct store_item *item, const struct err *err)
{
	struct backup_item *backup = CONTAINER_OF(item, struct backup_item, item);

	if (!err && backup->has_more) {
		store_item_submit(item->store, item, backup_run, backup_done);
		return;
	}
	backup->done(backup->data, err);
	free(backup->copy.path);
	free(backup->file);
	free(backup);
}

void store_backup(struct store *store, const char *file, store_done_fn *done, void *data)
{
	struct backup_item *backup = xnew(struct backup_item);

	backup->file = xstrdup(file);
	backup->copy.path = xasprintf("%s.new", file);
	backup->done = done;
	backup->data = data;
	store_item_submit(store, &backup->item, backup_run, backup_done);
}

/* ---- restore ---------------------------------------------------------------------------- */

static void sqlite_closep(sqlite3 **sqlite)
{
	sqlite3_close(*sqlite);
}

/* Copies the database FILE with the changes that are in its own log. */
static bool copy_file(struct copy *copy, const char *file, struct err *err)
{
	CLEANUP(sqlite_closep) sqlite3 *from = NULL;
	bool more;

	if (access(file, R_OK) < 0)
		return err_errno(err, "cannot read '%s'", file);
	if (sqlite3_open_v2(file, &from, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return err_set(err, ERR_STORE, "cannot open '%s': %s", file, sqlite3_errmsg(from));
	return copy_begin(copy, from, err) && copy_step(copy, -1, &more, err);
}

static bool is_sound(struct store_db *db, struct err *err)
{
	char why[256];

	return store_sums_register(db, err) && store_sound_look(db, why, err) &&
	       (!why[0] || err_set(err, ERR_STORE, "it is broken (%s)", why));
}

static bool mark_restored(struct store_db *db, const char *file, struct err *err)
{
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;
	CLEANUP(free_charp) char *why = xasprintf("it was restored from '%.150s'", file);
	char id[ID_UUID_SIZE];

	id_uuid_new(id);
	if (!store_sql_prepare(db,
			       "INSERT INTO identity (id, epoch, sequence, file, is_open, doubt) "
			       "SELECT ?1, 0, 0, '', 0, '' WHERE NOT EXISTS (SELECT * FROM "
			       "identity)",
			       &stmt, err))
		return false;
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
	if (!store_sql_run(db, stmt, "mark", err))
		return false;
	sqlite3_finalize(TAKE_PTR(stmt));
	if (!store_sql_prepare(db, "UPDATE identity SET doubt = ?1, is_open = 0", &stmt, err))
		return false;
	sqlite3_bind_text(stmt, 1, why, -1, SQLITE_STATIC);
	return store_sql_run(db, stmt, "mark", err);
}

/* In WAL mode the last changes of the copy would stay in a log beside it. */
static bool make_ready(struct copy *copy, const char *file, struct err *err)
{
	struct store_db *db = &copy->to;

	return store_sql_exec(db, "PRAGMA journal_mode = DELETE", err) &&
	       store_upgrade_check(db, store_upgrade_count, err) && is_sound(db, err) &&
	       store_upgrade_run(db, store_upgrades, store_upgrade_count, err) &&
	       mark_restored(db, file, err);
}

static bool put_aside(const char *path, const char *kept, const char *suffix, struct err *err)
{
	CLEANUP(free_charp) char *from = xasprintf("%s%s", path, suffix);
	CLEANUP(free_charp) char *to = xasprintf("%s%s", kept, suffix);

	return rename(from, to) == 0 || errno == ENOENT ||
	       err_errno(err, "cannot rename '%s' to '%s'", from, to);
}

static bool replace(const char *dir, const char *path, const char *draft, char **ret_kept,
		    struct err *err)
{
	CLEANUP(free_charp)
	char *kept = xasprintf("%s.replaced-%lld", path, (long long)clock_wall_ms());
	bool had_one = access(path, F_OK) == 0;

	/* The log is renamed first. If migrd dies in between, a database without its log starts
	 * in doubt (store/identity.h), while a log without its database would be refused. */
	if (!put_aside(path, kept, "-wal", err) || !put_aside(path, kept, "", err))
		return false;
	if (rename(draft, path) < 0)
		return err_errno(err, "cannot rename '%s' to '%s'", draft, path);
	*ret_kept = had_one ? TAKE_PTR(kept) : NULL;
	return store_dir_sync(dir, err);
}

bool store_restore_blocking(const char *dir, const char *file, char **ret_kept, struct err *err)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/migrd.db", dir);
	CLEANUP(free_charp) char *draft = xasprintf("%s.new", path);
	CLEANUP(closep) int lock_fd = -1;
	struct copy copy = { .path = draft };
	bool ok;

	if (!store_dir_lock(dir, &lock_fd, err))
		return false;
	ok = copy_file(&copy, file, err) && make_ready(&copy, file, err);
	copy_fini(&copy);
	if (ok && sync_file(draft, err) && replace(dir, path, draft, ret_kept, err))
		return true;
	unlink(draft);
	return err_wrap(err, "the backup '%s' was not put back", file);
}
