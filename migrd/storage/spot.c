/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/spot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/path.h"

/* ---- the two names in their directory ------------------------------------------ */

void spot_close(struct spot *spot)
{
	closep(&spot->dir);
}

bool spot_open(struct spot *ret, const char *path, const char *move, struct err *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(free_charp)
	char *dir = slash ? xstrndup(path, slash > path ? (size_t)(slash - path) : 1) : NULL;

	*ret = (struct spot){ .dir = -1, .path = path };
	if (path[0] != '/' || !slash || !slash[1])
		return err_set(err, ERR_INVALID, "'%s' is no absolute path of a file", path);
	ret->name = slash + 1;
	if (move && snprintf(ret->mark, sizeof(ret->mark), ".%s.migrd-%s", ret->name, move) >=
			    (int)sizeof(ret->mark))
		return err_set(err, ERR_INVALID, "'%s' has too long a name: rename the image",
			       path);
	ret->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->dir < 0 && errno != ENOENT)
		return err_errno(err, "cannot open the directory '%s'", dir);
	return true;
}

bool spot_look(const struct spot *spot, const char *name, struct stat *ret_st, bool *ret_is_there,
	       struct err *err)
{
	bool is_there = fstatat(spot->dir, name, ret_st, AT_SYMLINK_NOFOLLOW) == 0;

	if (!is_there && errno != ENOENT)
		return err_errno(err, "cannot look at '%s' beside '%s'", name, spot->path);
	*ret_is_there = is_there;
	return true;
}

bool spot_is_made_by_move(const struct spot *spot, bool *ret_is_made, struct err *err)
{
	bool has_mark, has_name;
	struct stat mark, name;

	if (!spot_look(spot, spot->mark, &mark, &has_mark, err) ||
	    !spot_look(spot, spot->name, &name, &has_name, err))
		return false;
	*ret_is_made =
		has_mark && has_name && mark.st_dev == name.st_dev && mark.st_ino == name.st_ino;
	return true;
}

bool spot_unlink(const struct spot *spot, const char *name, struct err *err)
{
	if (unlinkat(spot->dir, name, 0) == 0 || errno == ENOENT)
		return true;
	return err_errno(err, "cannot remove '%s' beside '%s'", name, spot->path);
}

/* NFS and others know no RENAME_NOREPLACE, and say EINVAL. */
int spot_rename(const struct spot *spot, const char *from, const char *to)
{
	struct stat st;

	if (renameat2(spot->dir, from, spot->dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return errno;
	if (fstatat(spot->dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return EEXIST;
	return renameat(spot->dir, from, spot->dir, to) == 0 ? 0 : errno;
}

/* A file system that cannot sync a directory says EINVAL (fsync(2)). */
bool spot_sync(const struct spot *spot, struct err *err)
{
	if (fsync(spot->dir) == 0 || errno == EINVAL)
		return true;
	return err_errno(err, "cannot sync the directory of '%s'", spot->path);
}

/* ---- may it be made there? ------------------------------------------------------ */

static bool is_real_dir_above(void *data, const char *dir, size_t len)
{
	CLEANUP(free_charp) char *text = xstrndup(dir, len);
	CLEANUP(free_charp) char *real = realpath(text, NULL);

	return real && path_below(data, real, strlen(real));
}

/* A symbolic link may lead from one of the dirs into another, and nowhere else. */
static bool check_inside(const struct storage_rules *rules, const struct spot *spot,
			 struct err *err)
{
	char link[40], real[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", spot->dir);
	len = readlink(link, real, sizeof(real) - 1);
	if (len < 0)
		return err_errno(err, "cannot find the directory of '%s'", spot->path);
	real[len] = '\0';
	if (storage_any_dir(rules, is_real_dir_above, real))
		return true;
	return err_set(err, ERR_CONFLICT,
		       "the directory of '%s' is '%s', which is below none of the directories in "
		       "which images may be made here ('%s'): add one to 'dirs' of [storage]",
		       spot->path, real, rules->dirs ? rules->dirs : "");
}

bool spot_check_dir(const struct storage_rules *rules, const struct spot *spot, struct err *err)
{
	int len = (int)(spot->name - spot->path) - 1;

	if (spot->dir < 0)
		return err_set(err, ERR_CONFLICT,
			       "the directory '%.*s' is not there on this host: make it", len,
			       spot->path);
	if (!check_inside(rules, spot, err))
		return false;
	if (faccessat(spot->dir, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return err_set(err, ERR_CONFLICT,
			       "migrd may not write in the directory '%.*s' (%s): let its user",
			       len, spot->path, strerror(errno));
	return true;
}

bool spot_name_is_taken(const struct spot *spot, struct err *err)
{
	return err_set(err, ERR_CONFLICT,
		       "'%s' is there already on this host: move it away, or, if it is the same "
		       "storage as on the other, mark the disk \"shared\"",
		       spot->path);
}

bool spot_check_name(const struct spot *spot, struct err *err)
{
	bool is_there, is_made;
	struct stat st;

	if (!spot_look(spot, spot->name, &st, &is_there, err) ||
	    !spot_is_made_by_move(spot, &is_made, err))
		return false;
	return !is_there || is_made || spot_name_is_taken(spot, err);
}
