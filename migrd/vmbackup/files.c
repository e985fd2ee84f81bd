/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmbackup/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "storage/place.h"
#include "wire/vmbackup_manifest.h"

#define QEMU_IMG_TIMEOUT_MS 60000
/* Bitmaps of backups in other directories that are kept: the newest. */
#define KEPT_ELSEWHERE 4

#define PATH_SIZE (VM_DEF_PATH_SIZE + 128)

/* ---- paths --------------------------------------------------------------------------- */

void vmbackup_files_path(const struct vmbackup_place *place, const char *file, char ret[PATH_SIZE])
{
	snprintf(ret, PATH_SIZE, "%s/.%s.migrd-backup%s%s", place->directory, place->id,
		 file[0] ? "/" : "", file);
}

static void final_path(const struct vmbackup_place *place, const char *id, const char *file,
		       char ret[PATH_SIZE])
{
	snprintf(ret, PATH_SIZE, "%s/%s%s%s", place->directory, id, file[0] ? "/" : "", file);
}

/* ---- the directory ---------------------------------------------------------------------- */

static bool is_above(void *data, const char *dir, size_t len)
{
	CLEANUP(free_charp) char *text = xstrndup(dir, len);
	CLEANUP(free_charp) char *real = realpath(text, NULL);

	return real && path_below(data, real, strlen(real));
}

static bool check_inside(const char *dirs, const char *directory, int fd, struct err *err)
{
	const struct storage_rules rules = { .dirs = dirs };
	char link[40], real[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, real, sizeof(real) - 1);
	if (len < 0)
		return err_errno(err, "cannot find the directory '%s'", directory);
	real[len] = '\0';
	return storage_any_dir(&rules, is_above, real) ||
	       err_set(err, ERR_CONFLICT,
		       "the directory '%s' is below none of those for backups ('%s'): add one to "
		       "'backup_dirs' of [storage]",
		       real, dirs ? dirs : "");
}

bool vmbackup_files_check_blocking(const char *dirs, const char *directory, struct err *err)
{
	CLEANUP(closep) int fd = -1;

	if (!path_is_plain(directory, strlen(directory)))
		return err_set(err, ERR_INVALID,
			       "'%s' is no directory for backups: an absolute path without an "
			       "empty, "
			       "'.' or '..' component is wanted",
			       directory);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ERR_CONFLICT,
			       "the directory '%s' cannot be opened (%s): make it, "
			       "and let migrd's user write there",
			       directory, strerror(errno));
	if (!check_inside(dirs, directory, fd, err))
		return false;
	return faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
	       err_set(err, ERR_CONFLICT, "migrd may not write in the directory '%s' (%s)",
		       directory, strerror(errno));
}

/* ---- the parent ---------------------------------------------------------------------------- */

/* The description of backup ID of this VM in the directory. */
static bool read_former(const struct vmbackup_place *place, const char *id,
			struct vmbackup_manifest *ret)
{
	char path[PATH_SIZE];
	struct err ignored;

	final_path(place, id, VMBACKUP_MANIFEST, path);
	return vmbackup_manifest_read_blocking(path, ret, &ignored) &&
	       strcmp(ret->uuid, place->uuid) == 0 && strcmp(ret->id, id) == 0;
}

static const struct vmbackup_disk *find_disk(const struct vmbackup_manifest *former, const char *id)
{
	for (size_t i = 0; i < former->disk_count; i++) {
		if (strcmp(former->disks[i].id, id) == 0)
			return &former->disks[i];
	}
	return NULL;
}

#define WHY(disk, ...) snprintf((disk)->why_full, sizeof((disk)->why_full), __VA_ARGS__)

static void choose_mode(struct vmbackup_disk *disk, const struct vmbackup_manifest *former,
			bool may_follow)
{
	const struct vmbackup_disk *before = former ? find_disk(former, disk->id) : NULL;

	if (!disk->has_bitmap)
		return; /* it was said why */
	if (!former)
		WHY(disk, "nothing is noted of its changes since a backup in this directory");
	else if (!before)
		WHY(disk, "it is not in backup %s", former->id);
	else if (before->virtual_bytes != disk->virtual_bytes)
		WHY(disk, "its size has changed since backup %s: %" PRIu64 ", and was %" PRIu64,
		    former->id, disk->virtual_bytes, before->virtual_bytes);
	else if (!may_follow)
		WHY(disk,
		    "its changes since backup %s are not known: the bitmap is not there, or "
		    "was not closed as it must be",
		    former->id);
	else
		disk->mode = VMBACKUP_INCREMENTAL;
}

