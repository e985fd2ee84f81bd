/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QEMU process of a VM: its start, finding it again after a restart, and its end. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "vm/agent_priv.h"
#include "vm/devices_priv.h"
#include "vm/saved.h"
#include "vm/vm_priv.h"

/* ---- the QEMU process ------------------------------------------------ */

/* Does nothing if this process is already recorded, so that started_ms stays. */
static void set_process(struct vm *vm, struct proc_id id)
{
	if (id.pid && vm->row.qemu_pid == id.pid && vm->row.qemu_start_time == id.start_time)
		return;
	vm->row.qemu_pid = id.pid;
	vm->row.qemu_start_time = id.start_time;
	snprintf(vm->row.boot_id, sizeof(vm->row.boot_id), "%s", id.pid ? proc_boot_id() : "");
	vm->row.started_ms = id.pid ? clock_wall_ms() : 0;
}

void vm_note_starting(struct vm *vm, bool is_starting)
{
	if (!vm->row.qemu_pid)
		snprintf(vm->row.boot_id, sizeof(vm->row.boot_id), "%s",
			 is_starting ? proc_boot_id() : "");
}

/* A start was under way: it was asked for, and no QEMU is recorded. */
static bool was_starting(const struct vm *vm)
{
	return vm->intent == VM_INTENT_STARTED && !vm->row.qemu_pid && vm->row.boot_id[0];
}

static void forget_process(struct vm *vm)
{
	set_process(vm, (struct proc_id){ 0 });
	vm->row.monitor[0] = '\0';
	if (vm->role == VM_ROLE_OWNED)
		vm->row.elsewhere[0] = '\0'; /* the copy that it marks is gone with the QEMU */
}

/* The QEMU has ended, or was let go: forget it. */
static void drop_qemu(struct vm *vm)
{
	vm->is_ready = false;
	vm_parts_qemu_gone(vm);
	vm_forget_def(vm);
	qemu_free(TAKE_PTR(vm->qemu));
	forget_process(vm);
}

static void recovered_one(struct vms *vms)
{
	if (vms->recovering && --vms->recovering == 0)
		vms->recovered(vms->recovered_data, NULL);
}

/* Keeps the log, which has QEMU's last words. */
static void remove_dead_files(const struct vm *vm)
{
	const struct qemu_env *env = &vm->vms->env.qemu;

	if (!qemu_has_listener(env, vm_place(vm).name))
		qemu_remove_files(env, vm_place(vm).name, false);
}

/* A QEMU that ran before answers: after our restart; later, if its monitor was hung or
 * taken by somebody else then; or again, after its monitor was lost.  Before
 * vms_settle() it is not known which VMs jobs hold, so vms_settle() does the rest. */
static void on_found(void *data)
{
	struct vm *vm = data;
	bool is_first = !vm->is_ready;

	vm->is_ready = true;
	set_process(vm, qemu_proc_id(vm->qemu));
	vm_events_found(vm);
	vm_parts_here(vm, VM_HERE_FOUND);
	if (vm->vms->is_settling)
		return;
	if (is_first && !vm->job && vm->role == VM_ROLE_OWNED)
		vm->vms->finish(vm);
	vm_changed(vm);
}

static void note_unseen_end(struct vm *vm)
{
	char words[ERR_MSG_SIZE];

	if (vm->intent == VM_INTENT_STOPPED)
		return; /* it was to end */
	if (was_starting(vm)) {
		snprintf(vm->reason, sizeof(vm->reason), "%s",
			 "the coordinator ended before it was started");
		return;
	}
	qemu_last_words(&vm->vms->env.qemu, vm_place(vm).name, words, sizeof(words));
	err_text(vm->reason, "its QEMU ended while the coordinator was away: %s", words);
	log_error("vm", "crashed", "vm=%s reason=%s", vm->row.name, vm->reason);
}

static void on_attached(struct vm *vm, const struct err *err)
{
	if (!err) {
		on_found(vm);
	} else if (!qemu_is_alive(vm->qemu)) {
		note_unseen_end(vm);
		if (was_starting(vm))
			vm_set_intent(vm, VM_INTENT_STOPPED);
		drop_qemu(vm);
		remove_dead_files(vm);
	} else {
		vm_agent_begin(vm, VM_HERE_FOUND); /* on_found() looks at it again */
	}
	recovered_one(vm->vms);
}

/* QEMU was first asked what it offers (qemu/probe.h), so its process is known only now.
 * The record of an incoming VM is written by its move. */
static void note_late_process(struct vm *vm)
{
	set_process(vm, qemu_proc_id(vm->qemu));
	if (vm->role == VM_ROLE_OWNED)
		vm_save(vm, NULL, NULL);
}

