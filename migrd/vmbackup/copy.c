/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state copy: QEMU's jobs begin, all at one moment, and copy while the guest runs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "vm/agent.h"
#include "vmbackup/priv.h"

#define LOOK_MS 250 /* if no event comes */
/* From the freeze to the end of the transaction; then the guest goes on whatever has become of
 * this. */
#define FREEZE_LEASE_MS 30000
/* So long nothing may be copied, beside what a limit of the copy makes of it: QEMU counts what it
 * copies in pieces of at most 1 MiB (BLOCK_COPY_MAX_BUFFER of block/block-copy.c), and may wait for
 * one and a half of them (seen of 7.2); and the jobs, which began together, may wait at the same
 * time. */
#define STALLED_MS  60000
#define PIECE_BYTES (2u << 20)

static uint64_t now_ms(const struct vmbackup *backup)
{
	return loop_now_ms(backup->backups->env.loop);
}

static void fail_disk(struct vmbackup *backup, size_t number, const char *why)
{
	struct err err;

	err_set(&err, ERR_QEMU, "disk '%s' cannot be backed up: %s",
		backup->detail.disks[number].id, why);
	vmbackup_fail(backup, &err);
}

/* ---- the moment ------------------------------------------------------------------------ */

/* A thaw that fails is repeated, and logged, by vm/agent.c. */
static void on_thawed(void *data, struct json_object *result, const struct err *err)
{
	(void)data;
	(void)result;
	(void)err;
}

static void thaw(struct vmbackup *backup)
{
	struct vm *vm = vmbackup_vm(backup);

	if (vm && backup->facts.is_freezing)
		vm_agent_call(vm, VM_AGENT_THAW, 0, on_thawed, NULL);
	backup->facts.is_freezing = false;
}

static bool is_frozen(const struct vmbackup *backup)
{
	const struct vm *vm = vmbackup_vm(backup);
	struct vm_agent_state state;

	return vm && vm_agent_state(vm, &state) && state.is_frozen && state.lease_left_ms > 0;
}

static void on_taken(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	(void)result;
	/* A lease that has run out meanwhile has thawed them before or after the moment. */
	backup->detail.was_frozen = is_frozen(backup);
	thaw(backup);
	if (err) {
		vmbackup_fail(backup, err);
		return;
	}
	backup->detail.taken_ms = clock_wall_ms();
	backup->facts.has_begun = true;
	backup->facts.since_ms = now_ms(backup);
	if (backup->detail.wish.quiesce == VMBACKUP_QUIESCE_REQUIRE && !backup->detail.was_frozen) {
		struct err late;

		err_set(&late, ERR_AGENT,
			"the guest's file systems were thawed before the moment of "
			"the backup");
		vmbackup_fail(backup, &late);
		return;
	}
	machine_save(&backup->machine);
	vmbackup_tell(backup);
	vmbackup_look_later(backup, 0);
}

static struct json_object *action(const char *type, struct json_object *data)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "type", type);
	json_object_object_add(obj, "data", data);
	return obj;
}

static struct json_object *bitmap_args(const struct vmbackup *backup,
				       const struct vmbackup_disk *disk)
{
	struct json_object *args = json_object_new_object();
	char name[VMBACKUP_BITMAP_SIZE];

	vmbackup_bitmap_name(backup->row.id, disk->id, name);
	json_add_str(args, "node", disk->node);
	json_add_str(args, "name", name);
	json_add_bool(args, "persistent", true);
	return args;
}

/* A target that fails ends the backup, and not the guest's write (`on-cbw-error'): QEMU has that
 * since 10.1 or 11.0; 10.0 has not, 11.1 has (query-qmp-schema). */
#define SPARES_GUEST_MAJOR 11
#define SPARES_GUEST_MINOR 0

static bool spares_guest(const struct vmbackup *backup)
{
	const struct qmp_version *version = qemu_version(vmbackup_qemu(backup));

	return version && qmp_version_is_since(version, SPARES_GUEST_MAJOR, SPARES_GUEST_MINOR);
}

static struct json_object *job_args(const struct vmbackup *backup, const struct vmbackup_disk *disk)
{
	const struct vmbackup_detail *detail = &backup->detail;
	struct json_object *args = json_object_new_object();
	char name[VMBACKUP_JOB_SIZE], bitmap[VMBACKUP_BITMAP_SIZE];
	uint64_t speed = detail->wish.bandwidth_bytes_per_s / detail->disk_count;

