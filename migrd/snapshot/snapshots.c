/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snapshot/snapshots.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "snapshot/priv.h"
#include "vm/reverting.h"

/* Each may have a process of qemu-img, one after another. */
#define RUNS_MAX 64
#define THREADS  4 /* a large image takes its time */

static const char *const names[] = { "list", "create", "delete", "revert" };

struct snapshots *snapshots_new(const struct snapshots_env *env)
{
	struct snapshots *snapshots = xnew(struct snapshots);

	snapshots->env = *env;
	snapshots->worker = worker_new(env->loop, "snapshots", THREADS);
	return snapshots;
}

void snapshots_clear(struct snapshots *snapshots)
{
	worker_free(TAKE_PTR(snapshots->worker));
}

void snapshots_free(struct snapshots *snapshots)
{
	if (!snapshots)
		return;
	snapshots_clear(snapshots);
	free(snapshots);
}

/* ---- the end of a run ------------------------------------------------------------------------ */

void snapshot_finish(struct snapshot_run *run)
{
	bool has_failed = err_is_set(&run->err);
	struct vm *vm = run->entry ? vm_entry_vm(run->entry) : NULL;

	if (run->what != SNAPSHOT_LIST)
		log_info("snapshot", names[run->what], "vm_uuid=%s snapshot=%s dry=%d result=%s",
			 run->uuid, run->request.name, run->is_dry,
			 has_failed ? run->err.msg : "done");
	if (vm)
		vm_say_reverting(vm);
	if (run->entry)
		vm_leave(run->entry);
	run->snapshots->runs--;
	run->fn(run->data, has_failed ? NULL : run->result, has_failed ? &run->err : NULL);
	json_object_put(run->result);
	snapshot_images_fini(&run->images);
	free(run->def);
	free(run);
}

void snapshot_fail(struct snapshot_run *run, const struct err *err)
{
	if (!err_is_set(&run->err))
		run->err = *err;
	snapshot_finish(run);
}

/* ---- the worker ------------------------------------------------------------------------------ */

static void run_task(struct work *work)
{
	struct snapshot_run *run = CONTAINER_OF(work, struct snapshot_run, work);

	struct err err;

	if (!run->task(run, &err))
		run->err = err;
}

static void task_done(struct work *work)
{
	struct snapshot_run *run = CONTAINER_OF(work, struct snapshot_run, work);

	if (err_is_set(&run->err))
		snapshot_finish(run);
	else
		run->then(run);
}

void snapshot_work(struct snapshot_run *run,
		   bool (*task)(struct snapshot_run *run, struct err *err),
		   void (*then)(struct snapshot_run *run))
{
	struct err err;

	if (!run->snapshots->worker) {
		err_set(&err, ERR_UNAVAILABLE, "migrd is stopping");
		snapshot_fail(run, &err);
		return;
	}
	run->task = task;
	run->then = then;
	run->work = (struct work){ .run = run_task, .done = task_done };
	worker_submit(run->snapshots->worker, &run->work);
}

/* ---- what forbids it ------------------------------------------------- */

bool snapshot_judge(const struct snapshot_run *run, struct err *err)
{
	const char *name = run->request.name;

	switch (run->what) {
	case SNAPSHOT_LIST:
		return true;
	case SNAPSHOT_CREATE:
		return snapshot_judge_create(&run->images, name, err);
	case SNAPSHOT_DELETE:
		return snapshot_judge_delete(&run->images, name, err);
	case SNAPSHOT_REVERT:
		return snapshot_judge_revert(&run->images, name, err);
	}
	return false;
}

void snapshot_take_result(struct snapshot_run *run)
{
	CLEANUP(json_putp) struct json_object *all = snapshot_images_json(&run->images);

	for (size_t i = 0; i < json_count(all); i++) {
		struct json_object *one = json_object_array_get_idx(all, i);

		if (strcmp(json_get_str(one, "name"), run->request.name) == 0)
			run->result = json_object_get(one);
	}
	if (!run->result)
		err_set(&run->err, ERR_INTERNAL,
			"QEMU has made snapshot '%s', and does not tell of it", run->request.name);
}

