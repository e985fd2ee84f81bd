/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify/sign.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tls/hmac.h"

bool notify_sign(const struct notify_party *party, const char *id, int64_t timestamp_s,
		 const char *body, char ret[NOTIFY_SIGNATURE_SIZE], struct err *err)
{
	CLEANUP(free_charp) char *text = xasprintf("%s.%lld.%s", id, (long long)timestamp_s, body);
	char signature[HMAC_TEXT_SIZE];
	size_t used = 0;

	assert(!strchr(id, '.'));
	for (size_t i = 0; i < party->key_count; i++) {
		const struct notify_key *key = &party->keys[i];

		if (!hmac_sha256_text(key->bytes, key->len, text, strlen(text), signature))
			return err_set(err, ERR_INTERNAL, "GnuTLS makes no signature");
		used += (size_t)snprintf(ret + used, NOTIFY_SIGNATURE_SIZE - used, "%sv1,%s",
					 used ? " " : "", signature);
	}
	return true;
}
