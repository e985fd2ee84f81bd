/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What forbids to save a guest, or to restore it. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/reasons.h"
#include "save/priv.h"
#include "vm/admission.h"

/* The VM whose guest is in the file at PATH, which is that of FORMER: a file may have more than one
 * path.  NULL: none. */
static const struct vm *saved_in(struct vms *vms, const char *path,
				 const struct save_former *former)
{
	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm))) {
		if (vm_is_saved(vm) &&
		    (strcmp(vm_saved_in(vm), path) == 0 || strcmp(vm_save_id(vm), former->id) == 0))
			return vm;
	}
	return NULL;
}

static const struct save *busy_with(struct saves *saves, const char *path)
{
	for (struct save *save = saves_first(saves); save; save = save_next(save)) {
		if (!save_is_final(save) && strcmp(save->row.path, path) == 0)
			return save;
	}
	return NULL;
}

/* ---- a save --------------------------------------------------------------------- */

static bool can_be_saved(const struct vm *vm)
{
	enum qmp_run_state state = qemu_run_state(vm_qemu(vm));

	return state == QMP_RUN_RUNNING || state == QMP_RUN_PAUSED;
}

static void check_live(struct vm *vm, struct reasons *reasons)
{
	CLEANUP(free_charp) char *outside = save_live_outside(vm);
	CLEANUP(free_charp) char *refused = save_live_refused(vm);

	if (outside[0])
		reasons_add(reasons,
			    "with live the guest runs on, and would change what is not in the file "
			    "(%s), which a restore would find newer than its memory: save it "
			    "without live",
			    outside);
	if (refused[0])
		reasons_add(reasons, "%s", refused);
}

bool save_check_vm(struct saves *saves, struct vm *vm, const struct save_request *wish,
		   const struct save_former *former, struct err *err)
{
	struct reasons reasons = REASONS_INIT;
	const struct vm *other = saved_in(saves->env.vms, wish->file, former);
	const struct save *busy = busy_with(saves, wish->file);

	if (vm_role(vm) != VM_ROLE_OWNED)
		reasons_add(&reasons, "it is %s on this host", vm_state(vm));
	else if (!vm_is_active(vm))
		reasons_add(&reasons, "it is %s: only a guest that runs or is paused has a memory",
			    vm_state(vm));
	else if (!can_be_saved(vm))
		reasons_add(&reasons, "it is %s: only a guest that runs or is paused can be saved",
			    vm_state(vm));
	if (vm_job(vm))
		reasons_add(&reasons, "job %s (%s) holds it", vm_job(vm)->id, vm_job(vm)->kind);
	if (other)
		reasons_add(&reasons, "VM '%s' is saved in '%s': choose another file",
			    vm_name(other), wish->file);
	if (busy)
		reasons_add(&reasons, "job %s is busy with '%s'", busy->row.id, wish->file);
	if (wish->live)
		check_live(vm, &reasons);
	return reasons_none(&reasons, "cannot save the VM", err);
}

/* ---- a restore ------------------------------------------------------------------- */

/* The guest may have run since: its disks may be newer than the memory in the file. */
static void find_stale(const struct save_file *head, const struct vm *vm, bool is_marked,
		       struct reasons *reasons)
{
	if (is_marked)
		reasons_add(reasons, "the guest was restored from it before");
	if (head->generation != vm_generation(vm))
		reasons_add(reasons,
			    "the VM was on another host since (generation %" PRIu64 ", in the file "
			    "%" PRIu64 ")",
			    vm_generation(vm), head->generation);
	if (!vm_is_saved(vm))
		reasons_add(reasons, "the VM was started since it was saved");
	else if (strcmp(vm_save_id(vm), head->id) != 0)
		reasons_add(reasons, "the VM was saved again since, in '%s'", vm_saved_in(vm));
}

/* The guest of a background snapshot has run since: nothing that it could change may be missing. */
static void find_stale_live(const struct save_file *head, struct vm *vm, struct reasons *reasons)
{
	struct err err;
	const struct vm_def *def = vm_def_of(vm, &err);
	CLEANUP(free_charp) char *missing = def ? save_live_missing(def, head) : xstrdup(err.msg);

	if (missing[0])
		reasons_add(reasons, "the guest ran on when it was written, and has %s", missing);
}

static void check_stale(const struct restore_request *wish, const struct save_file *head,
			struct vm *vm, bool is_marked, struct reasons *reasons)
{
	struct reasons stale = REASONS_INIT;