/* ---- a run begins ---------------------------------------------------- */

static bool take_definition(struct snapshot_run *run, struct vm *vm, struct err *err)
{
	if (!vm_copy_definition(vm, run->def, err))
		return false;
	snapshot_images_fini(&run->images);
	snapshot_images_init(&run->images, run->def);
	return run->what == SNAPSHOT_LIST || snapshot_judge_definition(run->def, err);
}

/* A list of a VM without a QEMU needs no slot: it only reads.  While the others waited for theirs
 * a disk may have come or gone. */
static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct snapshot_run *run = data;
	struct vm *vm = entry ? vm_entry_vm(entry) : NULL;
	struct err gone;

	run->entry = entry;
	if (err) {
		snapshot_fail(run, err);
	} else if (!vm) {
		vm_entry_gone(entry, &gone);
		snapshot_fail(run, &gone);
	} else if (!take_definition(run, vm, &gone)) {
		snapshot_fail(run, &gone);
	} else if (vm_qemu(vm)) {
		snapshot_begin_live(run);
	} else {
		snapshot_begin_still(run);
	}
}

static bool prepare(struct snapshot_run *run, struct vm *vm, struct err *err)
{
	if (run->snapshots->runs > RUNS_MAX)
		return err_set(err, ERR_LIMIT, "%d requests for snapshots are under way: ask again",
			       RUNS_MAX);
	return take_definition(run, vm, err);
}

static void fail_later(void *data)
{
	snapshot_finish(data);
}

static void begin(struct snapshots *snapshots, struct vm *vm, const struct snapshot_run *wish)
{
	struct snapshot_run *run = xnew(struct snapshot_run);

	*run = *wish;
	run->snapshots = snapshots;
	memcpy(run->uuid, vm_uuid(vm), sizeof(run->uuid));
	run->def = xnew(struct vm_def);
	snapshots->runs++;
	if (!prepare(run, vm, &run->err))
		loop_post(snapshots->env.loop, fail_later, run);
	else if (run->what == SNAPSHOT_LIST && !vm_qemu(vm))
		snapshot_begin_still(run);
	else
		vm_enter(vm, run->what == SNAPSHOT_LIST ? VM_SYNC_QUERY : VM_SYNC_SNAPSHOT,
			 VM_ENTRY_USUAL, on_entered, run);
}

void snapshots_list(struct snapshots *snapshots, struct vm *vm, snapshots_fn *fn, void *data)
{
	begin(snapshots, vm,
	      &(struct snapshot_run){ .what = SNAPSHOT_LIST, .fn = fn, .data = data });
}

void snapshots_create(struct snapshots *snapshots, struct vm *vm,
		      const struct snapshot_request *request, bool is_dry, snapshots_fn *fn,
		      void *data)
{
	begin(snapshots, vm,
	      &(struct snapshot_run){ .what = SNAPSHOT_CREATE,
				      .request = *request,
				      .is_dry = is_dry,
				      .fn = fn,
				      .data = data });
}

/* A longer name than any has is one that is not there. */
static void begin_named(struct snapshots *snapshots, struct vm *vm, enum snapshot_what what,
			const char *name, bool is_dry, snapshots_fn *fn, void *data)
{
	struct snapshot_run wish = { .what = what, .is_dry = is_dry, .fn = fn, .data = data };

	snprintf(wish.request.name, sizeof(wish.request.name), "%s",
		 strlen(name) < sizeof(wish.request.name) ? name : "");
	begin(snapshots, vm, &wish);
}

void snapshots_delete(struct snapshots *snapshots, struct vm *vm, const char *name, bool is_dry,
		      snapshots_fn *fn, void *data)
{
	begin_named(snapshots, vm, SNAPSHOT_DELETE, name, is_dry, fn, data);
}

void snapshots_revert(struct snapshots *snapshots, struct vm *vm, const char *name, bool is_dry,
		      snapshots_fn *fn, void *data)
{
	begin_named(snapshots, vm, SNAPSHOT_REVERT, name, is_dry, fn, data);
}
