/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storage/marks.h -- finds the marks of moves in the storage of this host: those of images
 * (storage/image.h) and of the states of TPMs (storage/tpm_state.h).
 *
 * It only looks.  What it reads is bounded: what is beyond the limits is told in `gap'.  Symbolic
 * links are not followed below the directories.
 *
 * Thread: a worker; it may wait for storage.
 */
#ifndef MIGRD_STORAGE_MARKS_H
#define MIGRD_STORAGE_MARKS_H

#include <limits.h>

#include "base/id.h"
#include "storage/place.h"

#define MARKS_MAX         256
#define MARKS_ENTRIES_MAX 50000 /* names that are read, in all directories together */
#define MARKS_DEPTH_MAX   8     /* directories below one of `dirs' */

/* What has the name without the mark. */
enum mark_beside {
	MARK_BESIDE_NOTHING,
	MARK_BESIDE_MADE,  /* what the move made */
	MARK_BESIDE_OTHER, /* another file, which is not the move's */
};

struct storage_mark {
	char dir[VM_DEF_PATH_SIZE]; /* absolute */
	char name[NAME_MAX + 1];    /* of the image or state, in DIR */
	char move[ID_UUID_SIZE];
	bool is_tpm;
	enum mark_beside beside;
};

struct storage_marks {
	struct storage_mark *list;
	size_t count;
	size_t looked_at; /* names */
	char gap[256];    /* what could not be looked at; "": nothing */
};

/* Looks below the `dirs' of RULES, and in its `tpm_dir'; one that is not there has no marks.  The
 * caller frees what it returns by storage_marks_free(). */
struct storage_marks *storage_marks_find_blocking(const struct storage_rules *rules);
void storage_marks_free(struct storage_marks *marks); /* accepts NULL */

/* Sets the name and the move of a mark; false: FILE is no mark.  Pure. */
bool storage_mark_parse(const char *file, struct storage_mark *ret);

#endif
