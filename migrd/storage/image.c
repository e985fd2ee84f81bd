/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "storage/spot.h"

#define QEMU_IMG_TIMEOUT_MS 60000
/* As many as QEMU's own open() follows (path_resolution(7)). */
#define LINKS_MAX 40

/* ---- removing, keeping ------------------------------------------------------------ */

/* The mark goes last: as long as it is there, this is done again. */
static bool remove_made(const struct spot *spot, struct err *err)
{
	bool is_made;

	return spot_is_made_by_move(spot, &is_made, err) &&
	       (!is_made || spot_unlink(spot, spot->name, err)) && spot_sync(spot, err) &&
	       spot_unlink(spot, spot->mark, err) && spot_sync(spot, err);
}

bool image_remove_blocking(const char *path, const char *move, struct err *err)
{
	CLEANUP(spot_close) struct spot spot;

	return spot_open(&spot, path, move, err) && (spot.dir < 0 || remove_made(&spot, err));
}

bool image_keep_blocking(const char *path, const char *move, struct err *err)
{
	CLEANUP(spot_close) struct spot spot;

	return spot_open(&spot, path, move, err) &&
	       (spot.dir < 0 || (spot_unlink(&spot, spot.mark, err) && spot_sync(&spot, err)));
}

/* ---- making ----------------------------------------------------------------------- */

static char *options_of(const struct disk_copy *copy)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "compat=%s,cluster_size=%" PRIu64 ",refcount_bits=%" PRIu64,
		    disk_copy_compat_names[copy->compat], copy->cluster_bytes, copy->refcount_bits);
	if (copy->lazy_refcounts)
		strbuf_adds(&text, ",lazy_refcounts=on");
	if (copy->extended_l2)
		strbuf_adds(&text, ",extended_l2=on");
	return strbuf_take(&text);
}

/* qemu-img gets the open file, so that it can neither make nor change another.  BASE, "" or the
 * path of the backing file, is opened too, which fails if it has another format. */
static bool run_qemu_img(const char *program, const struct disk_copy *copy, const char *base, int fd,
			 struct err *err)
{
	bool is_qcow2 = copy->format == VM_DEF_DISK_FORMAT_QCOW2;
	CLEANUP(free_charp) char *options = is_qcow2 ? options_of(copy) : NULL;
	char file[40], size[24];
	const char *const argv[] = {
		program,
		"create",
		"-q",
		"-f",
		vm_def_disk_format_names[copy->format],
		file,
		size,
		is_qcow2 ? "-o" : NULL,
		options,
		*base ? "-F" : NULL,
		vm_def_disk_format_names[copy->backing_format],
		"-b",
		base,
		NULL,
	};

	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	snprintf(size, sizeof(size), "%" PRIu64, copy->virtual_bytes);
	return proc_run_blocking(&(struct proc_args){ .argv = argv,
						      .keep_fds = &fd,
						      .keep_fd_count = 1 },
				 QEMU_IMG_TIMEOUT_MS, err);
}

static bool make_mark(const struct spot *spot, const struct storage_rules *rules,
		      const struct disk_copy *copy, struct err *err)
{
	char base[VM_DEF_PATH_SIZE] = "";
	CLEANUP(closep)
	int fd = openat(spot->dir, spot->mark, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, "cannot make '%s' beside '%s'", spot->mark, spot->path);
	if (copy->backing[0] && !storage_place_base(rules, copy->backing, base, err))
		return false;
	if (!run_qemu_img(rules->qemu_img, copy, base, fd, err))
		return err_wrap(err, "the image '%s' cannot be made%s%s", spot->path,
				*base ? " over " : "", base);
	if (fsync(fd) != 0)
		return err_errno(err, "cannot sync the image '%s'", spot->path);
	return spot_sync(spot, err);
}

static bool link_name(const struct spot *spot, struct err *err)
{
	if (linkat(spot->dir, spot->mark, spot->dir, spot->name, 0) == 0)
		return spot_sync(spot, err);
	if (errno == EEXIST)
		return spot_name_is_taken(spot, err);
	return err_errno(err, "cannot give the new image the name '%s'", spot->path);
}

bool image_make_blocking(const struct storage_rules *rules, const struct disk_copy *copy,
			 const char *path, const char *move, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };
	struct err ignored;

	if (!disk_copy_check(copy, err) || !spot_open(&spot, path, move, err) ||
	    !spot_check_dir(rules, &spot, err) || !remove_made(&spot, err))
		return false;
	if (make_mark(&spot, rules, copy, err) && link_name(&spot, err))
		return true;
	remove_made(&spot, &ignored);
	return false;
}

