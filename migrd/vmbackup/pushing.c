/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state push: a worker brings the images to NBD exports.  It begins over again after a restart:
 * what it writes is the same. */
#include <inttypes.h>

#include "base/mem.h"
#include "vmbackup/priv.h"

#define LOOK_MS 250

static bool push(struct vmbackup_task *task, struct err *err)
{
	return vmbackup_kind(&task->detail->wish.target)
		->push_blocking(&task->place, task->detail, task->gauge, err);
}

static void fail_as_cancelled(struct vmbackup *backup)
{
	struct err err;

	err_set(&err, ERR_CANCELLED, "%s", backup->why_cancelled);
	vmbackup_fail(backup, &err);
}

static void on_pushed(struct vmbackup *backup, const struct vmbackup_task *task,
		      const struct err *err)
{
	(void)task;
	if (backup->is_cancelled)
		fail_as_cancelled(backup);
	else if (err)
		vmbackup_fail(backup, err);
	else
		vmbackup_go(backup, VMBACKUP_STATE_SEAL);
}

void vmbackup_enter_push(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	backup->gauge = vmbackup_gauge_new();
	vmbackup_work(backup, push, on_pushed);
	vmbackup_look_later(backup, 0);
}

/* A worker that has begun ends first: it reads the images that a rollback removes.  The end of QEMU
 * is none of the backup. */
void vmbackup_step_push(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	if (backup->is_cancelled && vmbackup_gauge_stop(backup->gauge))
		fail_as_cancelled(backup);
}

/* Who asks is told. */
void vmbackup_look_push(struct vmbackup *backup)
{
	if (vmbackup_gauge_has_begun(backup->gauge))
		err_text(backup->reason, "its disks are pushed to their exports: %" PRIu64 " MiB",
			 vmbackup_gauge_bytes(backup->gauge) >> 20);
	else
		err_text(backup->reason, "it waits for others that are pushed to exports");
	vmbackup_look_later(backup, LOOK_MS);
}

void vmbackup_end_push(struct vmbackup *backup)
{
	if (!backup->gauge)
		return;
	(void)vmbackup_gauge_stop(backup->gauge);
	vmbackup_gauge_unref(TAKE_PTR(backup->gauge));
}