static bool has_incremental(const struct vmbackup_detail *detail)
{
	for (size_t i = 0; i < detail->disk_count; i++) {
		if (detail->disks[i].mode == VMBACKUP_INCREMENTAL)
			return true;
	}
	return false;
}

/* What stays of the bitmaps: those of the directory are followed by this backup. */
static void choose_parent(const struct vmbackup_place *place, struct vmbackup_detail *detail)
{
	struct vmbackup_manifest *former = xnew(struct vmbackup_manifest);
	size_t parent = detail->bitmap_count, kept = 0, count = 0;

	for (size_t i = 0; i < detail->bitmap_count; i++) {
		struct vmbackup_manifest *at = xnew(struct vmbackup_manifest);
		bool is_here = read_former(place, detail->bitmaps[i], at);

		if (is_here && !former->id[0])
			*former = *at; /* at least it is told of */
		if (is_here && parent == detail->bitmap_count && detail->may_follow[i]) {
			*former = *at;
			parent = i;
		}
		free(at);
		if (is_here || detail->is_void[i] || ++kept > KEPT_ELSEWHERE)
			memmove(detail->bitmaps[count++], detail->bitmaps[i], ID_UUID_SIZE);
		if (parent == i)
			snprintf(detail->parent, sizeof(detail->parent), "%s", former->id);
	}
	for (size_t i = 0; i < detail->disk_count; i++) {
		struct vmbackup_disk *disk = &detail->disks[i];

		disk->mode = VMBACKUP_FULL;
		if (detail->wish.mode == VMBACKUP_FULL)
			disk->why_full[0] = '\0';
		else
			choose_mode(disk, former->id[0] ? former : NULL,
				    detail->parent[0] &&
					    (detail->may_follow[parent] & UINT64_C(1) << i));
	}
	detail->bitmap_count = count;
	if (!has_incremental(detail))
		detail->parent[0] = '\0';
	free(former);
}

/* ---- the images ------------------------------------------------------------------------------ */

static bool has_room(const struct vmbackup_place *place, const struct vmbackup_detail *detail,
		     struct err *err)
{
	uint64_t needed = 0, available;
	struct statvfs fs;

	for (size_t i = 0; i < detail->disk_count; i++) {
		if (detail->disks[i].mode == VMBACKUP_FULL && !detail->wish.compress)
			needed += detail->disks[i].allocated_bytes;
	}
	if (statvfs(place->directory, &fs) != 0)
		return err_errno(err, "cannot look at the directory '%s'", place->directory);
	available = (uint64_t)fs.f_bavail * fs.f_frsize;
	return needed <= available ||
	       err_set(err, ERR_NO_SPACE,
		       "the images of the backup need %" PRIu64 " MiB in '%s', and %" PRIu64
		       " MiB are free there",
		       (needed >> 20) + 1, place->directory, available >> 20);
}

static bool make_image(const struct vmbackup_place *place, const struct vmbackup_detail *detail,
		       const struct vmbackup_disk *disk, struct err *err)
{
	char path[PATH_SIZE], base[PATH_SIZE], size[24];
	bool is_over = disk->mode == VMBACKUP_INCREMENTAL;
	const char *const argv[] = {
		place->qemu_img,
		"create",
		"-q",
		"-f",
		"qcow2",
		"-o",
		"compat=1.1",
		path,
		size,
		is_over ? "-F" : NULL,
		"qcow2",
		"-b",
		base,
		NULL,
	};

	vmbackup_files_path(place, disk->file, path);
	snprintf(size, sizeof(size), "%" PRIu64, disk->virtual_bytes);
	snprintf(base, sizeof(base), "../%s/%s", detail->parent, disk->file);
	return (proc_run_blocking(&(struct proc_args){ .argv = argv }, QEMU_IMG_TIMEOUT_MS, err) ||
		err_wrap(err, "the image '%s' cannot be made%s%s", path, is_over ? " over " : "",
			 is_over ? base : "")) &&
	       !fault_hit("vmbackup.made", err);
}

