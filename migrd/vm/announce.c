/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/announce.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmp/events.h"
#include "vm/entry.h"
#include "vm/rx_filter.h"
#include "vm/vm_priv.h"

#define COMMAND_DEADLINE_MS 5000

struct question {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	struct vm_entry *entry;
};

static bool is_ours_and_runs(const struct vm *vm)
{
	return vm->role == VM_ROLE_OWNED && vm_is_active(vm) &&
	       qemu_run_state(vm->qemu) == QMP_RUN_RUNNING;
}

static void on_announced(void *data, struct json_object *result, const struct err *err)
{
	struct question *question = data;
	struct vm *vm = vm_entry_vm(question->entry);

	(void)result;
	if (err && vm && vm_may_log(vm, "announce failed"))
		log_warning("vm", "announce", "vm=%s error=%s", vm->row.name, err->msg);
	vm_leave(question->entry);
	free(question);
}

/* One round: the pauses between them are ours. */
static struct json_object *once(void)
{
	struct json_object *args = json_object_new_object();

	json_add_uint(args, "initial", 50);
	json_add_uint(args, "max", 550);
	json_add_uint(args, "rounds", 1);
	json_add_uint(args, "step", 10);
	return args;
}

/* The guest may have moved on while this waited. */
static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct question *question = data;
	struct vm *vm = vm_find_uuid(question->vms, question->uuid);

	(void)err; /* the next round comes */
	question->entry = entry;
	if (entry && vm && is_ours_and_runs(vm)) {
		vm_entry_command(entry, "announce-self", once(), COMMAND_DEADLINE_MS, on_announced,
				 question);
		return;
	}
	if (entry)
		vm_leave(entry);
	free(question);
}

static void on_timer(void *data)
{
	struct vm *vm = data;
	struct question *question;

	if (!vm->announce.rounds_left || !is_ours_and_runs(vm))
		return; /* RESUME goes on */
	vm->announce.rounds_left--;
	loop_timer_start(vm->announce.timer, vm->announce.pause_ms);
	vm->announce.pause_ms *= 2;
	vm_rx_announce(vm);
	question = xnew(struct question);
	question->vms = vm->vms;
	memcpy(question->uuid, vm->row.uuid, sizeof(question->uuid));
	vm_enter(vm, VM_SYNC_QUERY, VM_ENTRY_USUAL, on_entered, question);
}

/* A NIC among the arguments that the definition passes on counts too: -net, -netdev, -nic. */
static bool has_nic(struct vm *vm)
{
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	for (size_t i = 0; def && i < def->extra_arg_count; i++) {
		if (strncmp(def->extra_args[i], "-n", 2) == 0)
			return true;
	}
	return def && def->nic_count;
}

void vm_announce(struct vm *vm)
{
	if (!has_nic(vm))
		return;
	vm->announce.rounds_left = ANNOUNCE_ROUNDS;
	vm->announce.pause_ms = ANNOUNCE_FIRST_MS;
	loop_timer_start(vm->announce.timer, 0);
}

void vm_announce_init(struct vm *vm)
{
	vm->announce.timer = loop_timer_new(vm->vms->env.qemu.loop, on_timer, vm);
}

void vm_announce_event(struct vm *vm, const struct qmp_event *event)
{
	if (vm->announce.rounds_left &&
	    qmp_event_type_from_name(event->name) == QMP_EVENT_TYPE_RESUME)
		loop_timer_start(vm->announce.timer, 0);
}

void vm_announce_end(struct vm *vm)
{
	vm->announce.rounds_left = 0;
	loop_timer_stop(vm->announce.timer);
}

void vm_announce_fini(struct vm *vm)
{
	loop_timer_free(vm->announce.timer);
}
