/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/file.h"

#include <stdlib.h>

#include "base/mem.h"
#include "http/internal.h"

/* What a browser may do with a file of ours.  Nothing inline and nothing of another host, so that
 * a text that got into the page by mistake cannot become a script (CSP Level 3); no frame of
 * another page, which could have clicks made on it. */
static const struct {
	const char *name, *value;
} rules[] = {
	{ MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache" },
	{ MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY,
	  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
	  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Permissions-Policy", "camera=(), geolocation=(), microphone=()" },
	{ "Referrer-Policy", "no-referrer" },
	{ "X-Content-Type-Options", "nosniff" },
};

void http_reply_file(struct http_request *req, const struct http_file *file)
{
	const char *list = http_header(req, MHD_HTTP_HEADER_IF_NONE_MATCH);
	bool is_known = list && http_etag_compare(list, file->etag, false) == HTTP_ETAG_YES;
	size_t len = is_known ? 0 : file->len;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, (void *)(uintptr_t)file->bytes,
						MHD_RESPMEM_PERSISTENT);

	if (!response)
		abort(); /* out of memory */
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		MHD_add_response_header(response, rules[i].name, rules[i].value);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
	http_answer(req, is_known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK,
		    (struct http_content){ .response = response, .bytes = len }, NULL);
}
