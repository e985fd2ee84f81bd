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
	STORE_COLUMN(store_vm, elsewhere, TEXT),  STORE_COLUMN(store_vm, save_id, TEXT),
	STORE_COLUMN(store_vm, saved_in, OWNED),  STORE_COLUMN(store_vm, qemu_is_second, BOOL),
	STORE_COLUMN(store_vm, seen_boot, TEXT),  STORE_COLUMN(store_vm, autostart_due, BOOL),
	STORE_COLUMN(store_vm, reverting, TEXT),
};
static const struct store_table table = { "vm", columns, ARRAY_LEN(columns),
					  sizeof(struct store_vm) };

void store_vm_fini(struct store_vm *vm)
{
	store_row_fini(&table, vm);
}

static void exists(const void *row, struct err *err)
{
	const struct store_vm *vm = row;

	err_set(err, ERR_EXISTS, "there is a VM with the name '%s' already", vm->name);
}

const struct store_rows store_vm_rows = {
	.name = "vm",
	.table = &table,
	.write = "write a VM",
	.delete = "delete a VM",
	.read = "read the VMs",
	.exists = exists,
	.at_start = "ORDER BY name",
};
