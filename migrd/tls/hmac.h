/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls/hmac.h -- HMAC-SHA256 and the base64 of keys and signatures.  Thread: any. */
#ifndef MIGRD_TLS_HMAC_H
#define MIGRD_TLS_HMAC_H

#include <stdbool.h>
#include <stddef.h>

#define HMAC_TEXT_SIZE 45 /* of a signature in base64, and its end */

/* The signature of DATA in base64; false: the library refuses. */
bool hmac_sha256_text(const void *key, size_t key_len, const void *data, size_t len,
		      char ret_text[HMAC_TEXT_SIZE]);
/* The bytes of TEXT, which is base64 (RFC 4648, with its padding) and nothing else; false: it is
 * not, or has more than SIZE bytes. */
bool base64_bytes(const char *text, void *ret, size_t size, size_t *ret_len);
/* LEN bytes in base64; the caller frees it.  NULL: the library refuses. */
char *base64_text(const void *data, size_t len);
/* Overwrites a secret that is not needed any more. */
void secret_wipe(void *secret, size_t len);

#endif
