/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The states of a save when QEMU has written all. */
#include <string.h>

#include "base/log.h"
#include "base/proc.h"
#include "save/priv.h"

#define LOOK_MS 250 /* if no event comes */

/* ---- seal ----------------------------------------------------------------------- */

/* Once more after an error: a file that has its name already only has to be synced. */
static bool seal_file(struct save_task *task, struct err *err)
{
	struct err left;
	bool ok = false;

	if (!save_copies_note_blocking(&task->head, err))
		return false;
	for (int tries = 0; tries < 2 && !ok; tries++)
		ok = save_file_finish_blocking(task->path, &task->head, &task->former, err);
	if (ok && (!save_copies_keep_blocking(&task->head, &left) ||
		   !save_copies_forget_blocking(&task->head, task->former.id, &left)))
		log_warning("save", "leftover", "save=%s error=%s", task->head.id, left.msg);
	return ok;
}

static void on_sealed(struct save *save, struct save_task *task, const struct err *err)
{
	const struct vm_saved saved = save_outcome(save);
	struct vm *vm = save_vm(save);
	struct store_vm row;

	(void)task;
	if (!err && save->detail.head.live) {
		save_go(save, SAVE_STATE_DONE, NULL);
		return;
	}
	if (err || !vm) {
		save_fail(save, err);
		return;
	}
	row = vm_saved_row(vm, &saved);
	save_go(save, SAVE_STATE_END, &(struct store_change){ STORE_VM, STORE_PUT, &row });
}

static void on_live_tidied(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		log_warning("save", "tidy", "save=%s error=%s", save->row.id, err->msg);
	save_work(save, seal_file, on_sealed);
}

/* What was not synced is lost if the host was started anew. */
void save_out_enter_seal(struct machine *machine)
{
	struct save *save = save_of(machine);
	struct err err;

	if (strcmp(save->detail.boot_id, proc_boot_id()) == 0) {
		if (save->detail.head.live && save_qemu(save))
			save_tidy_qemu(save, on_live_tidied);
		else
			save_work(save, seal_file, on_sealed);
		return;
	}
	err_set(&err, ERR_UNAVAILABLE, "the host was started anew before '%s' was on disk",
		save->row.path);
	save_fail(save, &err);
}

/* ---- end ------------------------------------------------------------------------ */

/* False: the record is older than what its QEMU does, since the guest runs. */
static bool may_end(const struct save *save)
{
	return qemu_run_state(save_qemu(save)) == QMP_RUN_POSTMIGRATE;
}

static void take_back(struct save *save)
{
	const struct vm_saved saved = { .intent = VM_INTENT_STARTED, .id = "" };
	struct store_vm row = vm_saved_row(save_vm(save), &saved);

	err_set(&save->error, ERR_CONFLICT, "the record is old: the guest runs, and '%s' is stale",
		save->row.path);
	vm_set_saved(save_vm(save), &saved);
	save_go(save, SAVE_STATE_ROLLBACK, &(struct store_change){ STORE_VM, STORE_PUT, &row });
}

void save_out_enter_end(struct machine *machine)
{
	struct save *save = save_of(machine);

	if (!save_qemu(save))
		return;
	if (!vm_is_active(save_vm(save))) {
		save_look_later(save, LOOK_MS); /* until its monitor answers */
	} else if (may_end(save)) {
		save->facts.is_quitting = true;
		qemu_quit(save_qemu(save));
	} else {
		take_back(save);
	}
}

void save_out_step_end(struct machine *machine)
{
	struct save *save = save_of(machine);

	if (!save_qemu(save))
		save_go(save, SAVE_STATE_DONE, NULL);
	else if (!save->facts.is_quitting && vm_is_active(save_vm(save)))
		save_out_enter_end(machine);
}
