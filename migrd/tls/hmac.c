/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/hmac.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define SHA256_BYTES 32

bool hmac_sha256_text(const void *key, size_t key_len, const void *data, size_t len,
		      char ret_text[HMAC_TEXT_SIZE])
{
	unsigned char bytes[SHA256_BYTES];
	gnutls_datum_t text = { 0 };
	const gnutls_datum_t signature = { bytes, sizeof(bytes) };

	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, data, len, bytes) !=
		    GNUTLS_E_SUCCESS ||
	    gnutls_base64_encode2(&signature, &text) != GNUTLS_E_SUCCESS)
		return false;
	snprintf(ret_text, HMAC_TEXT_SIZE, "%.*s", (int)text.size, (const char *)text.data);
	gnutls_free(text.data);
	return true;
}

bool base64_bytes(const char *text, void *ret, size_t size, size_t *ret_len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	const size_t len = strlen(text), plain = strspn(text, alphabet);
	const size_t padding = strspn(text + plain, "=");
	const gnutls_datum_t input = { (unsigned char *)(uintptr_t)text, (unsigned)len };
	gnutls_datum_t bytes = { 0 };
	bool fits;

	if (!len || len % 4 || plain + padding != len || padding > 2 || len > 4 * (size / 3 + 1) ||
	    gnutls_base64_decode2(&input, &bytes) != GNUTLS_E_SUCCESS)
		return false;
	fits = bytes.size <= size;
	if (fits) {
		memcpy(ret, bytes.data, bytes.size);
		*ret_len = bytes.size;
	}
	secret_wipe(bytes.data, bytes.size);
	gnutls_free(bytes.data);
	return fits;
}

char *base64_text(const void *data, size_t len)
{
	const gnutls_datum_t bytes = { (unsigned char *)(uintptr_t)data, (unsigned)len };
	gnutls_datum_t text = { 0 };
	char *ret;

	if (gnutls_base64_encode2(&bytes, &text) != GNUTLS_E_SUCCESS)
		return NULL;
	ret = xstrndup((const char *)text.data, text.size);
	gnutls_free(text.data);
	return ret;
}

void secret_wipe(void *secret, size_t len)
{
	gnutls_memset(secret, 0, len);
}
