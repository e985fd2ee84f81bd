/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/codec.h -- QMP bytes to messages and commands to bytes; no I/O.
 *
 * Bytes are fed as they come; what comes out depends only on the bytes, never
 * on where they were split.  Memory is bounded by the line limit plus what was
 * fed at once.  A stream that broke the rules once stays broken.
 *
 * Thread: any; one owner at a time.  Errors: INVALID.
 * Source: QEMU docs/interop/qmp-spec.rst.
 */
#ifndef MIGRD_QMP_CODEC_H
#define MIGRD_QMP_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"

#define QMP_LINE_MAX_BYTES     (16u << 20)
#define QMP_GREETING_MAX_BYTES (64u << 10)

struct qmp_codec {
	struct strbuf buf;
	size_t start;   /* of the present line, in buf */
	size_t scanned; /* bytes of buf that are known to hold no line end after start */
	size_t max_line_bytes;
	bool is_broken;
};

void qmp_codec_init(struct qmp_codec *codec, size_t max_line_bytes);
void qmp_codec_fini(struct qmp_codec *codec);
/* Call qmp_codec_next() until it wants more before feeding again. */
void qmp_codec_feed(struct qmp_codec *codec, const void *data, size_t len);
/* The beginning of the line under way, for a message: not ended by a NUL. */
const char *qmp_codec_partial(const struct qmp_codec *codec, size_t *ret_len);

enum qmp_msg_kind {
	QMP_MSG_GREETING,
	QMP_MSG_RETURN,
	QMP_MSG_ERROR,
	QMP_MSG_EVENT,
	QMP_MSG_OTHER, /* an object of none of these kinds: a newer QEMU may send one */
};

/* Everything but `tree' is borrowed from it. */
struct qmp_msg {
	enum qmp_msg_kind kind;
	struct json_object *tree;
	const char *id;           /* RETURN, ERROR: NULL if absent or no string */
	struct json_object *body; /* GREETING: "QMP"; RETURN: "return"; ERROR: "error"; EVENT:
				   * "data" or NULL */
	const char *name;         /* EVENT: its name; ERROR: the class */
	const char *text;         /* ERROR: QEMU's words */
	int64_t time_us;          /* EVENT: 0 if absent */
};

enum qmp_codec_result { QMP_CODEC_MSG, QMP_CODEC_MORE, QMP_CODEC_BROKEN };

/* MSG: *ret is to be released.  BROKEN: a line over the limit or one that is
 * not a JSON object; *err says which. */
enum qmp_codec_result qmp_codec_next(struct qmp_codec *codec, struct qmp_msg *ret, struct err *err);
void qmp_msg_release(struct qmp_msg *msg);

/* One command with its line end, owned by the caller.  ARGS is borrowed and may be NULL. */
char *qmp_codec_command(const char *name, struct json_object *args, const char *id, bool oob);

#endif
