/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of holds and cordons. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_hold, id, TEXT),         STORE_COLUMN(store_hold, kind, TEXT),
	STORE_COLUMN(store_hold, vm_uuid, TEXT),    STORE_COLUMN(store_hold, vm_name, TEXT),
	STORE_COLUMN(store_hold, owner, TEXT),      STORE_COLUMN(store_hold, reason, TEXT),
	STORE_COLUMN(store_hold, created_by, TEXT), STORE_COLUMN(store_hold, idempotency_key, TEXT),
	STORE_COLUMN(store_hold, request, OWNED),   STORE_COLUMN(store_hold, created_ms, INT),
	STORE_COLUMN(store_hold, updated_ms, INT),  STORE_COLUMN(store_hold, until_ms, INT),
};
static const struct store_table table = { "hold", columns, ARRAY_LEN(columns),
					  sizeof(struct store_hold) };

void store_hold_fini(struct store_hold *hold)
{
	store_row_fini(&table, hold);
}

static const char *state(const void *row)
{
	return ((const struct store_hold *)row)->kind;
}

const struct store_rows store_hold_rows = {
	.name = "hold",
	.table = &table,
	.state = state,
	.write = "write a hold",
	.delete = "delete a hold",
	.read = "read the holds",
	.at_start = "ORDER BY created_ms, id",
};
