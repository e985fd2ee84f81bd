/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of evacuations. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_evacuation, id, TEXT),
	STORE_COLUMN(store_evacuation, state, TEXT),
	STORE_COLUMN(store_evacuation, is_final, BOOL),
	STORE_COLUMN(store_evacuation, error_code, TEXT),
	STORE_COLUMN(store_evacuation, error_text, TEXT),
	STORE_COLUMN(store_evacuation, request, OWNED),
	STORE_COLUMN(store_evacuation, plan, OWNED),
	STORE_COLUMN(store_evacuation, vms, OWNED),
	STORE_COLUMN(store_evacuation, detail, OWNED),
	STORE_COLUMN(store_evacuation, created_ms, INT),
	STORE_COLUMN(store_evacuation, updated_ms, INT),
	STORE_COLUMN(store_evacuation, ended_ms, INT),
};
static const struct store_table table = { "evacuation", columns, ARRAY_LEN(columns),
					  sizeof(struct store_evacuation) };

void store_evacuation_fini(struct store_evacuation *evacuation)
{
	store_row_fini(&table, evacuation);
}

static const char *state(const void *row)
{
	return ((const struct store_evacuation *)row)->state;
}

/* The table is kept short by a trigger (schema/sql/012-evacuation.sql). */
const struct store_rows store_evacuation_rows = {
	.name = "evacuation",
	.table = &table,
	.state = state,
	.write = "write an evacuation",
	.delete = "delete an evacuation",
	.read = "read the evacuations",
	.at_start = "ORDER BY created_ms, id",
};
