/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which file has the guest of a stopped VM. */
#include "vm/saved.h"

#include "base/mem.h"
#include "vm/vm_priv.h"

bool vm_is_saved(const struct vm *vm)
{
	return vm->role == VM_ROLE_OWNED && vm->row.save_id[0];
}

const char *vm_save_id(const struct vm *vm)
{
	return vm->row.save_id;
}

const char *vm_saved_in(const struct vm *vm)
{
	return vm_is_saved(vm) && vm->row.saved_in ? vm->row.saved_in : "";
}

struct store_vm vm_saved_row(const struct vm *vm, const struct vm_saved *saved)
{
	struct store_vm row = vm->row;

	snprintf(row.intent, sizeof(row.intent), "%s", vm_intent_names[saved->intent]);
	snprintf(row.save_id, sizeof(row.save_id), "%s", saved->id);
	row.saved_in = (char *)(uintptr_t)saved->path;
	return row;
}

void vm_set_saved(struct vm *vm, const struct vm_saved *saved)
{
	vm_set_intent(vm, saved->intent);
	vm_note_saved(vm, saved->id, saved->path);
	if (saved->has_arrived)
		vm_parts_here(vm, VM_HERE_ARRIVED);
	vm_say_saved(vm);
	vm_changed(vm);
}

void vm_note_saved(struct vm *vm, const char *id, const char *path)
{
	char *copy = path ? xstrdup(path) : NULL;

	snprintf(vm->row.save_id, sizeof(vm->row.save_id), "%s", id);
	free(vm->row.saved_in);
	vm->row.saved_in = copy;
}

void vm_say_saved(struct vm *vm)
{
	if (vm_is_saved(vm))
		err_text(vm->reason, "its guest is saved in '%s': `vm restore' lets it go on",
			 vm_saved_in(vm));
}
