/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of backups of disks. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_vmbackup, id, TEXT),
	STORE_COLUMN(store_vmbackup, vm_uuid, TEXT),
	STORE_COLUMN(store_vmbackup, vm_name, TEXT),
	STORE_COLUMN(store_vmbackup, directory, OWNED),
	STORE_COLUMN(store_vmbackup, state, TEXT),
	STORE_COLUMN(store_vmbackup, is_final, BOOL),
	STORE_COLUMN(store_vmbackup, error_code, TEXT),
	STORE_COLUMN(store_vmbackup, error_text, TEXT),
	STORE_COLUMN(store_vmbackup, detail, OWNED),
	STORE_COLUMN(store_vmbackup, created_ms, INT),
	STORE_COLUMN(store_vmbackup, updated_ms, INT),
	STORE_COLUMN(store_vmbackup, ended_ms, INT),
};
static const struct store_table table = { "vmbackup", columns, ARRAY_LEN(columns),
					  sizeof(struct store_vmbackup) };

void store_vmbackup_fini(struct store_vmbackup *vmbackup)
{
	store_row_fini(&table, vmbackup);
}

static const char *state(const void *row)
{
	return ((const struct store_vmbackup *)row)->state;
}

/* The table is kept short by a trigger (schema/sql/017-vmbackup.sql). */
const struct store_rows store_vmbackup_rows = {
	.name = "vmbackup",
	.table = &table,
	.state = state,
	.write = "write a backup",
	.delete = "delete a backup",
	.read = "read the backups",
	.at_start = "ORDER BY created_ms, id",
};
