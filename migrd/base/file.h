/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/file.h -- small files and UNIX sockets.  Thread: any; they do not wait
 * for anything but a local disk. */
#ifndef MIGRD_BASE_FILE_H
#define MIGRD_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Reads at most MAX bytes (more is TOO_LARGE); adds a NUL that *RET_LEN does not count. */
bool file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct err *err);
/* Reads the last MAX bytes, or all if there are fewer. */
bool file_read_tail(const char *path, size_t max, char **ret_text, struct err *err);
/* True: a process holds a lock (fcntl(2)) on the file, or that cannot be found out.
 * Takes no lock itself.  A missing file is not locked. */
bool file_is_locked(const char *path);
/* Writes and syncs a temporary file beside PATH, then renames it: PATH is never half written. */
bool file_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err);
/* A name that was made or removed in the directory of PATH is durable then. */
bool file_sync_parent(const char *path, struct err *err);
/* The path of the program NAME: NAME itself if it has a '/', else looked up in PATH as
 * execvp(3) does; NULL: there is no such program.  The caller frees it. */
char *file_find_program(const char *name);
/* Makes the directory and its parents; an existing one is fine. */
bool dir_make(const char *path, mode_t mode, struct err *err);
/* Removes a directory and the files in it, one level deep; a missing one is fine. */
bool dir_remove(const char *path, struct err *err);

/* A listening stream socket, close-on-exec, non-blocking, mode 0600; an old
 * file in the way is removed. */
bool unix_listen(const char *path, int type, int *ret_fd, struct err *err);
/* True: a process listens at PATH, or that cannot be found out.  False: there is no such file,
 * or only the socket of a process that has ended. */
bool unix_is_listening(const char *path);
/* True: a listener may be made at PATH, as nothing is there, or only the socket of a process
 * that has ended.  CONFLICT: a process listens there, or it is no socket. */
bool unix_path_is_free(const char *path, struct err *err);
/* Connects; the descriptor is close-on-exec and non-blocking.  UNAVAILABLE: nobody listens. */
bool unix_connect(const char *path, int type, int *ret_fd, struct err *err);

#endif
