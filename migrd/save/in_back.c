/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rollback of a restore: QEMU ends, and the file and the disks are as they were before. */
#include "base/log.h"
#include "base/mem.h"
#include "save/priv.h"

#define TAKE_BACK_MS 2000 /* between tries */

static bool unmark_file(struct save_task *task, struct err *err)
{
	return save_file_mark_blocking(task->path, task->head.id, false, err);
}

static void on_unmarked(struct save *save, struct save_task *task, const struct err *err)
{
	(void)task;
	if (err)
		log_warning("save", "mark", "save=%s error=%s", save->row.id, err->msg);
	save->facts.is_over = true;
	machine_step(&save->machine);
}

static bool take_disks_back(struct save_task *task, struct err *err)
{
	return save_copies_take_back_blocking(&task->head, task->id, err);
}

/* Until all is as it was: the VM must not be started with some of the disks. */
static void on_taken_back(struct save *save, struct save_task *task, const struct err *err)
{
	(void)task;
	if (err) {
		log_error("save", "disks", "save=%s error=%s; trying again", save->row.id,
			  err->msg);
		err_text(save->reason, "the disks are not as they were before, trying again: %s",
			 err->msg);
		save_tell(save);
		save_look_later(save, TAKE_BACK_MS);
		return;
	}
	save->facts.is_taken_back = true;
	machine_step(&save->machine);
}

void save_in_enter_rollback(struct machine *machine)
{
	struct save *save = save_of(machine);

	closep(&save->fd);
	save->fd = -1;
}

/* The guest of a QEMU that runs is not ours: the record is older than that. */
static bool may_kill(const struct save *save)
{
	return qemu_run_state(save_qemu(save)) != QMP_RUN_RUNNING;
}

static void end_qemu(struct save *save)
{
	if (save->facts.is_quitting)
		return;
	save->facts.is_quitting = true;
	qemu_kill(save_qemu(save));
}

void save_in_step_rollback(struct machine *machine)
{
	struct save *save = save_of(machine);
	bool is_foreign = save_qemu(save) && !may_kill(save);

	if (save->facts.is_working)
		return;
	if (save_qemu(save) && !is_foreign)
		end_qemu(save);
	else if (save->detail.head.disk_count && !is_foreign && !save->facts.is_taken_back)
		save_work(save, take_disks_back, on_taken_back);
	else if (save->detail.marked && !save->detail.was_marked && !is_foreign &&
		 !save->facts.is_over)
		save_work(save, unmark_file, on_unmarked);
	else
		save_go(save,
			save->error.code == ERR_CANCELLED ? SAVE_STATE_CANCELLED
							  : SAVE_STATE_FAILED,
			NULL);
}
