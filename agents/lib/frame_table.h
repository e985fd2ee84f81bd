/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/frame_table.h -- a table in a frame, which leaves out columns that have no room.  Pure. */
#ifndef MIGRD_LIB_FRAME_TABLE_H
#define MIGRD_LIB_FRAME_TABLE_H

#include "agents/lib/frame.h"

#define FRAME_COLUMNS_MAX 16

struct frame_column {
	const char *title;
	bool is_right;
	unsigned rank; /* the highest one is left out first; 0: never */
};

struct frame_row {
	const char *key; /* who it is, borrowed */
	char *cells[FRAME_COLUMNS_MAX];
	enum frame_style styles[FRAME_COLUMNS_MAX];
	char *below; /* a line of its own under the row; NULL: it is empty */
};

struct frame_rows {
	struct frame_row *list;
	size_t count;
};

struct frame_row *frame_rows_add(struct frame_rows *rows, const char *key);
void frame_rows_fini(struct frame_rows *rows);

struct frame_table {
	const struct frame_column *columns;
	size_t column_count;
	const struct frame_rows *rows;
	size_t lines;         /* at most, with that of the titles */
	size_t row_lines;     /* of each row: 1, or 2 if rows have something below them */
	const char *selected; /* key; NULL: none */
};

/* The lines that the table takes if it has room for all. */
size_t frame_table_lines(const struct frame_rows *rows, size_t row_lines);
/* Shows the rows around the one that is selected, and how many others there are. A column without
 * any text is left out. */
void frame_table_add(struct frame *frame, const struct frame_table *table);

#endif
