/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/tpm.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "storage/tpm_state.h"
#include "vm/vm_priv.h"

#define TRY_AGAIN_NS 200000000

static char *path_of(const struct vm *vm, const char *place)
{
	return xasprintf("%s/%s", vm->vms->env.qemu.tpm_dir, place);
}

char *vm_tpm_path(const struct vm *vm)
{
	return path_of(vm, vm_place(vm).name);
}

static char *path_beside(const struct vm *vm)
{
	char other[QEMU_PLACE_SIZE];

	qemu_place(vm->row.uuid, !vm->row.qemu_is_second, other);
	return path_of(vm, other);
}

bool vm_has_tpm(struct vm *vm)
{
	struct err ignored; /* a definition that cannot be read has no TPM that ran */
	const struct vm_def *def = vm_def_of(vm, &ignored);

	return def && vm_def_has_tpm(def);
}

/* ---- the work ------------------------------------------------------------------------ */

struct task {
	struct work work;
	const struct action *action;
	char *own, *beside; /* directories */
	char job[ID_UUID_SIZE];
	struct err err;
	vm_done_fn *done;
	void *data;
};

static bool make(const struct task *task, struct err *err)
{
	return tpm_state_make_blocking(task->beside, task->job, err);
}

static bool sync_beside(const struct task *task, struct err *err)
{
	return tpm_state_sync_blocking(task->beside, err);
}

/* By a record that is older than the job, what is beside could be the guest's only state. */
static bool may_go(const struct task *task, struct err *err)
{
	return access(task->own, F_OK) == 0 ||
	       err_errno(err, "'%s' is left, since the VM's own state is not in '%s'", task->beside,
			 task->own);
}

static bool remove_beside(const struct task *task, struct err *err)
{
	if (!may_go(task, err))
		return false;
	qemu_tpm_end_lost_blocking(task->beside);
	return tpm_state_remove_blocking(task->beside, task->job, err);
}

static bool settle(const struct task *task, struct err *err)
{
	if (!may_go(task, err) || !tpm_state_keep_blocking(task->own, task->job, err))
		return false;
	qemu_tpm_end_lost_blocking(task->beside);
	return tpm_state_discard_blocking(task->beside, err);
}

static bool discard(const struct task *task, struct err *err)
{
	return tpm_state_discard_blocking(task->own, err);
}

static const struct action {
	const char *name;
	unsigned tries;
	bool (*fn)(const struct task *task, struct err *err);
} actions[] = {
	[VM_TPM_MAKE] = { "make", 1, make },
	[VM_TPM_SYNC] = { "sync", 1, sync_beside },
	[VM_TPM_REMOVE] = { "remove", 5, remove_beside },
	[VM_TPM_SETTLE] = { "settle", 5, settle },
	[VM_TPM_ACTION_COUNT] = { "discard", 1, discard },
};

static bool act(const struct task *task, struct err *err)
{
	CLEANUP(free_charp) char *point = xasprintf("tpm.%s", task->action->name);

	return !fault_hit(point, err) && task->action->fn(task, err);
}

/* Storage may be mended in a moment, and a swtpm that ends may write until then. */
static void run(struct work *work)
{
	static const struct timespec pause = { .tv_nsec = TRY_AGAIN_NS };
	struct task *task = CONTAINER_OF(work, struct task, work);

	for (unsigned i = 1; !act(task, &task->err); i++) {
		if (i >= task->action->tries)
			return;
		nanosleep(&pause, NULL);
		task->err = (struct err){ 0 };
	}
	task->err = (struct err){ 0 };
}

static void done(struct work *work)
{
	struct task *task = CONTAINER_OF(work, struct task, work);
	CLEANUP(free_charp) char *point = xasprintf("tpm.%s.done", task->action->name);
	struct err ignored;

	(void)fault_hit(point, &ignored); /* only to crash here */
	if (task->action->fn == discard && err_is_set(&task->err))
		err_wrap(&task->err, "the VM is deleted, and the state of its TPM is still in '%s'",
			 task->own);
	task->done(task->data, err_is_set(&task->err) ? &task->err : NULL);
	free(task->own);
	free(task->beside);
	free(task);
}

static void begin(const struct vm *vm, const struct action *action, const char *job,
		  vm_done_fn *done_fn, void *data)
{
	struct task *task = xnew(struct task);

	task->work = (struct work){ .run = run, .done = done };
	task->action = action;
	task->own = vm_tpm_path(vm);
	task->beside = path_beside(vm);
	snprintf(task->job, sizeof(task->job), "%s", job);
	task->done = done_fn;
	task->data = data;
	worker_submit(vm->vms->files, &task->work);
}

void vm_tpm_act(struct vm *vm, enum vm_tpm_action action, const char *job, vm_done_fn *done_fn,
		void *data)
{
	begin(vm, &actions[action], job, done_fn, data);
}

bool vm_tpm_discard(struct vm *vm, vm_done_fn *done_fn, void *data)
{
	if (!vm_has_tpm(vm))
		return false;
	begin(vm, &actions[VM_TPM_ACTION_COUNT], "", done_fn, data);
	return true;
}
