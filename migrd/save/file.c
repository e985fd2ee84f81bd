/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "save/file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/path.h"
#include "storage/spot.h"
#include "tls/digest.h"

#define MAGIC    "MIGRDSAV"
#define RESTORED "RESTORED"
#define MARK_AT  512
#define JSON_AT  4096
#define JSON_MAX (SAVE_FILE_DATA_AT - JSON_AT)

const char *const save_file_mode_names[] = { "stream", "mapped-ram", NULL };

struct first {
	char magic[8];
	uint32_t version, json_len; /* little-endian */
	char digest[64];
};
_Static_assert(sizeof(struct first) == 80, "the layout of the file");

static const struct json_field fields[] = {
	{ .key = "id", .type = JSON_STRING, .required = true, JSON_MEMBER(struct save_file, id) },
	{ .key = "complete",
	  .type = JSON_BOOL,
	  .required = true,
	  JSON_MEMBER(struct save_file, complete) },
	{ .key = "vm", .type = JSON_STRING, .required = true, JSON_MEMBER(struct save_file, vm) },
	{ .key = "uuid",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct save_file, uuid) },
	{ .key = "generation",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct save_file, generation) },
	{ .key = "host", .type = JSON_STRING, JSON_MEMBER(struct save_file, host) },
	{ .key = "qemu_version", .type = JSON_STRING, JSON_MEMBER(struct save_file, qemu_version) },
	{ .key = "machine", .type = JSON_STRING, JSON_MEMBER(struct save_file, machine) },
	{ .key = "mode",
	  .type = JSON_ENUM,
	  .required = true,
	  .names = save_file_mode_names,
	  JSON_MEMBER(struct save_file, mode) },
	{ .key = "runs", .type = JSON_BOOL, .required = true, JSON_MEMBER(struct save_file, runs) },
	{ .key = "live", .type = JSON_BOOL, JSON_MEMBER(struct save_file, live) },
	{ .key = "saved_at", .type = JSON_INT, JSON_MEMBER(struct save_file, saved_at) },
	{ .key = "bytes", .type = JSON_UINT, JSON_MEMBER(struct save_file, bytes) },
	{ .key = "disks",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct save_file, disks, disk_count),
	  .fields = save_disk_fields },
	{ .key = "definition",
	  .type = JSON_ANY,
	  .required = true,
	  JSON_MEMBER(struct save_file, definition) },
	{ 0 },
};

void save_file_fini(struct save_file *head)
{
	json_object_put(TAKE_PTR(head->definition));
}

/* ---- where it may be ---------------------------------------------------------- */

static bool is_above(void *data, const char *dir, size_t len)
{
	CLEANUP(free_charp) char *text = xstrndup(dir, len);
	CLEANUP(free_charp) char *real = realpath(text, NULL);

	return real && path_below(data, real, strlen(real));
}

