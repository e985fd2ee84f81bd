/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls/digest.h -- SHA-256 of what is read piece by piece.  Thread: any. */
#ifndef MIGRD_TLS_DIGEST_H
#define MIGRD_TLS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_TEXT_SIZE 65 /* lower-case hexadecimal and its end */

struct digest;

struct digest *digest_new(void); /* NULL: the library refuses */
bool digest_add(struct digest *digest, const void *data, size_t len);
/* The text of all that was added; frees DIGEST. */
void digest_end(struct digest *digest, char ret_text[DIGEST_TEXT_SIZE]);

#endif
