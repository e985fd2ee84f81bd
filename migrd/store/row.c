/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/row.h"

#include "base/mem.h"

static void add_names(const struct store_table *table, struct strbuf *sql)
{
	for (size_t i = 0; i < table->column_count; i++)
		strbuf_addf(sql, "%s%s", i ? ", " : "", table->columns[i].name);
}

static void add_places(const struct store_table *table, struct strbuf *sql)
{
	for (size_t i = 1; i <= table->column_count; i++)
		strbuf_addf(sql, "%s?%zu", i > 1 ? ", " : "", i);
}

void store_row_select_sql(const struct store_table *table, struct strbuf *sql)
{
	strbuf_adds(sql, "SELECT ");
	add_names(table, sql);
	strbuf_addf(sql, " FROM %s ", table->name);
}

void store_row_put_sql(const struct store_table *table, struct strbuf *sql)
{
	strbuf_addf(sql, "INSERT INTO %s (", table->name);
	add_names(table, sql);
	strbuf_adds(sql, ", sum) VALUES (");
	add_places(table, sql);
	strbuf_adds(sql, ", row_sum(");
	add_places(table, sql);
	strbuf_addf(sql, ")) ON CONFLICT (%s) DO UPDATE SET ", table->columns[0].name);
	for (size_t i = 1; i < table->column_count; i++)
		strbuf_addf(sql, "%s = excluded.%s, ", table->columns[i].name,
			    table->columns[i].name);
	strbuf_adds(sql, "sum = excluded.sum");
}

/* Binding fails only for a wrong index or an exhausted memory, and then the
 * statement fails for NOT NULL, so that the results need no check here. */
void store_row_bind(const struct store_table *table, const void *row, sqlite3_stmt *stmt)
{
	for (size_t i = 0; i < table->column_count; i++) {
		const struct store_column *column = &table->columns[i];
		const void *value = (const char *)row + column->offset;
		int index = (int)i + 1;

		switch (column->type) {
		case STORE_COLUMN_TEXT:
			sqlite3_bind_text(stmt, index, value, -1, SQLITE_STATIC);
			break;
		case STORE_COLUMN_OWNED:
			sqlite3_bind_text(stmt, index, *(char *const *)value, -1, SQLITE_STATIC);
			break;
		case STORE_COLUMN_INT:
			sqlite3_bind_int64(stmt, index, *(const int64_t *)value);
			break;
		case STORE_COLUMN_UINT:
			sqlite3_bind_int64(stmt, index, (int64_t) * (const uint64_t *)value);
			break;
		case STORE_COLUMN_PID:
			sqlite3_bind_int64(stmt, index, *(const pid_t *)value);
			break;
		case STORE_COLUMN_BOOL:
			sqlite3_bind_int64(stmt, index, *(const bool *)value);
			break;
		}
	}
}

static bool read_text(const struct store_table *table, const struct store_column *column,
		      sqlite3_stmt *stmt, int index, char *value, struct err *err)
{
	const char *text = (const char *)sqlite3_column_text(stmt, index);

	if (!text || strlen(text) >= column->size)
		return err_set(err, ERR_STORE,
			       "the state database holds a row of '%s' whose '%s' is %s: it was "
			       "changed by something else",
			       table->name, column->name, text ? "too long" : "missing");
	memcpy(value, text, strlen(text) + 1);
	return true;
}

bool store_row_read(const struct store_table *table, sqlite3_stmt *stmt, void *row, struct err *err)
{
	for (size_t i = 0; i < table->column_count; i++) {
		const struct store_column *column = &table->columns[i];
		void *value = (char *)row + column->offset;
		int index = (int)i;

		switch (column->type) {
		case STORE_COLUMN_TEXT:
			if (!read_text(table, column, stmt, index, value, err))
				return false;
			break;
		case STORE_COLUMN_OWNED:
			if (sqlite3_column_type(stmt, index) != SQLITE_NULL)
				*(char **)value =
					xstrdup((const char *)sqlite3_column_text(stmt, index));
			break;
		case STORE_COLUMN_INT:
			*(int64_t *)value = sqlite3_column_int64(stmt, index);
			break;
		case STORE_COLUMN_UINT:
			*(uint64_t *)value = (uint64_t)sqlite3_column_int64(stmt, index);
			break;
		case STORE_COLUMN_PID:
			*(pid_t *)value = sqlite3_column_int(stmt, index);
			break;
		case STORE_COLUMN_BOOL:
			*(bool *)value = sqlite3_column_int(stmt, index) != 0;
			break;
		}
	}
	return true;
}

/* The pointer in ROW of an owned column; NULL: the column is of another type. */
static char **owned(const struct store_column *column, void *row)
{
	return column->type == STORE_COLUMN_OWNED ? (char **)(void *)((char *)row + column->offset)
						  : NULL;
}

void *store_row_dup(const struct store_table *table, const void *row)
{
	void *copy = xcalloc(1, table->row_size);

	memcpy(copy, row, table->row_size);
	for (size_t i = 0; i < table->column_count; i++) {
		char **value = owned(&table->columns[i], copy);

		if (value && *value)
			*value = xstrdup(*value);
	}
	return copy;
}

void store_row_fini(const struct store_table *table, void *row)
{
	for (size_t i = 0; i < table->column_count; i++) {
		char **value = owned(&table->columns[i], row);

		if (value)
			free(TAKE_PTR(*value));
	}
}

const char *store_row_key(const struct store_table *table, const void *row)
{
	return (const char *)row + table->columns[0].offset;
}