	vmbackup_job_name(disk->id, name);
	json_add_str(args, "job-id", name);
	json_add_str(args, "device", disk->node);
	json_add_str(args, "target", name);
	json_add_bool(args, "auto-dismiss", false);
	if (detail->wish.bandwidth_bytes_per_s)
		json_add_uint(args, "speed", speed ? speed : 1);
	if (detail->wish.compress)
		json_add_bool(args, "compress", true);
	if (spares_guest(backup))
		json_add_str(args, "on-cbw-error", "break-snapshot");
	if (disk->mode == VMBACKUP_FULL) {
		json_add_str(args, "sync", "full");
		return args;
	}
	vmbackup_bitmap_name(detail->parent, disk->id, bitmap);
	json_add_str(args, "sync", "bitmap");
	json_add_str(args, "bitmap", bitmap);
	json_add_str(args, "bitmap-mode", "never"); /* it says all since the parent, until tidy */
	return args;
}

static void take(struct vmbackup *backup)
{
	const struct vmbackup_detail *detail = &backup->detail;
	struct json_object *args = json_object_new_object(), *actions = json_object_new_array();

	for (size_t i = 0; i < detail->disk_count; i++) {
		const struct vmbackup_disk *disk = &detail->disks[i];

		if (disk->has_bitmap)
			json_object_array_add(actions, action("block-dirty-bitmap-add",
							      bitmap_args(backup, disk)));
		json_object_array_add(actions, action("blockdev-backup", job_args(backup, disk)));
	}
	json_object_object_add(args, "actions", actions);
	vmbackup_ask(backup, "transaction", args, on_taken);
}

/* ---- the guest's file systems ------------------------------------------------------------ */

struct freeze {
	struct vmbackups *backups;
	char id[ID_UUID_SIZE];
};

static void on_frozen(void *data, struct json_object *result, const struct err *err)
{
	struct freeze *freeze = data;
	struct vmbackup *backup = vmbackups_find(freeze->backups, freeze->id);

	(void)result;
	free(freeze);
	if (!backup || backup->machine.state != VMBACKUP_STATE_COPY || backup->machine.is_saving)
		return;
	backup->facts.is_working = false;
	if (vmbackup_has_lost(backup)) {
		thaw(backup);
	} else if (err && backup->detail.wish.quiesce == VMBACKUP_QUIESCE_REQUIRE) {
		backup->facts.is_freezing = false;
		vmbackup_fail(backup, err);
	} else {
		if (err)
			log_info("vmbackup", "freeze", "backup=%s error=%s", backup->row.id,
				 err->msg);
		backup->facts.is_freezing = !err;
		take(backup);
	}
}

/* One that somebody has frozen stays as it is. */
static void freeze(struct vmbackup *backup)
{
	struct vm *vm = vmbackup_vm(backup);
	int wish = backup->detail.wish.quiesce;
	struct vm_agent_state state;
	bool has_agent = vm_agent_state(vm, &state) && state.is_connected;
	struct freeze *freeze;

	if (wish == VMBACKUP_QUIESCE_NO || (wish == VMBACKUP_QUIESCE_AUTO && !has_agent) ||
	    is_frozen(backup)) {
		take(backup);
		return;
	}
	freeze = xnew(struct freeze);
	freeze->backups = backup->backups;
	memcpy(freeze->id, backup->row.id, sizeof(freeze->id));
	backup->facts.is_freezing = true;
	backup->facts.is_working = true;
	vm_agent_call(vm, VM_AGENT_FREEZE, FREEZE_LEASE_MS, on_frozen, freeze);
}

/* ---- the images ---------------------------------------------------------------------------- */

static void open_next(struct vmbackup *backup);

static void on_opened(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		fail_disk(backup, backup->facts.at, err->msg);
		return;
	}
	backup->facts.at++;
	open_next(backup);
}

/* {"driver": "qcow2", "node-name": "migrd-vda", "backing": null,
 *  "file": {"driver": "file", "filename": IMAGE}}
 * Without its backing file: whole clusters are written, so nothing of that is needed, and nothing
 * of an earlier backup is open. */
static struct json_object *target(const struct vmbackup *backup, const struct vmbackup_disk *disk)
{
	struct json_object *args = json_object_new_object(), *file = json_object_new_object();
	char name[VMBACKUP_JOB_SIZE], path[VM_DEF_PATH_SIZE + 128];
	struct vmbackup_place place = { 0 };

	snprintf(place.directory, sizeof(place.directory), "%s", backup->row.directory);
	snprintf(place.id, sizeof(place.id), "%s", backup->row.id);
	vmbackup_files_path(&place, disk->file, path);
	vmbackup_job_name(disk->id, name);
	json_add_str(args, "driver", "qcow2");
	json_add_str(args, "node-name", name);
	json_object_object_add(args, "backing", NULL);
	json_add_str(args, "discard", "unmap");
	json_add_str(args, "detect-zeroes", "unmap"); /* zeroes take no room */
	json_add_str(file, "driver", "file");
	json_add_str(file, "filename", path);
	json_add_str(file, "discard", "unmap");
	json_object_object_add(args, "file", file);
	return args;
}

