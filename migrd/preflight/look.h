/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/look.h -- what is found on a host under the paths that a guest uses.
 *
 * The source writes a token file beside each image: a file of a name that nobody else
 * uses, with random content.  Who reads the same content in the directory in which it
 * finds the image, looks at the same directory of the same file system.
 *
 * Thread: a worker; all of it may wait for storage.
 */
#ifndef MIGRD_PREFLIGHT_LOOK_H
#define MIGRD_PREFLIGHT_LOOK_H

#include "preflight/needs.h"

/* Before a move's id: the name of its token files. */
#define LOOK_TOKEN_PREFIX ".migrd-same-"

/* Adds the files that qcow2 images stand on, as far as they are named on this host. */
void look_follow_blocking(struct needs *needs);

/* The source: finds the files that must be the same, and writes the token files of the
 * move ID.  *RET gets boot_id and files. */
void look_source_blocking(const struct needs *needs, const char *id, struct evidence *ret);
/* The destination: the same without writing; reads the token files that THERE names, and
 * files of which only the content can prove anything. */
void look_destination_blocking(const struct needs *needs, const char *id,
			       const struct evidence *there, struct evidence *ret);
/* Removes the token files of the move ID, however they came to be there. */
void look_clean_blocking(const struct needs *needs, const char *id);

#endif
