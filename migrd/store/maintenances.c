/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of maintenances. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_maintenance, id, TEXT),
	STORE_COLUMN(store_maintenance, state, TEXT),
	STORE_COLUMN(store_maintenance, is_final, BOOL),
	STORE_COLUMN(store_maintenance, error_code, TEXT),
	STORE_COLUMN(store_maintenance, error_text, TEXT),
	STORE_COLUMN(store_maintenance, request, OWNED),
	STORE_COLUMN(store_maintenance, hosts, OWNED),
	STORE_COLUMN(store_maintenance, detail, OWNED),
	STORE_COLUMN(store_maintenance, created_ms, INT),
	STORE_COLUMN(store_maintenance, updated_ms, INT),
	STORE_COLUMN(store_maintenance, ended_ms, INT),
};
static const struct store_table table = { "maintenance", columns, ARRAY_LEN(columns),
					  sizeof(struct store_maintenance) };

void store_maintenance_fini(struct store_maintenance *maintenance)
{
	store_row_fini(&table, maintenance);
}

static const char *state(const void *row)
{
	return ((const struct store_maintenance *)row)->state;
}

/* The table is kept short by a trigger (schema/sql/014-maintenance.sql). */
const struct store_rows store_maintenance_rows = {
	.name = "maintenance",
	.table = &table,
	.state = state,
	.write = "write a maintenance",
	.delete = "delete a maintenance",
	.read = "read the maintenances",
	.at_start = "ORDER BY created_ms, id",
};
