/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of VMs. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column columns[] = {
	STORE_COLUMN(store_vm, uuid, TEXT),       STORE_COLUMN(store_vm, name, TEXT),
	STORE_COLUMN(store_vm, role, TEXT),       STORE_COLUMN(store_vm, intent, TEXT),
	STORE_COLUMN(store_vm, generation, UINT), STORE_COLUMN(store_vm, definition, OWNED),
	STORE_COLUMN(store_vm, qemu_pid, PID),    STORE_COLUMN(store_vm, qemu_start_time, UINT),
	STORE_COLUMN(store_vm, boot_id, TEXT),    STORE_COLUMN(store_vm, created_ms, INT),
	STORE_COLUMN(store_vm, started_ms, INT),  STORE_COLUMN(store_vm, monitor, TEXT),
	STORE_COLUMN(store_vm, attaching, OWNED), STORE_COLUMN(store_vm, hosts, TEXT),
	STORE_COLUMN(store_vm, elsewhere, TEXT),
};
static const struct store_table table = { "vm", columns, ARRAY_LEN(columns),
					  sizeof(struct store_vm) };

void store_vm_fini(struct store_vm *vm)
{
	store_row_fini(&table, vm);
}

bool store_vms_prepare(struct store_db *db, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf put = STRBUF_INIT;

	store_row_put_sql(&table, &put);
	return store_sql_prepare(db, strbuf_str(&put), &db->stmts[STORE_STMT_VM_PUT], err) &&
	       store_sql_prepare(db, "DELETE FROM vm WHERE uuid = ?",
				 &db->stmts[STORE_STMT_VM_DELETE], err);
}

static bool put(struct store_db *db, const void *row, struct err *err)
{
	const struct store_vm *vm = row;
	sqlite3_stmt *stmt = store_sql_stmt(db, STORE_STMT_VM_PUT);

	store_row_bind(&table, vm, stmt);
	if (store_sql_run(db, stmt, "write a VM", err))
		return true;
	if (sqlite3_extended_errcode(db->sqlite) == SQLITE_CONSTRAINT_UNIQUE)
		return err_set(err, ERR_EXISTS, "there is a VM with the name '%s' already",
			       vm->name);
	return false;
}

static bool delete (struct store_db *db, const char *uuid, struct err *err)
{
	sqlite3_stmt *stmt = store_sql_stmt(db, STORE_STMT_VM_DELETE);

	sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_STATIC);
	return store_sql_run(db, stmt, "delete a VM", err);
}

const struct store_rows store_vm_rows = {
	.name = "vm",
	.table = &table,
	.put = put,
	.delete = delete,
};

bool store_vms_load(struct store_db *db, void (*each)(void *data, struct store_vm *vm), void *data,
		    struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf sql = STRBUF_INIT;
	CLEANUP(store_stmtp) sqlite3_stmt *stmt = NULL;
	int rc;

	store_row_select_sql(&table, &sql);
	strbuf_adds(&sql, "ORDER BY name");
	if (!store_sql_prepare(db, strbuf_str(&sql), &stmt, err))
		return false;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct store_vm vm = { 0 };

		if (!store_row_read(&table, stmt, &vm, err)) {
			store_vm_fini(&vm);
			return false;
		}
		each(data, &vm);
	}
	return rc == SQLITE_DONE || store_sql_err(db, err, "read the VMs");
}
