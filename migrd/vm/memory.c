/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/memory.h"

#include "base/mem.h"
#include "base/work.h"
#include "preflight/memory.h"
#include "vm/vm_priv.h"

#define LOOK_TIMEOUT_MS 10000

/* After the deadline the work goes on, and nobody waits for it any more. */
struct look {
	struct work work;
	struct loop_timer *deadline;
	vm_done_fn *done; /* NULL: it was told */
	void *data;
	struct need_memory need;
	struct err err;
};

static void tell(struct look *look, const struct err *err)
{
	vm_done_fn *done = TAKE_PTR(look->done);

	if (done)
		done(look->data, err);
}

static void run_look(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	memory_check_blocking(PREFLIGHT_SYSFS, &look->need, &look->err);
}

static void look_done(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	loop_timer_free(look->deadline);
	tell(look, err_is_set(&look->err) ? &look->err : NULL);
	free(look);
}

static void on_deadline(void *data)
{
	struct look *look = data;
	struct err err;

	err_set(&err, ERR_TIMEOUT,
		"where the guest's memory is to be, '%s', did not answer in %d s: mend it, and try "
		"again",
		look->need.path, LOOK_TIMEOUT_MS / 1000);
	tell(look, &err);
}

bool vm_memory_check(struct vm *vm, vm_done_fn *done, void *data)
{
	struct err ignored; /* the start itself reports it */
	const struct vm_def *def = vm_def_of(vm, &ignored);
	struct need_memory need = { 0 };
	struct look *look;

	if (def)
		needs_memory(def, &need);
	if (!need.huge_page_mib && !need.bound_count)
		return false;
	look = xnew(struct look);
	look->work = (struct work){ .run = run_look, .done = look_done };
	look->done = done;
	look->data = data;
	look->need = need;
	look->deadline = loop_timer_new(vm->vms->env.qemu.loop, on_deadline, look);
	loop_timer_start(look->deadline, LOOK_TIMEOUT_MS);
	worker_submit(vm->vms->files, &look->work);
	return true;
}
