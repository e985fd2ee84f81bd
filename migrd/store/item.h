/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/item.h -- what the store's thread is asked to do; this folder only.
 *
 * An item holds copies.  run() sees it and the database on the store's thread,
 * done() answers on the loop and frees it.
 */
#ifndef MIGRD_STORE_ITEM_H
#define MIGRD_STORE_ITEM_H

#include "base/work.h"
#include "store/db.h"

struct store_item;
struct store_table;
typedef bool store_item_run_fn(struct store_item *item, struct store_db *db, struct err *err);
typedef void store_item_done_fn(struct store_item *item, const struct err *err); /* NULL: done */

struct store_item {
	struct work work;
	struct store *store;
	store_item_run_fn *run;
	store_item_done_fn *done;
	struct store_item *next; /* store.c's list of late items */
	bool ok;
	struct err err;
	bool is_record; /* it writes records: its result shows whether the disk works */
	int wal_frames; /* in the log after it has run */
	uint64_t took_ns;         /* run() */
	struct store_sizes sizes; /* after it; of a record only */
};

/* A table that transactions change. */
struct store_rows {
	const char *name;
	const struct store_table *table; /* its columns; NULL: copy(), key() and put() serve instead */
	void *(*copy)(const void *row);  /* on the loop; one block, which free() frees */
	const char *(*key)(const void *row);
	bool (*put)(struct store_db *db, const void *row, struct err *err);
	/* Of a table: "cannot WRITE", in errors. */
	const char *write, *delete, *read;
	/* The row breaks a UNIQUE constraint: says which.  NULL: the table has none. */
	void (*exists)(const void *row, struct err *err);
	const char *at_start; /* SQL behind SELECT: which rows a daemon loads, in which order */
	/* Statements of its own, into db->stmts; NULL: it has none. */
	bool (*prepare)(struct store_db *db, struct err *err);
	/* For the fault points store.NAME.STATE.WHEN; NULL: it has none. */
	const char *(*state)(const void *row);
};

extern const struct store_rows *const store_rows_of[STORE_TABLE_COUNT]; /* rows.c */
extern const struct store_rows store_vm_rows, store_move_rows, store_notes_rows, store_save_rows,
	store_refresh_rows, store_vmbackup_rows, store_policy_rows, store_queue_rows,
	store_hold_rows, store_evacuation_rows, store_hook_rows, store_maintenance_rows,
	store_answer_rows, store_webhook_rows, store_delivery_rows;

void store_item_submit(struct store *store, struct store_item *item, store_item_run_fn *run,
		       store_item_done_fn *done);

/* housekeeping.c */
bool store_housekeep(struct store_db *db, bool *ret_more, struct err *err);

#endif
