/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The states of a restore. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "save/priv.h"
#include "vm/memory.h"
#include "vm/still.h"

#define LOOK_MS      250 /* if no event comes */
#define RESUME_TRIES 20

static bool fail_if_cancelled(struct save *save)
{
	struct err err;

	if (!save->is_cancelled)
		return false;
	err_set(&err, ERR_CANCELLED, "cancelled on request");
	save_fail(save, &err);
	return true;
}

static void fail_qemu_gone(struct save *save)
{
	struct vm *vm = save_vm(save);
	struct err err;

	err_set(&err, ERR_QEMU, "QEMU could not restore the guest from '%s'", save->row.path);
	if (vm)
		vm_explain_end(vm, &err);
	save_fail(save, &err);
}

/* ---- begin: the file is looked at again, and QEMU started ------------------------- */

static bool read_file(struct save_task *task, struct err *err)
{
	save_file_fini(&task->head);
	return save_file_read_blocking(task->dirs, task->path, &task->head, &task->is_marked,
				       &task->fd, err) &&
	       (task->is_marked || save_copies_check_blocking(&task->head, err));
}

/* The job may be gone by then, or in another state. */
struct launched {
	struct saves *saves;
	char id[ID_UUID_SIZE];
};

static bool starts_qemu(const struct save *save)
{
	return (save->machine.state == SAVE_STATE_BEGIN ||
		save->machine.state == SAVE_STATE_DISKS) &&
	       !save->machine.is_saving;
}

static void on_launched(void *data, const struct err *err)
{
	struct launched *launched = data;
	struct save *save = saves_find(launched->saves, launched->id);

	free(launched);
	if (!save)
		return;
	if (starts_qemu(save) && err) {
		save_fail(save, err);
		return;
	}
	if (starts_qemu(save))
		save->facts.is_launched = true;
	machine_step(&save->machine);
}

static void on_memory(void *data, const struct err *err)
{
	struct launched *launched = data;
	struct save *save = saves_find(launched->saves, launched->id);
	struct vm *vm = save && starts_qemu(save) ? save_vm(save) : NULL;

	if (err || !vm)
		on_launched(launched, err);
	else
		vm_launch_incoming(vm, on_launched, launched);
}

static void launch(struct save *save, struct vm *vm)
{
	struct launched *launched = xnew(struct launched);

	launched->saves = save->saves;
	memcpy(launched->id, save->row.id, sizeof(launched->id));
	if (!vm_memory_check(vm, on_memory, launched))
		on_memory(launched, NULL);
}

static void on_read(struct save *save, struct save_task *task, const struct err *err)
{
	struct vm *vm = save_vm(save);
	struct err why;

	if (err || !vm) {
		save_fail(save, err);
		return;
	}
	if (!save_judge(save->saves, &save->detail.wish, &task->head, task->is_marked, save,
			&why)) {
		save_fail(save, &why);
		return;
	}
	save_file_fini(&save->detail.head);
	save->detail.head = task->head;
	task->head.definition = NULL;
	save->detail.has_mode = true;
	save->detail.was_marked = task->is_marked;
	save->fd = TAKE_FD(task->fd);
	if (save->detail.head.disk_count)
		save_go(save, SAVE_STATE_DISKS, NULL);
	else
		launch(save, vm);
}

void save_in_enter_begin(struct machine *machine)
{
	save_work(save_of(machine), read_file, on_read);
}

void save_in_step_begin(struct machine *machine)
{
	struct save *save = save_of(machine);
	struct store_vm row;
	struct err err;

	if (!save->facts.is_launched)
		return;
	if (!save_qemu(save)) {
		fail_qemu_gone(save);
	} else if (!save_check_qemu(save->saves, &save->detail.head, &err)) {
		save_fail(save, &err);
	} else if (!fail_if_cancelled(save)) {
		row = *vm_row(save_vm(save));
		save_go(save, SAVE_STATE_LOAD, &(struct store_change){ STORE_VM, STORE_PUT, &row });
	}
}

/* ---- disks: those of a background snapshot, before QEMU opens them ------------------- */

static bool place_disks(struct save_task *task, struct err *err)
{
	return save_copies_place_blocking(&task->head, task->id, err);
}

static void on_placed(struct save *save, struct save_task *task, const struct err *err)
{
	struct vm *vm = save_vm(save);

	(void)task;
	if (err || !vm)
		save_fail(save, err);
	else if (!fail_if_cancelled(save))
		launch(save, vm);
}

void save_in_enter_disks(struct machine *machine)
{
	save_work(save_of(machine), place_disks, on_placed);
}

/* ---- load --------------------------------------------------------------------------- */

static void on_prepared(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		save_fail(save, err);
	else
		save_begin_migration(save);
}

void save_in_enter_load(struct machine *machine)
{
	struct save *save = save_of(machine);

	if (save_qemu(save))
		save_prepare_qemu(save, on_prepared);
}

static void on_info(struct save *save, struct json_object *result, const struct err *err)
{
	struct err bad;

	if (!err && qmp_mig_info_decode(result, &save->info, &bad))
		save->facts.migration = save->info.state;
	save_tell(save);
	save_look_later(save, LOOK_MS);
	machine_step(&save->machine);
}

static void resume(struct save *save);

