/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that no QEMU of this host has open. */
#include "base/mem.h"
#include "snapshot/priv.h"
#include "vm/reverting.h"
#include "vm/saved.h"

static const char *qemu_img(const struct snapshot_run *run)
{
	return run->snapshots->env.qemu_img;
}

static bool look(struct snapshot_run *run, struct err *err)
{
	return snapshot_look_blocking(qemu_img(run), &run->images, run->what == SNAPSHOT_LIST, err);
}

/* ---- create, delete ------------------------------------------------------------------------ */

static bool create(struct snapshot_run *run, struct err *err)
{
	char full[SNAPSHOT_FULL_SIZE];

	snapshot_full_name(&run->request, full);
	return snapshot_create_blocking(qemu_img(run), &run->images, full, err) && look(run, err);
}

static void created(struct snapshot_run *run)
{
	snapshot_take_result(run);
	snapshot_finish(run);
}

static bool delete (struct snapshot_run *run, struct err *err)
{
	return snapshot_delete_blocking(qemu_img(run), &run->images, run->request.name, err);
}

/* ---- revert ---------------------------------------------------------------------------------- */

/* An error leaves the mark: some of the disks may be as they were. */
static bool revert(struct snapshot_run *run, struct err *err)
{
	return snapshot_revert_blocking(qemu_img(run), &run->images, run->request.name, err) ||
	       err_wrap(err, "the revert is not complete: do it again, or revert to another "
			     "snapshot, before the VM is started");
}

/* What was done stays done although its record could not be written. */
static void on_unmarked(void *data, const struct err *err)
{
	(void)err;
	snapshot_finish(data);
}

static void reverted(struct snapshot_run *run)
{
	struct vm *vm = vm_entry_vm(run->entry);

	if (vm)
		vm_end_reverting(vm, on_unmarked, run);
	else
		snapshot_finish(run);
}

static void on_marked(void *data, const struct err *err)
{
	struct snapshot_run *run = data;

	if (err)
		snapshot_fail(run, err);
	else
		snapshot_work(run, revert, reverted);
}

static void mark(struct snapshot_run *run)
{
	struct vm *vm = vm_entry_vm(run->entry);
	struct err err;

	if (vm) {
		vm_begin_reverting(vm, run->request.name, on_marked, run);
		return;
	}
	vm_entry_gone(run->entry, &err);
	snapshot_fail(run, &err);
}

/* ---- the begin ------------------------------------------------------- */

static void looked(struct snapshot_run *run)
{
	struct err err;

	if (!snapshot_judge(run, &err)) {
		snapshot_fail(run, &err);
		return;
	}
	if (run->is_dry) {
		snapshot_finish(run);
		return;
	}
	switch (run->what) {
	case SNAPSHOT_LIST:
		run->result = snapshot_images_json(&run->images);
		snapshot_finish(run);
		break;
	case SNAPSHOT_CREATE:
		snapshot_work(run, create, created);
		break;
	case SNAPSHOT_DELETE:
		snapshot_work(run, delete, snapshot_finish);
		break;
	case SNAPSHOT_REVERT:
		mark(run);
		break;
	}
}

/* The memory of a saved guest fits to the disks as they are. */
static bool check_vm(const struct snapshot_run *run, struct err *err)
{
	const struct vm *vm = run->entry ? vm_entry_vm(run->entry) : NULL;

	if (run->what == SNAPSHOT_REVERT && vm && vm_is_saved(vm))
		return err_set(err, ERR_CONFLICT,
			       "the guest of VM '%s' is saved in '%s', and its memory would not "
			       "fit to "
			       "older disks: restore it, or start the VM without it, and stop it",
			       vm_name(vm), vm_saved_in(vm));
	return true;
}

void snapshot_begin_still(struct snapshot_run *run)
{
	struct err err;

	if (check_vm(run, &err))
		snapshot_work(run, look, looked);
	else
		snapshot_fail(run, &err);
}