bool vmbackup_files_make_blocking(const struct vmbackup_place *place,
				  struct vmbackup_detail *detail, struct err *err)
{
	char path[PATH_SIZE];

	if (!vmbackup_files_check_blocking(place->dirs, place->directory, err))
		return false;
	choose_parent(place, detail);
	if (!has_room(place, detail, err))
		return false;
	vmbackup_files_path(place, "", path);
	if (mkdir(path, 0700) != 0)
		return err_errno(err, "cannot make the directory '%s'", path);
	for (size_t i = 0; i < detail->disk_count; i++) {
		if (!make_image(place, detail, &detail->disks[i], err))
			return false;
	}
	return true;
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool sync_image(const char *path, struct vmbackup_disk *disk, struct err *err)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fsync(fd) != 0 || fstat(fd, &st) != 0)
		return err_errno(err, "cannot sync '%s'", path);
	disk->file_bytes = (uint64_t)st.st_size;
	return true;
}

static bool sync_images(const struct vmbackup_place *place, bool is_final,
			struct vmbackup_detail *detail, struct err *err)
{
	char path[PATH_SIZE];

	for (size_t i = 0; i < detail->disk_count; i++) {
		struct vmbackup_disk *disk = &detail->disks[i];

		if (is_final)
			final_path(place, place->id, disk->file, path);
		else
			vmbackup_files_path(place, disk->file, path);
		if (!sync_image(path, disk, err))
			return false;
	}
	return true;
}

static void fill_manifest(struct vmbackup_manifest *ret, const struct vmbackup_place *place,
			  const struct vmbackup_detail *detail)
{
	memset(ret, 0, sizeof(*ret));
	ret->version = VMBACKUP_MANIFEST_VERSION;
	memcpy(ret->id, place->id, sizeof(ret->id));
	memcpy(ret->parent, detail->parent, sizeof(ret->parent));
	memcpy(ret->vm, place->vm, sizeof(ret->vm));
	memcpy(ret->uuid, place->uuid, sizeof(ret->uuid));
	memcpy(ret->host, place->host, sizeof(ret->host));
	ret->generation = place->generation;
	memcpy(ret->qemu_version, detail->qemu_version, sizeof(ret->qemu_version));
	ret->taken_ms = detail->taken_ms;
	ret->was_frozen = detail->was_frozen;
	memcpy(ret->disks, detail->disks, sizeof(ret->disks));
	ret->disk_count = detail->disk_count;
	ret->definition = detail->definition;
}

static bool write_manifest(const struct vmbackup_place *place, const struct vmbackup_detail *detail,
			   struct err *err)
{
	struct vmbackup_manifest *manifest = xnew(struct vmbackup_manifest);
	char path[PATH_SIZE];
	bool ok;

	fill_manifest(manifest, place, detail);
	vmbackup_files_path(place, VMBACKUP_MANIFEST, path);
	ok = vmbackup_manifest_write_blocking(path, manifest, err);
	free(manifest);
	return ok;
}

bool vmbackup_files_seal_blocking(const struct vmbackup_place *place,
				  struct vmbackup_detail *detail, struct err *err)
{
	char hidden[PATH_SIZE], path[PATH_SIZE], manifest[PATH_SIZE];

	vmbackup_files_path(place, "", hidden);
	final_path(place, place->id, "", path);
	final_path(place, place->id, VMBACKUP_MANIFEST, manifest);
	if (access(manifest, F_OK) == 0) /* it was renamed before a crash */
		return sync_images(place, true, detail, err) && file_sync_parent(path, err);
	if (fault_hit("vmbackup.sync", err) || !sync_images(place, false, detail, err) ||
	    !write_manifest(place, detail, err) || fault_hit("vmbackup.rename", err))
		return false;
	if (renameat2(AT_FDCWD, hidden, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
		return err_errno(err, "cannot give the backup the name '%s'", path);
	if (!fault_hit("vmbackup.renamed", err) && file_sync_parent(path, err))
		return true;
	(void)rename(path, hidden); /* it fails, so it is not to be there */
	return false;
}

bool vmbackup_files_drop_blocking(const struct vmbackup_place *place, struct err *err)
{
	char path[PATH_SIZE];

	vmbackup_files_path(place, "", path);
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "there is no '%s'", path);
	return dir_remove(path, err) && file_sync_parent(path, err);
}
