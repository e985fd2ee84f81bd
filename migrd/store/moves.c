/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of moves. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

#define TRIM_BATCH 50 /* ended moves deleted in one go: a commit may be waiting */

static const struct store_column columns[] = {
	STORE_COLUMN(store_move, id, TEXT),         STORE_COLUMN(store_move, kind, TEXT),
	STORE_COLUMN(store_move, vm_uuid, TEXT),    STORE_COLUMN(store_move, vm_name, TEXT),
	STORE_COLUMN(store_move, peer, TEXT),       STORE_COLUMN(store_move, generation, UINT),
	STORE_COLUMN(store_move, state, TEXT),      STORE_COLUMN(store_move, verdict, TEXT),
	STORE_COLUMN(store_move, is_final, BOOL),   STORE_COLUMN(store_move, error_code, TEXT),
	STORE_COLUMN(store_move, error_text, TEXT), STORE_COLUMN(store_move, idempotency_key, TEXT),
	STORE_COLUMN(store_move, detail, OWNED),    STORE_COLUMN(store_move, created_ms, INT),
	STORE_COLUMN(store_move, updated_ms, INT),  STORE_COLUMN(store_move, ended_ms, INT),
	STORE_COLUMN(store_move, settled, BOOL),
};
static const struct store_table table = { "move", columns, ARRAY_LEN(columns),
					  sizeof(struct store_move) };

void store_move_fini(struct store_move *move)
{
	store_row_fini(&table, move);
}

static const char *state(const void *row)
{
	return ((const struct store_move *)row)->state;
}

/* Ended moves, those that are kept first.  Beyond the limit, records of moves that this host
 * did not know when a peer asked (`unknown') are deleted first, then the oldest.
 * move/moves_history.c has the same order; tests/unit/test_move_restart.c compares the two. */
#define ENDED_MOVES                                               \
	"SELECT id FROM move WHERE is_final = 1 AND settled = 1 " \
	"ORDER BY verdict = 'unknown', ended_ms DESC, id DESC "

bool store_moves_prepare(struct store_db *db, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf put = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf trim = STRBUF_INIT;

	store_row_put_sql(&table, &put);
	strbuf_addf(&trim, "DELETE FROM move WHERE id IN (" ENDED_MOVES "LIMIT %d OFFSET %d)",
		    TRIM_BATCH, STORE_HISTORY_MAX);
	return store_sql_prepare(db, strbuf_str(&put), &db->stmts[STORE_STMT_MOVE_PUT], err) &&
	       store_sql_prepare(db, strbuf_str(&trim), &db->stmts[STORE_STMT_MOVE_TRIM], err);
}

static bool put(struct store_db *db, const void *row, struct err *err)
{
	const struct store_move *move = row;
	sqlite3_stmt *stmt = store_sql_stmt(db, STORE_STMT_MOVE_PUT);

	store_row_bind(&table, move, stmt);
	if (store_sql_run(db, stmt, "write a move", err))
		return true;
	if (sqlite3_extended_errcode(db->sqlite) == SQLITE_CONSTRAINT_UNIQUE)
		return err_set(err, ERR_EXISTS,
			       "there is a move with the idempotency key '%s' already",
			       move->idempotency_key);
	return false;
}

const struct store_rows store_move_rows = {
	.name = "move",
	.table = &table,
	.put = put,
	.state = state,
};

bool store_moves_load(struct store_db *db, void (*each)(void *data, struct store_move *move),
		      void *data, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf sql = STRBUF_INIT;
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;
	int rc;

	store_row_select_sql(&table, &sql);
	strbuf_addf(&sql,
		    "WHERE is_final = 0 OR settled = 0 OR id IN (" ENDED_MOVES
		    "LIMIT %d) ORDER BY created_ms, id",
		    STORE_HISTORY_MAX);
	if (!store_sql_prepare(db, strbuf_str(&sql), &stmt, err))
		return false;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct store_move move = { 0 };

		if (!store_row_read(&table, stmt, &move, err)) {
			store_move_fini(&move);
			return false;
		}
		each(data, &move);
	}
	return rc == SQLITE_DONE || store_sql_err(db, err, "read the moves");
}

bool store_moves_trim(struct store_db *db, bool *ret_more, struct err *err)
{
	if (!store_sql_run(db, store_sql_stmt(db, STORE_STMT_MOVE_TRIM), "delete old moves", err))
		return false;
	*ret_more = sqlite3_changes(db->sqlite) == TRIM_BATCH;
	return true;
}
