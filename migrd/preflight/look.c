/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "base/proc.h"
#include "preflight/block.h"
#include "preflight/content.h"
#include "preflight/qcow2.h"

/* A longer chain of backing files is taken for a circle. */
#define CHAIN_MAX 64

/* ---- backing files ---------------------------------------------------------- */

static bool read_head(const char *path, struct qcow2_head *ret)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	CLEANUP(free_charp) char *head = fd >= 0 ? xcalloc(1, QCOW2_HEAD_MAX) : NULL;
	ssize_t len = fd >= 0 ? pread(fd, head, QCOW2_HEAD_MAX, 0) : -1;
	struct err err;

	return len > 0 && qcow2_head_read(head, (size_t)len, ret, &err);
}

/* QEMU takes a relative name as relative to the directory of the file that names it. */
static bool join(const char *named_by, const char *name, char ret_path[VM_DEF_PATH_SIZE])
{
	const char *slash = strrchr(named_by, '/');
	int dir_len =
		name[0] != '/' && slash && !strchr(name, ':') ? (int)(slash - named_by + 1) : 0;

	return snprintf(ret_path, VM_DEF_PATH_SIZE, "%.*s%s", dir_len, named_by, name) <
	       VM_DEF_PATH_SIZE;
}

static void add_named(struct needs *needs, const struct need_file *by, const char *name,
		      const char *role, bool is_qcow2)
{
	struct need_file file = {
		.kind = strcmp(role, "backing file") == 0 ? NEED_SAME_CONTENT : by->kind,
		.is_qcow2 = is_qcow2,
	};

	if (!name[0])
		return;
	snprintf(file.what, sizeof(file.what), "%s of %.40s", role, by->what);
	if (join(by->path, name, file.path) && (!by->here[0] || join(by->here, name, file.here)))
		needs_add_file(needs, &file);
	else
		needs->is_cut = true;
}

/* A backing file whose format is not given is probed by its first bytes, as QEMU does. */
void look_follow_blocking(struct needs *needs)
{
	for (size_t i = 0; i < needs->file_count && i < CHAIN_MAX; i++) {
		const struct need_file by = needs->files[i];
		struct qcow2_head head;

		if (!by.is_qcow2 || !read_head(need_path(&by), &head))
			continue;
		add_named(needs, &by, head.data_file, "data file", false);
		add_named(needs, &by, head.backing, "backing file", !head.backing_is_raw);
	}
}

void look_bases_blocking(struct needs *needs)
{
	for (size_t i = 0; i < needs->image_count; i++) {
		const struct need_image *image = &needs->images[i];
		struct need_file by = { .kind = NEED_SAME_CONTENT };
		struct qcow2_head head;

		snprintf(by.path, sizeof(by.path), "%s", image->path);
		if (image->shared_base && read_head(image->path, &head))
			add_named(needs, &by, head.backing, "backing file", !head.backing_is_raw);
	}
}

/* ---- one file ------------------------------------------------------------------ */

/* The file behind all symbolic links, and the directory that holds it. */
struct place {
	int file; /* O_PATH */
	int dir;  /* O_PATH; -1: a token there would prove nothing */
	struct stat st;
	char name[EVIDENCE_NAME_SIZE];
};

static void place_close(struct place *place)
{
	closep(&place->file);
	closep(&place->dir);
}

/* False for a file that is a mount point of its own: it is not stored in its directory. */
static bool is_of_directory(const struct place *place)
{
	struct statx file, dir;

	return statx(place->file, "", AT_EMPTY_PATH, STATX_MNT_ID, &file) == 0 &&
	       statx(place->dir, "", AT_EMPTY_PATH, STATX_MNT_ID, &dir) == 0 &&
	       (file.stx_mask & dir.stx_mask & STATX_MNT_ID) && file.stx_mnt_id == dir.stx_mnt_id;
}

static void open_directory(struct place *place)
{
	char link[40], real[VM_DEF_PATH_SIZE];
	ssize_t len;
	char *slash;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", place->file);
	len = readlink(link, real, sizeof(real) - 1);
	if (len <= 0)
		return;
	real[len] = '\0';
	slash = strrchr(real, '/');
	if (!slash || strlen(slash + 1) >= sizeof(place->name))
		return;
	snprintf(place->name, sizeof(place->name), "%.*s", (int)sizeof(place->name) - 1, slash + 1);
	slash[slash == real ? 1 : 0] = '\0';
	place->dir = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place->dir >= 0 && !is_of_directory(place)) {
		close(place->dir);
		place->dir = -1;
	}
}

/* Opens with O_PATH only: a real open would wait at a FIFO, and might start a device. */
static bool place_open(struct place *place, const char *path)
{
	*place = (struct place){ .file = -1, .dir = -1 };
	if (path[0] != '/')
		return false;
	place->file = open(path, O_PATH | O_CLOEXEC);
	if (place->file < 0 || fstat(place->file, &place->st) != 0)
		return false;
	if (S_ISREG(place->st.st_mode))
		open_directory(place);
	return true;
}

/* QEMU's locks are on a file, and asking for them needs one that is open. */
static void look_at_locks(const struct place *place, struct evidence_file *file)
{
	CLEANUP(closep) int fd = -1;
	char link[40];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", place->file);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	file->has_locks = true;
	file->locks = locks_look_blocking(fd);
}

