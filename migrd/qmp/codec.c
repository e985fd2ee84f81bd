/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/codec.h"

#include "base/json_line.h"
#include "base/mem.h"

/* Nesting grows with the backing chain of an image (query-block): QEMU itself
 * takes 1024 levels (qobject/json-parser.c), a real chain has some dozens.  QEMU's
 * largest reply, query-qmp-schema, has about 20,000 structural characters. */
static const struct json_line_limits limits = { .max_depth = 256, .max_structure = 250000 };

void qmp_codec_init(struct qmp_codec *codec, size_t max_line_bytes)
{
	*codec = (struct qmp_codec){ .buf = STRBUF_INIT, .max_line_bytes = max_line_bytes };
}

void qmp_codec_fini(struct qmp_codec *codec)
{
	strbuf_fini(&codec->buf);
}

/* Lines are only marked as read by qmp_codec_next(): moving the rest once per
 * feed instead of once per line keeps a burst of small lines linear. */
void qmp_codec_feed(struct qmp_codec *codec, const void *data, size_t len)
{
	if (codec->is_broken)
		return;
	if (codec->start > 0) {
		strbuf_consume(&codec->buf, codec->start);
		codec->scanned -= codec->start;
		codec->start = 0;
	}
	strbuf_add(&codec->buf, data, len);
}

const char *qmp_codec_partial(const struct qmp_codec *codec, size_t *ret_len)
{
	*ret_len = codec->buf.len - codec->start;
	return *ret_len > 0 ? codec->buf.data + codec->start : "";
}

/* The next line without its end; false: there is none yet. */
static bool take_line(struct qmp_codec *codec, const char **ret_line, size_t *ret_len)
{
	const char *from, *end;

	if (codec->scanned >= codec->buf.len)
		return false;
	from = codec->buf.data + codec->scanned;
	end = memchr(from, '\n', codec->buf.len - codec->scanned);
	if (!end) {
		codec->scanned = codec->buf.len;
		return false;
	}
	*ret_line = codec->buf.data + codec->start;
	*ret_len = (size_t)(end - *ret_line);
	codec->start = codec->scanned = (size_t)(end - codec->buf.data) + 1;
	return true;
}

static int64_t event_time_us(struct json_object *tree)
{
	struct json_object *stamp = json_get_obj(tree, "timestamp");
	int64_t s = stamp ? json_get_int(stamp, "seconds", 0) : 0;

	/* QEMU writes -1 where its clock failed. */
	if (s <= 0 || s > INT64_MAX / 2000000)
		return 0;
	return s * 1000000 + json_get_int(stamp, "microseconds", 0) % 1000000;
}

static const char *str_or(const char *s, const char *fallback)
{
	return s ? s : fallback;
}

static void classify(struct json_object *tree, struct qmp_msg *ret)
{
	struct json_object *body;

	*ret = (struct qmp_msg){ .kind = QMP_MSG_OTHER, .tree = tree };
	if (json_object_object_get_ex(tree, "return", &body)) {
		ret->kind = QMP_MSG_RETURN;
		ret->body = body;
		ret->id = json_get_str(tree, "id");
	} else if ((body = json_get_obj(tree, "error"))) {
		ret->kind = QMP_MSG_ERROR;
		ret->body = body;
		ret->id = json_get_str(tree, "id");
		ret->name = str_or(json_get_str(body, "class"), "GenericError");
		ret->text = str_or(json_get_str(body, "desc"), "(no reason given)");
	} else if ((ret->name = json_get_str(tree, "event"))) {
		ret->kind = QMP_MSG_EVENT;
		ret->body = json_get_obj(tree, "data");
		ret->time_us = event_time_us(tree);
	} else if ((body = json_get_obj(tree, "QMP"))) {
		ret->kind = QMP_MSG_GREETING;
		ret->body = body;
	}
}

static enum qmp_codec_result broken(struct qmp_codec *codec)
{
	codec->is_broken = true;
	strbuf_fini(&codec->buf);
	codec->buf = (struct strbuf)STRBUF_INIT;
	codec->start = codec->scanned = 0;
	return QMP_CODEC_BROKEN;
}

static enum qmp_codec_result too_long(struct qmp_codec *codec, struct err *err)
{
	err_set(err, ERR_INVALID, "a line of over %zu bytes", codec->max_line_bytes);
	return broken(codec);
}

enum qmp_codec_result qmp_codec_next(struct qmp_codec *codec, struct qmp_msg *ret, struct err *err)
{
	struct json_object *tree;
	const char *line;
	size_t len;

	if (codec->is_broken) {
		err_set(err, ERR_INVALID, "the stream is broken");
		return QMP_CODEC_BROKEN;
	}
	do {
		if (!take_line(codec, &line, &len)) {
			if (codec->buf.len - codec->start > codec->max_line_bytes)
				return too_long(codec, err);
			return QMP_CODEC_MORE;
		}
		if (len > codec->max_line_bytes)
			return too_long(codec, err);
	} while (json_line_is_blank(line, len));
	tree = json_line_parse(line, len, &limits, err);
	if (!tree)
		return broken(codec);
	classify(tree, ret);
	return QMP_CODEC_MSG;
}

void qmp_msg_release(struct qmp_msg *msg)
{
	json_object_put(msg->tree);
	*msg = (struct qmp_msg){ .kind = QMP_MSG_OTHER };
}

char *qmp_codec_command(const char *name, struct json_object *args, const char *id, bool oob)
{
	struct json_object *cmd = json_object_new_object();
	char *text;

	json_add_str(cmd, oob ? "exec-oob" : "execute", name);
	if (args)
		json_object_object_add(cmd, "arguments", json_object_get(args));
	json_add_str(cmd, "id", id);
	text = xasprintf("%s\n", json_text(cmd, NULL));
	json_object_put(cmd);
	return text;
}
