/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks of a backup become images again.  No daemon is asked: the files are looked at where
 * this program runs, with the rights of its user. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/migrctl/cmd_vmbackup.h"
#include "agents/migrctl/migrctl.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "wire/vmbackup_manifest.h"

#define CHAIN_MAX      100 /* backups that follow each other; QEMU opens all of them at once */
#define CONVERT_MAX_MS (24u * 3600 * 1000)

struct restore_values {
	const char *to, *format, *disks;
};
#define VALUE(field) .offset = offsetof(struct restore_values, field)

/* The backup, its parent, and so on; a path has no '/' at its end. */
struct chain {
	struct {
		char path[PATH_MAX];
		struct vmbackup_manifest manifest;
	} links[CHAIN_MAX];
	size_t count;
};

/* ---- is it whole? ------------------------------------------------------------------------- */

/* Version 3 of qcow2, whose content is in itself: else QEMU would read any file that it names
 * (docs/interop/qcow2.txt of QEMU: incompatible_features, bit 2). */
static bool has_own_content(int fd)
{
	unsigned char header[80];

	return pread(fd, header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
	       memcmp(header, "QFI\xfb\0\0\0\3", 8) == 0 && !(header[79] & 4);
}

static bool check_file(const char *path, const struct vmbackup_disk *disk, struct err *err)
{
	CLEANUP(free_charp) char *file = xasprintf("%s/%s", path, disk->file);
	CLEANUP(closep) int fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(err, "cannot look at '%s'", file);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != disk->file_bytes)
		return err_set(err, ERR_INVALID,
			       "'%s' is not as it was when the backup was complete: %" PRIu64
			       " bytes are wanted",
			       file, disk->file_bytes);
	return has_own_content(fd) ||
	       err_set(err, ERR_INVALID, "'%s' is no image that a backup has made", file);
}

static bool add_link(struct chain *chain, const char *path, struct err *err)
{
	struct vmbackup_manifest *manifest = &chain->links[chain->count].manifest;
	CLEANUP(free_charp) char *file = xasprintf("%s/%s", path, VMBACKUP_MANIFEST);

	snprintf(chain->links[chain->count].path, PATH_MAX, "%s", path);
	if (!vmbackup_manifest_read_blocking(file, manifest, err))
		return err_wrap(err, "backup '%s'", path);
	if (chain->count && strcmp(manifest->uuid, chain->links[0].manifest.uuid) != 0)
		return err_set(err, ERR_INVALID, "'%s' is of another VM than '%s'", path,
			       chain->links[0].path);
	for (size_t i = 0; i < manifest->disk_count; i++) {
		if (!check_file(path, &manifest->disks[i], err))
			return false;
	}
	chain->count++;
	return true;
}

/* A parent is beside the backup that follows it. */
static bool read_chain(struct chain *chain, const char *path, struct err *err)
{
	const char *parent;

	if (!add_link(chain, path, err))
		return false;
	while (*(parent = chain->links[chain->count - 1].manifest.parent)) {
		CLEANUP(free_charp) char *next = xasprintf("%s/../%s", path, parent);

		if (chain->count == CHAIN_MAX)
			return err_set(err, ERR_LIMIT, "'%s' needs more than %d backups", path,
				       CHAIN_MAX);
		if (!add_link(chain, next, err))
			return err_wrap(err, "'%s' follows backup '%.40s'",
					chain->links[chain->count - 1].path, parent);
		if (strcmp(chain->links[chain->count - 1].manifest.id, parent) != 0)
			return err_set(err, ERR_INVALID, "'%s' is another backup, '%s'", next,
				       chain->links[chain->count - 1].manifest.id);
	}
	return true;
}

/* ---- a disk ------------------------------------------------------------------------------ */

static const struct vmbackup_disk *find_disk(const struct vmbackup_manifest *manifest,
					     const char *id)
{
	for (size_t i = 0; i < manifest->disk_count; i++) {
		if (strcmp(manifest->disks[i].id, id) == 0)
			return &manifest->disks[i];
	}
	return NULL;
}

