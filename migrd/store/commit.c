/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One change: copied on the loop, one transaction on the store's thread,
 * answered on the loop. */
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

struct commit_item {
	struct store_item item;
	struct store_txn txn; /* with copies of its rows, and of the keys that are deleted */
	store_done_fn *done;
	void *data;
};

/* A table of columns is enough to copy a row; kinds of rows without one have a copy() of their
 * own. */
static void *copy_row(const struct store_rows *rows, const void *row)
{
	return rows->table ? store_row_dup(rows->table, row) : rows->copy(row);
}

static void drop_row(const struct store_rows *rows, void *copy)
{
	if (rows->table)
		store_row_fini(rows->table, copy);
	free(copy);
}

struct store_txn store_txn_copy(const struct store_txn *txn)
{
	struct store_txn copy = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < STORE_TXN_MAX; i++) {
		struct store_change change = txn->list[i];

		if (!change.row)
			continue;
		change.row = change.op == STORE_PUT ? copy_row(store_rows_of[change.table], change.row)
						    : xstrdup(change.row);
		copy.list[count++] = change;
	}
	return copy;
}

void store_txn_drop(struct store_txn *copy)
{
	for (size_t i = 0; i < STORE_TXN_MAX; i++) {
		const struct store_change *change = &copy->list[i];
		void *row = (void *)(uintptr_t)change->row;

		if (row && change->op == STORE_PUT)
			drop_row(store_rows_of[change->table], row);
		else
			free(row);
	}
}

static const char *key_of(const struct store_change *change)
{
	const struct store_rows *rows = store_rows_of[change->table];

	if (change->op == STORE_DELETE)
		return change->row;
	return rows->table ? store_row_key(rows->table, change->row) : rows->key(change->row);
}

/* ---- store thread ---- */

/* Fault point "store.move.STATE.WHEN": each state has a name of its own, so that a test can
 * walk through all of them. */
static bool fault_row(const struct store_change *change, const char *when, struct err *err)
{
	const struct store_rows *rows = store_rows_of[change->table];
	char point[sizeof("store...before") + STORE_ENUM_SIZE + STORE_ENUM_SIZE];

	if (!change->row || change->op != STORE_PUT || !rows->state)
		return false;
	snprintf(point, sizeof(point), "store.%s.%s.%s", rows->name, rows->state(change->row),
		 when);
	return fault_hit(point, err);
}

static bool fault_rows(const struct commit_item *commit, const char *when, struct err *err)
{
	for (size_t i = 0; i < STORE_TXN_MAX; i++) {
		if (fault_row(&commit->txn.list[i], when, err))
			return true;
	}
	return false;
}

static bool apply(struct store_db *db, const struct commit_item *commit, struct err *err)
{
	for (size_t i = 0; i < STORE_TXN_MAX && commit->txn.list[i].row; i++) {
		if (!store_rows_apply(db, &commit->txn.list[i], err))
			return false;
	}
	return true;
}

static bool commit_run(struct store_item *item, struct store_db *db, struct err *err)
{
	struct commit_item *commit = CONTAINER_OF(item, struct commit_item, item);

	if (fault_hit("store.commit", err) || fault_rows(commit, "before", err))
		return false;
	if (!store_sql_run(db, store_sql_stmt(db, STORE_STMT_BEGIN), "begin to write", err))
		return false;
	if (!apply(db, commit, err) || !store_identity_step(db, err) ||
	    !store_sql_run(db, store_sql_stmt(db, STORE_STMT_COMMIT), "commit", err)) {
		store_sql_roll_back(db);
		return false;
	}
	store_identity_stepped(db);
	return !fault_rows(commit, "after", err) && !fault_hit("store.committed", err);
}

/* ---- loop ---- */

static void log_lost(const struct commit_item *commit, const struct err *err)
{
	for (size_t i = 0; i < STORE_TXN_MAX && commit->txn.list[i].row; i++) {
		const struct store_change *change = &commit->txn.list[i];

		log_error("store", "lost", "table=%s key=%s error=%s reason=%s",
			  store_rows_of[change->table]->name, key_of(change), err_name(err->code),
			  err->msg);
	}
}

static void commit_done(struct store_item *item, const struct err *err)
{
	struct commit_item *commit = CONTAINER_OF(item, struct commit_item, item);

	if (commit->done)
		commit->done(commit->data, err);
	else if (err)
		log_lost(commit, err);
	store_txn_drop(&commit->txn);
	free(commit);
}

void store_commit(struct store *store, const struct store_txn *txn, store_done_fn *done, void *data)
{
	struct commit_item *commit = xnew(struct commit_item);

	commit->txn = store_txn_copy(txn);
	commit->done = done;
	commit->data = data;
	commit->item.is_record = true;
	store_item_submit(store, &commit->item, commit_run, commit_done);
}
