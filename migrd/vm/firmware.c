/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/firmware.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/work.h"
#include "storage/vars.h"
#include "vm/vm_priv.h"

/* Images of firmware are small; storage that takes longer does not answer. */
#define STORAGE_TIMEOUT_MS 10000

/* After the deadline the work goes on, and nobody waits for it any more. */
struct making {
	struct work work;
	struct loop_timer *deadline;
	vm_done_fn *done; /* NULL: it was told */
	void *data;
	char path[VM_DEF_PATH_SIZE], template[VM_DEF_PATH_SIZE];
	struct err err;
};

static void tell(struct making *making, const struct err *err)
{
	vm_done_fn *done = TAKE_PTR(making->done);

	if (done)
		done(making->data, err);
}

static void run(struct work *work)
{
	struct making *making = CONTAINER_OF(work, struct making, work);

	if (!fault_hit("vars.make", &making->err))
		vars_make_blocking(making->path, making->template, &making->err);
}

static void done(struct work *work)
{
	struct making *making = CONTAINER_OF(work, struct making, work);

	loop_timer_free(making->deadline);
	tell(making, err_is_set(&making->err) ? &making->err : NULL);
	free(making);
}

static void on_deadline(void *data)
{
	struct making *making = data;
	struct err err;

	err_set(&err, ERR_TIMEOUT,
		"the storage of the firmware's variables, '%s', did not answer in %d s: mend it, "
		"and try again",
		making->path, STORAGE_TIMEOUT_MS / 1000);
	tell(making, &err);
}

bool vm_firmware_prepare(struct vm *vm, vm_done_fn *done_fn, void *data)
{
	struct err ignored; /* the start itself reports it */
	const struct vm_def *def = vm_def_of(vm, &ignored);
	struct making *making;

	if (!def || !vm_def_has_firmware(def))
		return false;
	making = xnew(struct making);
	making->work = (struct work){ .run = run, .done = done };
	making->done = done_fn;
	making->data = data;
	snprintf(making->path, sizeof(making->path), "%s", def->firmware.vars.path);
	snprintf(making->template, sizeof(making->template), "%s", def->firmware.vars_template);
	making->deadline = loop_timer_new(vm->vms->env.qemu.loop, on_deadline, making);
	loop_timer_start(making->deadline, STORAGE_TIMEOUT_MS);
	worker_submit(vm->vms->files, &making->work);
	return true;
}
