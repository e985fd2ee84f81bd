/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/file.h -- small files and UNIX sockets.  Thread: any; they do not wait
 * for anything but a local disk. */
#ifndef MIGRD_BASE_FILE_H
#define MIGRD_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* At most MAX bytes (more is TOO_LARGE); ended by a NUL that LEN does not count. */
bool file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct err *err);
/* The last MAX bytes at most. */
bool file_read_tail(const char *path, size_t max, char **ret_text, struct err *err);
/* Whether a process holds a lock on the whole file (fcntl(2)), without taking it;
 * also when that cannot be found out.  One that is not there is not locked. */
bool file_is_locked(const char *path);
/* Written beside, synced, then renamed: never half a file. */
bool file_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err);
/* Where NAME is: itself if it has a '/', else looked up in PATH as execvp(3) does; NULL if
 * it is nowhere.  The caller frees it. */
char *file_find_program(const char *name);
/* Makes the directory and its parents; an existing one is fine. */
bool dir_make(const char *path, mode_t mode, struct err *err);
/* Removes a directory and the files in it, one level deep; one that is not
 * there is fine. */
bool dir_remove(const char *path, struct err *err);

/* A listening stream socket, close-on-exec, non-blocking, mode 0600; an old
 * file in the way is removed. */
bool unix_listen(const char *path, int type, int *ret_fd, struct err *err);
/* Somebody listens there; false for no such file, or a socket that a process left. */
bool unix_is_listening(const char *path);
/* May a listener be made at PATH?  CONFLICT: somebody listens there, or it is no socket; one
 * that a dead process left is free. */
bool unix_path_is_free(const char *path, struct err *err);
/* Connected, close-on-exec, non-blocking.  Nobody listening is UNAVAILABLE. */
bool unix_connect(const char *path, int type, int *ret_fd, struct err *err);

#endif
