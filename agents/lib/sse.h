/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/sse.h -- server-sent events, parsed as they come in.
 *
 * Bytes may be split anywhere.  Follows the WHATWG HTML standard, section
 * "server-sent events": lines end with LF, CR or CRLF; a leading byte order mark
 * is skipped; comments and unknown fields are ignored; an event without data is
 * none; an event that is cut off by the end of the stream is dropped.
 *
 * Thread: any; one owner at a time.
 */
#ifndef MIGRD_LIB_SSE_H
#define MIGRD_LIB_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

#define SSE_EVENT_MAX_BYTES (1u << 20) /* of one line, and of one event's data */
#define SSE_ID_MAX_BYTES    256u

struct sse_event {
	const char *type; /* "message" unless the stream said otherwise */
	const char *data; /* lines joined by LF */
	size_t data_len;
	const char *id; /* the last one seen, "" if there was none */
};

/* EVENT is valid during the call. */
typedef void sse_event_fn(void *user_data, const struct sse_event *event);

struct sse {
	sse_event_fn *fn;
	void *user_data;
	struct strbuf line, data, type, id;
	size_t bytes_at_start; /* 0 to 3: how much of a byte order mark was seen */
	bool is_started;       /* past the place of the byte order mark */
	bool has_cr;           /* the last byte was a CR: an LF now belongs to it */
};

void sse_init(struct sse *sse, sse_event_fn *fn, void *user_data);
void sse_fini(struct sse *sse);
/* TOO_LARGE: a line, an event or an id is over its limit; the stream cannot be used
 * any further. */
bool sse_feed(struct sse *sse, const char *bytes, size_t len, struct err *err);

#endif