static void on_ready(void *data, const struct err *err)
{
	struct vm *vm = data;
	vm_done_fn *launched = TAKE_PTR(vm->launched);

	if (!launched) {
		on_attached(vm, err);
		return;
	}
	vm->is_ready = !err;
	if (!err && !vm->row.qemu_pid)
		note_late_process(vm);
	if (err) {
		if (vm->qemu)
			qemu_kill(vm->qemu);
		drop_qemu(vm);
	} else if (vm->role == VM_ROLE_OWNED && vm->intent != VM_INTENT_STOPPED &&
		   !vm->is_awaiting) {
		vm_parts_here(vm, VM_HERE_FRESH);
	}
	launched(vm->launched_data, err);
}

static void on_event(void *data, const struct qmp_event *event)
{
	vm_events_take(data, event);
}

void vm_explain_end(const struct vm *vm, struct err *err)
{
	char words[ERR_MSG_SIZE];
	struct err explained = *err;

	qemu_last_words(&vm->vms->env.qemu, vm_place(vm).name, words, sizeof(words));
	err_set(err, explained.code, "%s: %s", explained.msg, words);
}

/* If the guest, or whoever reset it, meant it to end, the VM is stopped; any other end
 * is a crash. */
static void note_end(struct vm *vm)
{
	const char *why = vm_end_reason(vm);
	char words[ERR_MSG_SIZE];

	if (vm->intent == VM_INTENT_STOPPED) { /* it was there for a job, or was to end */
		vm->reason[0] = '\0';
		return;
	}
	if (why)
		snprintf(vm->reason, sizeof(vm->reason), "%s", why);
	if (why && vm->events.is_end_of_intent) {
		vm_set_intent(vm, VM_INTENT_STOPPED);
		return;
	}
	if (!why) {
		qemu_last_words(&vm->vms->env.qemu, vm_place(vm).name, words, sizeof(words));
		err_text(vm->reason, "its QEMU ended unexpectedly: %s", words);
	}
	log_error("vm", "crashed", "vm=%s reason=%s", vm->row.name, vm->reason);
}

void vm_qemu_exited(void *data)
{
	struct vm *vm = data;
	struct action_run *stop;

	vm_entries_qemu_ended(vm);
	if (vm->job) {
		vm->job->exited(vm->job->data);
		return; /* the job decides what becomes of the VM */
	}
	stop = vm_action_take_stop(vm);
	if (vm->role == VM_ROLE_FORMER)
		;
	else if (vm_is_saved(vm))
		vm_say_saved(vm);
	else if (stop)
		snprintf(vm->reason, sizeof(vm->reason), "stopped on request");
	else
		note_end(vm);
	drop_qemu(vm);
	if (vm->role == VM_ROLE_FORMER)
		vm_say_former(vm);
	qemu_remove_files(&vm->vms->env.qemu, vm_place(vm).name, false);
	vm_save(vm, stop ? vm_action_stopped : NULL, stop);
	vm_changed(vm);
}

struct qemu_callbacks vm_qemu_callbacks(struct vm *vm)
{
	return (struct qemu_callbacks){ on_ready, on_event, vm_qemu_exited, on_found, vm };
}

void vm_take_qemu(struct vm *vm, struct qemu *qemu, const char *monitor)
{
	const struct qemu_callbacks cb = vm_qemu_callbacks(vm);

	qemu_hand_over(qemu, vm->row.uuid, vm->row.name, &cb);
	vm->qemu = qemu;
	vm->is_ready = true;
	set_process(vm, qemu_proc_id(qemu));
	snprintf(vm->row.monitor, sizeof(vm->row.monitor), "%s", monitor);
}

struct late_error {
	vm_done_fn *fn;
	void *data;
	struct err err;
};

static void give_late_error(void *data)
{
	struct late_error *late = data;

	late->fn(late->data, &late->err);
	free(late);
}

void vms_fail_later(struct vms *vms, vm_done_fn *fn, void *data, const struct err *err)
{
	struct late_error *late = xnew(struct late_error);

	late->fn = fn;
	late->data = data;
	late->err = *err;
	loop_post(vms->env.qemu.loop, give_late_error, late);
}

/* A new QEMU starts with closed trays; a guest that arrives brings their state along. */
static void close_trays(struct vm *vm, struct vm_def *def)
{
	bool has_changed = false;

	for (size_t i = 0; i < def->cdrom_count; i++) {
		has_changed |= def->cdroms[i].tray != VM_DEF_TRAY_CLOSED;
		def->cdroms[i].tray = VM_DEF_TRAY_CLOSED;
	}
	if (has_changed)
		vm_set_definition(vm, def);
}

/* A QEMU in the other place may run the guest: the records may be older than a refresh. */
static bool is_alone(const struct vm *vm, struct err *err)
{
	char other[QEMU_PLACE_SIZE];

	qemu_place(vm->row.uuid, !vm->row.qemu_is_second, other);
	return qemu_is_alone(&vm->vms->env.qemu, other, vm->row.name, err);
}

