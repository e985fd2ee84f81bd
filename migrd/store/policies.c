/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of policies. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_policy, name, TEXT),
	STORE_COLUMN(store_policy, definition, OWNED),
	STORE_COLUMN(store_policy, created_ms, INT),
	STORE_COLUMN(store_policy, updated_ms, INT),
};
static const struct store_table table = { "policy", columns, ARRAY_LEN(columns),
					  sizeof(struct store_policy) };

void store_policy_fini(struct store_policy *policy)
{
	store_row_fini(&table, policy);
}

const struct store_rows store_policy_rows = {
	.name = "policy",
	.table = &table,
	.write = "write a policy",
	.delete = "delete a policy",
	.read = "read the policies",
	.at_start = "ORDER BY name",
};
