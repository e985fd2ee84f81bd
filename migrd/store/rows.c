/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of the database.  The statements of a table with columns are made from its columns:
 * its rows are put, deleted and loaded here, and its own file only names the columns. */
#include <assert.h>

#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

const struct store_rows *const store_rows_of[STORE_TABLE_COUNT] = {
	[STORE_VM] = &store_vm_rows,
	[STORE_MOVE] = &store_move_rows,
	[STORE_NOTES] = &store_notes_rows,
	[STORE_SAVE] = &store_save_rows,
	[STORE_REFRESH] = &store_refresh_rows,
	[STORE_VMBACKUP] = &store_vmbackup_rows,
	[STORE_POLICY] = &store_policy_rows,
	[STORE_QUEUE] = &store_queue_rows,
	[STORE_HOLD] = &store_hold_rows,
	[STORE_EVACUATION] = &store_evacuation_rows,
	[STORE_HOOK] = &store_hook_rows,
	[STORE_MAINTENANCE] = &store_maintenance_rows,
	[STORE_ANSWER] = &store_answer_rows,
	[STORE_WEBHOOK] = &store_webhook_rows,
	[STORE_DELIVERY] = &store_delivery_rows,
};

static bool prepare_table(struct store_db *db, enum store_table_id id, struct err *err)
{
	const struct store_table *table = store_rows_of[id]->table;
	CLEANUP(strbuf_fini) struct strbuf put = STRBUF_INIT;
	CLEANUP(free_charp)
	char *delete =
		xasprintf("DELETE FROM %s WHERE %s = ?", table->name, table->columns[0].name);

	store_row_put_sql(table, &put);
	return store_sql_prepare(db, strbuf_str(&put), &db->put[id], err) &&
	       store_sql_prepare(db, delete, &db->delete[id], err);
}

bool store_rows_prepare(struct store_db *db, struct err *err)
{
	for (int i = 0; i < STORE_TABLE_COUNT; i++) {
		const struct store_rows *rows = store_rows_of[i];

		if (rows->table && !prepare_table(db, (enum store_table_id)i, err))
			return false;
		if (rows->prepare && !rows->prepare(db, err))
			return false;
	}
	return true;
}

void store_rows_unprepare(struct store_db *db)
{
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++) {
		sqlite3_finalize(TAKE_PTR(db->put[i]));
		sqlite3_finalize(TAKE_PTR(db->delete[i]));
	}
}

/* ---- one row ---------------------------------------------------------------- */

static bool put(struct store_db *db, const struct store_change *change, struct err *err)
{
	const struct store_rows *rows = store_rows_of[change->table];
	sqlite3_stmt *stmt;

	if (rows->put)
		return rows->put(db, change->row, err);
	stmt = store_sql_cleared(db->put[change->table]);
	store_row_bind(rows->table, change->row, stmt);
	if (store_sql_run(db, stmt, rows->write, err))
		return true;
	if (rows->exists && sqlite3_extended_errcode(db->sqlite) == SQLITE_CONSTRAINT_UNIQUE)
		rows->exists(change->row, err);
	return false;
}

bool store_rows_apply(struct store_db *db, const struct store_change *change, struct err *err)
{
	const struct store_rows *rows = store_rows_of[change->table];
	sqlite3_stmt *stmt;

	if (change->op == STORE_PUT)
		return put(db, change, err);
	assert(rows->table);
	stmt = store_sql_cleared(db->delete[change->table]);
	sqlite3_bind_text(stmt, 1, change->row, -1, SQLITE_STATIC);
	return store_sql_run(db, stmt, rows->delete, err);
}

/* ---- all rows --------------------------------------------------------------- */

bool store_rows_load(struct store_db *db, enum store_table_id id, store_row_fn *each, void *data,
		     struct err *err)
{
	const struct store_rows *rows = store_rows_of[id];
	CLEANUP(strbuf_fini) struct strbuf sql = STRBUF_INIT;
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;
	int rc;

	store_row_select_sql(rows->table, &sql);
	strbuf_adds(&sql, rows->at_start);
	if (!store_sql_prepare(db, strbuf_str(&sql), &stmt, err))
		return false;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		CLEANUP(free_charp) char *row = xcalloc(1, rows->table->row_size);

		if (!store_row_read(rows->table, stmt, row, err)) {
			store_row_fini(rows->table, row);
			return false;
		}
		each(data, row);
	}
	return rc == SQLITE_DONE || store_sql_err(db, err, rows->read);
}
