/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMs that cannot be moved, and that request and placement allow to be stopped, or saved to a file:
 * when all others have moved, so that they stand still for as short as can be; and at the end they
 * go on.  A restart learns from the VMs what was done: one that was to be stopped and runs is
 * stopped. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "evacuation/priv.h"
#include "owner/start.h"
#include "vm/vm.h"

#define AGAIN_MS     2000 /* doubled with each failure, up to the maximum */
#define AGAIN_MAX_MS 60000
#define ATTEMPTS_MAX 8 /* within some three minutes: this host and its peers may be coming up */

/* An action of a VM is answered. */
static struct evac_vm *take(void *data, struct evacuation **ret)
{
	uint64_t number;
	struct evacuation *evac = evac_ref_take(data, &number);
	struct evac_vm *vm = evac ? evac_vm_of_number(evac, number) : NULL;

	*ret = evac;
	if (!vm)
		return NULL;
	vm->is_adding = false;
	evacuations_look(evac->evacs);
	return vm;
}

static void note_failure(struct evacuation *evac, struct evac_vm *vm, const char *what,
			 const struct err *err)
{
	uint64_t ms = (uint64_t)AGAIN_MS << (vm->failed < 5 ? vm->failed : 5);

	vm->failed++;
	vm->again_ms = loop_now_ms(evac->evacs->env.loop) + (ms < AGAIN_MAX_MS ? ms : AGAIN_MAX_MS);
	log_warning("evacuation", what, "evacuation=%s vm=%s error=%s", evac->row.id, vm->name,
		    err->msg);
	evac_vm_set(evac, vm, (enum evac_vm_state)vm->state, "cannot %s it, trying again: %.400s",
		    what, err->msg);
}

/* ---- stopped ---------------------------------------------------------------------------- */

static void on_powered_down(void *data, const struct err *err)
{
	struct evacuation *evac;

	(void)err; /* a guest that cannot be asked is stopped when its time is over */
	take(data, &evac);
}

static void on_stopped(void *data, const struct err *err)
{
	struct evacuation *evac;
	struct evac_vm *vm = take(data, &evac);

	if (vm && err)
		note_failure(evac, vm, "stop", err);
}

static bool is_off(const struct vm *vm)
{
	return !vm_qemu(vm) || strcmp(vm_state(vm), "shutdown") == 0;
}

static void stop(struct evacuation *evac, struct evac_vm *evac_vm, struct vm *vm)
{
	uint64_t now_ms = loop_now_ms(evac->evacs->env.loop);

	if (vm_is_stopped(vm)) {
		evac_vm->failed = 0;
		evac_vm_set(evac, evac_vm, EVAC_VM_STOPPED,
			    "was stopped, and is started again when the evacuation ends");
	} else if (evac_vm->powerdown_ms == 0 && !is_off(vm)) {
		evac_vm->powerdown_ms = now_ms + evac->request->powerdown_s * 1000;
		evac_vm->is_adding = true;
		evac_vm_set(evac, evac_vm, EVAC_VM_STOPPING,
			    "is asked to power off, and stopped after %" PRIu64 " s",
			    evac->request->powerdown_s);
		vm_act(vm, VM_ACTION_SHUTDOWN, on_powered_down,
		       evac_ref_new(evac, evac_vm->number));
	} else if (is_off(vm) || now_ms >= evac_vm->powerdown_ms) {
		evac_vm->is_adding = true;
		vm_act(vm, VM_ACTION_STOP, on_stopped, evac_ref_new(evac, evac_vm->number));
	}
}

/* ---- saved --------------------------------------------------------------------------------- */

static void on_save_begun(void *data, const struct save *save, const struct err *err)
{
	struct evacuation *evac;
	struct evac_vm *vm = take(data, &evac);

	if (vm && err)
		note_failure(evac, vm, "save", err);
	else if (vm)
		snprintf(vm->save, sizeof(vm->save), "%s", save_show(save).id);
}

