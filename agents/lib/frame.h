/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/frame.h -- what a terminal shows: lines of text in styles, as wide and as high as the
 * terminal is.  Pure; who draws it is lib/screen.h.
 *
 * Text is cut at the width, by columns and not by bytes.  What could steer a terminal, and what the
 * locale (setlocale(3)) has no character for, becomes '?'.  Thread: any; one owner at a time.
 */
#ifndef MIGRD_LIB_FRAME_H
#define MIGRD_LIB_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

enum frame_style {
	FRAME_PLAIN,
	FRAME_TITLE,
	FRAME_DIM,
	FRAME_GOOD,
	FRAME_WARN,
	FRAME_BAD,
	FRAME_STYLE_COUNT,
};

#define FRAME_SPANS_MAX 64
#define FRAME_NO_LIMIT  0u /* of the height: for output that is no terminal */
#define FRAME_LINES_MAX 100000u
#define FRAME_WIDTH_MAX 1000u

struct frame_span {
	size_t end; /* in bytes; it begins where the last one ends */
	enum frame_style style;
};

struct frame_line {
	struct strbuf text;
	unsigned columns;
	bool is_selected;
	struct frame_span spans[FRAME_SPANS_MAX];
	size_t span_count;
};

struct frame {
	unsigned width, height; /* height: FRAME_NO_LIMIT or more */
	struct frame_line *lines;
	size_t count, room;
};

void frame_init(struct frame *frame, unsigned width, unsigned height);
void frame_fini(struct frame *frame);
/* How many lines may still be begun. */
size_t frame_lines_left(const struct frame *frame);
/* Begins a line; false: there is no room, and what is added goes nowhere until the next frame. */
bool frame_line(struct frame *frame);
/* Add to the last line. */
void frame_add(struct frame *frame, enum frame_style style, const char *text);
void frame_addf(struct frame *frame, enum frame_style style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Blanks up to COLUMN; nothing if the line is longer. */
void frame_pad(struct frame *frame, unsigned column);
/* The last line is the one that a user has chosen. */
void frame_select(struct frame *frame);
/* TEXT in lines of its own, at most MOST of them, each behind LEAD, or as many blanks. */
void frame_wrap(struct frame *frame, enum frame_style style, const char *lead, const char *text,
		unsigned most);
/* The columns of TEXT. */
unsigned frame_columns(const char *text);
/* Adds the text of all lines, without styles. */
void frame_text(const struct frame *frame, struct strbuf *text);

#endif
