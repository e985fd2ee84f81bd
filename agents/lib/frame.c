/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/mem.h"

void frame_init(struct frame *frame, unsigned width, unsigned height)
{
	memset(frame, 0, sizeof(*frame));
	frame->width = width < FRAME_WIDTH_MAX ? width : FRAME_WIDTH_MAX;
	frame->height = height;
}

void frame_fini(struct frame *frame)
{
	for (size_t i = 0; i < frame->count; i++)
		strbuf_fini(&frame->lines[i].text);
	free(frame->lines);
	frame->lines = NULL;
	frame->count = frame->room = 0;
}

size_t frame_lines_left(const struct frame *frame)
{
	size_t most = frame->height == FRAME_NO_LIMIT ? FRAME_LINES_MAX : frame->height;

	return frame->count < most ? most - frame->count : 0;
}

bool frame_line(struct frame *frame)
{
	if (!frame_lines_left(frame))
		return false;
	if (frame->count == frame->room) {
		frame->room = frame->room ? frame->room * 2 : 32;
		frame->lines = xrealloc(frame->lines, frame->room * sizeof(*frame->lines));
	}
	frame->lines[frame->count++] = (struct frame_line){ .text = STRBUF_INIT };
	return true;
}

/* ---- characters ---------------------------------------------------------------------- */

struct character {
	size_t len;       /* in bytes */
	unsigned columns; /* 0: it stands above the one before */
	bool is_shown;    /* else '?' stands for it */
};

/* The first one of TEXT, which is not empty. */
static struct character first_of(const char *text)
{
	mbstate_t state;
	wchar_t wide;
	size_t len;
	int columns;

	if ((unsigned char)text[0] >= ' ' && (unsigned char)text[0] < 0x7f)
		return (struct character){ 1, 1, true };
	memset(&state, 0, sizeof(state));
	len = mbrtowc(&wide, text, strlen(text), &state);
	if (len == 0 || len == (size_t)-1 || len == (size_t)-2)
		return (struct character){ 1, 1, false };
	columns = wcwidth(wide);
	return columns < 0 ? (struct character){ len, 1, false }
			   : (struct character){ len, (unsigned)columns, true };
}

unsigned frame_columns(const char *text)
{
	unsigned columns = 0;

	while (*text) {
		struct character next = first_of(text);

		columns += next.columns;
		text += next.len;
	}
	return columns;
}

/* ---- lines --------------------------------------------------------------------------- */

static void end_span(struct frame_line *line, enum frame_style style)
{
	struct frame_span *last = line->span_count ? &line->spans[line->span_count - 1] : NULL;

	if (last && (last->style == style || line->span_count == FRAME_SPANS_MAX))
		last->end = line->text.len;
	else
		line->spans[line->span_count++] = (struct frame_span){ line->text.len, style };
}

void frame_add(struct frame *frame, enum frame_style style, const char *text)
{
	struct frame_line *line = frame->count ? &frame->lines[frame->count - 1] : NULL;

	if (!line || !*text)
		return;
	while (*text) {
		struct character next = first_of(text);

		if (line->columns + next.columns > frame->width)
			break;
		if (next.is_shown)
			strbuf_add(&line->text, text, next.len);
		else
			strbuf_adds(&line->text, "?");
		line->columns += next.columns;
		text += next.len;
	}
	end_span(line, style);
}

void frame_addf(struct frame *frame, enum frame_style style, const char *fmt, ...)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	frame_add(frame, style, strbuf_str(&text));
}

void frame_pad(struct frame *frame, unsigned column)
{
	struct frame_line *line = frame->count ? &frame->lines[frame->count - 1] : NULL;

	if (line && line->columns < column)
		frame_addf(frame, FRAME_PLAIN, "%*s", (int)(column - line->columns), "");
}

void frame_select(struct frame *frame)
{
	if (frame->count)
		frame->lines[frame->count - 1].is_selected = true;
}

/* The bytes of TEXT that fill at most WIDTH columns, up to a blank if there is one. */
static size_t cut(const char *text, unsigned width)
{
	size_t at = 0, blank = 0;
	unsigned columns = 0;

	while (text[at]) {
		struct character next = first_of(text + at);

		if (columns + next.columns > width)
			return blank ? blank : at;
		if (text[at] == ' ')
			blank = at;
		columns += next.columns;
		at += next.len;
	}
	return at;
}

void frame_wrap(struct frame *frame, enum frame_style style, const char *lead, const char *text,
		unsigned most)
{
	unsigned from = frame_columns(lead);
	unsigned width = frame->width > from ? frame->width - from : 0;

	for (unsigned n = 0; n < most && (n == 0 || *text); n++) {
		size_t len = n + 1 < most ? cut(text, width) : strlen(text);
		CLEANUP(free_charp) char *part = xstrndup(text, len);

		if (!frame_line(frame))
			return;
		if (n == 0)
			frame_add(frame, FRAME_TITLE, lead);
		frame_pad(frame, from);
		frame_add(frame, style, part);
		if (len == 0)
			return; /* it is too narrow for a single character */
		text += len;
		text += strspn(text, " ");
	}
}

void frame_text(const struct frame *frame, struct strbuf *text)
{
	for (size_t i = 0; i < frame->count; i++) {
		const struct strbuf *line = &frame->lines[i].text;
		size_t len = line->len;

		while (len > 0 && line->data[len - 1] == ' ')
			len--;
		strbuf_add(text, line->data, len);
		strbuf_adds(text, "\n");
	}
}
