/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/scratch.h -- a private directory for each test.
 *
 * scratch_setup() and scratch_teardown() are a checked fixture; between them
 * scratch_path("x") is a path in the directory of this test.
 */
#ifndef MIGRD_TESTS_LIB_SCRATCH_H
#define MIGRD_TESTS_LIB_SCRATCH_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char scratch_dir[64];

static void scratch_setup(void)
{
	/* Not TMPDIR: paths of UNIX sockets must be short. */
	snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/migrd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(scratch_dir));
}

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void scratch_teardown(void)
{
	nftw(scratch_dir, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The path is in one of four buffers, which are used in turn. */
static inline const char *scratch_path(const char *name)
{
	static char paths[4][512];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch_dir, name);
	return path;
}

#endif
