/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of answers to requests with an Idempotency-Key. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_answer, id, TEXT),        STORE_COLUMN(store_answer, request, TEXT),
	STORE_COLUMN(store_answer, status, INT),     STORE_COLUMN(store_answer, body, OWNED),
	STORE_COLUMN(store_answer, created_ms, INT),
};
static const struct store_table table = { "answer", columns, ARRAY_LEN(columns),
					  sizeof(struct store_answer) };

void store_answer_fini(struct store_answer *answer)
{
	store_row_fini(&table, answer);
}

static const char *state(const void *row)
{
	return ((const struct store_answer *)row)->status ? "done" : "begun";
}

const struct store_rows store_answer_rows = {
	.name = "answer",
	.table = &table,
	.state = state,
	.write = "write an answer",
	.delete = "delete an answer",
	.read = "read the answers",
	.at_start = "ORDER BY created_ms, id",
};
