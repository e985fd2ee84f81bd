/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/vars.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "storage/spot.h"

/* Ends the name of a copy that is not complete; no id of a move. */
#define UNFINISHED  "new"
#define PIECE_BYTES 65536

static bool open_template(const char *template, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = open(template, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(err, "cannot read '%s', of which the variables would be made",
				 template);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > VM_DEF_FIRMWARE_BYTES_MAX)
		return err_set(err, ERR_INVALID,
			       "'%s' is no image of variables: a file of 1 to %d bytes is wanted",
			       template, VM_DEF_FIRMWARE_BYTES_MAX);
	*ret_fd = TAKE_FD(fd);
	return true;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t count = write(fd, data, len);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return false;
		data += count;
		len -= (size_t)count;
	}
	return true;
}

/* The template may grow meanwhile: not more than its limit is read. */
static bool copy(int from, int to)
{
	CLEANUP(free_charp) char *buffer = xcalloc(1, PIECE_BYTES);
	size_t total = 0;
	ssize_t count;

	while ((count = read(from, buffer, PIECE_BYTES)) > 0) {
		total += (size_t)count;
		if (total > VM_DEF_FIRMWARE_BYTES_MAX) {
			errno = EFBIG;
			return false;
		}
		if (!write_all(to, buffer, (size_t)count))
			return false;
	}
	return count == 0 && fsync(to) == 0;
}

static bool make_copy(const struct spot *spot, const char *template, struct err *err)
{
	CLEANUP(closep) int from = -1;
	CLEANUP(closep) int to = -1;

	if (!template[0])
		return err_set(err, ERR_NOT_FOUND,
			       "the image of the firmware's variables, '%s', is not there: put it "
			       "there, or name a 'vars_template' of which it is made",
			       spot->path);
	if (!open_template(template, &from, err))
		return false;
	to = openat(spot->dir, spot->mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0 || !copy(from, to))
		return err_errno(err, "cannot make the variables of the firmware, '%s'",
				 spot->path);
	if (linkat(spot->dir, spot->mark, spot->dir, spot->name, 0) != 0 && errno != EEXIST)
		return err_errno(err, "cannot give new variables the name '%s'", spot->path);
	return true;
}

bool vars_make_blocking(const char *path, const char *template, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };
	struct err ignored;
	struct stat st;
	bool is_there;

	if (!spot_open(&spot, path, UNFINISHED, err))
		return false;
	if (spot.dir < 0)
		return err_set(err, ERR_NOT_FOUND,
			       "the directory of the firmware's variables, '%s', is not there: "
			       "make it",
			       path);
	/* What a link leads to is QEMU's to open; a name without a file behind it is taken too. */
	if (!spot_unlink(&spot, spot.mark, err) ||
	    !spot_look(&spot, spot.name, &st, &is_there, err))
		return false;
	if (is_there)
		return true;
	if (!make_copy(&spot, template, err)) {
		spot_unlink(&spot, spot.mark, &ignored);
		return false;
	}
	return spot_sync(&spot, err) && spot_unlink(&spot, spot.mark, err);
}