/* The image and those below it, as QEMU opens them.  What the images say of that themselves is not
 * followed: they may have been changed. */
static struct json_object *node(const struct chain *chain, size_t at, const char *id,
				struct err *err)
{
	const struct vmbackup_disk *disk =
		at < chain->count ? find_disk(&chain->links[at].manifest, id) : NULL;
	struct json_object *obj, *file, *backing = NULL;
	CLEANUP(free_charp) char *path = NULL;

	if (!disk) {
		err_set(err, ERR_INVALID, "disk '%s' is not in the backup that it follows", id);
		return NULL;
	}
	if (disk->mode == VMBACKUP_INCREMENTAL && !(backing = node(chain, at + 1, id, err)))
		return NULL;
	path = xasprintf("%s/%s", chain->links[at].path, disk->file);
	obj = json_object_new_object();
	file = json_object_new_object();
	json_add_str(file, "driver", "file");
	json_add_str(file, "filename", path);
	json_add_str(obj, "driver", "qcow2");
	json_object_object_add(obj, "file", file);
	json_object_object_add(obj, "backing", backing);
	return obj;
}

/* Of an image that is made: borrowed. */
struct image_names {
	const char *format, *dir;
	const char *made; /* while it is made */
	const char *path;
};

static bool run(const char *const *argv, struct err *err)
{
	return proc_run_blocking(&(struct proc_args){ .argv = argv }, CONVERT_MAX_MS, err);
}

/* Of root it goes to the owner of the directory DIR, in which who runs the guests keeps images. */
static bool give_away(int fd, const char *dir, struct err *err)
{
	struct stat above;

	if (geteuid() != 0)
		return true;
	if (stat(dir, &above) != 0)
		return err_errno(err, "cannot look at '%s'", dir);
	return fchown(fd, above.st_uid, above.st_gid) == 0 ||
	       err_errno(err, "cannot give the image to the owner of '%s'", dir);
}

/* The file that was made has still the name MADE, and no other. */
static bool check_name(int fd, const char *made, struct err *err)
{
	struct stat file, named;

	if (fstat(fd, &file) != 0)
		return err_errno(err, "cannot look at the image");
	return (lstat(made, &named) == 0 && named.st_dev == file.st_dev &&
		named.st_ino == file.st_ino && file.st_nlink == 1) ||
	       err_set(err, ERR_CONFLICT, "another program has changed the image '%s'", made);
}

/* Made under another name, and compared, before it gets its own, which must be free.  The owner of
 * the directory can put any file in the place of MADE: what is opened, and gets the name, is the
 * file FD itself. */
static bool fill_image(int fd, const char *source, const struct image_names *names, struct err *err)
{
	CLEANUP(free_charp) char *file = xasprintf("/proc/%d/fd/%d", (int)getpid(), fd);
	const char *const convert[] = { "qemu-img",    "convert", "-q", "-O",
					names->format, source,    file, NULL };
	const char *const compare[] = { "qemu-img",    "compare", "-q", "-F",
					names->format, source,    file, NULL };

	if (!run(convert, err) || !run(compare, err))
		return err_wrap(err, "'%s' cannot be made", names->path);
	if (!check_name(fd, names->made, err) || !give_away(fd, names->dir, err))
		return false;
	if (fsync(fd) != 0)
		return err_errno(err, "cannot sync '%s'", names->made);
	if (linkat(AT_FDCWD, file, AT_FDCWD, names->path, AT_SYMLINK_FOLLOW) != 0)
		return err_errno(err, "cannot give the image the name '%s'", names->path);
	return true;
}

static bool make_image(const char *source, const struct image_names *names, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	bool ok;

	unlink(names->made); /* of a restore that was broken off */
	fd = open(names->made, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "cannot make '%s'", names->made);
	ok = fill_image(fd, source, names, err);
	unlink(names->made);
	return ok;
}