/* The name of the VM is one of a file. */
static void save(struct evacuation *evac, struct evac_vm *evac_vm, struct vm *vm)
{
	struct saves *saves = evac->evacs->env.saves;
	const struct save *last = evac_vm->save[0] ? saves_find(saves, evac_vm->save) : NULL;
	struct save_request wish = { .live = false };
	struct err err;

	if (vm_is_stopped(vm) && vm_row(vm)->saved_in) {
		evac_vm->failed = 0;
		evac_vm_set(evac, evac_vm, EVAC_VM_SAVED,
			    "was saved to '%.300s', and is restored when the evacuation ends",
			    vm_row(vm)->saved_in);
		return;
	}
	if (last && !save_is_final(last))
		return;
	if (last && save_show(last).has_failed) {
		evac_vm->save[0] = '\0';
		err_set(&err, ERR_CONFLICT, "%s", save_show(last).error.detail);
		note_failure(evac, evac_vm, "save", &err);
		return;
	}
	if (vm_job(vm) || vm_is_stopped(vm))
		return; /* a save of before a restart, or somebody's */
	if (snprintf(wish.file, sizeof(wish.file), "%s/%s-%s.migrd", evac->request->save_dir,
		     evac_vm->name, evac->row.id) >= (int)sizeof(wish.file))
		return;
	evac_vm->is_adding = true;
	evac_vm_set(evac, evac_vm, EVAC_VM_SAVING, "is being saved to '%.300s'", wish.file);
	saves_save(saves, vm, &wish, on_save_begun, evac_ref_new(evac, evac_vm->number));
}

/* ---- when ------------------------------------------------------------------------------------ */

static bool is_moving(const struct evacuation *evac)
{
	for (size_t i = 0; i < evac->vm_count; i++) {
		const struct evac_vm *vm = &evac->vms[i];

		if (vm->state == EVAC_VM_WAITING || vm->state == EVAC_VM_QUEUED ||
		    vm->state == EVAC_VM_MOVING)
			return true;
	}
	return false;
}

/* The plan was made before the hold.  True: nothing was begun, and nothing is. */
static bool is_held(struct evacuation *evac, struct evac_vm *evac_vm, const struct vm *vm)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	bool is_begun =
		evac_vm->powerdown_ms || evac_vm->save[0] || vm_job(vm) || vm_is_stopped(vm);

	if (is_begun || !holds_vm(evac->evacs->env.holds, evac_vm->uuid, &why))
		return false;
	evac_vm_set(evac, evac_vm, EVAC_VM_HELD, "%.480s", strbuf_str(&why));
	return true;
}

static void end_one(struct evacuation *evac, struct evac_vm *evac_vm)
{
	struct vm *vm = vm_find_uuid(evac->evacs->env.vms, evac_vm->uuid);

	if (!vm || evac_vm->is_adding || !evac_has(evac, evac_vm->change) ||
	    evac_vm->again_ms > loop_now_ms(evac->evacs->env.loop) || is_held(evac, evac_vm, vm))
		return;
	if (evac_vm->state == EVAC_VM_STOPPING)
		stop(evac, evac_vm, vm);
	else
		save(evac, evac_vm, vm);
}

void evac_stays_end(struct evacuation *evac, uint64_t *wait_ms)
{
	bool may_end = !is_moving(evac);

	for (size_t i = 0; i < evac->vm_count; i++) {
		struct evac_vm *vm = &evac->vms[i];

		if (vm->state != EVAC_VM_STOPPING && vm->state != EVAC_VM_SAVING)
			continue;
		if (may_end)
			end_one(evac, vm);
		if (*wait_ms > AGAIN_MS)
			*wait_ms = AGAIN_MS;
	}
}

/* ---- they go on ------------------------------------------------------- */

static void on_started(void *data, const struct err *err)
{
	struct evacuation *evac;
	struct evac_vm *vm = take(data, &evac);

	if (vm && err)
		note_failure(evac, vm, "start", err);
}

/* From the look at the file until the restore is recorded. */
struct restore {
	struct machine_ref *ref;
	struct evacuations *evacs;
	struct restore_request wish;
	vm_done_fn *done; /* of start_vm() */
	void *done_data;
};

static void on_restore_ended(void *data, const struct err *err)
{
	struct restore *restore = data;
	struct evacuation *evac;
	struct evac_vm *vm = take(restore->ref, &evac);

	if (vm && err)
		note_failure(evac, vm, "restore", err);
	free(restore);
}

static void on_restore_begun(void *data, const struct save *save, const struct err *err)
{
	struct restore *restore = data;

	(void)save;
	restore->done(restore->done_data, err);
}

static void begin_restore(void *data, struct vm *vm, vm_done_fn *done, void *done_data)
{
	struct restore *restore = data;

	restore->done = done;
	restore->done_data = done_data;
	saves_restore(restore->evacs->env.saves, vm, &restore->wish, on_restore_begun, restore);
}

