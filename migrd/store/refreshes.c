/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of refreshes. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_refresh, id, TEXT),
	STORE_COLUMN(store_refresh, vm_uuid, TEXT),
	STORE_COLUMN(store_refresh, vm_name, TEXT),
	STORE_COLUMN(store_refresh, emulator, OWNED),
	STORE_COLUMN(store_refresh, state, TEXT),
	STORE_COLUMN(store_refresh, is_final, BOOL),
	STORE_COLUMN(store_refresh, error_code, TEXT),
	STORE_COLUMN(store_refresh, error_text, TEXT),
	STORE_COLUMN(store_refresh, detail, OWNED),
	STORE_COLUMN(store_refresh, created_ms, INT),
	STORE_COLUMN(store_refresh, updated_ms, INT),
	STORE_COLUMN(store_refresh, ended_ms, INT),
};
static const struct store_table table = { "refresh", columns, ARRAY_LEN(columns),
					  sizeof(struct store_refresh) };

void store_refresh_fini(struct store_refresh *refresh)
{
	store_row_fini(&table, refresh);
}

static const char *state(const void *row)
{
	return ((const struct store_refresh *)row)->state;
}

/* The table is kept short by a trigger (schema/sql/008-refresh.sql). */
const struct store_rows store_refresh_rows = {
	.name = "refresh",
	.table = &table,
	.state = state,
	.write = "write a refresh",
	.delete = "delete a refresh",
	.read = "read the refreshes",
	.at_start = "ORDER BY created_ms, id",
};
