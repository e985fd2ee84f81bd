/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* output/rotate.h -- a log of bounded size: PATH, and PATH.1 with what came before.
 *
 * Both together never exceed the size that was asked for.  What the disk does not
 * take is dropped and counted, and the log says so as soon as there is room again.
 * Thread: one.
 */
#ifndef MIGRD_OUTPUT_ROTATE_H
#define MIGRD_OUTPUT_ROTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROTATE_SIZE_MIN 8192
/* The beginning of each line that is not QEMU's. */
#define ROTATE_PREFIX "migrd-output: "

struct rotate {
	const char *path; /* borrowed */
	uint64_t size;    /* of both files together, at least ROTATE_SIZE_MIN */
	int fd;           /* -1: it could not be opened, and is tried again */
	uint64_t written; /* to the present file */
	uint64_t dropped; /* bytes that the disk did not take, not reported yet */
	int error;        /* errno of that */
};

/* Begins an empty log; a file that cannot be opened yet is no error. */
void rotate_init(struct rotate *log, const char *path, uint64_t size);
void rotate_write(struct rotate *log, const char *data, size_t len);
/* Writes a line of our own. */
void rotate_say(struct rotate *log, const char *text);
void rotate_fini(struct rotate *log);

#endif
