/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Can the images of a move be made? */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/mem.h"
#include "storage/image.h"
#include "storage/spot.h"

#define MIB (UINT64_C(1) << 20)

/* What is found of the directory of a wish. */
struct ground {
	bool is_good;
	dev_t dev;
	ino_t dir;
	uint64_t free_bytes; /* of the file system */
};

static bool look_at_ground(const struct spot *spot, struct ground *ground, struct err *err)
{
	struct statvfs fs;
	struct stat st;

	if (fstat(spot->dir, &st) != 0 || fstatvfs(spot->dir, &fs) != 0)
		return err_errno(err, "cannot look at the directory of '%s'", spot->path);
	*ground =
		(struct ground){ true, st.st_dev, st.st_ino, (uint64_t)fs.f_bavail * fs.f_frsize };
	return true;
}

static void look(const struct storage_rules *rules, const char *move, struct image_wish *wish,
		 struct ground *ground)
{
	CLEANUP(spot_close) struct spot spot = { .dir = -1 };

	if (err_is_set(&wish->err))
		return;
	if (spot_open(&spot, wish->path, move, &wish->err) &&
	    spot_check_dir(rules, &spot, &wish->err) && spot_check_name(&spot, &wish->err))
		look_at_ground(&spot, ground, &wish->err);
}

/* Two paths may be one name behind a symbolic link. */
static bool is_same_name(const struct image_wish *a, const struct ground *in_a,
			 const struct image_wish *b, const struct ground *in_b)
{
	return in_a->is_good && in_b->is_good && in_a->dev == in_b->dev && in_a->dir == in_b->dir &&
	       strcmp(strrchr(a->path, '/'), strrchr(b->path, '/')) == 0;
}

static void check_others(struct image_wish *wishes, const struct ground *grounds, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (is_same_name(&wishes[i], &grounds[i], &wishes[at], &grounds[at])) {
			err_set(&wishes[at].err, ERR_CONFLICT,
				"'%s' would be the image of two disks here: change the 'map' of "
				"[storage]",
				wishes[at].path);
			return;
		}
	}
}

/* AT is the first image on its file system. */
static void check_room(struct image_wish *wishes, const struct ground *grounds, size_t count,
		       size_t at)
{
	uint64_t free_bytes = grounds[at].free_bytes, bytes = 0;

	for (size_t i = 0; i < at; i++) {
		if (grounds[i].is_good && grounds[i].dev == grounds[at].dev)
			return;
	}
	for (size_t i = at; i < count; i++) {
		if (grounds[i].is_good && grounds[i].dev == grounds[at].dev)
			bytes = wishes[i].bytes < UINT64_MAX - bytes ? bytes + wishes[i].bytes
								     : UINT64_MAX;
	}
	if (bytes > free_bytes)
		err_set(&wishes[at].err, ERR_NO_SPACE,
			"the file system of '%s' has %" PRIu64 " MiB free, and the guest's images "
			"on it need %" PRIu64 " MiB: make room",
			wishes[at].path, free_bytes / MIB, bytes / MIB + 1);
}

static void check_program(const struct storage_rules *rules, struct err *err)
{
	CLEANUP(free_charp) char *path = file_find_program(rules->qemu_img);

	if (!path && !err_is_set(err))
		err_set(err, ERR_CONFLICT,
			"there is no program '%s' on this host to make images with: install it, or "
			"name another by 'qemu_img' of [storage]",
			rules->qemu_img);
}

void image_look_blocking(const struct storage_rules *rules, const char *move,
			 struct image_wish *wishes, size_t count)
{
	struct ground *grounds = xcalloc(count ? count : 1, sizeof(*grounds));

	for (size_t i = 0; i < count; i++)
		look(rules, move, &wishes[i], &grounds[i]);
	for (size_t i = 0; i < count; i++) {
		if (grounds[i].is_good)
			check_others(wishes, grounds, i);
		if (grounds[i].is_good && !err_is_set(&wishes[i].err))
			check_room(wishes, grounds, count, i);
	}
	if (count)
		check_program(rules, &wishes[0].err);
	free(grounds);
}
