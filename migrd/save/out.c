/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The states of a save until QEMU has written all, and its rollback. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "save/priv.h"
#include "vm/still.h"

#define LOOK_MS       250 /* if no event comes */
#define LOOK_STILL_MS 5   /* while the guest stands still until a page is written */
/* Memory has been written once; what the guest changes from now on is written when it stands
 * still, so that a guest which changes it faster than the disk takes it is saved too. */
#define PASSES_RUNNING 1

/* ---- begin ---------------------------------------------------------------------- */

static bool make_file(struct save_task *task, struct err *err)
{
	return (!task->head.live || save_copies_find_blocking(&task->head, err)) &&
	       save_file_begin_blocking(task->dirs, task->path, &task->head, &task->former,
					&task->fd, err);
}

static void on_made(struct save *save, struct save_task *task, const struct err *err)
{
	if (err) {
		save_fail(save, err);
		return;
	}
	save->fd = TAKE_FD(task->fd);
	memcpy(save->detail.head.disks, task->head.disks, sizeof(task->head.disks));
	save->detail.head.disk_count = task->head.disk_count;
	save_go(save, SAVE_STATE_TRANSFER, NULL);
}

void save_out_enter_begin(struct machine *machine)
{
	save_work(save_of(machine), make_file, on_made);
}

/* ---- transfer ------------------------------------------------------------------- */

static void on_stopped_first(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	save->is_stopped = !err;
	if (err)
		save_fail(save, err);
	else
		save_begin_migration(save);
}

/* QEMU does not write again what a guest has programmed into its flash memory meanwhile
 * (hw/block/pflash_cfi01.c), and a restore would put that over its image. */
static bool must_stop_first(const struct save *save)
{
	struct vm *vm = save_vm(save);
	struct err err;
	const struct vm_def *def = vm ? vm_def_of(vm, &err) : NULL;

	return def && vm_def_has_firmware(def) && !save->detail.head.live &&
	       qemu_run_state(save_qemu(save)) == QMP_RUN_RUNNING;
}

/* What QEMU has beside the definition: of raw options, or of a person's monitor. */
static void on_blocks(struct save *save, struct json_object *result, const struct err *err)
{
	struct err why;

	if (err)
		save_fail(save, err);
	else if (!save_live_check_blocks(result, &save->detail.head, &why))
		save_fail(save, &why);
	else
		save_disks_begin(save, result);
}

static void on_prepared(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		save_fail(save, err);
	else if (save->detail.head.live)
		save_ask(save, "query-block", NULL, on_blocks);
	else if (must_stop_first(save))
		save_ask(save, "stop", NULL, on_stopped_first);
	else
		save_begin_migration(save);
}

/* Whether the guest stood still all the time is not known. */
static void fail_restarted(struct save *save)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE,
		"migrd was started again before the guest was in '%s': save it again",
		save->row.path);
	save_fail(save, &err);
}

void save_out_enter_transfer(struct machine *machine)
{
	struct save *save = save_of(machine);

	if (!save_qemu(save))
		return;
	if (machine->is_resumed && save->detail.head.disk_count) {
		fail_restarted(save);
	} else if (machine->is_resumed) {
		save->facts.has_begun = true; /* QEMU knows better */
		save_look_later(save, 0);
	} else {
		save_prepare_qemu(save, on_prepared);
	}
}

static void on_stopped(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	save->is_stopped = !err;
	save_look_later(save, LOOK_MS);
}

/* QEMU's events do not tell this end of a migration from a stop. */
static void on_status(struct save *save, struct json_object *result, const struct err *err)
{
	if (!err) {
		vm_note_run_state(save_vm(save), qmp_run_state_decode(result));
		save->facts.is_status_known = true;
	}
	machine_step(&save->machine);
}

static void say_silent(struct save *save, const struct err *err)
{
	bool is_rollback = save->machine.state == SAVE_STATE_ROLLBACK;

	err_text(save->reason, "QEMU does not answer (%s): %s",
		 is_rollback ? "a stop of the VM ends it, and this job"
			     : "it can be cancelled, and then stopped",
		 err->msg);
}

static void on_info(struct save *save, struct json_object *result, const struct err *err)
{
	struct err bad;

	if (!err && qmp_mig_info_decode(result, &save->info, &bad))
		save->facts.migration = save->info.state;
	if (err)
		say_silent(save, err);
	else
		save->reason[0] = '\0';
	save_tell(save);
	save_look_later(save, save->disks && save->disks->phase == SAVE_DISKS_HELD ? LOOK_STILL_MS
										   : LOOK_MS);
	if (save->machine.state == SAVE_STATE_TRANSFER && save_disks_may_let_go(save))
		save_disks_let_go(save);
	else if (save->machine.state == SAVE_STATE_TRANSFER && save_disks_fail_if_held(save))
		;
	else if (save->machine.state == SAVE_STATE_TRANSFER &&
		 save->facts.migration == QMP_MIG_COMPLETED && save_vars_are_right(save))
		save_ask(save, "query-status", NULL, on_status);
	else
		machine_step(&save->machine);
}

