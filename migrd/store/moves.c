/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of moves. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

#define TEXT_OF(word) #word
#define NUMBER(macro) TEXT_OF(macro)
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

static bool prepare(struct store_db *db, struct err *err)
{
	return store_sql_prepare(db,
				 "DELETE FROM move WHERE id IN (" ENDED_MOVES
				 "LIMIT " NUMBER(TRIM_BATCH) " OFFSET " NUMBER(STORE_HISTORY_MAX) ")",
				 &db->stmts[STORE_STMT_MOVE_TRIM], err);
}

static void exists(const void *row, struct err *err)
{
	const struct store_move *move = row;

	err_set(err, ERR_EXISTS, "there is a move with the idempotency key '%s' already",
		move->idempotency_key);
}

const struct store_rows store_move_rows = {
	.name = "move",
	.table = &table,
	.prepare = prepare,
	.state = state,
	.write = "write a move",
	.delete = "delete a move",
	.read = "read the moves",
	.exists = exists,
	.at_start = "WHERE is_final = 0 OR settled = 0 OR id IN (" ENDED_MOVES
		    "LIMIT " NUMBER(STORE_HISTORY_MAX) ") ORDER BY created_ms, id",
};

bool store_moves_trim(struct store_db *db, bool *ret_more, struct err *err)
{
	if (!store_sql_run(db, store_sql_stmt(db, STORE_STMT_MOVE_TRIM), "delete old moves", err))
		return false;
	*ret_more = sqlite3_changes(db->sqlite) == TRIM_BATCH;
	return true;
}
