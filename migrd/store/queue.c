/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of the queue of moves. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_queue_entry, id, TEXT),
	STORE_COLUMN(store_queue_entry, vm_uuid, TEXT),
	STORE_COLUMN(store_queue_entry, vm_name, TEXT),
	STORE_COLUMN(store_queue_entry, state, TEXT),
	STORE_COLUMN(store_queue_entry, is_final, BOOL),
	STORE_COLUMN(store_queue_entry, error_code, TEXT),
	STORE_COLUMN(store_queue_entry, error_text, TEXT),
	STORE_COLUMN(store_queue_entry, idempotency_key, TEXT),
	STORE_COLUMN(store_queue_entry, request, OWNED),
	STORE_COLUMN(store_queue_entry, detail, OWNED),
	STORE_COLUMN(store_queue_entry, created_ms, INT),
	STORE_COLUMN(store_queue_entry, updated_ms, INT),
	STORE_COLUMN(store_queue_entry, ended_ms, INT),
};
static const struct store_table table = { "queue", columns, ARRAY_LEN(columns),
					  sizeof(struct store_queue_entry) };

void store_queue_entry_fini(struct store_queue_entry *entry)
{
	store_row_fini(&table, entry);
}

static const char *state(const void *row)
{
	return ((const struct store_queue_entry *)row)->state;
}

/* The table is kept short by a trigger (schema/sql/010-queue.sql). */
const struct store_rows store_queue_rows = {
	.name = "queue",
	.table = &table,
	.state = state,
	.write = "write an entry of the queue",
	.delete = "delete an entry of the queue",
	.read = "read the queue",
	.at_start = "ORDER BY created_ms, id",
};