/* A symbolic link may lead from one of the directories into another, and nowhere else. */
static bool check_inside(const char *dirs, const struct spot *spot, struct err *err)
{
	const struct storage_rules rules = { .dirs = dirs };
	char link[40], real[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", spot->dir);
	len = readlink(link, real, sizeof(real) - 1);
	if (len < 0)
		return err_errno(err, "cannot find the directory of '%s'", spot->path);
	real[len] = '\0';
	return storage_any_dir(&rules, is_above, real) ||
	       err_set(err, ERR_CONFLICT,
		       "'%s' is in the directory '%s', which is below none of those for saved "
		       "guests ('%s'): add one to 'save_dirs' of [storage]",
		       spot->path, real, dirs ? dirs : "");
}

static bool open_place(const char *dirs, const char *path, const char *id, struct spot *ret,
		       struct err *err)
{
	ret->dir = -1;
	if (!path_is_plain(path, strlen(path)))
		return err_set(err, ERR_INVALID,
			       "'%s' is no path for a saved guest: an absolute one without an "
			       "empty, '.' or '..' component is wanted",
			       path);
	if (strlen(strrchr(path, '/') + 1) > STORAGE_NAME_MAX)
		return err_set(err, ERR_INVALID, "'%s' has a name of more than %d bytes", path,
			       STORAGE_NAME_MAX);
	if (!spot_open(ret, path, id, err))
		return false;
	if (ret->dir < 0)
		return err_set(err, ERR_CONFLICT, "the directory of '%s' is not there: make it",
			       path);
	return check_inside(dirs, ret, err);
}

static bool check_writable(const struct spot *spot, struct err *err)
{
	return faccessat(spot->dir, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
	       err_set(err, ERR_CONFLICT, "migrd may not write in the directory of '%s' (%s)",
		       spot->path, strerror(errno));
}

static bool open_file(const struct spot *spot, const char *name, int flags, int *ret_fd,
		      struct err *err)
{
	struct stat st;
	int fd = openat(spot->dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "there is no file '%s' on this host",
			       spot->path);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return err_set(err, ERR_CONFLICT, "migrd may not open '%s' (%s): let its user",
			       spot->path, strerror(errno));
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", spot->path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*ret_fd = fd;
		return true;
	}
	close(fd);
	return err_set(err, ERR_INVALID, "'%s' is no file", spot->path);
}

/* ---- the description ------------------------------------------------------------ */

static bool sum(const struct first *first, const char *json, size_t len, char ret[DIGEST_TEXT_SIZE])
{
	struct digest *digest = digest_new();
	bool ok = digest && digest_add(digest, first, offsetof(struct first, digest)) &&
		  digest_add(digest, json, len);

	if (digest)
		digest_end(digest, ret);
	return ok;
}

static bool write_at(int fd, const void *data, size_t len, off_t at, const char *path,
		     struct err *err)
{
	const char *bytes = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot write '%s'", path);
		bytes += n;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool write_head(int fd, const struct save_file *head, const char *path, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(fields, head);
	struct first first = { .version = htole32(SAVE_FILE_VERSION) };
	char digest[DIGEST_TEXT_SIZE];
	size_t len;
	const char *json = json_text(obj, &len);

	if (len > JSON_MAX)
		return err_set(err, ERR_TOO_LARGE, "the definition of VM '%s' is too long",
			       head->vm);
	memcpy(first.magic, MAGIC, sizeof(first.magic));
	first.json_len = htole32((uint32_t)len);
	if (!sum(&first, json, len, digest))
		return err_set(err, ERR_INTERNAL, "no SHA-256 is to be had");
	memcpy(first.digest, digest, sizeof(first.digest));
	return write_at(fd, json, len, JSON_AT, path, err) &&
	       write_at(fd, &first, sizeof(first), 0, path, err);
}

static bool is_damaged(const char *path, struct err *err)
{
	return err_set(err, ERR_INVALID,
		       "'%s' is a saved guest whose description is cut or damaged: it cannot be "
		       "restored",
		       path);
}

static bool check_first(const struct first *first, const char *path, struct err *err)
{
	if (memcmp(first->magic, MAGIC, sizeof(first->magic)) != 0)
		return err_set(err, ERR_INVALID, "'%s' is no guest that migrd has saved", path);
	if (le32toh(first->version) != SAVE_FILE_VERSION)
		return err_set(err, ERR_INVALID,
			       "'%s' has the format %u, and this migrd knows %d: use a migrd of "
			       "that time",
			       path, le32toh(first->version), SAVE_FILE_VERSION);
	return le32toh(first->json_len) <= JSON_MAX || is_damaged(path, err);
}

static bool decode(const char *json, size_t len, struct save_file *ret, struct err *err)
{
	const struct json_limits limits = { .max_bytes = JSON_MAX, .max_depth = 16 };
	struct faults *faults = faults_new();
	CLEANUP(json_putp) struct json_object *obj = json_parse(json, len, &limits, faults);
	struct save_file head = { 0 };
	bool ok = obj && json_decode_object(obj, fields, &head, JSON_IGNORE_UNKNOWN, err);

	faults_free(faults);
	if (!ok) {
		save_file_fini(&head);
		return false;
	}
	*ret = head;
	return true;
}

static bool read_head(int fd, const char *path, struct save_file *ret, struct err *err)
{
	CLEANUP(free_charp) char *json = NULL;
	char digest[DIGEST_TEXT_SIZE];
	struct first first;
	size_t len;

	memset(&first, 0, sizeof(first));
	if (pread(fd, &first, sizeof(first), 0) < 0)
		return err_errno(err, "cannot read '%s'", path);
	if (!check_first(&first, path, err))
		return false;
	len = le32toh(first.json_len);
	json = xcalloc(1, len + 1);
	if (pread(fd, json, len, JSON_AT) != (ssize_t)len || !sum(&first, json, len, digest) ||
	    memcmp(digest, first.digest, sizeof(first.digest)) != 0 || !decode(json, len, ret, err))
		return is_damaged(path, err);
	return true;
}

/* ---- what has the name ------------------------------------------------------------ */

static bool has_magic(int fd)
{
	char magic[8];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

/* Only a saved guest may be replaced. */
static bool look_at_former(const struct spot *spot, struct save_former *ret, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct save_file head = { 0 };
	struct err ignored;

	*ret = (struct save_former){ .is_there = false };
	if (!open_file(spot, spot->name, O_RDONLY, &fd, err))
		return err->code == ERR_NOT_FOUND;
	if (!has_magic(fd))
		return err_set(err, ERR_CONFLICT,
			       "'%s' is there already, and is no saved guest: it is not replaced; "
			       "choose another name, or move it away",
			       spot->path);
	ret->is_there = true;
	if (read_head(fd, spot->path, &head, &ignored))
		snprintf(ret->id, sizeof(ret->id), "%s", head.id);
	save_file_fini(&head);
	return true;
}

static bool check_former(const struct spot *spot, const struct save_former *former, struct err *err)
{
	struct save_former now;

	if (!look_at_former(spot, &now, err))
		return false;
	return (now.is_there == former->is_there && strcmp(now.id, former->id) == 0) ||
	       err_set(err, ERR_CONFLICT,
		       "'%s' has come, gone or been replaced since the save began: try again",
		       spot->path);
}

bool save_file_check_blocking(const char *dirs, const char *path, struct save_former *ret_former,
			      struct err *err)
{
	CLEANUP(spot_close) struct spot spot;

	return open_place(dirs, path, NULL, &spot, err) && check_writable(&spot, err) &&
	       look_at_former(&spot, ret_former, err);
}

bool save_file_check_dir_blocking(const char *dirs, const char *dir, uint64_t *ret_bytes,
				  struct err *err)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/VM.migrd", dir);
	CLEANUP(spot_close) struct spot spot;
	struct statvfs fs;

	if (!open_place(dirs, path, NULL, &spot, err) || !check_writable(&spot, err))
		return false;
	if (fstatvfs(spot.dir, &fs) != 0)
		return err_errno(err, "cannot look at the directory of '%s'", path);
	*ret_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return true;
}

/* ---- a save --------------------------------------------------------------------- */

static bool fill(const struct spot *spot, const struct save_file *head, int *ret_fd,
		 struct err *err)
{
	CLEANUP(closep)
	int fd = openat(spot->dir, spot->mark, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd < 0)
		return err_errno(err, "cannot make '%s' beside '%s'", spot->mark, spot->path);
	if (!write_head(fd, head, spot->path, err))
		return false;
	if (lseek(fd, SAVE_FILE_DATA_AT, SEEK_SET) < 0)
		return err_errno(err, "cannot write '%s'", spot->path);
	*ret_fd = TAKE_FD(fd);
	return true;
}

bool save_file_begin_blocking(const char *dirs, const char *path, const struct save_file *head,
			      const struct save_former *former, int *ret_fd, struct err *err)
{
	CLEANUP(spot_close) struct spot spot;
	struct err ignored;

	if (!open_place(dirs, path, head->id, &spot, err) || !check_writable(&spot, err) ||
	    !check_former(&spot, former, err))
		return false;
	if (fill(&spot, head, ret_fd, err))
		return true;
	spot_unlink(&spot, spot.mark, &ignored);
	return false;
}

static bool has_its_name(const struct spot *spot, const char *id)
{
	CLEANUP(closep) int fd = -1;
	struct save_file head = { 0 };
	struct err ignored;
	bool is_it = open_file(spot, spot->name, O_RDONLY, &fd, &ignored) &&
		     read_head(fd, spot->path, &head, &ignored) && head.complete &&
		     strcmp(head.id, id) == 0;

	save_file_fini(&head);
	return is_it;
}

/* QEMU's data are on disk before the description says that they are complete. */
static bool complete(const struct spot *spot, const struct save_file *head, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct save_file whole = *head;
	struct stat st;

	if (!open_file(spot, spot->mark, O_RDWR, &fd, err))
		return false;
	if (fault_hit("save.sync", err))
		return false;
	if (fsync(fd) != 0 || fstat(fd, &st) != 0)
		return err_errno(err, "cannot sync '%s'", spot->path);
	if (st.st_size <= SAVE_FILE_DATA_AT)
		return err_set(err, ERR_QEMU, "QEMU has written nothing to '%s'", spot->path);
	whole.complete = true;
	whole.bytes = (uint64_t)st.st_size;
	if (!write_head(fd, &whole, spot->path, err))
		return false;
	if (fsync(fd) != 0)
		return err_errno(err, "cannot sync '%s'", spot->path);
	return true;
}

bool save_file_finish_blocking(const char *path, const struct save_file *head,
			       const struct save_former *former, struct err *err)
{
	CLEANUP(spot_close) struct spot spot;
	bool is_there;
	struct stat st;

	if (!spot_open(&spot, path, head->id, err))
		return false;
	if (spot.dir < 0)
		return err_set(err, ERR_NOT_FOUND, "the directory of '%s' is gone", path);
	if (!spot_look(&spot, spot.mark, &st, &is_there, err))
		return false;
	if (!is_there && has_its_name(&spot, head->id))
		return spot_sync(&spot, err);
	if (!complete(&spot, head, err) || fault_hit("save.rename", err) ||
	    !check_former(&spot, former, err))
		return false;
	if (renameat(spot.dir, spot.mark, spot.dir, spot.name) != 0)
		return err_errno(err, "cannot give the file the name '%s'", path);
	return !fault_hit("save.renamed", err) && spot_sync(&spot, err);
}

bool save_file_drop_blocking(const char *path, const char *id, struct err *err)
{
	CLEANUP(spot_close) struct spot spot;

	return spot_open(&spot, path, id, err) &&
	       (spot.dir < 0 || (spot_unlink(&spot, spot.mark, err) && spot_sync(&spot, err)));
}

/* ---- a restore ------------------------------------------------------------------- */

static bool check_whole(int fd, const struct save_file *head, const char *path, struct err *err)
{
	struct stat st;

	if (!head->complete)
		return err_set(err, ERR_INVALID,
			       "'%s' is not complete: the save of VM '%s' did not come to its end",
			       path, head->vm);
	if (fstat(fd, &st) != 0)
		return err_errno(err, "cannot look at '%s'", path);
	return (uint64_t)st.st_size == head->bytes ||
	       err_set(err, ERR_INVALID,
		       "'%s' has %lld bytes, and had %llu when it was complete: it was cut or "
		       "changed",
		       path, (long long)st.st_size, (unsigned long long)head->bytes);
}

static bool read_all(int fd, const char *path, struct save_file *ret, bool *ret_restored,
		     struct err *err)
{
	struct save_file head = { 0 };
	char mark[8];

	if (!read_head(fd, path, &head, err))
		return false;
	if (check_whole(fd, &head, path, err) &&
	    (pread(fd, mark, sizeof(mark), MARK_AT) == sizeof(mark) || is_damaged(path, err))) {
		*ret = head;
		*ret_restored = memcmp(mark, RESTORED, sizeof(mark)) == 0;
		return true;
	}
	save_file_fini(&head);
	return false;
}

bool save_file_read_blocking(const char *dirs, const char *path, struct save_file *ret,
			     bool *ret_restored, int *ret_fd, struct err *err)
{
	CLEANUP(spot_close) struct spot spot;
	CLEANUP(closep) int fd = -1;

	if (!open_place(dirs, path, NULL, &spot, err) ||
	    !open_file(&spot, spot.name, O_RDONLY, &fd, err) ||
	    !read_all(fd, path, ret, ret_restored, err))
		return false;
	if (ret_fd && lseek(fd, SAVE_FILE_DATA_AT, SEEK_SET) == SAVE_FILE_DATA_AT)
		*ret_fd = TAKE_FD(fd);
	return true;
}

bool save_file_mark_blocking(const char *path, const char *id, bool is_restored, struct err *err)
{
	static const char none[8];
	CLEANUP(spot_close) struct spot spot;
	CLEANUP(closep) int fd = -1;
	struct save_file head = { 0 };
	bool is_it;

	if (!spot_open(&spot, path, NULL, err))
		return false;
	if (spot.dir < 0)
		return err_set(err, ERR_NOT_FOUND, "the directory of '%s' is gone", path);
	if (!open_file(&spot, spot.name, O_RDWR, &fd, err) || !read_head(fd, path, &head, err))
		return false;
	is_it = strcmp(head.id, id) == 0;
	save_file_fini(&head);
	if (!is_it)
		return err_set(err, ERR_CONFLICT, "'%s' has been replaced", path);
	if (!write_at(fd, is_restored ? RESTORED : none, sizeof(none), MARK_AT, path, err))
		return false;
	return fsync(fd) == 0 || err_errno(err, "cannot sync '%s'", path);
}

bool save_file_remove_blocking(const char *path, const char *id, struct err *err)
{
	CLEANUP(spot_close) struct spot spot;

	if (!spot_open(&spot, path, NULL, err))
		return false;
	return spot.dir < 0 || !has_its_name(&spot, id) ||
	       (spot_unlink(&spot, spot.name, err) && spot_sync(&spot, err));
}