void save_in_look(struct save *save)
{
	if (save->machine.state == SAVE_STATE_LOAD && save->facts.has_begun &&
	    !save->facts.is_asking && save_qemu(save))
		save_ask(save, "query-migrate", NULL, on_info);
	else if (save->machine.state == SAVE_STATE_CLAIM ||
		 save->machine.state == SAVE_STATE_ROLLBACK)
		machine_step(&save->machine);
	else if (save->machine.state == SAVE_STATE_RUN)
		resume(save);
}

void save_in_step_load(struct machine *machine)
{
	struct save *save = save_of(machine);
	struct err err;

	if (fail_if_cancelled(save))
		return;
	if (!save_qemu(save)) {
		fail_qemu_gone(save);
	} else if (save->facts.migration == QMP_MIG_COMPLETED) {
		save->detail.marked = true;
		save_go(save, SAVE_STATE_CLAIM, NULL);
	} else if (save->facts.migration == QMP_MIG_FAILED) {
		err_set(&err, ERR_QEMU, "QEMU could not restore the guest from '%s': %s",
			save->row.path, save->info.error[0] ? save->info.error : "no reason given");
		save_fail(save, &err);
	}
}

/* ---- claim --------------------------------------------------------------------------- */

static bool mark_file(struct save_task *task, struct err *err)
{
	return save_file_mark_blocking(task->path, task->head.id, true, err);
}

static void on_marked(struct save *save, struct save_task *task, const struct err *err)
{
	(void)task;
	if (err) {
		save_fail(save, err);
		return;
	}
	save->facts.is_over = true;
	machine_step(&save->machine);
}

void save_in_enter_claim(struct machine *machine)
{
	save_work(save_of(machine), mark_file, on_marked);
}

void save_in_step_claim(struct machine *machine)
{
	struct save *save = save_of(machine);
	const struct vm_saved saved = save_outcome(save);
	struct store_vm row;

	if (!save_qemu(save)) {
		fail_qemu_gone(save);
	} else if (save->facts.is_over && !vm_is_active(save_vm(save))) {
		save_look_later(save, LOOK_MS); /* until its monitor answers */
	} else if (save->facts.is_over) {
		row = vm_saved_row(save_vm(save), &saved);
		save_go(save, SAVE_STATE_RUN, &(struct store_change){ STORE_VM, STORE_PUT, &row });
	}
}

/* ---- run ------------------------------------------------------------------------------ */

static bool remove_file(struct save_task *task, struct err *err)
{
	return save_file_remove_blocking(task->path, task->head.id, err);
}

static void on_removed(struct save *save, struct save_task *task, const struct err *err)
{
	(void)task;
	if (err)
		log_warning("save", "leftover", "save=%s error=%s", save->row.id, err->msg);
	save->facts.is_over = true;
	machine_step(&save->machine);
}

/* What the restore has set in QEMU is taken back by now: a later move would not do it. */
static void on_tidied(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	(void)err; /* a file that QEMU has closed by itself */
	if (save->detail.wish.remove) {
		save_work(save, remove_file, on_removed);
		return;
	}
	save->facts.is_over = true;
	machine_step(&save->machine);
}

static void end_run(struct save *save)
{
	save_tidy_qemu(save, on_tidied);
}

static void end_run_still(struct save *save, const struct err *err)
{
	if (err->code != ERR_QEMU)
		vm_note_still(save_vm(save), err);
	end_run(save);
}

/* In case the event of its going on was lost. */
static void on_run_state(struct save *save, struct json_object *result, const struct err *err)
{
	if (!err)
		vm_note_run_state(save_vm(save), qmp_run_state_decode(result));
	end_run(save);
}

/* A refusal of QEMU is the VM's reason, and the VM sees to it (vm/still.h).  What did not reach
 * QEMU is tried again, and is the VM's reason when that was in vain. */
static void on_resumed(void *data, const struct err *err)
{
	struct launched *resumed = data;
	struct save *save = saves_find(resumed->saves, resumed->id);

	free(resumed);
	if (!save || save->machine.state != SAVE_STATE_RUN || save->machine.is_saving)
		return;
	if (err)
		err_text(save->reason, "the guest is restored and stands still: %s", err->msg);
	else
		save->reason[0] = '\0';
	if (!save_qemu(save))
		machine_step(&save->machine);
	else if (err && err->code != ERR_QEMU && ++save->facts.tries < RESUME_TRIES)
		save_look_later(save, LOOK_MS);
	else if (err)
		end_run_still(save, err);
	else
		save_ask(save, "query-status", NULL, on_run_state);
}

static void on_left_paused(void *data)
{
	on_resumed(data, NULL);
}

static void resume(struct save *save)
{
	struct vm *vm = save_vm(save);
	struct launched *resumed;

	if (!vm || !save_qemu(save))
		return;
	resumed = xnew(struct launched);
	resumed->saves = save->saves;
	memcpy(resumed->id, save->row.id, sizeof(resumed->id));
	if (vm_intent(vm) == VM_INTENT_STARTED)
		vm_act(vm, VM_ACTION_RESUME, on_resumed, resumed);
	else
		loop_post(save->saves->env.loop, on_left_paused, resumed);
}

void save_in_enter_run(struct machine *machine)
{
	resume(save_of(machine));
}

void save_in_step_run(struct machine *machine)
{
	struct save *save = save_of(machine);

	if (save->facts.is_over || (!save_qemu(save) && !save->facts.is_working))
		save_go(save, SAVE_STATE_DONE, NULL);
}
