/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/reverting.h"

#include <string.h>

#include "base/mem.h"
#include "vm/vm_priv.h"

struct marking {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	char former[sizeof(((struct store_vm *)0)->reverting)];
	bool is_end;
	store_done_fn *done;
	void *data;
};

static void on_saved(void *data, const struct err *err)
{
	struct marking *marking = data;
	struct vm *vm = vm_find_uuid(marking->vms, marking->uuid);

	if (vm && err && marking->is_end)
		vm_owe_record(vm);
	else if (vm && err)
		memcpy(vm->row.reverting, marking->former, sizeof(vm->row.reverting));
	if (vm)
		vm_changed(vm);
	marking->done(marking->data, err);
	free(marking);
}

static void set(struct vm *vm, const char *name, store_done_fn *done, void *data)
{
	struct marking *marking = xnew(struct marking);

	marking->vms = vm->vms;
	memcpy(marking->uuid, vm->row.uuid, sizeof(marking->uuid));
	memcpy(marking->former, vm->row.reverting, sizeof(marking->former));
	marking->is_end = !*name;
	marking->done = done;
	marking->data = data;
	snprintf(vm->row.reverting, sizeof(vm->row.reverting), "%s", name);
	vm_save(vm, on_saved, marking);
}

void vm_begin_reverting(struct vm *vm, const char *name, store_done_fn *done, void *data)
{
	set(vm, name, done, data);
}

void vm_end_reverting(struct vm *vm, store_done_fn *done, void *data)
{
	err_text(vm->reason, "its disks are those of snapshot '%s'", vm->row.reverting);
	set(vm, "", done, data);
}

void vm_say_reverting(struct vm *vm)
{
	if (vm->row.reverting[0])
		err_text(vm->reason,
			 "a revert to snapshot '%s' was broken off, so its disks are of different "
			 "times: revert again, to this snapshot or another",
			 vm->row.reverting);
}

bool vm_is_whole(const struct vm *vm, struct err *err)
{
	if (!vm->row.reverting[0])
		return true;
	return err_set(err, ERR_CONFLICT,
		       "the revert of VM '%s' to snapshot '%s' is not complete, so its disks are "
		       "of "
		       "different times: revert again, to this snapshot or another, and then go on",
		       vm->row.name, vm->row.reverting);
}
