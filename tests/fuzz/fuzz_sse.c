/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: any bytes as an event stream, in pieces as long as byte 0 says (0: one byte).
 * No crash, and the same events as in one piece. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "agents/lib/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *user_data, const struct sse_event *event)
{
	struct strbuf *seen = user_data;

	assert(event->data[event->data_len] == '\0');
	strbuf_addf(seen, "%s|%s|", event->type, event->id);
	strbuf_add(seen, event->data, event->data_len);
	strbuf_add(seen, ";", 1);
}

/* Feeds the input in pieces of STEP bytes. */
static void run(const char *bytes, size_t size, size_t step, struct strbuf *seen)
{
	struct sse sse;
	struct err err;

	sse_init(&sse, note, seen);
	for (size_t at = 0; at < size; at += step) {
		size_t len = size - at < step ? size - at : step;

		if (!sse_feed(&sse, bytes + at, len, &err))
			break;
	}
	sse_fini(&sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf whole = STRBUF_INIT, pieces = STRBUF_INIT;
	const char *bytes = (const char *)data + 1;

	if (size < 2)
		return 0;
	run(bytes, size - 1, size - 1, &whole);
	run(bytes, size - 1, data[0] ? data[0] : 1, &pieces);
	assert(whole.len == pieces.len &&
	       (whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0));
	strbuf_fini(&whole);
	strbuf_fini(&pieces);
	return 0;
}
