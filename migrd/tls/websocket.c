/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/websocket.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/mem.h"

#define SHA1_BYTES 20

char *tls_websocket_accept(const char *key)
{
	CLEANUP(free_charp)
	char *text = xasprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	unsigned char hash[SHA1_BYTES];
	gnutls_datum_t in = { .data = hash, .size = sizeof(hash) }, out = { 0 };
	char *ret;

	if (gnutls_hash_fast(GNUTLS_DIG_SHA1, text, strlen(text), hash) < 0 ||
	    gnutls_base64_encode2(&in, &out) < 0)
		abort(); /* out of memory */
	ret = xasprintf("%.*s", (int)out.size, (const char *)out.data);
	gnutls_free(out.data);
	return ret;
}
