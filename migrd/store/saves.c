/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of saves and restores. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_save, id, TEXT),         STORE_COLUMN(store_save, kind, TEXT),
	STORE_COLUMN(store_save, vm_uuid, TEXT),    STORE_COLUMN(store_save, vm_name, TEXT),
	STORE_COLUMN(store_save, path, OWNED),      STORE_COLUMN(store_save, state, TEXT),
	STORE_COLUMN(store_save, is_final, BOOL),   STORE_COLUMN(store_save, error_code, TEXT),
	STORE_COLUMN(store_save, error_text, TEXT), STORE_COLUMN(store_save, detail, OWNED),
	STORE_COLUMN(store_save, created_ms, INT),  STORE_COLUMN(store_save, updated_ms, INT),
	STORE_COLUMN(store_save, ended_ms, INT),
};
static const struct store_table table = { "save", columns, ARRAY_LEN(columns),
					  sizeof(struct store_save) };

void store_save_fini(struct store_save *save)
{
	store_row_fini(&table, save);
}

static const char *state(const void *row)
{
	return ((const struct store_save *)row)->state;
}

/* The table is kept short by a trigger (schema/sql/007-save.sql). */
const struct store_rows store_save_rows = {
	.name = "save",
	.table = &table,
	.state = state,
	.write = "write a save",
	.delete = "delete a save",
	.read = "read the saves",
	.at_start = "ORDER BY created_ms, id",
};