static bool restore_disk(const struct chain *chain, const struct vmbackup_disk *disk,
			 const struct restore_values *values, struct err *err)
{
	const char *format = values->format ? values->format : "qcow2";
	CLEANUP(json_putp) struct json_object *obj = node(chain, 0, disk->id, err);
	CLEANUP(free_charp) char *source = obj ? xasprintf("json:%s", json_text(obj, NULL)) : NULL;
	CLEANUP(free_charp) char *path = xasprintf("%s/%s.%s", values->to, disk->id, format);
	CLEANUP(free_charp)
	char *made =
		xasprintf("%s/.%s.migrd-%s", values->to, disk->id, chain->links[0].manifest.id);
	bool ok;

	if (!source)
		return false;
	if (access(path, F_OK) == 0)
		return err_set(err, ERR_EXISTS, "'%s' is there already: move it away", path);
	ok = make_image(source,
			&(struct image_names){
				.format = format, .dir = values->to, .made = made, .path = path },
			err) &&
	     file_sync_parent(path, err);
	if (ok)
		printf("%s: %s, %" PRIu64 " bytes\n", disk->id, path, disk->virtual_bytes);
	return ok;
}

static bool is_wanted(const char *list, const char *id)
{
	return !list || id_list_has(list, id);
}

static bool restore(struct chain *chain, const char *path, const struct restore_values *values,
		    struct err *err)
{
	const struct vmbackup_manifest *manifest = &chain->links[0].manifest;
	size_t count = 0;

	if (!read_chain(chain, path, err))
		return false;
	for (size_t i = 0; i < manifest->disk_count; i++) {
		if (!is_wanted(values->disks, manifest->disks[i].id))
			continue;
		if (!restore_disk(chain, &manifest->disks[i], values, err))
			return false;
		count++;
	}
	return count > 0 || err_set(err, ERR_NOT_FOUND, "the backup has none of the disks '%s'",
				    values->disks ? values->disks : "");
}

static bool run_restore(struct cli_call *call, struct err *err)
{
	CLEANUP(free_charp) char *path = xstrdup(call->words[0]);
	struct chain *chain = xnew(struct chain);
	bool ok;

	umask(077); /* as a daemon's: what a disk has is for its owner alone */
	while (strlen(path) > 1 && path[strlen(path) - 1] == '/')
		path[strlen(path) - 1] = '\0';
	ok = restore(chain, path, call->values, err);
	free(chain);
	return ok;
}

static const char *const formats[] = { "qcow2", "raw", NULL };

static const struct cli_option restore_options[] = {
	{
		.name = "to",
		.type = CLI_TEXT,
		.arg = "DIRECTORY",
		.is_required = true,
		VALUE(to),
		.help = "where the images are made, DISK.FORMAT each; none is replaced",
	},
	{
		.name = "format",
		.type = CLI_CHOICE,
		.choices = formats,
		.arg = "qcow2|raw",
		VALUE(format),
		.help = "of the images (default: qcow2)",
	},
	{
		.name = "disks",
		.type = CLI_TEXT,
		.arg = "ID,ID",
		VALUE(disks),
		.help = "only these disks",
	},
	{ .name = NULL },
};

const struct cli_command cmd_vmbackup_restore = {
	.noun = "vm-backup",
	.verb = "restore",
	.args = "BACKUP",
	.min_args = 1,
	.max_args = 1,
	.options = restore_options,
	.values_size = sizeof(struct restore_values),
	.summary = "make images of the disks in a backup, a directory of this machine",
	.details =
		"BACKUP is DIRECTORY/ID of `vm backup'; those that it follows must be beside it.\n"
		"Each image is compared with the backup before it gets its name.  Put it in the\n"
		"place of the disk's image while the VM is stopped, or in a new definition.  It "
		"has\n"
		"mode 0600, and is yours, or, if you are root, the owner's of the directory "
		"--to.\n",
	.run = run_restore,
};
