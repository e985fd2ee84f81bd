/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The copies of a guest's disks, when they are made. */
#include "save/copies.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/reasons.h"
#include "storage/image.h"
#include "storage/spot.h"

/* ---- which, and where -------------------------------------------------------------- */

const struct vm_def_disk *save_copies_image(const struct vm_def *def, size_t number)
{
	for (size_t i = 0; i < def->disk_count; i++) {
		if (!def->disks[i].readonly && number-- == 0)
			return &def->disks[i];
	}
	return vm_def_has_firmware(def) && number == 0 ? &def->firmware.vars : NULL;
}

static bool find_image(const struct vm_def_disk *disk, const char *id, struct save_disk *ret,
		       struct err *err)
{
	CLEANUP(free_charp) char *real = realpath(disk->path, NULL);
	struct stat st;

	if (!real || stat(real, &st) != 0)
		return err_set(err, ERR_CONFLICT, "'%s' cannot be found (%s)", disk->path,
			       strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CONFLICT, "'%s' is no file, so no copy can take its place",
			       disk->path);
	if (strlen(strrchr(real, '/') + 1) > STORAGE_NAME_MAX || strchr(real, ':') ||
	    snprintf(ret->copy, sizeof(ret->copy), "%s.saved-%s", real, id) >=
		    (int)sizeof(ret->copy))
		return err_set(err, ERR_CONFLICT,
			       "'%s' has a ':' or too long a name (at most %d bytes): rename it",
			       real, STORAGE_NAME_MAX);
	snprintf(ret->id, sizeof(ret->id), "%s", disk->id);
	snprintf(ret->image, sizeof(ret->image), "%s", real);
	return true;
}

/* All of HEAD's disks; ERR has the reasons of all. */
static bool find_images(const struct vm_def *def, struct save_file *head, struct reasons *reasons)
{
	const struct vm_def_disk *image;
	char id[ID_UUID_SIZE];
	struct err bad;

	memcpy(id, head->id, sizeof(id));
	head->disk_count = 0;
	for (size_t i = 0; (image = save_copies_image(def, i)); i++) {
		struct save_disk *disk = &head->disks[head->disk_count++];

		memset(disk, 0, sizeof(*disk));
		if (!find_image(image, id, disk, &bad))
			reasons_add(reasons, "disk '%s': %s", image->id, bad.msg);
	}
	return !reasons->count;
}

static struct vm_def *decode(const struct save_file *head, struct err *err)
{
	struct vm_def *def = xnew(struct vm_def);
	struct faults *faults = faults_new();
	bool ok = vm_def_decode(head->definition, def, faults) || faults_to_err(faults, err);

	faults_free(faults);
	return ok ? def : (free(def), NULL);
}

static bool is_writable(const struct save_disk *disk, struct err *err)
{
	CLEANUP(spot_close) struct spot spot;

	if (!spot_open(&spot, disk->copy, NULL, err))
		return false;
	return (spot.dir >= 0 && faccessat(spot.dir, ".", W_OK | X_OK, AT_EACCESS) == 0) ||
	       err_set(err, ERR_CONFLICT,
		       "migrd may not write in the directory of '%s': let its user", disk->image);
}

/* The copies are in the file systems of their images, where the guest needs room too. */
static bool has_room(const struct save_file *head, size_t index, struct err *err)
{
	uint64_t needed = 0, available;
	struct statvfs fs;
	struct stat own, st;

	if (stat(head->disks[index].image, &own) != 0 ||
	    statvfs(head->disks[index].image, &fs) != 0)
		return true; /* what cannot be looked at is told by who opens it */
	for (size_t i = 0; i < head->disk_count; i++) {
		if (stat(head->disks[i].image, &st) == 0 && st.st_dev == own.st_dev)
			needed += (uint64_t)st.st_blocks * 512;
	}
	available = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (needed <= available)
		return true;
	return err_set(err, ERR_NO_SPACE,
		       "the copies of the images need %" PRIu64
		       " MiB in the file system of '%s', and %" PRIu64 " MiB are free there",
		       (needed >> 20) + 1, head->disks[index].image, available >> 20);
}

bool save_copies_find_blocking(struct save_file *head, struct err *err)
{
	struct reasons reasons = REASONS_INIT;
	struct vm_def *def = decode(head, err);
	struct err bad;

	if (!def)
		return false;
	if (find_images(def, head, &reasons)) {
		for (size_t i = 0; i < head->disk_count; i++) {
			if (!is_writable(&head->disks[i], &bad) || !has_room(head, i, &bad))
				reasons_add(&reasons, "disk '%s': %s", head->disks[i].id, bad.msg);
		}
	}
	free(def);
	return reasons_none(&reasons, "its disks cannot be copied", err);
}

/* ---- making ----------------------------------------------------------------------- */

static bool make(const char *qemu_img, const struct save_disk *disk, const struct disk_copy *made,
		 const char *id, struct err *err)
{
	CLEANUP(free_charp) char *dir = xstrdup(disk->copy);
	const struct storage_rules rules = { .dirs = dir, .qemu_img = qemu_img };
	char *slash = strrchr(dir, '/');

	slash[slash == dir] = '\0';
	return image_make_blocking(&rules, made, disk->copy, id, err) ||
	       err_wrap(err, "disk '%s'", disk->id);
}

