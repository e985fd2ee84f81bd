/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is an image in use here by another program?
 *
 * QEMU and its tools lock bytes of an image that they have open: from 100 on one for each thing
 * that they do, from 200 on one for each thing that they let nobody else do (block/file-posix.c,
 * RAW_LOCK_PERM_BASE; the things: BLK_PERM_* in include/block/block-common.h).  The guest's own
 * QEMU has locked the shared images too, so the source tells which bytes it sees locked, and only
 * others count: those are of a program of this host, on storage whose locks stay on a host, or of
 * an image that is another file than the source's.  What the source sees too lets its QEMU run, and
 * is compatible. */
#include <fcntl.h>

#include "preflight/checks.h"
#include "preflight/look.h"

#define PERM_BASE     100
#define UNSHARED_BASE 200
#define THINGS        4

enum thing { CONSISTENT_READ, WRITE, WRITE_UNCHANGED, RESIZE };

#define DONE_BY_OTHERS(thing) (UINT64_C(1) << (thing))
#define KEPT_BY_OTHERS(thing) (UINT64_C(1) << (8 + (thing)))

static bool is_locked(int fd, off_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

uint64_t locks_look_blocking(int fd)
{
	uint64_t locks = 0;

	for (int thing = 0; thing < THINGS; thing++) {
		if (is_locked(fd, PERM_BASE + thing))
			locks |= DONE_BY_OTHERS(thing);
		if (is_locked(fd, UNSHARED_BASE + thing))
			locks |= KEPT_BY_OTHERS(thing);
	}
	return locks;
}

/* What would keep QEMU from opening the image. */
static uint64_t conflicts_of(enum need_kind kind)
{
	const uint64_t reading =
		DONE_BY_OTHERS(WRITE) | DONE_BY_OTHERS(RESIZE) | KEPT_BY_OTHERS(CONSISTENT_READ);

	switch (kind) {
	case NEED_SAME_FILE:
		return reading | KEPT_BY_OTHERS(WRITE) | KEPT_BY_OTHERS(RESIZE);
	case NEED_SAME_CONTENT:
		return reading;
	case NEED_PRESENT:
		return 0;
	}
	return 0;
}

void locks_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->file_count; i++) {
		const struct need_file *need = &preflight->needs->files[i];
		const struct evidence_file *there = evidence_find(preflight->there, need->path);
		const struct evidence_file *here = evidence_find(preflight->here, need->path);
		uint64_t found;

		if (!there || !here || !there->has_locks || !here->has_locks)
			continue;
		found = here->locks & ~there->locks & conflicts_of(need->kind);
		if (found)
			preflight_add(ret, "locks",
				      "%s: another program of this host has '%s' open and %s: end "
				      "it ('fuser -v' names it), or wait for its end",
				      need->what, need_path(need),
				      found & (DONE_BY_OTHERS(WRITE) | DONE_BY_OTHERS(RESIZE))
					      ? "writes to it"
					      : "lets no other use it");
	}
}