static bool wants_stop(const struct save *save)
{
	return save->machine.state == SAVE_STATE_TRANSFER && !save->is_stopped &&
	       !save->detail.head.live && save->info.ram_passes > PASSES_RUNNING &&
	       save->facts.migration == QMP_MIG_ACTIVE &&
	       qemu_run_state(save_qemu(save)) == QMP_RUN_RUNNING;
}

void save_out_look(struct save *save)
{
	bool looks = save->machine.state == SAVE_STATE_TRANSFER ||
		     (save->machine.state == SAVE_STATE_ROLLBACK && !save->facts.is_tidied);
	bool clears = save->machine.state == SAVE_STATE_ROLLBACK && save->facts.is_tidied &&
		      !save->facts.is_clear;

	if (save->machine.state == SAVE_STATE_END) {
		machine_step(&save->machine);
		return;
	}
	if ((!looks && !clears) || save->facts.is_asking || !save_qemu(save))
		return;
	if (clears)
		save_disks_clear(save);
	else if (save->machine.state == SAVE_STATE_TRANSFER && save_disks_look(save))
		;
	else if (wants_stop(save))
		save_ask(save, "stop", NULL, on_stopped);
	else
		save_ask(save, "query-migrate", NULL, on_info);
}

/* A migration of before, which a restarted coordinator finds, has not left the guest like this;
 * that of a background snapshot has left nothing in the file (save/file.h). */
static bool has_written_all(const struct save *save)
{
	enum qmp_run_state run = qemu_run_state(save_qemu(save));

	return save->facts.is_status_known &&
	       (save->detail.head.live || run == QMP_RUN_POSTMIGRATE);
}

static void fail_transfer(struct save *save)
{
	struct err err;

	if (save->facts.migration == QMP_MIG_FAILED && save->info.error[0])
		err_set(&err, ERR_QEMU, "QEMU could not write the guest to '%s': %s",
			save->row.path, save->info.error);
	else
		err_set(&err, ERR_QEMU,
			"QEMU could not write the guest to '%s' (its migration is %s): is there "
			"room on the disk",
			save->row.path, qmp_mig_state_name(save->facts.migration));
	save_fail(save, &err);
}

static void fail_qemu_gone(struct save *save)
{
	struct vm *vm = save_vm(save);
	struct err err;

	err_set(&err, ERR_QEMU, "the QEMU of VM '%s' has ended", save->row.vm_name);
	if (vm)
		vm_explain_end(vm, &err);
	save_fail(save, &err);
}

void save_out_step_transfer(struct machine *machine)
{
	struct save *save = save_of(machine);
	struct err err;

	if (save->facts.is_working)
		return; /* its end comes back here */
	if (save->is_cancelled) {
		err_set(&err, ERR_CANCELLED, "cancelled on request");
		save_fail(save, &err);
	} else if (!save_qemu(save)) {
		fail_qemu_gone(save);
	} else if (save->facts.has_begun && has_written_all(save)) {
		save_go(save, SAVE_STATE_SEAL, NULL);
	} else if (save->facts.has_begun && !save->facts.is_asking &&
		   (save->facts.migration == QMP_MIG_FAILED ||
		    save->facts.migration == QMP_MIG_CANCELLED ||
		    save->facts.migration == QMP_MIG_NONE ||
		    (save->facts.is_status_known && machine->is_resumed))) {
		fail_transfer(save);
	}
}

/* ---- rollback -------------------------------------------------------------------- */

static bool drop_file(struct save_task *task, struct err *err)
{
	bool ok = save_copies_drop_blocking(&task->head, err);

	return save_file_drop_blocking(task->path, task->head.id, err) && ok;
}

static void on_dropped(struct save *save, struct save_task *task, const struct err *err)
{
	(void)task;
	if (err)
		log_warning("save", "leftover", "save=%s error=%s", save->row.id, err->msg);
	save->facts.is_over = true;
	machine_step(&save->machine);
}

/* ERR: the command has not reached QEMU, or its answer has not come.  All of it is done again, as
 * nobody else would let the guest go on. */
static bool must_look_again(struct save *save, const struct err *err)
{
	if (!err || err->code == ERR_QEMU)
		return false;
	say_silent(save, err);
	save_tell(save);
	save->facts.migration = QMP_MIG_UNKNOWN;
	save_look_later(save, LOOK_MS);
	return true;
}

