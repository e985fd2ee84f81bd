/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request says, in one number. */
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/internal.h"

#define SUM_BYTES ((HTTP_SUM_SIZE - 1) / 2)

/* Its end is added too. */
static void add(struct strbuf *text, const char *part)
{
	strbuf_add(text, part, strlen(part) + 1);
}

void http_request_sum(const struct http_request *req, char ret[HTTP_SUM_SIZE])
{
	struct strbuf text = STRBUF_INIT;
	unsigned char sum[SUM_BYTES];

	add(&text, req->method);
	add(&text, req->path);
	add(&text, req->raw_query);
	add(&text, req->body ? json_text(req->body, NULL) : "");
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text.data, text.len, sum) < 0)
		abort(); /* out of memory */
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(ret + 2 * i, 3, "%02x", sum[i]);
	strbuf_fini(&text);
}
