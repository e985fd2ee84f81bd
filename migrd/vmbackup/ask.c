/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a backup asks of QEMU, and of the worker that may wait for storage. */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "vm/entry.h"
#include "vmbackup/priv.h"

/* QEMU opens images while it answers, and a target may be slow. */
#define COMMAND_DEADLINE_MS 30000

/* ---- QEMU --------------------------------------------------------------------- */

struct ask {
	struct vmbackups *backups;
	char id[ID_UUID_SIZE];
	unsigned state;
	vmbackup_answer_fn *fn;
};

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct ask *ask = data;
	struct vmbackup *backup = vmbackups_find(ask->backups, ask->id);

	if (backup && backup->machine.state == ask->state && !backup->machine.is_saving) {
		backup->facts.is_asking = false;
		ask->fn(backup, result, err);
	}
	free(ask);
}

void vmbackup_ask(struct vmbackup *backup, const char *command, struct json_object *args,
		  vmbackup_answer_fn *fn)
{
	struct ask *ask = xnew(struct ask);

	ask->backups = backup->backups;
	memcpy(ask->id, backup->row.id, sizeof(ask->id));
	ask->state = backup->machine.state;
	ask->fn = fn;
	backup->facts.is_asking = true;
	vm_job_command(vmbackup_vm(backup), &backup->job, command, args, COMMAND_DEADLINE_MS,
		       on_answer, ask);
}

void vmbackup_ask_nodes(struct vmbackup *backup, vmbackup_answer_fn *fn)
{
	struct json_object *args = json_object_new_object();

	json_add_bool(args, "flat", true);
	vmbackup_ask(backup, "query-named-block-nodes", args, fn);
}

/* ---- the worker -------------------------------------------------------------------- */

static void run(struct work *work)
{
	struct vmbackup_task *task = CONTAINER_OF(work, struct vmbackup_task, work);

	task->ok = task->fn(task, &task->err);
}

static void done(struct work *work)
{
	struct vmbackup_task *task = CONTAINER_OF(work, struct vmbackup_task, work);
	struct vmbackup *backup = vmbackups_find(task->backups, task->id);
	struct err ignored;

	fault_hit("vmbackup.worked", &ignored);
	if (backup && backup->machine.state == task->state && !backup->machine.is_saving) {
		backup->facts.is_working = false;
		task->done(backup, task, task->ok ? NULL : &task->err);
	}
	json_object_put(task->detail->definition);
	free(task->detail);
	free(task);
}

static struct vmbackup_place place_of(const struct vmbackup *backup)
{
	const struct vmbackups_env *env = &backup->backups->env;
	const struct vm *vm = vmbackup_vm(backup);
	struct vmbackup_place place = {
		.dirs = env->dirs,
		.qemu_img = env->qemu_img,
		.generation = vm ? vm_generation(vm) : 0,
	};

	snprintf(place.directory, sizeof(place.directory), "%s", backup->row.directory);
	snprintf(place.id, sizeof(place.id), "%s", backup->row.id);
	snprintf(place.vm, sizeof(place.vm), "%s", backup->row.vm_name);
	snprintf(place.uuid, sizeof(place.uuid), "%s", backup->row.vm_uuid);
	snprintf(place.host, sizeof(place.host), "%s", env->host_id);
	return place;
}

void vmbackup_work(struct vmbackup *backup, vmbackup_work_fn *fn, vmbackup_worked_fn *done_fn)
{
	struct vmbackup_task *task = xnew(struct vmbackup_task);

	task->work = (struct work){ .run = run, .done = done };
	task->backups = backup->backups;
	memcpy(task->id, backup->row.id, sizeof(task->id));
	task->state = backup->machine.state;
	task->fn = fn;
	task->done = done_fn;
	task->place = place_of(backup);
	task->detail = xnew(struct vmbackup_detail);
	*task->detail = backup->detail;
	/* The worker has a copy of its own: json-c counts references without a lock. */
	task->detail->definition = NULL;
	if (backup->detail.definition)
		json_object_deep_copy(backup->detail.definition, &task->detail->definition, NULL);
	backup->facts.is_working = true;
	worker_submit(backup->backups->worker, &task->work);
}
