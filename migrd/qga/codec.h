/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qga/codec.h -- what a guest agent says, from bytes to messages; no I/O.
 *
 * The agent is a program in the guest, so nothing it says is trusted: a line of
 * over 1 MiB, one nested too deep, with too many values, or that is not JSON is
 * reported as garbage, and the next line begins anew.  What comes out depends only
 * on the bytes, never on where they were split.
 *
 * Thread: any; one owner at a time.
 * Source: QEMU docs/interop/qemu-ga.rst and qga/qapi-schema.json (the byte 0xFF,
 * which no JSON contains, stands before the answer to guest-sync-delimited).
 */
#ifndef MIGRD_QGA_CODEC_H
#define MIGRD_QGA_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"

#define QGA_LINE_MAX_BYTES (1u << 20)

struct qga_codec {
	struct strbuf buf;
	size_t start;     /* of the present line, in buf */
	size_t scanned;   /* bytes of buf that are known to hold no end after start */
	size_t max_line_bytes;
	bool is_skipping; /* over the rest of a line that was too long */
};

void qga_codec_init(struct qga_codec *codec, size_t max_line_bytes);
void qga_codec_fini(struct qga_codec *codec);
/* Call qga_codec_next() until it wants more before feeding again. */
void qga_codec_feed(struct qga_codec *codec, const void *data, size_t len);

enum qga_token {
	QGA_MORE,
	QGA_MARK,    /* the byte 0xFF; what stood before it on its line is dropped */
	QGA_MESSAGE, /* *ret is an object, the caller's */
	QGA_GARBAGE, /* *err says what is wrong with the line */
};
enum qga_token qga_codec_next(struct qga_codec *codec, struct json_object **ret, struct err *err);

/* One command with its line end, the caller's.  ARGS is borrowed and may be NULL. */
char *qga_codec_command(const char *name, struct json_object *args);

#endif
