/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/mem.h"

/* As err_errno(), but NOT_FOUND for a missing file, which callers check for, and INVALID for a
 * directory. */
static bool fail(struct err *err, const char *what, const char *path)
{
	bool is_missing = errno == ENOENT;

	if (errno == EISDIR)
		return err_set(err, ERR_INVALID, "'%s' is a directory: a file is needed", path);
	err_errno(err, "cannot %s '%s'", what, path);
	if (is_missing)
		err->code = ERR_NOT_FOUND;
	return false;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* ---- reading --------------------------------------------------------- */

/* Up to LEN bytes, fewer only at the end of the file. */
static ssize_t read_full(int fd, char *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, data + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* Reads to the end, but no more than MAX + 1 bytes. Ignores the size in the inode,
 * which is 0 in /proc. */
static ssize_t read_growing(int fd, size_t max, char **ret_data)
{
	CLEANUP(free_charp) char *data = NULL;
	size_t size = 4096;
	size_t len = 0;

	for (;;) {
		ssize_t n;

		if (size > max + 1)
			size = max + 1;
		data = xrealloc(data, size + 1);
		n = read_full(fd, data + len, size - len);
		if (n < 0)
			return -1;
		len += (size_t)n;
		if (len < size || len > max)
			break;
		size *= 2;
	}
	data[len] = '\0';
	*ret_data = TAKE_PTR(data);
	return (ssize_t)len;
}

bool file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct err *err)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP(free_charp) char *data = NULL;
	ssize_t len;

	if (fd < 0)
		return fail(err, "open", path);
	len = read_growing(fd, max, &data);
	if (len < 0)
		return fail(err, "read", path);
	if ((size_t)len > max)
		return err_set(err, ERR_TOO_LARGE, "'%s' is larger than %zu bytes", path, max);
	*ret_data = TAKE_PTR(data);
	*ret_len = (size_t)len;
	return true;
}

bool file_read_tail(const char *path, size_t max, char **ret_text, struct err *err)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP(free_charp) char *text = NULL;
	off_t size;
	ssize_t len;

	if (fd < 0)
		return fail(err, "open", path);
	size = lseek(fd, 0, SEEK_END);
	if (size < 0 || lseek(fd, size > (off_t)max ? size - (off_t)max : 0, SEEK_SET) < 0)
		return fail(err, "seek in", path);
	text = xcalloc(1, max + 1);
	len = read_full(fd, text, max);
	if (len < 0)
		return fail(err, "read", path);
	text[len] = '\0';
	*ret_text = TAKE_PTR(text);
	return true;
}

/* ---- writing --------------------------------------------------------- */

static bool write_full(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* The rename itself is durable only when the directory is synced. */
bool file_sync_parent(const char *path, struct err *err)
{
	CLEANUP(free_charp) char *dir = xstrdup(path);
	CLEANUP(closep) int fd = -1;
	char *slash = strrchr(dir, '/');

	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return (fd >= 0 && fsync(fd) == 0) || fail(err, "sync the directory of", path);
}

bool file_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
	CLEANUP(free_charp) char *beside = xasprintf("%s.XXXXXX", path);
	CLEANUP(closep) int fd = mkostemp(beside, O_CLOEXEC);

	if (fd < 0)
		return fail(err, "make", beside);
	if (fchmod(fd, mode) < 0 || !write_full(fd, data, len) || fsync(fd) < 0 ||
	    rename(beside, path) < 0) {
		fail(err, "write", path);
		unlink(beside);
		return false;
	}
	return file_sync_parent(path, err);
}

/* Opened for writing, as the question is about a lock for writing. */
bool file_is_locked(const char *path)
{
	CLEANUP(closep) int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *file_find_program(const char *name)
{
	const char *dir = getenv("PATH");

	if (strchr(name, '/'))
		return is_program(name) ? xstrdup(name) : NULL;
	for (size_t len; dir && *dir; dir += len + (dir[len] == ':')) {
		CLEANUP(free_charp) char *path = NULL;

		len = strcspn(dir, ":");
		path = xasprintf("%.*s/%s", (int)len, dir, name);
		if (is_program(path))
			return TAKE_PTR(path);
	}
	return NULL;
}

/* ---- directories ----------------------------------------------------- */

static bool make_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return true;
	if (errno != EEXIST)
		return false;
	if (stat(path, &st) < 0)
		return false;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode);
}

bool dir_make(const char *path, mode_t mode, struct err *err)
{
	CLEANUP(free_charp) char *part = xstrdup(path);

	for (char *p = part + 1; part[0] && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (!make_one(part, mode))
			return fail(err, "make directory", part);
		*p = '/';
	}
	return make_one(path, mode) || fail(err, "make directory", path);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

bool dir_remove(const char *path, struct err *err)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return fail(err, "open directory", path);
	dir = fdopendir(fd);
	if (!dir) {
		fail(err, "read directory", path);
		close(fd);
		return false;
	}
	while ((entry = readdir(dir)))
		if (!is_dot(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) < 0 &&
		    errno != ENOENT)
			return err_errno(err, "cannot remove '%s/%s'", path, entry->d_name);
	if (rmdir(path) < 0 && errno != ENOENT)
		return fail(err, "remove directory", path);
	return true;
}

/* ---- sockets --------------------------------------------------------- */

static bool set_address(const char *path, struct sockaddr_un *addr, struct err *err)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(addr->sun_path))
		return err_set(err, ERR_INVALID, "socket path '%s' is not 1 to %zu bytes long",
			       path, sizeof(addr->sun_path) - 1);
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(addr->sun_path, path, len);
	return true;
}

static int new_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

bool unix_listen(const char *path, int type, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct sockaddr_un addr;

	if (!set_address(path, &addr, err))
		return false;
	fd = new_socket(type);
	if (fd < 0)
		return fail(err, "make a socket for", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return fail(err, "remove the old", path);
	/* bind(2) takes the mode from the socket's own inode: there is no moment in
	 * which others could connect. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return fail(err, "listen on", path);
	*ret_fd = TAKE_FD(fd);
	return true;
}

/* Any other failure to connect (such as EACCES) counts as listening. */
bool unix_is_listening(const char *path)
{
	CLEANUP(closep) int fd = new_socket(SOCK_STREAM);
	struct sockaddr_un addr;
	struct err ignored;

	if (fd < 0 || !set_address(path, &addr, &ignored))
		return true;
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ||
	       (errno != ENOENT && errno != ECONNREFUSED);
}

bool unix_path_is_free(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT || err_errno(err, "'%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFLICT, "'%s' is there already, and is no socket", path);
	if (unix_is_listening(path))
		return err_set(err, ERR_CONFLICT,
			       "the socket '%s' is in use by another program of this host", path);
	return true;
}

bool unix_connect(const char *path, int type, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct sockaddr_un addr;

	if (!set_address(path, &addr, err))
		return false;
	fd = new_socket(type);
	if (fd < 0)
		return fail(err, "make a socket for", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		/* EAGAIN: the queue of the listener is full (unix(7)). */
		bool is_absent = errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN;

		err_errno(err, "cannot connect to '%s'", path);
		if (is_absent)
			err->code = ERR_UNAVAILABLE;
		return false;
	}
	*ret_fd = TAKE_FD(fd);
	return true;
}
