/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/rename.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "vm/devices_priv.h"
#include "vm/entry.h"
#include "vm/saved.h"
#include "vm/vm_priv.h"

struct renaming {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	char name[ID_NAME_SIZE], former[ID_NAME_SIZE];
	struct vm_entry *entry;
	vm_done_fn *done;
	void *data;
};

static void finish(struct renaming *renaming, const struct err *err)
{
	if (renaming->entry)
		vm_leave(renaming->entry);
	renaming->done(renaming->data, err);
	free(renaming);
}

bool vm_name_is_leaving(const struct vms *vms, const char *name)
{
	for (const struct vm *vm = vms->leaving ? vms->list : NULL; vm; vm = vm->next)
		if (strcmp(vm->leaving_name, name) == 0)
			return true;
	return false;
}

static bool is_free(struct vm *vm, const char *name, struct err *err)
{
	const struct vm *other = vm_find(vm->vms, name);

	if ((!other || other == vm) && !vm_name_is_leaving(vm->vms, name))
		return true;
	return err_set(err, ERR_EXISTS,
		       "cannot rename VM '%s': this host has a VM '%s' already (%s): choose "
		       "another "
		       "name",
		       vm->row.name, name, other ? vm_state(other) : "it is being renamed");
}

bool vm_try_rename(struct vm *vm, const char *name, struct err *err)
{
	if (!vm_may_enter(vm, VM_SYNC_RENAME, err))
		return false;
	if (vm_is_saved(vm))
		return err_set(err, ERR_CONFLICT,
			       "cannot rename VM '%s': its guest is in the file '%s', which has "
			       "that "
			       "name: restore it and stop it, or start it anew, first",
			       vm->row.name, vm_saved_in(vm));
	return is_free(vm, name, err);
}

/* In the row and in the definition. */
static bool give_name(struct vm *vm, const char *name, struct err *err)
{
	struct vm_def *def = xnew(struct vm_def);
	bool ok = vm_copy_definition(vm, def, err);

	if (ok) {
		snprintf(def->name, sizeof(def->name), "%s", name);
		vm_set_name(vm, name);
		vm_set_definition(vm, def);
	}
	free(def);
	return ok;
}

static void let_former_go(struct vm *vm)
{
	vm->leaving_name[0] = '\0';
	vm->vms->leaving--;
}

static void put_back(struct vm *vm, const struct renaming *renaming)
{
	struct err ignored; /* it was understood a moment ago */

	(void)give_name(vm, renaming->former, &ignored);
	vm_owe_record(vm); /* another record of the VM may have been written meanwhile */
}

static void on_saved(void *data, const struct err *err)
{
	struct renaming *renaming = data;
	struct vm *vm = vm_find_uuid(renaming->vms, renaming->uuid);

	if (vm)
		let_former_go(vm);
	if (vm && err) {
		put_back(vm, renaming);
	} else if (vm) {
		log_info("vm", "renamed", "vm_uuid=%s from=%s to=%s", vm->row.uuid,
			 renaming->former, vm->row.name);
		if (vm->vms->env.changed)
			vm->vms->env.changed(vm->vms->env.data, renaming->former, NULL);
		vm_changed(vm);
	}
	finish(renaming, err);
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *refused)
{
	struct renaming *renaming = data;
	struct vm *vm;
	struct err err;

	renaming->entry = entry;
	if (refused) {
		finish(renaming, refused);
		return;
	}
	vm = vm_entry_vm(entry);
	memcpy(renaming->former, vm->row.name, sizeof(renaming->former));
	if (!vm_try_rename(vm, renaming->name, &err)) {
		finish(renaming, &err);
	} else if (strcmp(renaming->former, renaming->name) == 0) {
		finish(renaming, NULL);
	} else if (!give_name(vm, renaming->name, &err)) {
		finish(renaming, &err);
	} else {
		memcpy(vm->leaving_name, renaming->former, sizeof(vm->leaving_name));
		vm->vms->leaving++;
		vm_save(vm, on_saved, renaming);
	}
}

void vm_rename(struct vm *vm, const char *name, vm_done_fn *done, void *data)
{
	struct renaming *renaming = xnew(struct renaming);

	renaming->vms = vm->vms;
	memcpy(renaming->uuid, vm->row.uuid, sizeof(renaming->uuid));
	snprintf(renaming->name, sizeof(renaming->name), "%s", name);
	renaming->done = done;
	renaming->data = data;
	vm_enter(vm, VM_SYNC_RENAME, VM_ENTRY_USUAL, on_entered, renaming);
}