static void describe(const struct place *place, struct evidence_file *file)
{
	const struct stat *st = &place->st;
	bool is_block = S_ISBLK(st->st_mode);
	dev_t dev = is_block ? st->st_rdev : st->st_dev;

	file->type = S_ISREG(st->st_mode) ? EVIDENCE_TYPE_FILE
		     : is_block           ? EVIDENCE_TYPE_BLOCK
					  : EVIDENCE_TYPE_OTHER;
	snprintf(file->name, sizeof(file->name), "%s", place->name);
	snprintf(file->inode, sizeof(file->inode), "%x:%x:%llx", major(dev), minor(dev),
		 is_block ? 0ULL : (unsigned long long)st->st_ino);
	file->size = (uint64_t)st->st_size;
	file->mtime_s = st->st_mtime > 0 ? (uint64_t)st->st_mtime : 0;
	if (is_block)
		block_look_blocking(st->st_rdev, file);
	if (file->type == EVIDENCE_TYPE_FILE)
		look_at_locks(place, file);
}

/* ---- token files ------------------------------------------------------------------ */

struct tokens {
	char name[sizeof(LOOK_TOKEN_PREFIX) + ID_UUID_SIZE];
	char secret[ID_TOKEN_SIZE];
};

static void tokens_init(struct tokens *tokens, const char *id)
{
	snprintf(tokens->name, sizeof(tokens->name), LOOK_TOKEN_PREFIX "%s", id);
}

static void read_token(const struct tokens *tokens, int dir, char ret[EVIDENCE_TOKEN_SIZE])
{
	CLEANUP(closep)
	int fd = openat(dir, tokens->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	ssize_t len = fd >= 0 ? read(fd, ret, EVIDENCE_TOKEN_SIZE - 1) : -1;

	ret[len > 0 ? len : 0] = '\0';
}

/* Each directory gets another content, so that a directory mounted in the place of another is
 * found out. */
static bool write_token(const struct tokens *tokens, int dir, size_t number,
			char ret[EVIDENCE_TOKEN_SIZE])
{
	CLEANUP(closep)
	int fd = openat(dir, tokens->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	char text[EVIDENCE_TOKEN_SIZE];
	int len = snprintf(text, sizeof(text), "%s-%zu", tokens->secret, number);

	if (fd < 0)
		return false;
	if (write(fd, text, (size_t)len) != len || fsync(fd) != 0) {
		unlinkat(dir, tokens->name, 0);
		return false;
	}
	snprintf(ret, EVIDENCE_TOKEN_SIZE, "%s", text);
	return true;
}

/* A token file that exists may have been written for another image in the same directory. */
static void leave_token(const struct tokens *tokens, int dir, size_t number,
			char ret[EVIDENCE_TOKEN_SIZE])
{
	if (dir < 0 || write_token(tokens, dir, number, ret))
		return;
	read_token(tokens, dir, ret);
	if (strncmp(ret, tokens->secret, strlen(tokens->secret)) != 0)
		ret[0] = '\0';
}

/* ---- all of them ------------------------------------------------------------------- */

static struct evidence_file *add_file(struct evidence *evidence, const struct need_file *need)
{
	struct evidence_file *file = &evidence->files[evidence->file_count++];

	snprintf(file->path, sizeof(file->path), "%s", need->path);
	return file;
}

static void begin(struct evidence *evidence)
{
	snprintf(evidence->boot_id, sizeof(evidence->boot_id), "%s", proc_boot_id());
}

void look_source_blocking(const struct needs *needs, const char *id, struct evidence *ret)
{
	struct tokens tokens;

	begin(ret);
	tokens_init(&tokens, id);
	id_token_new(tokens.secret);
	for (size_t i = 0; i < needs->file_count; i++) {
		const struct need_file *need = &needs->files[i];
		struct evidence_file *file = add_file(ret, need);
		CLEANUP(place_close) struct place place;

		if (!place_open(&place, need->path))
			continue;
		describe(&place, file);
		if (need->kind == NEED_PRESENT)
			continue;
		if (!need->is_firmware)
			leave_token(&tokens, place.dir, i, file->token);
		if (need->kind == NEED_SAME_CONTENT && file->type == EVIDENCE_TYPE_FILE)
			content_digest_blocking(need->path, file);
	}
}

void look_destination_blocking(const struct needs *needs, const char *id,
			       const struct evidence *there, struct evidence *ret)
{
	struct tokens tokens;

	begin(ret);
	tokens_init(&tokens, id);
	for (size_t i = 0; i < needs->file_count; i++) {
		const struct need_file *need = &needs->files[i];
		const struct evidence_file *other = evidence_find(there, need->path);
		struct evidence_file *file = add_file(ret, need);
		CLEANUP(place_close) struct place place;

		if (!place_open(&place, need_path(need)))
			continue;
		describe(&place, file);
		if (!other || need->kind == NEED_PRESENT)
			continue;
		if (other->token[0] && place.dir >= 0)
			read_token(&tokens, place.dir, file->token);
		if ((!other->token[0] || strcmp(file->token, other->token) != 0) &&
		    other->digest[0] && file->type == EVIDENCE_TYPE_FILE &&
		    file->size == other->size)
			content_digest_blocking(need_path(need), file);
	}
}

void look_clean_blocking(const struct needs *needs, const char *id)
{
	struct tokens tokens;

	tokens_init(&tokens, id);
	for (size_t i = 0; i < needs->file_count; i++) {
		CLEANUP(place_close) struct place place;

		if (place_open(&place, need_path(&needs->files[i])) && place.dir >= 0)
			unlinkat(place.dir, tokens.name, 0);
	}
}
