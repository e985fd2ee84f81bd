/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/look.h -- what is found on a host under the paths that a guest uses.
 *
 * The source writes a token file beside each image: a file with a name that nobody else
 * uses, and random content.  If the destination reads the same content in the directory of
 * its image, both hosts see the same directory of the same file system.
 *
 * Thread: a worker; all of it may wait for storage.
 */
#ifndef MIGRD_PREFLIGHT_LOOK_H
#define MIGRD_PREFLIGHT_LOOK_H

#include "preflight/needs.h"

/* The name of a token file is this and the move's id. */
#define LOOK_TOKEN_PREFIX ".migrd-same-"

/* Adds the backing and data files of qcow2 images, as their headers on this host name them. */
void look_follow_blocking(struct needs *needs);
/* The source: adds the backing files of images that are copied without them, as the headers name
 * them. */
void look_bases_blocking(struct needs *needs);

/* The source: finds the files that must be the same, and writes the token files of the
 * move ID.  *RET gets boot_id and files. */
void look_source_blocking(const struct needs *needs, const char *id, struct evidence *ret);
/* The destination: finds the same files and writes nothing.  Reads the token files that THERE
 * has, and the content of a file that is only read and has no matching token. */
void look_destination_blocking(const struct needs *needs, const char *id,
			       const struct evidence *there, struct evidence *ret);
/* locks.c: which of the bytes that QEMU locks are locked by others than FD, a regular file. */
uint64_t locks_look_blocking(int fd);
/* Removes the token files of the move ID, whichever run of migrd wrote them. */
void look_clean_blocking(const struct needs *needs, const char *id);

#endif