static void open_next(struct vmbackup *backup)
{
	if (vmbackup_has_lost(backup))
		return;
	if (backup->facts.at < backup->detail.disk_count)
		vmbackup_ask(backup, "blockdev-add",
			     target(backup, &backup->detail.disks[backup->facts.at]), on_opened);
	else
		freeze(backup);
}

/* ---- how far it is --------------------------------------------------------------------------- */

/* Who asks is told; it is no event, of which there would be several each second. */
static void note(struct vmbackup *backup, uint64_t done, uint64_t total)
{
	if (done != backup->facts.seen_done)
		backup->facts.since_ms = now_ms(backup);
	backup->facts.seen_done = done;
	err_text(backup->reason, "its disks are copied: %" PRIu64 " of %" PRIu64 " MiB", done >> 20,
		 total >> 20);
}

static uint64_t stalled_ms(const struct vmbackup *backup)
{
	uint64_t limit = backup->detail.wish.bandwidth_bytes_per_s;

	return STALLED_MS +
	       (limit ? UINT64_C(1000) * PIECE_BYTES * backup->detail.disk_count / limit : 0);
}

/* True: it has failed. */
static bool see_job(struct vmbackup *backup, struct json_object *jobs, size_t number,
		    size_t *ret_ended)
{
	struct vmbackup_disk *disk = &backup->detail.disks[number];
	char name[VMBACKUP_JOB_SIZE];
	struct qmp_job job;

	vmbackup_job_name(disk->id, name);
	if (!qmp_job_get(jobs, name, &job)) {
		fail_disk(backup, number,
			  backup->machine.is_resumed
				  ? "this coordinator was started again before the copy had begun"
				  : "somebody ended its job");
		return true;
	}
	if (job.status == QMP_JOB_CONCLUDED && job.error[0]) {
		fail_disk(backup, number, job.error);
		return true;
	}
	disk->done_bytes = job.done;
	disk->total_bytes = job.total;
	*ret_ended += job.status == QMP_JOB_CONCLUDED;
	return false;
}

/* A crash has lost the moment, and whether the guest's file systems were frozen.  False: it has
 * failed. */
static bool make_do_without_moment(struct vmbackup *backup)
{
	struct err err;

	if (backup->detail.wish.quiesce == VMBACKUP_QUIESCE_REQUIRE) {
		err_set(&err, ERR_AGENT,
			"whether the guest's file systems were frozen at the moment of the backup "
			"is not known: this coordinator was started again then");
		vmbackup_fail(backup, &err);
		return false;
	}
	backup->detail.taken_ms = backup->row.updated_ms; /* or later */
	return true;
}

static void on_jobs(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	size_t ended = 0, count = backup->detail.disk_count;
	uint64_t done = 0, total = 0;
	struct err late;

	for (size_t i = 0; !err && i < count; i++) {
		if (see_job(backup, result, i, &ended))
			return;
		done += backup->detail.disks[i].done_bytes;
		total += backup->detail.disks[i].total_bytes;
	}
	if (!err && !backup->detail.taken_ms && !make_do_without_moment(backup))
		return;
	if (!err && ended == count) {
		vmbackup_go(backup, VMBACKUP_STATE_CLOSE);
		return;
	}
	if (!err)
		note(backup, done, total);
	if (now_ms(backup) - backup->facts.since_ms > stalled_ms(backup)) {
		err_set(&late, ERR_TIMEOUT,
			"nothing was copied to '%s' for %" PRIu64 " s: does its storage answer",
			backup->row.directory, stalled_ms(backup) / 1000);
		vmbackup_fail(backup, &late);
		return;
	}
	vmbackup_look_later(backup, LOOK_MS);
	machine_step(&backup->machine);
}

void vmbackup_look_copy(struct vmbackup *backup)
{
	if (backup->facts.has_begun && !backup->facts.is_asking && vmbackup_qemu(backup))
		vmbackup_ask(backup, "query-jobs", NULL, on_jobs);
}

void vmbackup_event_copy(struct vmbackup *backup, const struct qmp_event *event)
{
	if (backup->machine.state == VMBACKUP_STATE_COPY && !backup->machine.is_saving &&
	    strncmp(event->name, "BLOCK_JOB_", 10) == 0)
		vmbackup_look_later(backup, 0);
}

void vmbackup_enter_copy(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	backup->facts.since_ms = now_ms(backup);
	if (!vmbackup_qemu(backup))
		return;
	if (machine->is_resumed) {
		backup->facts.has_begun = true; /* QEMU knows better */
		vmbackup_look_later(backup, 0);
	} else {
		open_next(backup);
	}
}

/* What is under way comes to its end first: it may make something that a rollback must remove. */
void vmbackup_step_copy(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	if (!vmbackup_qemu(backup) || (!backup->facts.is_asking && !backup->facts.is_working))
		vmbackup_has_lost(backup);
}
