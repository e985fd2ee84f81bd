/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes VMs: a user defines one, adopts one, or a move brings one. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "vm/devices_priv.h"
#include "vm/rename.h"
#include "vm/same_cid.h"
#include "vm/vm_priv.h"

static bool is_name_free(struct vms *vms, const struct vm_def *def, struct err *err)
{
	const struct vm *vm = vm_find(vms, def->name);

	if (vm)
		return err_set(err, ERR_EXISTS,
			       "this host has a VM '%s' already (%s): remove it, or give one of "
			       "the "
			       "two another name",
			       def->name, vm_state(vm));
	if (vm_name_is_leaving(vms, def->name))
		return err_set(err, ERR_EXISTS,
			       "the VM of this host that was called '%s' is being renamed: try "
			       "again, or choose another name",
			       def->name);
	vm = vm_find_uuid(vms, def->uuid);
	if (vm)
		return err_set(err, ERR_EXISTS,
			       "the uuid %s belongs to VM '%s' of this host: remove it, or give "
			       "one of "
			       "the two another uuid",
			       def->uuid, vm->row.name);
	return true;
}

/* A QEMU of ours without a record means that the database was lost.  A new record would
 * be a guess at what that QEMU runs, and the next start of the daemon would act on the
 * guess. */
static bool may_create(struct vms *vms, const struct vm_def *def, struct err *err)
{
	if (!is_name_free(vms, def, err) || !vm_cid_is_free(vms, def, err))
		return false;
	if (!vm_has_stray_qemu(vms, def->uuid))
		return true;
	return err_set(err, ERR_CONFLICT,
		       "a QEMU of VM '%s' (uuid %s) runs on this host without a record: 'migrctl "
		       "host check' tells of it, and what can be done",
		       def->name, def->uuid);
}

static struct vm *add_new(struct vms *vms, const struct vm_def *def, enum vm_role role,
			  uint64_t generation)
{
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(def);
	struct store_vm row = { .generation = generation, .created_ms = clock_wall_ms() };

	snprintf(row.uuid, sizeof(row.uuid), "%s", def->uuid);
	snprintf(row.name, sizeof(row.name), "%s", def->name);
	snprintf(row.role, sizeof(row.role), "%s", vm_role_names[role]);
	snprintf(row.intent, sizeof(row.intent), "%s", vm_intent_names[VM_INTENT_STOPPED]);
	snprintf(row.seen_boot, sizeof(row.seen_boot), "%s", proc_boot_id());
	row.definition = xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	return vm_add(vms, &row);
}

/* The VM comes back to a host where it was: the move's record replaces the old one.  It may have
 * got another name meanwhile, which must be free here. */
static struct vm *former_of(struct vms *vms, const struct vm_def *def, uint64_t generation)
{
	struct vm *vm = vm_find_uuid(vms, def->uuid);
	const struct vm *named = vm_find(vms, def->name);

	return vm && vm->role == VM_ROLE_FORMER && !vm->qemu && !vm->job &&
			       generation > vm->row.generation &&
			       (named == vm || (!named && !vm_name_is_leaving(vms, def->name)))
		       ? vm
		       : NULL;
}

bool vm_may_come(struct vms *vms, const struct vm_def *def, uint64_t generation, struct err *err)
{
	return (former_of(vms, def, generation) || is_name_free(vms, def, err)) &&
	       vm_cid_is_free(vms, def, err);
}

struct vm *vm_new_incoming(struct vms *vms, const struct vm_def *def, uint64_t generation,
			   struct err *err)
{
	struct vm *former = former_of(vms, def, generation);

	if (!vm_may_come(vms, def, generation, err))
		return NULL;
	if (former)
		vm_remove(former);
	return add_new(vms, def, VM_ROLE_INCOMING, generation);
}

struct creation {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	vm_done_fn *done;
	void *data;
};

static void on_created(void *data, const struct err *err)
{
	struct creation *creation = data;
	struct vm *vm = vm_find_uuid(creation->vms, creation->uuid);

	if (err && vm)
		vm_remove(vm);
	else if (vm)
		vm_changed(vm);
	if (!err && vm && vm->qemu)
		vm_devices_look(vm); /* the guest may have moved a tray since QEMU was asked */
	creation->done(creation->data, err);
	free(creation);
}

/* Writes the record of a new VM; if that fails, the VM is removed from memory again. */
static void save_new(struct vm *vm, vm_done_fn *done, void *data)
{
	struct creation *creation = xnew(struct creation);

	creation->vms = vm->vms;
	memcpy(creation->uuid, vm->row.uuid, sizeof(creation->uuid));
	creation->done = done;
	creation->data = data;
	vm_save(vm, on_created, creation);
}

void vm_create(struct vms *vms, const struct vm_def *def, vm_done_fn *done, void *data)
{
	struct err err;

	if (may_create(vms, def, &err))
		save_new(add_new(vms, def, VM_ROLE_OWNED, 1), done, data);
	else
		vms_fail_later(vms, done, data, &err);
}

void vm_adopt(struct vms *vms, const struct vm_def *def, struct qemu *qemu, const char *monitor,
	      vm_done_fn *done, void *data)
{
	bool runs = qemu_run_state(qemu) == QMP_RUN_RUNNING;
	struct vm *vm;
	struct err err;

	if (!may_create(vms, def, &err)) {
		qemu_free(qemu);
		vms_fail_later(vms, done, data, &err);
		return;
	}
	vm = add_new(vms, def, VM_ROLE_OWNED, 1);
	vm_set_intent(vm, runs ? VM_INTENT_STARTED : VM_INTENT_PAUSED);
	vm_take_qemu(vm, qemu, monitor);
	save_new(vm, done, data);
}
