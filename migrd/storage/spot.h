/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storage/spot.h -- the place of an image: its directory, its name, its mark.  For migrd/storage
 * and migrd/save. Thread: a worker; all of it may wait for storage.
 */
#ifndef MIGRD_STORAGE_SPOT_H
#define MIGRD_STORAGE_SPOT_H

#include <limits.h>
#include <sys/stat.h>

#include "storage/place.h"

/* The directory is open, so that nobody can put another in its place. */
struct spot {
	int dir;          /* -1: it is not there */
	const char *path; /* borrowed */
	const char *name; /* in PATH */
	char mark[NAME_MAX + 1];
};

/* Sets all of *RET, also when it fails.  MOVE NULL: there is no mark.  A directory that is not there
 * is no error. */
bool spot_open(struct spot *ret, const char *path, const char *move, struct err *err);
void spot_close(struct spot *spot);

/* Looks at a name in the directory, itself if it is a symbolic link. */
bool spot_look(const struct spot *spot, const char *name, struct stat *ret_st, bool *ret_is_there,
	       struct err *err);
/* *RET_IS_MADE: name and mark are one file. */
bool spot_is_made_by_move(const struct spot *spot, bool *ret_is_made, struct err *err);
/* A name that is not there is fine. */
bool spot_unlink(const struct spot *spot, const char *name, struct err *err);
/* Renames FROM, in the directory, to TO, which nobody makes in between: a name of this job only. 0,
 * or an errno: EEXIST, and nothing has changed; ENOENT. */
int spot_rename(const struct spot *spot, const char *from, const char *to);
bool spot_sync(const struct spot *spot, struct err *err);

/* The directory is there, inside of the dirs, and can be written to; else CONFLICT. */
bool spot_check_dir(const struct storage_rules *rules, const struct spot *spot, struct err *err);
/* The name is free, or what has it was made by the move; else CONFLICT. */
bool spot_check_name(const struct spot *spot, struct err *err);
/* Says that the name is taken: CONFLICT. */
bool spot_name_is_taken(const struct spot *spot, struct err *err);

#endif
