/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>

#include "base/mem.h"

#define SHA256_BYTES 32

struct digest {
	gnutls_hash_hd_t hash;
};

struct digest *digest_new(void)
{
	struct digest *digest = xnew(struct digest);

	if (gnutls_hash_init(&digest->hash, GNUTLS_DIG_SHA256) == GNUTLS_E_SUCCESS)
		return digest;
	free(digest);
	return NULL;
}

bool digest_add(struct digest *digest, const void *data, size_t len)
{
	return gnutls_hash(digest->hash, data, len) == GNUTLS_E_SUCCESS;
}

void digest_end(struct digest *digest, char ret_text[DIGEST_TEXT_SIZE])
{
	unsigned char bytes[SHA256_BYTES];

	gnutls_hash_deinit(digest->hash, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
	free(digest);
}