bool save_copies_make_blocking(const char *qemu_img, const struct save_file *head,
			       const struct disk_copy *made, struct err *err)
{
	for (size_t i = 0; i < head->disk_count; i++) {
		if (!make(qemu_img, &head->disks[i], &made[i], head->id, err) ||
		    fault_hit("save.copy.made", err))
			return false;
	}
	return true;
}

static bool sync_copy(const struct save_disk *disk, struct stat *ret, struct err *err)
{
	CLEANUP(closep) int fd = open(disk->copy, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return (fd >= 0 && fsync(fd) == 0 && fstat(fd, ret) == 0) ||
	       err_errno(err, "cannot sync '%s'", disk->copy);
}

bool save_copies_sync_blocking(const struct save_file *head, struct err *err)
{
	struct stat st;

	for (size_t i = 0; i < head->disk_count; i++) {
		if (!sync_copy(&head->disks[i], &st, err))
			return false;
	}
	return true;
}

static int64_t changed_ms(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

bool save_copies_note_blocking(struct save_file *head, struct err *err)
{
	struct stat st;

	for (size_t i = 0; i < head->disk_count; i++) {
		if (!sync_copy(&head->disks[i], &st, err))
			return false;
		head->disks[i].bytes = (uint64_t)st.st_size;
		head->disks[i].changed_ms = changed_ms(&st);
	}
	return true;
}

/* ---- keeping, removing -------------------------------------------------------------- */

bool save_copies_keep_blocking(const struct save_file *head, struct err *err)
{
	for (size_t i = 0; i < head->disk_count; i++) {
		if (!image_keep_blocking(head->disks[i].copy, head->id, err) ||
		    fault_hit("save.copy.kept", err))
			return false;
	}
	return true;
}

static bool discard_all(const struct save_file *former, struct err *err)
{
	bool ok = true;

	for (size_t i = 0; i < former->disk_count; i++)
		ok = (!former->disks[i].copy[0] ||
		      image_discard_blocking(former->disks[i].copy, err)) &&
		     ok;
	return ok;
}

bool save_copies_forget_blocking(const struct save_file *head, const char *former, struct err *err)
{
	struct reasons ignored =
		REASONS_INIT; /* an image that is not there has no copy beside it */
	struct save_file *old;
	struct vm_def *def;
	bool ok = true;

	if (!id_uuid_is_valid(former) || strcmp(former, head->id) == 0)
		return true;
	def = decode(head, err);
	if (!def)
		return false;
	old = xnew(struct save_file);
	snprintf(old->id, sizeof(old->id), "%s", former);
	find_images(def, old, &ignored);
	ok = discard_all(old, err);
	strbuf_fini(&ignored.text);
	free(old);
	free(def);
	return ok;
}

/* Each is tried: ERR is that of the last which failed. */
bool save_copies_drop_blocking(const struct save_file *head, struct err *err)
{
	bool ok = true;

	for (size_t i = 0; i < head->disk_count; i++)
		ok = image_remove_blocking(head->disks[i].copy, head->id, err) && ok;
	return ok;
}

/* ---- are they as they were? ---------------------------------------------------------- */

static void check_copy(const struct save_disk *saved, const struct save_disk *now,
		       struct reasons *reasons)
{
	struct stat st;

	if (strcmp(saved->image, now->image) != 0)
		reasons_add(reasons, "the image of disk '%s' is '%s', and was '%s'", now->id,
			    now->image, saved->image);
	else if (lstat(now->copy, &st) != 0)
		reasons_add(reasons,
			    "'%s', which has the content of disk '%s', cannot be found (%s)",
			    now->copy, now->id, strerror(errno));
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != saved->bytes ||
		 changed_ms(&st) != saved->changed_ms)
		reasons_add(reasons,
			    "'%s', which has the content of disk '%s', was changed since it was "
			    "complete",
			    now->copy, now->id);
}

static bool are_same(const struct save_file *saved, const struct save_file *now)
{
	for (size_t i = 0; i < now->disk_count && i < saved->disk_count; i++) {
		if (strcmp(saved->disks[i].id, now->disks[i].id) != 0)
			return false;
	}
	return saved->disk_count == now->disk_count;
}

static bool check_all(struct save_file *head, const struct vm_def *def, struct err *err)
{
	struct reasons reasons = REASONS_INIT;
	struct save_file *now = xnew(struct save_file);

	snprintf(now->id, sizeof(now->id), "%s", head->id);
	if (!id_uuid_is_valid(head->id) ||
	    (find_images(def, now, &reasons) && !are_same(head, now))) {
		free(now);
		return err_set(err, ERR_INVALID,
			       "the file does not have the disks of its definition");
	}
	for (size_t i = 0; i < now->disk_count && !reasons.count; i++)
		check_copy(&head->disks[i], &now->disks[i], &reasons);
	for (size_t i = 0; i < now->disk_count; i++)
		memcpy(head->disks[i].copy, now->disks[i].copy, sizeof(now->disks[i].copy));
	free(now);
	return reasons_none(&reasons, "the disks of the snapshot", err);
}

bool save_copies_check_blocking(struct save_file *head, struct err *err)
{
	struct vm_def *def;
	bool ok;

	if (!head->disk_count)
		return true;
	def = decode(head, err);
	ok = def && check_all(head, def, err);
	free(def);
	return ok;
}
