/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/sse.h"

#include <string.h>

void sse_init(struct sse *sse, sse_event_fn *fn, void *user_data)
{
	memset(sse, 0, sizeof(*sse));
	sse->fn = fn;
	sse->user_data = user_data;
}

void sse_fini(struct sse *sse)
{
	strbuf_fini(&sse->line);
	strbuf_fini(&sse->data);
	strbuf_fini(&sse->type);
	strbuf_fini(&sse->id);
}

static void dispatch(struct sse *sse)
{
	if (sse->data.len > 0) {
		struct sse_event event = {
			.type = sse->type.len > 0 ? strbuf_str(&sse->type) : "message",
			.data = strbuf_str(&sse->data),
			.id = strbuf_str(&sse->id),
		};

		/* Each data line ended with an LF; the last LF is not part of the data. */
		sse->data.data[--sse->data.len] = '\0';
		event.data_len = sse->data.len;
		sse->fn(sse->user_data, &event);
	}
	strbuf_clear(&sse->data);
	strbuf_clear(&sse->type);
}

static bool add_data(struct sse *sse, const char *value, size_t len, struct err *err)
{
	if (len >= SSE_EVENT_MAX_BYTES - sse->data.len)
		return err_set(err, ERR_TOO_LARGE, "an event has over %u bytes",
			       SSE_EVENT_MAX_BYTES);
	strbuf_add(&sse->data, value, len);
	strbuf_add(&sse->data, "\n", 1);
	return true;
}

static bool set_id(struct sse *sse, const char *value, size_t len, struct err *err)
{
	if (len > SSE_ID_MAX_BYTES)
		return err_set(err, ERR_TOO_LARGE, "an event's id has over %u bytes",
			       SSE_ID_MAX_BYTES);
	if (memchr(value, '\0', len)) /* the standard ignores such an id */
		return true;
	strbuf_clear(&sse->id);
	strbuf_add(&sse->id, value, len);
	return true;
}

static bool is_field(const char *name, size_t len, const char *wanted)
{
	return strlen(wanted) == len && memcmp(name, wanted, len) == 0;
}

static bool take_field(struct sse *sse, const char *line, size_t len, struct err *err)
{
	const char *colon = memchr(line, ':', len);
	size_t name_len = colon ? (size_t)(colon - line) : len;
	const char *value = colon ? colon + 1 : line + len;
	size_t value_len = (size_t)(line + len - value);

	if (value_len > 0 && *value == ' ') {
		value++;
		value_len--;
	}
	if (is_field(line, name_len, "data"))
		return add_data(sse, value, value_len, err);
	if (is_field(line, name_len, "id"))
		return set_id(sse, value, value_len, err);
	if (is_field(line, name_len, "event")) {
		strbuf_clear(&sse->type);
		strbuf_add(&sse->type, value, value_len);
	}
	return true; /* comments have an empty name; `retry' is ignored: the caller chooses */
}

static bool end_line(struct sse *sse, struct err *err)
{
	bool ok = true;

	if (sse->line.len == 0)
		dispatch(sse);
	else
		ok = take_field(sse, sse->line.data, sse->line.len, err);
	strbuf_clear(&sse->line);
	return ok;
}

static bool add_to_line(struct sse *sse, const char *bytes, size_t len, struct err *err)
{
	if (len > SSE_EVENT_MAX_BYTES - sse->line.len)
		return err_set(err, ERR_TOO_LARGE, "a line of the event stream has over %u bytes",
			       SSE_EVENT_MAX_BYTES);
	if (len > 0)
		strbuf_add(&sse->line, bytes, len);
	return true;
}

/* Skips a byte order mark at the start of the stream, which may come in pieces. */
static bool skip_mark(struct sse *sse, const char **bytes, size_t *len, struct err *err)
{
	static const char mark[] = "\xef\xbb\xbf";

	while (!sse->is_started && *len > 0) {
		if (**bytes != mark[sse->bytes_at_start]) {
			sse->is_started = true;
			return add_to_line(sse, mark, sse->bytes_at_start, err);
		}
		(*bytes)++;
		(*len)--;
		sse->is_started = ++sse->bytes_at_start == strlen(mark);
	}
	return true;
}

static size_t line_span(const char *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && bytes[n] != '\n' && bytes[n] != '\r')
		n++;
	return n;
}

static bool take_line_break(struct sse *sse, char c, struct err *err)
{
	bool is_second_half = c == '\n' && sse->has_cr;

	sse->has_cr = c == '\r';
	return is_second_half || end_line(sse, err);
}

bool sse_feed(struct sse *sse, const char *bytes, size_t len, struct err *err)
{
	if (!skip_mark(sse, &bytes, &len, err))
		return false;
	while (len > 0) {
		size_t n = line_span(bytes, len);

		if (!add_to_line(sse, bytes, n, err))
			return false;
		if (n > 0)
			sse->has_cr = false;
		if (n < len && !take_line_break(sse, bytes[n++], err))
			return false;
		bytes += n;
		len -= n;
	}
	return true;
}
