/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The actions of users on a VM.  A row of the table says what must be on disk first,
 * and which command is then sent to QEMU. */
#include "base/log.h"
#include "base/mem.h"
#include "vm/about.h"
#include "vm/boot.h"
#include "vm/devices_priv.h"
#include "vm/entry.h"
#include "vm/firmware.h"
#include "vm/memory.h"
#include "vm/same_mac.h"
#include "vm/saved.h"
#include "vm/still.h"
#include "vm/taps.h"
#include "vm/tpm.h"
#include "vm/vm_priv.h"
#include "wire/vm_edit.h"

#define COMMAND_DEADLINE_MS 10000

static const struct {
	bool sets_intent; /* `intent' is on disk before QEMU is told */
	enum vm_intent intent;
	const char *command; /* NULL: more than one command */
	/* The action only stops the guest's CPUs, which needs no record: it is done
	 * even if its record cannot be written. */
	bool is_safe_unrecorded;
} actions[VM_ACTION_COUNT] = {
	[VM_ACTION_START] = { true, VM_INTENT_STARTED, NULL, false },
	[VM_ACTION_STOP] = { true, VM_INTENT_STOPPED, NULL, true },
	[VM_ACTION_PAUSE] = { true, VM_INTENT_PAUSED, "stop", true },
	[VM_ACTION_RESUME] = { true, VM_INTENT_STARTED, NULL, false },
	[VM_ACTION_RESET] = { false, VM_INTENT_STARTED, "system_reset", false },
	[VM_ACTION_SHUTDOWN] = { false, VM_INTENT_STARTED, "system_powerdown", false },
	[VM_ACTION_DELETE] = { false, VM_INTENT_STOPPED, NULL, false },
};

/* Outlives a VM that is forgotten meanwhile; vm_of() is NULL then. */
struct action_run {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	enum vm_action action;
	enum vm_intent former_intent;
	unsigned intent_no;             /* of the VM, since the action has set its intent */
	char former_save[ID_UUID_SIZE]; /* of a start: the save that it makes stale; "": none */
	char *former_file;              /* its file */
	struct vm_def *former_def;      /* of a start that has changed it; NULL: it has not */
	struct vm_entry *entry; /* NULL: it still waits */
	bool is_stopping;       /* QEMU was asked to end; its exit ends the action */
	vm_done_fn *done;       /* NULL: nobody asked */
	void *data;
};

const char *vm_action_name(enum vm_action action)
{
	return vm_sync_name((enum vm_sync)action);
}

static struct vm *vm_of(const struct action_run *run)
{
	return run->entry ? vm_entry_vm(run->entry) : NULL;
}

static void finish(struct action_run *run, const struct err *err)
{
	struct vm *vm = vm_of(run);

	if (vm)
		vm->action = NULL;
	if (run->entry)
		vm_leave(run->entry);
	log_info("vm", "action", "vm_uuid=%s action=%s result=%s", run->uuid,
		 vm_action_name(run->action), err ? err->msg : "done");
	if (run->done)
		run->done(run->data, err);
	free(run->former_file);
	free(run->former_def);
	free(run);
}

static void gone(struct action_run *run)
{
	struct err err;

	vm_entry_gone(run->entry, &err);
	finish(run, &err);
}

/* ---- the steps ------------------------------------------------------- */

static void on_command(void *data, struct json_object *result, const struct err *err)
{
	(void)result;
	finish(data, err);
}

static void on_continued(void *data, struct json_object *result, const struct err *err)
{
	struct action_run *run = data;
	struct vm *vm = vm_of(run);

	(void)result;
	if (vm && err && err->code == ERR_QEMU)
		vm_note_still(vm, err);
	else if (vm && !err)
		vm_still_over(vm);
	finish(run, err);
}

static void on_images(void *data, struct json_object *result, const struct err *err)
{
	struct action_run *run = data;
	struct err lost;

	if (!vm_of(run))
		gone(run);
	else if (err)
		finish(run, err);
	else if (!vm_check_images(result, &lost))
		on_continued(run, NULL, &lost);
	else
		vm_entry_command(run->entry, "cont", NULL, COMMAND_DEADLINE_MS, on_continued, run);
}

static void on_launched(void *data, const struct err *err)
{
	struct action_run *run = data;
	struct vm *vm = vm_of(run);

	if (!vm) {
		finish(run, err);
		return;
	}
	if (err) {
		vm_set_intent(vm, VM_INTENT_STOPPED);
		snprintf(vm->reason, sizeof(vm->reason), "%s", err->msg);
		vm_save(vm, NULL, NULL);
		finish(run, err);
		return;
	}
	vm_autostart_over(vm);
	vm_entry_command(run->entry, "cont", NULL, COMMAND_DEADLINE_MS, on_continued, run);
}

static void on_tpm_discarded(void *data, const struct err *err)
{
	finish(data, err);
}

/* The keys go when no record needs them any more; a crash before that leaves them to the check of
 * the host. */
