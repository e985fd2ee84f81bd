/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/about.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "vm/devices_priv.h"
#include "vm/entry.h"
#include "vm/saved.h"
#include "wire/labels.h"
#include "wire/vm_edit.h"

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

static bool refuse_now(const struct vm *vm, const struct vm_edit *edit, struct err *err)
{
	const char *name, *why;

	for (size_t i = 0; (name = vm_edit_member(i, &why)); i++)
		if (vm_edit_has(edit, i))
			return err_set(err, ERR_CONFLICT,
				       "VM '%s' runs, and %s cannot be changed now: %s; or let it "
				       "wait for the next start (`when' next-start), or stop it "
				       "first",
				       vm_name(vm), name, why);
	return true;
}

static bool edit_guest(const struct vm_patch_request *request, const struct vm *vm,
		       struct vm_def *def, struct err *err)
{
	const struct vm_edit *edit = &request->edit;

	if (vm_is_saved(vm))
		return err_set(err, ERR_CONFLICT,
			       "the guest of VM '%s' is in the file '%s', and goes on with what it "
			       "had: restore it, or start it anew, before it is changed",
			       vm_name(vm), vm_saved_in(vm));
	if (!vm_is_stopped(vm) && request->when == VM_EDIT_NOW)
		return refuse_now(vm, edit, err);
	if (vm_is_stopped(vm) && request->when != VM_EDIT_NEXT_START)
		return vm_edit_apply(edit, def, err) || err_wrap(err, "VM '%s'", vm_name(vm));
	return vm_edit_defer(edit, def, err) || err_wrap(err, "VM '%s'", vm_name(vm));
}

static bool change(const struct vm_patch_request *request, const struct vm *vm, struct vm_def *def,
		   struct err *err)
{
	if (vm_role(vm) != VM_ROLE_OWNED)
		return err_set(err, ERR_CONFLICT, "VM '%s' is %s: this host does not have it",
			       vm_name(vm), vm_state(vm));
	if (request->labels && !labels_change(def->labels, request->labels, err))
		return err_wrap(err, "VM '%s'", vm_name(vm));
	if (request->placement && !change_placement(def, request->placement, err))
		return err_wrap(err, "VM '%s'", vm_name(vm));
	if (request->has_policy)
		snprintf(def->policy, sizeof(def->policy), "%s", request->policy);
	if (request->has_autostart)
		def->autostart = request->autostart;
	if (request->has_autostart_order)
		def->autostart_order = request->autostart_order;
	return vm_edit_is_empty(&request->edit) || edit_guest(request, vm, def, err);
}

bool vm_try_about(struct vm *vm, const struct vm_patch_request *request, struct err *err)
{
	struct vm_def *def = xnew(struct vm_def);
	bool ok = vm_may_enter(vm, VM_SYNC_DEVICE, err) && vm_copy_definition(vm, def, err) &&
		  change(request, vm, def, err);

	free(def);
	return ok;
}

bool vm_take_next(const struct vm *vm, struct vm_def *def, struct err *err)
{
	return vm_edit_is_empty(&def->next) || vm_edit_take_next(def, err) ||
	       err_wrap(err, "what waits for the next start of VM '%s' (`next' of its definition)",
			vm_name(vm));
}

bool vm_try_next(struct vm *vm, struct err *err)
{
	struct vm_def *def = xnew(struct vm_def);
	bool ok = vm_copy_definition(vm, def, err) && vm_take_next(vm, def, err);

	free(def);
	return ok;
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *refused)
{
	struct about *about = data;
	struct vm_def *def;
	struct vm *vm;
	struct err err;

	about->entry = entry;
	if (refused) {
		finish(about, refused);
		return;
	}
	vm = vm_entry_vm(entry);
	def = xnew(struct vm_def);
	if (vm_copy_definition(vm, def, &err) && change(&about->request, vm, def, &err))
		vm_define(vm, def, on_saved, about);
	else
		finish(about, &err);
	free(def);
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
