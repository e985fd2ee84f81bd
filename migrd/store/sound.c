/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/sound.h"

#include "base/mem.h"
#include "base/strbuf.h"

/* ---- row_sum(VALUE, ...) ------------------------------------------------------- */

/* FNV-1a of 64 bits (www.isthe.com/chongo/tech/comp/fnv); each value is added with its type and
 * length, so that no two rows give the same bytes. */
#define FNV_BASIS 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t add_bytes(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * FNV_PRIME;
	return sum;
}

static uint64_t add_number(uint64_t sum, uint64_t number)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(number >> (8 * i));
	return add_bytes(sum, bytes, sizeof(bytes));
}

static uint64_t add_value(uint64_t sum, sqlite3_value *value)
{
	int type = sqlite3_value_type(value);
	const unsigned char *text;

	sum = add_number(sum, (uint64_t)type);
	if (type == SQLITE_INTEGER)
		return add_number(sum, (uint64_t)sqlite3_value_int64(value));
	if (type == SQLITE_NULL)
		return sum;
	text = sqlite3_value_text(value);
	sum = add_number(sum, (uint64_t)sqlite3_value_bytes(value));
	return add_bytes(sum, text, (size_t)sqlite3_value_bytes(value));
}

static void row_sum(sqlite3_context *context, int count, sqlite3_value **values)
{
	uint64_t sum = FNV_BASIS;

	for (int i = 0; i < count; i++)
		sum = add_value(sum, values[i]);
	sqlite3_result_int64(context, (int64_t)sum);
}

bool store_sums_register(struct store_db *db, struct err *err)
{
	return sqlite3_create_function(db->sqlite, "row_sum", -1,
				       SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
				       row_sum, NULL, NULL) == SQLITE_OK ||
	       store_sql_err(db, err, "add a function");
}

/* ---- all rows -------------------------------------------------------------------- */

static const char *const tables[] = { "vm",     "move",     "save",       "refresh", "policy",
				      "queue",  "hold",     "evacuation", "hook",    "maintenance",
				      "answer", "vmbackup", "webhook",    "delivery" };

/* The columns of TABLE but `sum', in order; "" in a schema that has no sums yet. */
static bool columns_of(struct store_db *db, const char *table, struct strbuf *names,
		       struct err *err)
{
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;
	bool has_sum = false;
	int rc;

	if (!store_sql_prepare(db, "SELECT name FROM pragma_table_info(?1) ORDER BY cid", &stmt,
			       err))
		return false;
	sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		if (strcmp(name, "sum") == 0)
			has_sum = true;
		else
			strbuf_addf(names, "%s%s", names->len ? ", " : "", name);
	}
	if (!has_sum)
		strbuf_clear(names);
	return rc == SQLITE_DONE || store_sql_err(db, err, "read the columns");
}

static bool renew(struct store_db *db, const char *table, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf names = STRBUF_INIT;
	CLEANUP(free_charp) char *sql = NULL;

	if (!columns_of(db, table, &names, err))
		return false;
	if (!names.len)
		return true;
	sql = xasprintf("UPDATE %s SET sum = row_sum(%s)", table, strbuf_str(&names));
	return store_sql_exec(db, sql, err);
}

bool store_sums_renew(struct store_db *db, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (!renew(db, tables[i], err))
			return false;
	}
	return true;
}

static bool look_at_sums(struct store_db *db, const char *table, char ret_why[256], struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf names = STRBUF_INIT;
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;
	CLEANUP(free_charp) char *sql = NULL;
	int rc;

	if (!columns_of(db, table, &names, err))
		return false;
	if (!names.len)
		return true;
	sql = xasprintf("SELECT rowid FROM %s WHERE sum <> row_sum(%s)", table, strbuf_str(&names));
	if (!store_sql_prepare(db, sql, &stmt, err))
		return false;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		snprintf(ret_why, 256, "row %lld of '%s' is not as it was written",
			 (long long)sqlite3_column_int64(stmt, 0), table);
	return rc == SQLITE_ROW || rc == SQLITE_DONE || store_sql_err(db, err, "check");
}

static bool look_at_structure(struct store_db *db, char ret_why[256], struct err *err)
{
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;
	const char *verdict;

	if (!store_sql_prepare(db, "PRAGMA integrity_check(1)", &stmt, err))
		return false;
	if (sqlite3_step(stmt) != SQLITE_ROW)
		return store_sql_err(db, err, "check");
	verdict = (const char *)sqlite3_column_text(stmt, 0);
	if (strcmp(verdict, "ok") != 0)
		snprintf(ret_why, 256, "%s", verdict);
	return true;
}

bool store_sound_look(struct store_db *db, char ret_why[256], struct err *err)
{
	ret_why[0] = '\0';
	if (!look_at_structure(db, ret_why, err))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(tables) && !ret_why[0]; i++) {
		if (!look_at_sums(db, tables[i], ret_why, err))
			return false;
	}
	return true;
}
