/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/marks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

#define SEPARATOR ".migrd-"

struct walk {
	struct storage_marks *marks;
	bool is_tpm;
};

static void note_gap(struct storage_marks *marks, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void note_gap(struct storage_marks *marks, const char *fmt, ...)
{
	va_list ap;

	if (marks->gap[0])
		return; /* the first says enough */
	va_start(ap, fmt);
	vsnprintf(marks->gap, sizeof(marks->gap), fmt, ap);
	va_end(ap);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* ---- a mark ------------------------------------------------------------------------ */

bool storage_mark_parse(const char *file, struct storage_mark *ret)
{
	const size_t tail = strlen(SEPARATOR) + ID_UUID_SIZE - 1;
	size_t len = strlen(file), name_len;

	if (file[0] != '.' || len < 1 + 1 + tail || len > NAME_MAX)
		return false;
	name_len = len - 1 - tail;
	if (memcmp(file + 1 + name_len, SEPARATOR, strlen(SEPARATOR)) != 0 ||
	    !id_uuid_is_valid(file + len - (ID_UUID_SIZE - 1)))
		return false;
	memcpy(ret->name, file + 1, name_len);
	ret->name[name_len] = '\0';
	memcpy(ret->move, file + len - (ID_UUID_SIZE - 1), ID_UUID_SIZE);
	return true;
}

/* The mark of an image is another name of it, that of a state a file of its own. */
static enum mark_beside look_beside(int dir, const char *file, const struct storage_mark *mark)
{
	struct stat name, made;

	if (fstatat(dir, mark->name, &name, AT_SYMLINK_NOFOLLOW) != 0)
		return MARK_BESIDE_NOTHING;
	if (mark->is_tpm)
		return S_ISDIR(name.st_mode) ? MARK_BESIDE_MADE : MARK_BESIDE_OTHER;
	return fstatat(dir, file, &made, AT_SYMLINK_NOFOLLOW) == 0 && made.st_dev == name.st_dev &&
			       made.st_ino == name.st_ino
		       ? MARK_BESIDE_MADE
		       : MARK_BESIDE_OTHER;
}

/* One of the directories may be below another. */
static bool is_known(const struct storage_marks *marks, const struct storage_mark *mark)
{
	for (size_t i = 0; i < marks->count; i++) {
		const struct storage_mark *known = &marks->list[i];

		if (strcmp(known->dir, mark->dir) == 0 && strcmp(known->name, mark->name) == 0 &&
		    strcmp(known->move, mark->move) == 0)
			return true;
	}
	return false;
}

static void add_if_mark(const struct walk *walk, int dir, const char *path, const char *file)
{
	struct storage_marks *marks = walk->marks;
	struct storage_mark mark = { .is_tpm = walk->is_tpm };

	if (!storage_mark_parse(file, &mark))
		return;
	snprintf(mark.dir, sizeof(mark.dir), "%s", path);
	mark.beside = look_beside(dir, file, &mark);
	if (is_known(marks, &mark))
		return;
	if (marks->count == MARKS_MAX)
		note_gap(marks, "there are more than %d marks of moves", MARKS_MAX);
	else
		marks->list[marks->count++] = mark;
}

/* ---- directories --------------------------------------------------------------------- */

static void look_into(const struct walk *walk, int fd, const char *path, unsigned depth);

static bool is_dir(int parent, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(parent, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* A directory that migrd may not read has no marks: no image is made there either
 * (storage/spot.c). */
static void look_below(const struct walk *walk, int parent, const char *path, const char *name,
		       unsigned depth)
{
	CLEANUP(free_charp) char *below = xasprintf("%s/%s", path, name);
	int fd;

	if (depth == MARKS_DEPTH_MAX || strlen(below) >= VM_DEF_PATH_SIZE) {
		note_gap(walk->marks, "below '%.180s', which is too deep", path);
		return;
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		look_into(walk, fd, below, depth + 1);
	else if (errno != EACCES && errno != ENOENT)
		note_gap(walk->marks, "the directory '%.150s': %s", below, strerror(errno));
}

/* Takes FD.  States of TPMs are in one directory only. */
static void look_into(const struct walk *walk, int fd, const char *path, unsigned depth)
{
	CLEANUP(closedirp) DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (walk->marks->looked_at == MARKS_ENTRIES_MAX) {
			note_gap(walk->marks, "the directories have more than %d names",
				 MARKS_ENTRIES_MAX);
			return;
		}
		walk->marks->looked_at++;
		if (!is_dir(fd, entry))
			add_if_mark(walk, fd, path, entry->d_name);
		else if (!walk->is_tpm)
			look_below(walk, fd, path, entry->d_name, depth);
	}
}

static void look_at_top(const struct walk *walk, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		look_into(walk, fd, path, 0);
	else if (errno != ENOENT)
		note_gap(walk->marks, "the directory '%.150s': %s", path, strerror(errno));
}

static bool look_at_images(void *data, const char *dir, size_t len)
{
	CLEANUP(free_charp) char *path = xstrndup(dir, len);

	if (len < VM_DEF_PATH_SIZE)
		look_at_top(data, path);
	return false; /* all of them */
}

/* ---- all ------------------------------------------------------------------------------- */

struct storage_marks *storage_marks_find_blocking(const struct storage_rules *rules)
{
	struct storage_marks *marks = xnew(struct storage_marks);
	struct walk states = { marks, true }, images = { marks, false };

	marks->list = xcalloc(MARKS_MAX, sizeof(*marks->list));
	if (rules->tpm_dir)
		look_at_top(&states, rules->tpm_dir);
	storage_any_dir(rules, look_at_images, &images);
	return marks;
}

void storage_marks_free(struct storage_marks *marks)
{
	if (!marks)
		return;
	free(marks->list);
	free(marks);
}
