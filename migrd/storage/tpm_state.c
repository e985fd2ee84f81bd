/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/tpm_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "storage/spot.h"

static bool has_mark(const struct spot *spot, bool *ret, struct err *err)
{
	struct stat st;

	return spot_look(spot, spot->mark, &st, ret, err);
}

static bool has_state(const struct spot *spot, bool *ret, struct err *err)
{
	struct stat st;

	return spot_look(spot, spot->name, &st, ret, err);
}

static bool is_taken(const struct spot *spot, struct err *err)
{
	return err_set(err, ERR_CONFLICT,
		       "the state of a TPM of this VM is in '%s' already: if it is not needed any "
		       "more, remove it, for it holds keys",
		       spot->path);
}

/* The mark goes last: as long as it is there, this is done again. */
static bool remove_made(const struct spot *spot, struct err *err)
{
	bool is_marked;

	return has_mark(spot, &is_marked, err) && (!is_marked || dir_remove(spot->path, err)) &&
	       spot_sync(spot, err) && spot_unlink(spot, spot->mark, err) && spot_sync(spot, err);
}

/* Nobody else's state may be there when the mark is made, since the mark would make it ours. */
static bool make_marked(const struct spot *spot, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	bool is_there;

	if (!has_state(spot, &is_there, err))
		return false;
	if (is_there)
		return is_taken(spot, err);
	fd = openat(spot->dir, spot->mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "cannot make '%s' beside '%s'", spot->mark, spot->path);
	if (!spot_sync(spot, err))
		return false;
	if (mkdirat(spot->dir, spot->name, 0700) == 0)
		return spot_sync(spot, err);
	if (errno == EEXIST)
		return spot_unlink(spot, spot->mark, err) && is_taken(spot, err);
	return err_errno(err, "cannot make '%s' for the state of a TPM", spot->path);
}

static bool make_parent(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(free_charp) char *dir = xstrndup(path, slash > path ? (size_t)(slash - path) : 1);

	return dir_make(dir, 0700, err);
}

bool tpm_state_make_blocking(const char *path, const char *move, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };
	struct err ignored;

	if (!make_parent(path, err) || !spot_open(&spot, path, move, err))
		return false;
	if (spot.dir < 0)
		return err_set(err, ERR_CONFLICT, "the directory of '%s' was removed just now",
			       path);
	if (!remove_made(&spot, err))
		return false;
	if (make_marked(&spot, err))
		return true;
	remove_made(&spot, &ignored);
	return false;
}

static bool sync_file(int dir, const char *name, const char *path, struct err *err)
{
	CLEANUP(closep)
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return true; /* swtpm has renamed it */
	return (fd >= 0 && fsync(fd) == 0) ||
	       err_errno(err, "cannot sync '%s' of a TPM in '%s'", name, path);
}

static bool sync_files(DIR *dir, const char *path, struct err *err)
{
	const struct dirent *entry;

	while ((entry = readdir(dir))) {
		bool may_be_file = entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN;

		if (may_be_file && !sync_file(dirfd(dir), entry->d_name, path, err))
			return false;
	}
	return fsync(dirfd(dir)) == 0 || errno == EINVAL ||
	       err_errno(err, "cannot sync the directory '%s' of a TPM", path);
}

bool tpm_state_sync_blocking(const char *path, struct err *err)
{
	DIR *dir = opendir(path);
	bool ok;

	if (!dir)
		return errno == ENOENT || err_errno(err, "cannot read '%s'", path);
	ok = sync_files(dir, path, err);
	closedir(dir);
	return ok;
}

bool tpm_state_keep_blocking(const char *path, const char *move, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };

	return spot_open(&spot, path, move, err) &&
	       (spot.dir < 0 || (spot_unlink(&spot, spot.mark, err) && spot_sync(&spot, err)));
}

bool tpm_state_remove_blocking(const char *path, const char *move, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };

	return spot_open(&spot, path, move, err) && (spot.dir < 0 || remove_made(&spot, err));
}

bool tpm_state_discard_blocking(const char *path, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };

	return spot_open(&spot, path, NULL, err) &&
	       (spot.dir < 0 || (dir_remove(path, err) && spot_sync(&spot, err)));
}

static bool is_free(const struct storage_rules *rules, const char *uuid, const char *suffix,
		    const char *move, struct err *err)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s%s", rules->tpm_dir, uuid, suffix);
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };
	bool is_there, is_marked;

	if (!spot_open(&spot, path, move, err))
		return false;
	if (spot.dir < 0)
		return true; /* it is made when it is needed */
	if (!has_state(&spot, &is_there, err) || !has_mark(&spot, &is_marked, err))
		return false;
	return !is_there || is_marked || is_taken(&spot, err);
}

bool tpm_state_look_blocking(const struct storage_rules *rules, const char *uuid, const char *move,
			     struct err *err)
{
	CLEANUP(free_charp) char *program = file_find_program(rules->swtpm);

	if (!program)
		return err_set(err, ERR_CONFLICT,
			       "there is no program '%s' on this host to emulate it: install it, "
			       "or "
			       "name another by 'swtpm' of [tpm]",
			       rules->swtpm);
	return is_free(rules, uuid, "", move, err) &&
	       is_free(rules, uuid, ID_SECOND_SUFFIX, move, err);
}