	if (head->live)
		find_stale_live(head, vm, &stale);
	else
		find_stale(head, vm, is_marked, &stale);
	if (stale.count && !wish->stale_disks_ok)
		reasons_add(reasons,
			    "the file is stale: %s; its memory over newer disks would destroy "
			    "them, so "
			    "start the VM afresh, or, if its disks are those of the save, say so "
			    "(stale_disks_ok)",
			    strbuf_str(&stale.text));
	strbuf_fini(&stale.text);
}

/* What no guest sees may be another by now. */
static bool is_same_machine(struct json_object *saved, struct json_object *now)
{
	struct json_object *copy = NULL;
	bool is_same = now && json_object_deep_copy(saved, &copy, NULL) == 0;

	for (const char *const *key = vm_def_about_keys; is_same && *key; key++) {
		json_object_object_del(copy, *key);
		json_object_object_del(now, *key);
	}
	is_same = is_same && json_object_equal(now, copy);
	json_object_put(copy);
	return is_same;
}

static void check_definition(const struct save_file *head, const struct vm *vm,
			     struct reasons *reasons)
{
	CLEANUP(json_putp) struct json_object *now = json_read_back(vm_definition(vm));

	if (!is_same_machine(head->definition, now))
		reasons_add(reasons,
			    "the definition of the VM is not that of the save: put it back (a "
			    "device was added or removed since)");
}

static void check_vm(const struct restore_request *wish, const struct save_file *head,
		     struct vm *vm, bool is_marked, const struct save *job, struct reasons *reasons)
{
	bool is_held = vm_job(vm) && (!job || vm_job(vm) != &job->job);

	if (vm_role(vm) != VM_ROLE_OWNED)
		reasons_add(reasons, "VM '%s' is %s on this host", vm_name(vm), vm_state(vm));
	else if (vm_qemu(vm))
		reasons_add(reasons,
			    "VM '%s' is %s: stop it first, if it is to be replaced by the guest "
			    "in the file",
			    vm_name(vm), vm_state(vm));
	if (is_held)
		reasons_add(reasons, "job %s (%s) holds VM '%s'", vm_job(vm)->id, vm_job(vm)->kind,
			    vm_name(vm));
	if (head->live && vm_is_saved(vm))
		reasons_add(reasons,
			    "the guest is saved in '%s', which this restore would make stale: "
			    "restore "
			    "that file first, or start the VM",
			    vm_saved_in(vm));
	if (head->disk_count && is_marked)
		reasons_add(reasons,
			    "the guest was restored from it before, so the copies of its disks are "
			    "in use");
	check_stale(wish, head, vm, is_marked, reasons);
	check_definition(head, vm, reasons);
}

static void check_qemu(struct saves *saves, const struct save_file *head, struct reasons *reasons)
{
	const struct transfer_features *features = vms_migration_features(saves->env.vms);

	if (head->mode == SAVE_FILE_MAPPED_RAM && features && features->capability_count &&
	    !transfer_features_have(features, "mapped-ram"))
		reasons_add(reasons,
			    "QEMU %s wrote it as mapped-ram, which the QEMU of this host does not "
			    "have: "
			    "use one since 9.0",
			    head->qemu_version);
}

bool save_check_qemu(struct saves *saves, const struct save_file *head, struct err *err)
{
	struct reasons reasons = REASONS_INIT;

	check_qemu(saves, head, &reasons);
	return reasons_none(&reasons, "cannot restore the guest", err);
}

bool save_judge(struct saves *saves, const struct restore_request *wish,
		const struct save_file *head, bool is_marked, const struct save *job,
		struct err *err)
{
	struct reasons reasons = REASONS_INIT;
	struct vm *vm = vm_find_uuid(saves->env.vms, head->uuid);
	const struct save *busy = busy_with(saves, wish->file);
	CLEANUP(free_charp) char *what = xasprintf("cannot restore '%s'", wish->file);
	struct err full;

	if (busy && busy != job)
		reasons_add(&reasons, "job %s is busy with it", busy->row.id);
	if (vm)
		check_vm(wish, head, vm, is_marked, job, &reasons);
	if (vm && !vms_have_room(saves->env.vms, "the guest", job ? 0 : save_memory_mib(vm), &full))
		reasons_add(&reasons, "%s", full.msg);
	if (!vm)
		reasons_add(&reasons,
			    "this host has no VM with the uuid %s ('%s' at the save), so whether "
			    "it has "
			    "run since is not known: define it as it was",
			    head->uuid, head->vm);
	check_qemu(saves, head, &reasons);
	return reasons_none(&reasons, what, err);
}
