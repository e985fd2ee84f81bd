/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an async job does with its VM. */
#include <assert.h>

#include "vm/devices_priv.h"
#include "vm/entry.h"
#include "vm/vm_priv.h"

bool vm_job_begin(struct vm *vm, struct vm_job *job, struct err *err)
{
	uint64_t now = loop_now_ms(vm->vms->env.qemu.loop);
	struct vm_holder holder;

	if (vm->job)
		return err_set(err, ERR_BUSY, "VM '%s' is held by job %s (%s) for %.1f s",
			       vm->row.name, vm->job->id, vm->job->kind,
			       (double)(now - vm->job->since_ms) / 1000);
	if (vm_holder(vm, &holder) && holder.kind != VM_SYNC_JOB && holder.kind != VM_SYNC_QUERY &&
	    !(job->allowed & (1u << holder.kind)))
		return err_set(err, ERR_BUSY,
			       "VM '%s' is busy with '%s' (sync job %s) since %.1f s", vm->row.name,
			       vm_sync_name(holder.kind), holder.id, (double)holder.held_ms / 1000);
	job->since_ms = now;
	vm->job = job;
	return true;
}

void vm_job_end(struct vm *vm, struct vm_job *job)
{
	assert(vm->job == job);
	vm->job = NULL;
	if (vm->qemu && !qemu_is_alive(vm->qemu))
		vm_qemu_exited(vm); /* QEMU has ended while the job held the VM */
	else
		vm_changed(vm);
	vm_finish_stop(vm);
	if (vm->look_is_owed)
		vm_devices_look(vm);
}

const struct vm_job *vm_job(const struct vm *vm)
{
	return vm->job;
}

/* ---- a VM that a move is bringing --------------------------------------- */

void vm_launch_incoming(struct vm *vm, vm_done_fn *done, void *data)
{
	vm_launch(vm, true, done, data);
}

void vm_launch_stopped(struct vm *vm, vm_done_fn *done, void *data)
{
	assert(vm->job && vm->job->is_of_stopped && vm->intent == VM_INTENT_STOPPED);
	vm_launch(vm, false, done, data);
	vm_save(vm, NULL, NULL); /* the pid */
}

struct store_vm vm_promoted_row(const struct vm *vm, uint64_t generation, enum vm_intent intent)
{
	struct store_vm row = vm->row;

	row.generation = generation;
	snprintf(row.role, sizeof(row.role), "%s", vm_role_names[VM_ROLE_OWNED]);
	snprintf(row.intent, sizeof(row.intent), "%s", vm_intent_names[intent]);
	return row;
}

void vm_promote(struct vm *vm, uint64_t generation, enum vm_intent intent)
{
	vm->row = vm_promoted_row(vm, generation, intent);
	vm->role = VM_ROLE_OWNED;
	vm->intent = intent;
	if (intent != VM_INTENT_STOPPED)
		vm_parts_here(vm, VM_HERE_ARRIVED);
	vm_changed(vm);
}

static void remove_both_places(const struct vm *vm)
{
	for (int second = 0; second < 2; second++) {
		char place[QEMU_PLACE_SIZE];

		qemu_place(vm->row.uuid, second, place);
		qemu_remove_files(&vm->vms->env.qemu, place, true);
	}
}

void vm_forget(struct vm *vm)
{
	struct vms *vms = vm->vms;
	char name[ID_NAME_SIZE];

	vm->job = NULL;
	if (vm->qemu) {
		qemu_kill(vm->qemu);
		vm_leave_waiting(vm);
		vm_parts_qemu_gone(vm);
	}
	remove_both_places(vm);
	snprintf(name, sizeof(name), "%s", vm->row.name);
	vm_remove(vm);
	if (vms->env.changed)
		vms->env.changed(vms->env.data, name, NULL);
}
