/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/row.h -- structs to rows and back, by one table of columns each.
 *
 * The table makes the SQL, binds and reads, so that the three cannot disagree.
 * Thread: the store's.
 */
#ifndef MIGRD_STORE_ROW_H
#define MIGRD_STORE_ROW_H

#include "base/strbuf.h"
#include "store/db.h"

enum store_column_type {
	STORE_COLUMN_TEXT,  /* char[size] */
	STORE_COLUMN_OWNED, /* char *, maybe NULL */
	STORE_COLUMN_INT,   /* int64_t */
	STORE_COLUMN_UINT,  /* uint64_t, kept as int64_t of the same bits */
	STORE_COLUMN_PID,   /* pid_t */
	STORE_COLUMN_BOOL,  /* bool */
};

struct store_column {
	const char *name;
	enum store_column_type type;
	size_t offset;
	size_t size; /* TEXT */
};

#define STORE_COLUMN(row, member, kind)                                     \
	{                                                                   \
#member, STORE_COLUMN_##kind, offsetof(struct row, member), \
			sizeof(((struct row *)0)->member)                   \
	}

struct store_table {
	const char *name;
	const struct store_column *columns; /* the first is the key */
	size_t column_count;
	size_t row_size;
};

/* Appends "SELECT a, b FROM t ", to be continued. */
void store_row_select_sql(const struct store_table *table, struct strbuf *sql);
/* Appends SQL that inserts a row with its sum (store/sound.h); the columns must be all those of
 * the table, in its order. An existing row with this key is updated in place: REPLACE would
 * delete it, and the rows that refer to it. */
void store_row_put_sql(const struct store_table *table, struct strbuf *sql);
/* Binds the values, borrowed from ROW until the statement is reset or bound anew. */
void store_row_bind(const struct store_table *table, const void *row, sqlite3_stmt *stmt);
/* Reads into a zeroed ROW; text that does not fit its member is a STORE error. */
bool store_row_read(const struct store_table *table, sqlite3_stmt *stmt, void *row,
		    struct err *err);
/* A copy that owns its text; store_row_fini() and free() end it. */
void *store_row_dup(const struct store_table *table, const void *row);
/* Frees what ROW owns. */
void store_row_fini(const struct store_table *table, void *row);
/* The first column of ROW. */
const char *store_row_key(const struct store_table *table, const void *row);

#endif
