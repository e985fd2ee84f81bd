/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A second QEMU beside that of a VM. */
#include "vm/swap.h"

#include "base/clock.h"
#include "base/mem.h"
#include "vm/vm_priv.h"

static struct vm_place other_place(const struct vm *vm)
{
	struct vm_place place;

	qemu_place(vm->row.uuid, !vm->row.qemu_is_second, place.name);
	return place;
}

struct qemu *vm_start_beside(struct vm *vm, enum cmdline_incoming incoming, struct probe *probe,
			     const struct qemu_callbacks *cb, struct err *err)
{
	const struct vm_def *def = vm_def_of(vm, err);

	return def ? qemu_start(&vm->vms->env.qemu,
				&(struct qemu_start){
					.def = def,
					.incoming = incoming,
					.is_second = !vm->row.qemu_is_second,
					.probe = probe,
					.taps_of = qemu_proc_id(vm->qemu).pid,
				},
				cb, err)
		   : NULL;
}

struct qemu *vm_end_beside(struct vm *vm, struct proc_id id, const struct qemu_callbacks *cb)
{
	return qemu_end_unheard(&vm->vms->env.qemu, vm->row.uuid, vm->row.name,
				!vm->row.qemu_is_second, id, cb);
}

bool vm_has_beside(const struct vm *vm)
{
	return qemu_has_listener(&vm->vms->env.qemu, other_place(vm).name);
}

void vm_remove_beside(const struct vm *vm)
{
	if (!vm_has_beside(vm))
		qemu_remove_files(&vm->vms->env.qemu, other_place(vm).name, true);
}

void vm_explain_beside(const struct vm *vm, struct err *err)
{
	char words[ERR_MSG_SIZE];
	struct err explained = *err;

	qemu_last_words(&vm->vms->env.qemu, other_place(vm).name, words, sizeof(words));
	err_set(err, explained.code, "%s: %s", explained.msg, words);
}

char *vm_cpr_path(const struct vm *vm)
{
	return qemu_cpr_path(&vm->vms->env.qemu, other_place(vm).name);
}

char *vm_main_path(const struct vm *vm)
{
	return qemu_main_path(&vm->vms->env.qemu, other_place(vm).name);
}

/* ---- the swap ------------------------------------------------------------------ */

struct store_vm vm_swapped_row(const struct vm *vm, struct proc_id id)
{
	struct store_vm row = vm->row;

	row.qemu_is_second = !row.qemu_is_second;
	row.qemu_pid = id.pid;
	row.qemu_start_time = id.start_time;
	row.started_ms = clock_wall_ms();
	return row;
}

struct qemu *vm_swap_qemu(struct vm *vm, struct qemu *qemu, const struct qemu_callbacks *cb)
{
	const struct qemu_callbacks own = vm_qemu_callbacks(vm);
	struct qemu *former = vm->qemu;

	vm_parts_qemu_gone(vm);
	vm->row = vm_swapped_row(vm, qemu_proc_id(qemu));
	qemu_hand_over(qemu, vm->row.uuid, vm->row.name, &own);
	qemu_hand_over(former, vm->row.uuid, vm->row.name, cb);
	vm->qemu = qemu;
	return former;
}

void vm_swap_settled(struct vm *vm)
{
	vm_parts_here(vm, VM_HERE_FOUND);
	vm_changed(vm);
}
