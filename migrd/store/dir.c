/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

static bool check_dir(const char *dir, struct err *err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return err_errno(err, "cannot look at the state directory '%s'", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_STORE, "the state directory '%s' is not a directory", dir);
	if (st.st_uid != geteuid())
		return err_set(err, ERR_STORE,
			       "the state directory '%s' belongs to user %u, but migrd runs as "
			       "user %u: run it as that user, or 'chown -R %u %s'",
			       dir, st.st_uid, geteuid(), geteuid(), dir);
	if (st.st_mode & 077)
		return err_set(err, ERR_STORE,
			       "the state directory '%s' is open to other users (mode %04o): "
			       "'chmod 0700 %s'",
			       dir, st.st_mode & 07777, dir);
	return true;
}

/* An OFD lock does not tell its holder's pid (fcntl(2): l_pid is -1), so the
 * holder writes it into the file. */
static bool refuse_second(const char *dir, int fd, struct err *err)
{
	char pid[24] = "";
	ssize_t len = pread(fd, pid, sizeof(pid) - 1, 0);

	if (len > 0)
		pid[strcspn(pid, "\n")] = '\0';
	return err_set(err, ERR_BUSY,
		       "the state directory '%s' is in use by another migrd (process %s): end that "
		       "one first, or give this one a state_dir of its own",
		       dir, pid[0] ? pid : "unknown");
}

static bool write_pid(const char *path, int fd, struct err *err)
{
	char pid[24];
	int len = snprintf(pid, sizeof(pid), "%d\n", getpid());

	/* A full disk is no reason not to start: the pid is for a message only. */
	if (ftruncate(fd, 0) < 0 || (pwrite(fd, pid, (size_t)len, 0) < 0 && errno != ENOSPC))
		return err_errno(err, "cannot write '%s'", path);
	return true;
}

bool store_dir_lock(const char *dir, int *ret_lock_fd, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	CLEANUP(free_charp) char *path = xasprintf("%s/lock", dir);
	CLEANUP(closep) int fd = -1;

	if (!dir_make(dir, 0700, err))
		return err_wrap(err, "state directory");
	if (!check_dir(dir, err))
		return false;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return refuse_second(dir, fd, err);
		return err_errno(err, "cannot lock '%s'", path);
	}
	if (!write_pid(path, fd, err))
		return false;
	*ret_lock_fd = TAKE_FD(fd);
	return true;
}

bool store_dir_sync(const char *dir, struct err *err)
{
	CLEANUP(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(closep) int parent_fd = -1;

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, "cannot sync '%s'", dir);
	/* DIR may have been made a moment ago, so its parent is synced too.  If
	 * that cannot be opened, somebody else made DIR. */
	parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd >= 0 && fsync(parent_fd) < 0)
		return err_errno(err, "cannot sync the directory of '%s'", dir);
	return true;
}
