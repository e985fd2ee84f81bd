/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that the VM's QEMU has open.
 *
 * Source: QEMU qapi/transaction.json, qapi/block-core.json (BlockdevSnapshotInternal). */
#include "base/log.h"
#include "base/mem.h"
#include "snapshot/priv.h"
#include "vm/agent.h"

/* QEMU's main loop does it, and waits for the storage meanwhile. */
#define COMMAND_DEADLINE_MS 60000
#define QUERY_DEADLINE_MS   10000
/* Longer than the command may take. */
#define FREEZE_LEASE_MS 90000

static void command(struct snapshot_run *run, const char *name, struct json_object *args,
		    qmp_reply_fn *fn)
{
	vm_entry_command(run->entry, name, args, COMMAND_DEADLINE_MS, fn, run);
}

static void look(struct snapshot_run *run, qmp_reply_fn *fn)
{
	vm_entry_command(run->entry, "query-block", NULL, QUERY_DEADLINE_MS, fn, run);
}

/* ---- create --------------------------------------------------------------------------------- */

static void on_seen(void *data, struct json_object *result, const struct err *err)
{
	struct snapshot_run *run = data;
	struct err wrong;

	if (err)
		snapshot_fail(run, err);
	else if (!snapshot_images_take_blocks(&run->images, run->def, result, &wrong))
		snapshot_fail(run, &wrong);
	else {
		snapshot_take_result(run);
		snapshot_finish(run);
	}
}

static void after_thaw(struct snapshot_run *run)
{
	if (err_is_set(&run->err))
		snapshot_finish(run);
	else
		look(run, on_seen);
}

/* The part of the VM that has the agent goes on trying. */
static void on_thawed(void *data, struct json_object *result, const struct err *err)
{
	struct snapshot_run *run = data;

	(void)result;
	if (err)
		log_warning("snapshot", "thaw", "vm_uuid=%s error=%s", run->uuid, err->msg);
	after_thaw(run);
}

static void thaw(struct snapshot_run *run)
{
	struct vm *vm = vm_find_uuid(run->snapshots->env.vms, run->uuid);

	if (run->is_frozen && vm)
		vm_agent_call(vm, VM_AGENT_THAW, 0, on_thawed, run);
	else
		after_thaw(run);
}

static void on_created(void *data, struct json_object *result, const struct err *err)
{
	struct snapshot_run *run = data;

	(void)result;
	if (err)
		run->err = *err;
	thaw(run);
}

/* {"actions": [{"type": "blockdev-snapshot-internal-sync", "data": {"device": NODE, "name": ...}}]}
 */
static void create(struct snapshot_run *run)
{
	struct json_object *args = json_object_new_object(), *actions = json_object_new_array();
	char full[SNAPSHOT_FULL_SIZE];

	snapshot_full_name(&run->request, full);
	for (size_t i = 0; i < run->images.count; i++) {
		struct json_object *action = json_object_new_object();
		struct json_object *what = json_object_new_object();

		json_add_str(what, "device", run->images.list[i].node);
		json_add_str(what, "name", full);
		json_add_str(action, "type", "blockdev-snapshot-internal-sync");
		json_object_object_add(action, "data", what);
		json_object_array_add(actions, action);
	}
	json_object_object_add(args, "actions", actions);
	command(run, "transaction", args, on_created);
}

static void on_frozen(void *data, struct json_object *result, const struct err *err)
{
	struct snapshot_run *run = data;
	struct err copy;

	(void)result;
	if (err) {
		copy = *err;
		err_wrap(&copy, "the guest's file systems cannot be frozen, and nothing was done");
		snapshot_fail(run, &copy);
		return;
	}
	run->is_frozen = true;
	create(run);
}

/* A guest that somebody else has frozen stays so.  Without a lease nobody knows whether it is. */
static void freeze(struct snapshot_run *run)
{
	struct vm *vm = vm_find_uuid(run->snapshots->env.vms, run->uuid);
	struct vm_agent_state state;
	bool is_held =
		vm && vm_agent_state(vm, &state) && state.is_frozen && state.lease_left_ms > 0;

	if (!run->request.freeze || !vm || is_held)
		create(run);
	else
		vm_agent_call(vm, VM_AGENT_FREEZE, FREEZE_LEASE_MS, on_frozen, run);
}

/* ---- delete ---------------------------------------------------------- */

static void delete_next(struct snapshot_run *run);

static void on_deleted(void *data, struct json_object *result, const struct err *err)
{
	struct snapshot_run *run = data;

	(void)result;
	if (err) {
		snapshot_fail(run, err);
		return;
	}
	run->at++;
	delete_next(run);
}

static void delete_next(struct snapshot_run *run)
{
	struct json_object *args;
	const char *full = NULL;
	size_t count;

	while (run->at < run->images.count &&
	       !(full = snapshot_image_find(&run->images.list[run->at], run->request.name, &count)))
		run->at++;
	if (!full) {
		snapshot_finish(run);
		return;
	}
	args = json_object_new_object();
	json_add_str(args, "device", run->images.list[run->at].node);
	json_add_str(args, "name", full);
	command(run, "blockdev-snapshot-delete-internal-sync", args, on_deleted);
}

/* ---- the begin ------------------------------------------------------- */

static void on_looked(void *data, struct json_object *result, const struct err *err)
{
	struct snapshot_run *run = data;
	struct err wrong;

	if (err) {
		snapshot_fail(run, err);
		return;
	}
	if (!snapshot_images_take_blocks(&run->images, run->def, result, &wrong) ||
	    !snapshot_judge(run, &wrong)) {
		snapshot_fail(run, &wrong);
		return;
	}
	if (run->what == SNAPSHOT_LIST)
		run->result = snapshot_images_json(&run->images);
	if (run->what == SNAPSHOT_LIST || run->is_dry)
		snapshot_finish(run);
	else if (run->what == SNAPSHOT_CREATE)
		freeze(run);
	else
		delete_next(run);
}

void snapshot_begin_live(struct snapshot_run *run)
{
	struct err err;

	if (run->what != SNAPSHOT_REVERT) {
		look(run, on_looked);
		return;
	}
	err_set(&err, ERR_CONFLICT,
		"a guest that has its disks open cannot get others in their place: stop VM '%s' "
		"first",
		vm_name(vm_entry_vm(run->entry)));
	snapshot_fail(run, &err);
}
