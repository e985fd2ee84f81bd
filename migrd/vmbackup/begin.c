/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state begin: which disks there are, what an incremental backup can follow, empty images. */
#include <string.h>

#include "base/mem.h"
#include "vmbackup/priv.h"

#define LOOK_MS 1000 /* while a cancel waits */

static bool make_files(struct vmbackup_task *task, struct err *err)
{
	return vmbackup_files_make_blocking(&task->place, task->detail, err);
}

static bool may_go_on(struct vmbackup *backup)
{
	const struct vmbackup_detail *detail = &backup->detail;
	struct err err;

	if (detail->wish.mode == VMBACKUP_FULL || detail->wish.fallback == VMBACKUP_FALLBACK_FULL)
		return true;
	for (size_t i = 0; i < detail->disk_count; i++) {
		const struct vmbackup_disk *disk = &detail->disks[i];

		if (disk->mode == VMBACKUP_INCREMENTAL || strcmp(disk->id, VM_DEF_VARS_ID) == 0)
			continue;
		err_set(&err, ERR_CONFLICT,
			"disk '%s' cannot be backed up incrementally: %s; ask for a full backup, "
			"or "
			"for fallback `full'",
			disk->id, disk->why_full);
		vmbackup_fail(backup, &err);
		return false;
	}
	return true;
}

static void on_made(struct vmbackup *backup, const struct vmbackup_task *task,
		    const struct err *err)
{
	struct json_object *definition = backup->detail.definition;

	if (err) {
		vmbackup_fail(backup, err);
		return;
	}
	backup->detail = *task->detail;
	backup->detail.definition = definition;
	if (!vmbackup_has_lost(backup) && may_go_on(backup))
		vmbackup_go(backup, VMBACKUP_STATE_COPY);
}

static void look_for_failed(struct vmbackup *backup)
{
	struct vmbackup_detail *detail = &backup->detail;

	for (size_t i = 0; i < detail->bitmap_count; i++) {
		const struct vmbackup *former = vmbackups_find(backup->backups, detail->bitmaps[i]);

		detail->is_void[i] = former && vmbackup_is_final(former) &&
				     former->machine.state != VMBACKUP_STATE_DONE;
	}
}

static void on_nodes(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	struct err bad;

	if (!err && !vmbackup_look_at_nodes(result, &backup->detail, &bad))
		err = &bad;
	if (err)
		vmbackup_fail(backup, err);
	if (err || vmbackup_has_lost(backup))
		return;
	look_for_failed(backup);
	vmbackup_work(backup, make_files, on_made);
}

static void on_blocks(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	struct vm *vm = vmbackup_vm(backup);
	struct err bad;
	const struct vm_def *def = vm ? vm_def_of(vm, &bad) : NULL;

	if (!err &&
	    (!def || !vmbackup_look_at(def, &backup->detail.wish, result, &backup->detail, &bad)))
		err = &bad;
	if (err)
		vmbackup_fail(backup, err);
	else if (!vmbackup_has_lost(backup))
		vmbackup_ask_nodes(backup, on_nodes);
}

void vmbackup_enter_begin(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	if (vmbackup_qemu(backup))
		vmbackup_ask(backup, "query-block", NULL, on_blocks);
}

/* What is under way comes to its end first, but for a target that does not answer. */
void vmbackup_step_begin(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);
	bool hangs = machine_in_state_ms(machine) > VMBACKUP_STORAGE_MS;

	if (!backup->facts.is_asking && (!backup->facts.is_working || hangs))
		vmbackup_has_lost(backup);
	else if (backup->is_cancelled)
		vmbackup_look_later(backup, LOOK_MS);
}
