/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/about.h"

#include <stdio.h>

#include "base/mem.h"
#include "vm/devices_priv.h"
#include "vm/entry.h"
#include "wire/labels.h"

struct about {
	struct vm_entry *entry;
	struct vm_patch_request request;
	vm_done_fn *done;
	void *data;
};

static void finish(struct about *about, const struct err *err)
{
	if (about->entry)
		vm_leave(about->entry);
	about->done(about->data, err);
	json_release(vm_patch_fields, &about->request);
	free(about);
}

static void on_saved(void *data, const struct err *err)
{
	struct about *about = data;
	struct vm *vm = vm_entry_vm(about->entry);

	if (vm)
		vm_changed(vm);
	finish(about, err);
}

static bool change_placement(struct vm_def *def, struct json_object *changes, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok = placement_change(&def->placement, changes, "/placement", faults) ||
		  faults_to_err(faults, err);

	faults_free(faults);
	return ok;
}

static bool change(struct about *about, struct vm *vm, struct vm_def *def, struct err *err)
{
	if (vm_role(vm) != VM_ROLE_OWNED)
		return err_set(err, ERR_CONFLICT, "VM '%s' is %s: this host does not have it",
			       vm_name(vm), vm_state(vm));
	if (!vm_copy_definition(vm, def, err))
		return false;
	if (about->request.labels && !labels_change(def->labels, about->request.labels, err))
		return err_wrap(err, "VM '%s'", vm_name(vm));
	if (about->request.placement && !change_placement(def, about->request.placement, err))
		return err_wrap(err, "VM '%s'", vm_name(vm));
	if (about->request.has_policy)
		snprintf(def->policy, sizeof(def->policy), "%s", about->request.policy);
	return true;
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *refused)
{
	struct about *about = data;
	CLEANUP(free_charp) char *space = xcalloc(1, sizeof(struct vm_def));
	struct vm_def *def = (void *)space;
	struct vm *vm;
	struct err err;

	about->entry = entry;
	if (refused) {
		finish(about, refused);
		return;
	}
	vm = vm_entry_vm(entry);
	if (!change(about, vm, def, &err)) {
		finish(about, &err);
		return;
	}
	vm_define(vm, def, on_saved, about);
}

void vm_change_about(struct vm *vm, const struct vm_patch_request *request, vm_done_fn *done,
		     void *data)
{
	struct about *about = xnew(struct about);

	about->request = *request;
	about->request.labels = json_object_get(request->labels);
	about->request.placement = json_object_get(request->placement);
	about->done = done;
	about->data = data;
	vm_enter(vm, VM_SYNC_DEVICE, VM_ENTRY_USUAL, on_entered, about);
}
