/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Functions for the check of the host: what it asks about a VM, and what it may do to
 * one. */
#include "vm/vm_priv.h"

bool vm_never_ran(const struct vm *vm)
{
	enum qmp_run_state state;

	if (!vm->qemu)
		return true;
	if (!vm_is_active(vm))
		return false;
	state = qemu_run_state(vm->qemu);
	return state == QMP_RUN_INMIGRATE || state == QMP_RUN_PRELAUNCH;
}

bool vm_has_stray_qemu(struct vms *vms, const char *uuid)
{
	char second[QEMU_PLACE_SIZE];
	struct err ignored;

	qemu_place(uuid, true, second);
	return id_uuid_is_valid(uuid) && !vm_find_uuid(vms, uuid) &&
	       !(qemu_is_alone(&vms->env.qemu, uuid, "", &ignored) &&
		 qemu_is_alone(&vms->env.qemu, second, "", &ignored));
}

static bool is_one_of(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

bool vm_row_is_known(const struct vm *vm, struct err *err)
{
	const struct store_vm *row = &vm->row;

	if (!is_one_of(vm_role_names, VM_ROLE_COUNT, row->role))
		return err_set(err, ERR_STORE, "its role is '%s'", row->role);
	if (!is_one_of(vm_intent_names, VM_INTENT_COUNT, row->intent))
		return err_set(err, ERR_STORE, "what was last asked for is '%s'", row->intent);
	return true;
}

void vm_discard(struct vm *vm)
{
	const struct store_txn txn = { { store_delete_vm(vm->row.uuid) } };

	store_commit(vm->vms->env.store, &txn, NULL, NULL);
	vm_forget(vm);
}
