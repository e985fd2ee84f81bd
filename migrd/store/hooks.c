/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of hooks. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_hook, id, TEXT),        STORE_COLUMN(store_hook, name, TEXT),
	STORE_COLUMN(store_hook, state, TEXT),     STORE_COLUMN(store_hook, is_final, BOOL),
	STORE_COLUMN(store_hook, boot_id, TEXT),   STORE_COLUMN(store_hook, detail, OWNED),
	STORE_COLUMN(store_hook, words, OWNED),    STORE_COLUMN(store_hook, created_ms, INT),
	STORE_COLUMN(store_hook, updated_ms, INT), STORE_COLUMN(store_hook, ended_ms, INT),
};
static const struct store_table table = { "hook", columns, ARRAY_LEN(columns),
					  sizeof(struct store_hook) };

void store_hook_fini(struct store_hook *hook)
{
	store_row_fini(&table, hook);
}

static const char *state(const void *row)
{
	return ((const struct store_hook *)row)->state;
}

/* The table is kept short by a trigger (schema/sql/013-hook.sql). */
const struct store_rows store_hook_rows = {
	.name = "hook",
	.table = &table,
	.state = state,
	.write = "write a hook",
	.delete = "delete a hook",
	.read = "read the hooks",
	.at_start = "ORDER BY created_ms, id",
};