/* ---- the source ------------------------------------------------------------------ */

/* Device nodes and directories are not ours to rename or remove. */
static bool check_is_file(const struct spot *spot, struct err *err)
{
	struct stat st;

	if (fstatat(spot->dir, spot->name, &st, 0) != 0)
		return errno == ENOENT || err_errno(err, "cannot look at '%s'", spot->path);
	return S_ISREG(st.st_mode) ||
	       err_set(err, ERR_CONFLICT, "'%s' is no file: it stays as it is", spot->path);
}

static bool rename_aside(const struct spot *spot, const char *to, struct err *err)
{
	bool is_there;
	struct stat st;
	int error = spot_rename(spot, spot->name, to);

	if (error == EEXIST)
		return err_set(err, ERR_CONFLICT,
			       "'%s' cannot be put aside, since '%s' is there already: move one of "
			       "them away",
			       spot->path, to);
	errno = error;
	if (error && error != ENOENT)
		return err_errno(err, "cannot rename '%s' to '%s'", spot->path, to);
	if (!spot_look(spot, to, &st, &is_there, err))
		return false;
	return is_there ||
	       err_set(err, ERR_NOT_FOUND, "neither '%s' nor '%s' is there", spot->path, to);
}

bool image_put_aside_blocking(const char *path, const char *host, const char *move, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };
	CLEANUP(free_charp) char *to = NULL;

	if (!spot_open(&spot, path, NULL, err))
		return false;
	to = xasprintf("%s.moved-to-%s-%s", spot.name, host, move);
	if (spot.dir < 0)
		return err_set(err, ERR_NOT_FOUND, "neither '%s' nor '%s' is there", path, to);
	return check_is_file(&spot, err) && rename_aside(&spot, to, err) && spot_sync(&spot, err);
}

/* Whoever may write in the directory of an image can put a link there: such a link leads to the
 * removal of no file that its maker does not own.  NEXT: what is there. */
static bool check_link(const struct spot *spot, const struct stat *link, const struct stat *next,
		       struct err *err)
{
	return link->st_uid == 0 || link->st_uid == geteuid() || link->st_uid == next->st_uid ||
	       err_set(err, ERR_CONFLICT,
		       "'%s' is a symbolic link of user %u, and leads to what is another user's: "
		       "both stay; remove the image if it is the guest's",
		       spot->path, (unsigned)link->st_uid);
}

/* The absolute path to which the link leads. */
static char *target_of(const struct spot *spot, struct err *err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(spot->dir, spot->name, target, sizeof(target));

	if (len < 0 || (size_t)len == sizeof(target)) {
		err_set(err, ERR_CONFLICT, "cannot read the symbolic link '%s'", spot->path);
		return NULL;
	}
	return xasprintf("%.*s%.*s", target[0] == '/' ? 0 : (int)(spot->name - spot->path),
			 spot->path, (int)len, target);
}

static bool discard(const char *path, unsigned links_max, struct err *err);

/* What the link leads to goes first: after a crash the link still tells where that was. */
static bool discard_target(const struct spot *spot, const struct stat *link, unsigned links_max,
			   struct err *err)
{
	CLEANUP(spot_close) struct spot next = { .dir = -1 };
	CLEANUP(free_charp) char *target = target_of(spot, err);
	bool is_there = false;
	struct stat st;

	if (!target || !spot_open(&next, target, NULL, err) ||
	    (next.dir >= 0 && !spot_look(&next, next.name, &st, &is_there, err)))
		return false;
	if (!is_there)
		return true;
	if (links_max == 0)
		return err_set(err, ERR_CONFLICT, "'%s' leads to too many symbolic links",
			       spot->path);
	return check_link(spot, link, &st, err) && discard(target, links_max - 1, err);
}

/* PATH leads to a file, or to nothing. */
static bool discard(const char *path, unsigned links_max, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };
	bool is_there = false;
	struct stat st;

	if (!spot_open(&spot, path, NULL, err) ||
	    (spot.dir >= 0 && !spot_look(&spot, spot.name, &st, &is_there, err)))
		return false;
	if (!is_there)
		return true;
	return (!S_ISLNK(st.st_mode) || discard_target(&spot, &st, links_max, err)) &&
	       spot_unlink(&spot, spot.name, err) && spot_sync(&spot, err);
}

bool image_discard_blocking(const char *path, struct err *err)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };

	return spot_open(&spot, path, NULL, err) &&
	       (spot.dir < 0 || (check_is_file(&spot, err) && discard(path, LINKS_MAX, err)));
}
