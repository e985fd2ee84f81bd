/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http/etag.h -- entity tags (RFC 9110, section 8.8.3).
 *
 * A tag is "LASTING-WHOLE": two sums of the answer, in quotes.  WHOLE is that of all of it, so the
 * tag changes whenever the answer does: If-None-Match compares the tag.  LASTING leaves out what
 * the table marks as passing (progress, measurements, what is waited for): If-Match compares only
 * that, since otherwise a change of a move under way would be refused for bytes that were sent
 * meanwhile.  The sums are the same after a restart, and are no proof against somebody who makes
 * two answers alike on purpose.  Thread: any (pure).
 */
#ifndef MIGRD_HTTP_ETAG_H
#define MIGRD_HTTP_ETAG_H

#include "base/err.h"
#include "base/json.h"

#define HTTP_ETAG_SIZE 40

/* OBJ is what TEXT says.  OBJ or FIELDS NULL: nothing of it is passing. */
void http_etag_make(const struct json_field *fields, struct json_object *obj, const char *text,
		    size_t len, char ret[HTTP_ETAG_SIZE]);

/* What a header says of TAG. */
enum http_etag_verdict {
	HTTP_ETAG_NO,  /* none of its tags is TAG */
	HTTP_ETAG_YES, /* one is, or it is "*" */
	HTTP_ETAG_BAD, /* it is no list of tags */
};
/* LIST: the value of If-Match or If-None-Match.  LASTING: as If-Match compares. */
enum http_etag_verdict http_etag_compare(const char *list, const char *tag, bool lasting);

#endif
