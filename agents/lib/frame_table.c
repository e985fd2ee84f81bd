/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/frame_table.h"

#include <string.h>

#include "base/mem.h"

#define GAP 2u /* columns of the terminal between two of the table */

struct frame_row *frame_rows_add(struct frame_rows *rows, const char *key)
{
	/* A power of two is full. */
	if ((rows->count & (rows->count - 1)) == 0)
		rows->list = xrealloc(rows->list,
				      (rows->count ? rows->count * 2 : 1) * sizeof(*rows->list));
	rows->list[rows->count] = (struct frame_row){ .key = key };
	return &rows->list[rows->count++];
}

void frame_rows_fini(struct frame_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		for (size_t c = 0; c < FRAME_COLUMNS_MAX; c++)
			free(rows->list[i].cells[c]);
		free(rows->list[i].below);
	}
	free(rows->list);
	*rows = (struct frame_rows){ 0 };
}

size_t frame_table_lines(const struct frame_rows *rows, size_t row_lines)
{
	return rows->count ? rows->count * row_lines + 1 : 0;
}

/* ---- widths ----------------------------------------------------------------------------- */

/* Of each column; 0: it is left out. */
static void widths_of(const struct frame_table *table, unsigned widths[FRAME_COLUMNS_MAX])
{
	for (size_t c = 0; c < table->column_count; c++) {
		widths[c] = 0;
		for (size_t i = 0; i < table->rows->count; i++) {
			const char *cell = table->rows->list[i].cells[c];
			unsigned width = cell ? frame_columns(cell) : 0;

			widths[c] = width > widths[c] ? width : widths[c];
		}
		if (widths[c] && widths[c] < strlen(table->columns[c].title))
			widths[c] = (unsigned)strlen(table->columns[c].title);
	}
}

static unsigned sum(const unsigned *widths, size_t count)
{
	unsigned total = 0;

	for (size_t c = 0; c < count; c++)
		total += widths[c] ? widths[c] + (total ? GAP : 0) : 0;
	return total;
}

/* The column that is missed least; column_count: none may go. */
static size_t least_of(const struct frame_table *table, const unsigned *widths)
{
	size_t least = table->column_count;
	unsigned rank = 0;

	for (size_t c = 0; c < table->column_count; c++) {
		if (!widths[c] || table->columns[c].rank <= rank)
			continue;
		least = c;
		rank = table->columns[c].rank;
	}
	return least;
}

static void fit(const struct frame_table *table, unsigned width, unsigned *widths)
{
	while (sum(widths, table->column_count) > width) {
		size_t least = least_of(table, widths);

		if (least == table->column_count)
			return;
		widths[least] = 0;
	}
}

/* ---- lines -------------------------------------------------------------- */

static size_t last_column(const struct frame_table *table, const unsigned *widths)
{
	size_t last = 0;

	for (size_t c = 0; c < table->column_count; c++)
		last = widths[c] ? c : last;
	return last;
}

static void add_cell(struct frame *frame, const struct frame_column *column, unsigned at,
		     unsigned width, const char *text, enum frame_style style)
{
	unsigned used = frame_columns(text);

	frame_pad(frame, at + (column->is_right && used < width ? width - used : 0));
	frame_add(frame, style, text);
}

/* ROW NULL: the titles. */
static void add_row(struct frame *frame, const struct frame_table *table, const unsigned *widths,
		    const struct frame_row *row)
{
	size_t last = last_column(table, widths);
	unsigned at = 0;

	if (!frame_line(frame))
		return;
	for (size_t c = 0; c < table->column_count; c++) {
		const char *cell = row ? row->cells[c] : table->columns[c].title;

		if (!widths[c])
			continue;
		add_cell(frame, &table->columns[c], at, widths[c], cell ? cell : "",
			 row ? row->styles[c] : FRAME_TITLE);
		at += widths[c] + (c == last ? 0 : GAP);
	}
	if (row && table->selected && strcmp(table->selected, row->key) == 0)
		frame_select(frame);
}

static size_t index_of(const struct frame_rows *rows, const char *key)
{
	for (size_t i = 0; key && i < rows->count; i++)
		if (strcmp(rows->list[i].key, key) == 0)
			return i;
	return 0;
}

/* Of COUNT rows the first of ROOM that are shown, with AT among them. */
static size_t first_shown(size_t count, size_t room, size_t at)
{
	size_t first = at < room / 2 ? 0 : at - room / 2;

	if (room >= count)
		return 0;
	return first > count - room ? count - room : first;
}

/* How many rows are shown; *ret_tells: with a line that tells how many others there are. */
static size_t room_of(const struct frame_table *table, bool *ret_tells)
{
	size_t count = table->rows->count, each = table->row_lines, lines = table->lines - 1;

	*ret_tells = count * each > lines && lines > each;
	if (count * each <= lines)
		return count;
	return (lines - (*ret_tells ? 1 : 0)) / each;
}

void frame_table_add(struct frame *frame, const struct frame_table *table)
{
	unsigned widths[FRAME_COLUMNS_MAX];
	size_t count = table->rows->count, room, first;
	bool tells;

	if (!count || !table->lines)
		return;
	room = room_of(table, &tells);
	widths_of(table, widths);
	fit(table, frame->width, widths);
	first = first_shown(count, room, index_of(table->rows, table->selected));
	add_row(frame, table, widths, NULL);
	for (size_t i = first; i < first + room; i++) {
		const struct frame_row *row = &table->rows->list[i];

		add_row(frame, table, widths, row);
		if (table->row_lines > 1 && frame_line(frame))
			frame_addf(frame, FRAME_DIM, "  %s", row->below ? row->below : "");
	}
	if (tells && frame_line(frame))
		frame_addf(frame, FRAME_DIM, "%zu to %zu of %zu", first + 1, first + room, count);
}