static void on_deleted(void *data, const struct err *err)
{
	struct action_run *run = data;
	struct vm *vm = vm_of(run);
	bool is_discarding = vm && !err && vm_tpm_discard(vm, on_tpm_discarded, run);

	if (vm && !err)
		vm_forget(vm);
	if (!is_discarding)
		finish(run, err);
}

static void launch(struct vm *vm, struct action_run *run)
{
	char words[ERR_MSG_SIZE];

	if (vm_same_mac(vm, words))
		log_warning("vm", "same-mac", "vm=%s reason=%s", vm->row.name, words);
	vm_launch(vm, false, on_launched, run);
	vm_save(vm, NULL, NULL); /* the pid */
}

/* False: the start has ended. */
static bool may_go_on(struct action_run *run, const struct err *err)
{
	struct vm *vm = vm_of(run);
	struct err why;

	if (!vm) {
		gone(run);
	} else if (err) {
		why = *err;
		err_wrap(&why, "cannot start VM '%s'", vm->row.name);
		on_launched(run, &why);
	}
	return vm && !err;
}

static void on_firmware(void *data, const struct err *err)
{
	struct action_run *run = data;

	if (may_go_on(run, err))
		launch(vm_of(run), run);
}

static void prepare_firmware(struct vm *vm, struct action_run *run)
{
	if (!vm_firmware_prepare(vm, on_firmware, run))
		launch(vm, run);
}

static void on_memory(void *data, const struct err *err)
{
	struct action_run *run = data;

	if (may_go_on(run, err))
		prepare_firmware(vm_of(run), run);
}

static void check_memory(struct vm *vm, struct action_run *run)
{
	if (!vm_memory_check(vm, on_memory, run))
		prepare_firmware(vm, run);
}

static void on_taps(void *data, const struct err *err)
{
	struct action_run *run = data;

	if (may_go_on(run, err))
		check_memory(vm_of(run), run);
}

/* In finish-migrate QEMU waits for the end of a migration of which there is no record any more
 * (pre-switchover), and refuses `cont'.  The guest goes on by itself when that is cancelled. */
static void resume(struct vm *vm, struct action_run *run)
{
	if (qemu_run_state(vm->qemu) == QMP_RUN_FINISH_MIGRATE)
		vm_entry_command(run->entry, "migrate_cancel", NULL, COMMAND_DEADLINE_MS,
				 on_command, run);
	else
		vm_entry_command(run->entry, "query-block", NULL, COMMAND_DEADLINE_MS, on_images,
				 run);
}

static void perform(struct vm *vm, struct action_run *run)
{
	const struct store_txn delete_txn = { { store_delete_vm(vm->row.uuid) } };

	switch (run->action) {
	case VM_ACTION_START:
		if (!vm_taps_check_start(vm, on_taps, run))
			check_memory(vm, run);
		break;
	case VM_ACTION_STOP:
		run->is_stopping = true;
		qemu_quit(vm->qemu); /* QEMU's exit ends the action: vm_action_stopped() */
		break;
	case VM_ACTION_RESUME:
		resume(vm, run);
		break;
	case VM_ACTION_PAUSE:
	case VM_ACTION_RESET:
	case VM_ACTION_SHUTDOWN:
		vm_entry_command(run->entry, actions[run->action].command, NULL,
				 COMMAND_DEADLINE_MS, on_command, run);
		break;
	case VM_ACTION_DELETE:
		store_commit(run->vms->env.store, &delete_txn, on_deleted, run);
		break;
	case VM_ACTION_COUNT:
		break;
	}
}

/* The QEMU ended by itself while the intent was being written. */
static void qemu_gone(const struct vm *vm, struct action_run *run)
{
	struct err err;

	if (run->action == VM_ACTION_STOP) {
		finish(run, NULL);
		return;
	}
	err_set(&err, ERR_CONFLICT, "cannot %s VM '%s': its QEMU has ended",
		vm_action_name(run->action), vm->row.name);
	finish(run, &err);
}

/* The VM's move has reached a state in which only the move may speak to QEMU: it knows
 * the intent, and carries it out wherever the guest ends up. */
static bool is_for_the_job(const struct vm *vm, enum vm_action action)
{
	return vm->job && !(vm->job->allowed & (1u << action));
}

/* Not while a move holds the VM: then only the record on disk counts. */
static bool may_go_unrecorded(const struct vm *vm, const struct action_run *run)
{
	return actions[run->action].is_safe_unrecorded && !vm->job && vm->qemu &&
	       vm->role == VM_ROLE_OWNED;
}

static void go_unrecorded(struct vm *vm, struct action_run *run, const struct err *err)
{
	log_warning("vm", "unrecorded", "vm=%s action=%s error=%s", vm->row.name,
		    vm_action_name(run->action), err->msg);
	vm_owe_record(vm);
	perform(vm, run);
}

/* QEMU may have ended meanwhile as the guest wanted it, which is the intent then. */
static void put_back(struct vm *vm, const struct action_run *run)
{
	if (vm->intent_no == run->intent_no)
		vm_set_intent(vm, run->former_intent);
	if (run->former_save[0])
		vm_note_saved(vm, run->former_save, run->former_file);
	if (run->former_def)
		vm_set_definition(vm, run->former_def);
	vm_note_starting(vm, false);
	vm_owe_record(vm); /* another record of the VM may have been written meanwhile */
}