static void on_continued(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (must_look_again(save, err))
		return;
	if (err)
		log_warning("save", "cont", "save=%s error=%s", save->row.id, err->msg);
	save->facts.is_tidied = true;
	machine_step(&save->machine);
}

/* An earlier `cont', maybe before a restart, may have been refused (vm/still.h). */
static void on_images(struct save *save, struct json_object *result, const struct err *err)
{
	struct err lost;

	if (err)
		on_continued(save, NULL, err);
	else if (!vm_check_images(result, &lost))
		on_continued(save, NULL, &lost);
	else
		save_ask(save, "cont", NULL, on_continued);
}

/* The guest goes on as the user wants it.  If QEMU refuses, the end of the job tries it again. */
static void on_tidied(struct save *save, struct json_object *result, const struct err *err)
{
	struct vm *vm = save_vm(save);

	(void)result;
	(void)err; /* a file that QEMU has closed by itself */
	if (vm && vm_intent(vm) == VM_INTENT_STARTED && save_qemu(save) &&
	    (qemu_run_state(save_qemu(save)) != QMP_RUN_RUNNING ||
	     qemu_may_lack_images(save_qemu(save), save->facts.migration)))
		save_ask(save, "query-block", NULL, on_images);
	else
		on_continued(save, NULL, NULL);
}

static void on_cancel_sent(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	(void)err;
	save_look_later(save, LOOK_MS);
}

static void on_stopped_to_cancel(struct save *save, struct json_object *result,
				 const struct err *err)
{
	(void)result;
	(void)err; /* the cancel is needed all the same */
	save_ask(save, "migrate_cancel", NULL, on_cancel_sent);
}

/* A guest that runs is stopped first, and goes on when the migration has ended: so it never runs
 * without its images (qemu_may_lack_images()). */
static void cancel_migration(struct save *save)
{
	if (!save->detail.head.live && qemu_run_state(save_qemu(save)) == QMP_RUN_RUNNING)
		save_ask(save, "stop", NULL, on_stopped_to_cancel);
	else
		on_stopped_to_cancel(save, NULL, NULL);
}

static bool is_writing(const struct save *save)
{
	switch (save->facts.migration) {
	case QMP_MIG_SETUP:
	case QMP_MIG_ACTIVE:
	case QMP_MIG_CANCELLING:
	case QMP_MIG_FAILING:
	case QMP_MIG_DEVICE:
	case QMP_MIG_PRE_SWITCHOVER:
	case QMP_MIG_UNKNOWN:
		return true;
	case QMP_MIG_NONE:
	case QMP_MIG_CANCELLED:
	case QMP_MIG_POSTCOPY_ACTIVE:
	case QMP_MIG_POSTCOPY_PAUSED:
	case QMP_MIG_POSTCOPY_RECOVER_SETUP:
	case QMP_MIG_POSTCOPY_RECOVER:
	case QMP_MIG_COMPLETED:
	case QMP_MIG_FAILED:
	case QMP_MIG_COLO:
	case QMP_MIG_POSTCOPY_DEVICE:
	case QMP_MIG_WAIT_UNPLUG:
	case QMP_MIG_COUNT:
		return false;
	}
	return false;
}

void save_out_enter_rollback(struct machine *machine)
{
	struct save *save = save_of(machine);

	closep(&save->fd);
	save->fd = -1;
	save->facts.migration = QMP_MIG_UNKNOWN;
	save->facts.has_begun = false; /* here: the cancel was sent */
	save_look_later(save, 0);
}

static void end_rollback(struct save *save)
{
	save_go(save, save->error.code == ERR_CANCELLED ? SAVE_STATE_CANCELLED : SAVE_STATE_FAILED,
		NULL);
}

void save_out_step_rollback(struct machine *machine)
{
	struct save *save = save_of(machine);
	struct vm *vm = save_vm(save);

	if (save->facts.is_over) {
		end_rollback(save);
	} else if (save->facts.is_asking || save->facts.is_working) {
		;
	} else if (save->facts.is_tidied && save_qemu(save) && save->detail.head.disk_count &&
		   !save->facts.is_clear) {
		save_look_later(save, 0);
	} else if (save->facts.is_tidied || !save_qemu(save)) {
		save_work(save, drop_file, on_dropped);
	} else if (!vm_is_active(vm) || save->facts.migration == QMP_MIG_UNKNOWN) {
		; /* the next look tells */
	} else if (!is_writing(save)) {
		save_tidy_qemu(save, on_tidied);
	} else if (!save->facts.has_begun) {
		save->facts.has_begun = true;
		cancel_migration(save);
	}
}
