/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qga/codec.h"

#include "base/json_line.h"
#include "base/mem.h"

#define MARK 0xff

/* The deepest reply, guest-get-fsinfo, has six levels; a guest with 256 file systems
 * of some disks each stays below max_structure. */
static const struct json_line_limits limits = { .max_depth = 16, .max_structure = 20000 };

void qga_codec_init(struct qga_codec *codec, size_t max_line_bytes)
{
	*codec = (struct qga_codec){ .buf = STRBUF_INIT, .max_line_bytes = max_line_bytes };
}

void qga_codec_fini(struct qga_codec *codec)
{
	strbuf_fini(&codec->buf);
}

void qga_codec_feed(struct qga_codec *codec, const void *data, size_t len)
{
	if (codec->start > 0) {
		strbuf_consume(&codec->buf, codec->start);
		codec->scanned -= codec->start;
		codec->start = 0;
	}
	strbuf_add(&codec->buf, data, len);
}

/* The line end or mark that comes next; NULL: not yet. */
static const char *find_end(struct qga_codec *codec)
{
	for (; codec->scanned < codec->buf.len; codec->scanned++) {
		const char *at = codec->buf.data + codec->scanned;

		if (*at == '\n' || (unsigned char)*at == MARK)
			return at;
	}
	return NULL;
}

/* Takes what lies before END, and END itself. */
static void consume(struct qga_codec *codec, const char *end)
{
	codec->start = codec->scanned = (size_t)(end - codec->buf.data) + 1;
	codec->is_skipping = false;
}

/* A line has grown beyond its limit: reports it once, and drops its rest. */
static enum qga_token skip(struct qga_codec *codec, struct err *err)
{
	codec->start = codec->scanned;
	codec->is_skipping = true;
	err_set(err, ERR_INVALID, "a line of over %zu bytes", codec->max_line_bytes);
	return QGA_GARBAGE;
}

enum qga_token qga_codec_next(struct qga_codec *codec, struct json_object **ret, struct err *err)
{
	const char *line, *end;
	size_t len;

	for (;;) {
		end = find_end(codec);
		if (codec->is_skipping)
			codec->start = codec->scanned;
		line = codec->buf.len > 0 ? codec->buf.data + codec->start : "";
		len = codec->scanned - codec->start;
		if (len > codec->max_line_bytes)
			return skip(codec, err);
		if (!end)
			return QGA_MORE;
		if ((unsigned char)*end == MARK) {
			consume(codec, end);
			return QGA_MARK;
		}
		consume(codec, end);
		if (json_line_is_blank(line, len))
			continue;
		*ret = json_line_parse(line, len, &limits, err);
		return *ret ? QGA_MESSAGE : QGA_GARBAGE;
	}
}

char *qga_codec_command(const char *name, struct json_object *args)
{
	CLEANUP(json_putp) struct json_object *command = json_object_new_object();

	json_add_str(command, "execute", name);
	if (args)
		json_object_object_add(command, "arguments", json_object_get(args));
	return xasprintf("%s\n", json_text(command, NULL));
}