static void on_intent_saved(void *data, const struct err *err)
{
	struct action_run *run = data;
	struct vm *vm = vm_of(run);

	if (!vm) {
		gone(run);
	} else if (err && may_go_unrecorded(vm, run)) {
		go_unrecorded(vm, run, err);
	} else if (err) {
		put_back(vm, run);
		finish(run, err);
	} else if (is_for_the_job(vm, run->action)) {
		finish(run, NULL);
	} else if (run->action != VM_ACTION_START && !vm->qemu) {
		qemu_gone(vm, run);
	} else {
		perform(vm, run);
	}
}

static bool is_stop(const struct vm *vm)
{
	return vm->action && vm->action->is_stopping;
}

struct action_run *vm_action_take_stop(struct vm *vm)
{
	if (!is_stop(vm))
		return NULL;
	vm->action->is_stopping = false;
	return vm->action;
}

void vm_action_let_go(struct vm *vm, const struct err *err)
{
	if (is_stop(vm))
		finish(vm->action, err);
}

void vm_action_stopped(void *data, const struct err *err)
{
	struct action_run *run = data;
	struct vm *vm = vm_of(run);

	if (vm && err)
		vm_owe_record(vm);
	finish(run, vm ? NULL : err);
}

/* ---- the way in ------------------------------------------------------ */

/* A guest that boots changes its disks, so the memory in the file fits them no more. */
static void make_save_stale(struct vm *vm, struct action_run *run)
{
	log_warning("vm", "save-stale", "vm=%s save=%s file=%s: the VM boots", vm->row.name,
		    vm->row.save_id, vm_saved_in(vm));
	memcpy(run->former_save, vm->row.save_id, sizeof(run->former_save));
	run->former_file = xstrdup(vm_saved_in(vm));
	vm_note_saved(vm, "", NULL);
}

/* What waits for a start becomes the definition with the record of the intent, so that a crash
 * finds both or neither. */
static bool take_next(struct vm *vm, struct action_run *run, struct err *err)
{
	struct vm_def *def = xnew(struct vm_def);
	bool ok = vm_copy_definition(vm, def, err);

	if (ok && !vm_edit_is_empty(&def->next)) {
		run->former_def = xnew(struct vm_def);
		memcpy(run->former_def, def, sizeof(*def));
		ok = vm_take_next(vm, def, err);
		if (ok)
			vm_set_definition(vm, def);
	}
	free(def);
	return ok;
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct action_run *run = data;
	struct err wrong;
	struct vm *vm;

	run->entry = entry;
	if (err) {
		finish(run, err);
		return;
	}
	vm = vm_entry_vm(entry);
	vm->action = run;
	run->former_intent = vm->intent;
	if (run->action == VM_ACTION_START && !take_next(vm, run, &wrong)) {
		finish(run, &wrong);
		return;
	}
	vm_note_starting(vm, run->action == VM_ACTION_START);
	if (run->action == VM_ACTION_START && vm_is_saved(vm))
		make_save_stale(vm, run);
	if (actions[run->action].sets_intent) {
		vm_set_intent(vm, actions[run->action].intent);
		run->intent_no = vm->intent_no;
		vm_save(vm, on_intent_saved, run);
	} else {
		perform(vm, run);
	}
}

void vm_act(struct vm *vm, enum vm_action action, vm_done_fn *done, void *data)
{
	struct action_run *run = xnew(struct action_run);

	run->vms = vm->vms;
	memcpy(run->uuid, vm->row.uuid, sizeof(run->uuid));
	run->action = action;
	run->done = done;
	run->data = data;
	vm_enter(vm, (enum vm_sync)action, VM_ENTRY_USUAL, on_entered, run);
}

/* The intent and the run state of QEMU tell which action was interrupted. */
void vm_finish_interrupted(struct vm *vm)
{
	enum qmp_run_state state;

	if (!vm_is_active(vm) || vm_is_sent_away(vm))
		return;
	state = qemu_run_state(vm->qemu);
	if (vm->intent == VM_INTENT_STOPPED)
		vm_act(vm, VM_ACTION_STOP, NULL, NULL);
	else if (vm->intent == VM_INTENT_PAUSED && state == QMP_RUN_RUNNING)
		vm_act(vm, VM_ACTION_PAUSE, NULL, NULL);
	else if (vm->intent == VM_INTENT_STARTED &&
		 (state == QMP_RUN_PRELAUNCH || state == QMP_RUN_PAUSED ||
		  state == QMP_RUN_POSTMIGRATE || state == QMP_RUN_FINISH_MIGRATE))
		vm_act(vm, VM_ACTION_RESUME, NULL, NULL);
}

void vm_finish_stop(struct vm *vm)
{
	bool is_left = vm->intent == VM_INTENT_STOPPED && vm->role == VM_ROLE_OWNED && !vm->action;

	if (is_left && vm->vms->finish == vm_finish_interrupted && vm_is_active(vm))
		vm_act(vm, VM_ACTION_STOP, NULL, NULL);
}