void vm_launch(struct vm *vm, bool incoming, vm_done_fn *launched, void *data)
{
	const struct qemu_callbacks cb = vm_qemu_callbacks(vm);
	struct vm_def *def = xnew(struct vm_def);
	struct err err;

	vm->reason[0] = '\0';
	vm->is_awaiting = incoming;
	vm_events_forget(vm);
	vm_set_attaching(vm, NULL); /* an attach to an earlier QEMU */
	if (vm_copy_definition(vm, def, &err) && is_alone(vm, &err)) {
		if (!incoming)
			close_trays(vm, def);
		vm->qemu = qemu_start(&vm->vms->env.qemu,
				      &(struct qemu_start){
					      .def = def,
					      .incoming = incoming ? CMDLINE_INCOMING_DEFER
								   : CMDLINE_INCOMING_NONE,
					      .is_second = vm->row.qemu_is_second,
				      },
				      &cb, &err);
	}
	free(def);
	if (!vm->qemu) {
		vms_fail_later(vm->vms, launched, data, &err);
		return;
	}
	vm->launched = launched;
	vm->launched_data = data;
	if (qemu_proc_id(vm->qemu).pid)
		set_process(vm, qemu_proc_id(vm->qemu));
	vm_changed(vm);
}

/* ---- restart --------------------------------------------------------- */

void vms_add_row(struct vms *vms, struct store_vm *row)
{
	vm_add(vms, row);
}

bool vms_has_listener(const struct vms *vms, const char *uuid)
{
	char second[QEMU_PLACE_SIZE];

	qemu_place(uuid, true, second);
	return qemu_has_listener(&vms->env.qemu, uuid) || qemu_has_listener(&vms->env.qemu, second);
}

/* After a restart of the host no QEMU can be left, whatever pid was recorded.  A QEMU
 * that listens is there, whatever the record says. */
static bool may_have_qemu(const struct vm *vm)
{
	if (vm->row.qemu_pid)
		return strcmp(vm->row.boot_id, proc_boot_id()) == 0;
	if (qemu_has_listener(&vm->vms->env.qemu, vm_place(vm).name))
		return true;
	return vm->intent != VM_INTENT_STOPPED || vm->role == VM_ROLE_INCOMING;
}

static struct qemu *find_again(struct vm *vm)
{
	const struct qemu_env *env = &vm->vms->env.qemu;
	const struct qemu_callbacks cb = vm_qemu_callbacks(vm);
	const struct proc_id id = { vm->row.qemu_pid, vm->row.qemu_start_time };
	const struct store_vm *row = &vm->row;

	if (row->monitor[0])
		return qemu_attach_foreign(env, row->uuid, row->name, row->monitor, id, &cb);
	return qemu_attach(env, row->uuid, row->name, row->qemu_is_second, id, &cb);
}

void vms_recover(struct vms *vms, vm_done_fn *done, void *data)
{
	vms->recovered = done;
	vms->recovered_data = data;
	vms->is_settling = true;
	vms->recovering = 1; /* this function itself, so that the count cannot reach 0 early */
	for (struct vm *vm = vms->list; vm; vm = vm->next) {
		if (!may_have_qemu(vm)) {
			if (vm->row.qemu_pid)
				snprintf(vm->reason, sizeof(vm->reason), "the host was restarted");
			forget_process(vm);
			remove_dead_files(vm);
			continue;
		}
		vms->recovering++;
		vm->qemu = find_again(vm);
	}
	recovered_one(vms);
}

static bool is_known(void *data, const char *uuid)
{
	return vm_find_uuid(data, uuid) != NULL;
}

static void settle(struct vms *vms, void (*finish)(struct vm *vm))
{
	vms->is_settling = false;
	vms->finish = finish;
	for (struct vm *vm = vms->list, *next; vm; vm = next) {
		next = vm->next;
		vm->look_is_owed = vm->job != NULL;
		if (vm_see_boot(vm, finish == vm_follow_found) && vm->job)
			vm_save(vm, NULL, NULL);
		if (vm->job)
			continue;
		if (vm->role == VM_ROLE_INCOMING) {
			log_warning("vm", "leftover", "vm=%s: no move knows it; removed",
				    vm->row.name);
			vm_discard(vm);
			continue;
		}
		if (!vm->qemu)
			vm_set_attaching(vm, NULL);
		else
			vm_devices_look(vm);
		if (vm->role == VM_ROLE_FORMER) {
			vm_say_former(vm);
			vm_end_former(vm);
		} else {
			finish(vm);
		}
		vm_save(vm, NULL, NULL);
	}
	qemu_remove_leftovers(&vms->env.qemu, is_known, vms);
}

void vms_settle(struct vms *vms)
{
	settle(vms, vm_finish_interrupted);
}

void vms_settle_found(struct vms *vms)
{
	settle(vms, vm_follow_found);
}