/* A restore is a start: the peers are asked first whether they have the VM. */
static void on_looked(void *data, const char *uuid, const struct err *err)
{
	struct restore *restore = data;
	const struct evacuations_env *env = &restore->evacs->env;
	struct vm *vm = err ? NULL : vm_find_uuid(env->vms, uuid);

	if (!vm) {
		on_restore_ended(restore, err);
		return;
	}
	start_vm(env->newest_env, env->newest, vm,
		 &(struct start_wish){ .action = VM_ACTION_START,
				       .by = "evacuation",
				       .act = begin_restore,
				       .act_data = restore },
		 on_restore_ended, restore);
}

static void start(struct evacuation *evac, struct evac_vm *evac_vm, struct vm *vm)
{
	const struct evacuations_env *env = &evac->evacs->env;
	struct restore *restore;

	evac_vm->is_adding = true;
	if (evac_vm->state == EVAC_VM_STOPPED) {
		start_vm(env->newest_env, env->newest, vm,
			 &(struct start_wish){ .action = VM_ACTION_START, .by = "evacuation" },
			 on_started, evac_ref_new(evac, evac_vm->number));
		return;
	}
	restore = xnew(struct restore);
	restore->evacs = evac->evacs;
	restore->ref = evac_ref_new(evac, evac_vm->number);
	restore->wish.remove = true;
	snprintf(restore->wish.file, sizeof(restore->wish.file), "%s", vm_row(vm)->saved_in);
	saves_look(env->saves, &restore->wish, on_looked, restore);
}

/* Nobody else would start it, so the evacuation does not end as if all were well. */
static void leave_off(struct evacuation *evac, struct evac_vm *vm)
{
	const char *what = vm->state == EVAC_VM_SAVED ? "restored" : "started";
	struct err err;

	err_set(&err, ERR_CONFLICT, "VM '%s' does not run, as it could not be %s again: %.300s",
		vm->name, what, vm->why);
	if (!err_is_set(&evac->error))
		evac->error = err;
	evac_vm_set(evac, vm, EVAC_VM_LEFT, "could not be %s again: %.400s", what, vm->why);
}

static void go_on_one(struct evacuation *evac, struct evac_vm *evac_vm)
{
	struct vm *vm = vm_find_uuid(evac->evacs->env.vms, evac_vm->uuid);
	bool is_saved = evac_vm->state == EVAC_VM_SAVED;

	if (evac_vm->is_adding)
		return;
	if (!vm || vm_role(vm) != VM_ROLE_OWNED)
		evac_vm_set(evac, evac_vm, EVAC_VM_GONE, "is not this host's any more");
	else if (vm_is_active(vm) && !vm_job(vm))
		evac_vm_set(evac, evac_vm, EVAC_VM_RETURNED, "runs again");
	else if (!vm_is_stopped(vm))
		; /* it is starting */
	else if (is_saved && !vm_row(vm)->saved_in)
		evac_vm_set(evac, evac_vm, EVAC_VM_LEFT,
			    "was saved, and its file is not that of its state any more");
	else if (evac_vm->failed >= ATTEMPTS_MAX)
		leave_off(evac, evac_vm);
	else if (evac_vm->again_ms <= loop_now_ms(evac->evacs->env.loop))
		start(evac, evac_vm, vm);
}

/* The end comes before it was stopped, or saved: what was begun is let end, unless the record was
 * not understood. */
static void give_up_one(struct evacuation *evac, struct evac_vm *evac_vm)
{
	const struct vm *vm = vm_find_uuid(evac->evacs->env.vms, evac_vm->uuid);
	bool is_under_way = evac_vm->is_adding || evac_vm->powerdown_ms ||
			    (vm && (vm_job(vm) || vm_is_stopped(vm)));

	if (is_under_way && vm && evac->request)
		end_one(evac, evac_vm);
	else
		evac_vm_set(evac, evac_vm, EVAC_VM_LEFT, "runs on: the evacuation ends");
}

bool evac_stays_go_on(struct evacuation *evac)
{
	bool is_over = true;

	for (size_t i = 0; i < evac->vm_count; i++) {
		struct evac_vm *vm = &evac->vms[i];

		if (vm->state == EVAC_VM_STOPPED || vm->state == EVAC_VM_SAVED)
			go_on_one(evac, vm);
		else if (vm->state == EVAC_VM_STOPPING || vm->state == EVAC_VM_SAVING)
			give_up_one(evac, vm);
		else
			continue;
		is_over = false;
	}
	if (!is_over)
		evac_look_in(evac, AGAIN_MS / 4);
	return is_over;
}
