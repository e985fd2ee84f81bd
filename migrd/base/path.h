/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/path.h -- the text of a path; no file is looked at.  Pure.  Thread: any. */
#ifndef MIGRD_BASE_PATH_H
#define MIGRD_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* True: the first LEN bytes of PATH are "/", or absolute without an empty, "." or ".." component,
 * so without a '/' at the end too. */
bool path_is_plain(const char *path, size_t len);
/* What follows the directory DIR (its first DIR_LEN bytes) in PATH: "" if it is PATH, else it
 * begins with '/'.  NULL: PATH is not below DIR.  Both are plain; whole components count. */
const char *path_below(const char *path, const char *dir, size_t dir_len);

#endif
