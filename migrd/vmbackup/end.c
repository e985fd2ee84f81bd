/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The states after the copy: QEMU lets go of the images, the backup is completed, or what was made
 * of it is removed. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "vmbackup/priv.h"

#define AGAIN_MS 100
#define SLOW_MS  5000 /* then it is told */
/* So long QEMU may take to let go of the images of a complete copy. */
#define CLOSE_MS 60000
/* Bitmaps that are removed in one go; more are none of ours. */
#define REMOVALS_MAX 64

/* ---- QEMU lets go --------------------------------------------------------------------------- */

static uint64_t now_ms(const struct vmbackup *backup)
{
	return loop_now_ms(backup->backups->env.loop);
}

/* It is looked at again and again, and told once. */
static void say_reason(struct vmbackup *backup, const char why[ERR_MSG_SIZE])
{
	if (strcmp(backup->reason, why) == 0)
		return;
	memcpy(backup->reason, why, ERR_MSG_SIZE);
	vmbackup_tell(backup);
}

static void say(struct vmbackup *backup, const struct err *err)
{
	char why[ERR_MSG_SIZE] = "";

	err_text(why, "QEMU does not let go of the images yet: %s", err->msg);
	say_reason(backup, why);
}

/* The next look tells what has become of it. */
static void on_told(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		say(backup, err);
	vmbackup_look_later(backup, err ? AGAIN_MS : 0);
}

static void remove_bitmap(struct vmbackup *backup, const char *node, const char *name,
			  vmbackup_answer_fn *fn)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "node", node);
	json_add_str(args, "name", name);
	vmbackup_ask(backup, "block-dirty-bitmap-remove", args, fn);
}

/* Of a rollback: the bitmap that this backup has begun. */
static bool remove_own_bitmap(struct vmbackup *backup, struct json_object *nodes)
{
	for (size_t i = 0; i < backup->detail.disk_count; i++) {
		const struct vmbackup_disk *disk = &backup->detail.disks[i];
		char name[VMBACKUP_BITMAP_SIZE];
		struct qmp_bitmap bitmap;

		vmbackup_bitmap_name(backup->row.id, disk->id, name);
		for (size_t j = 0; qmp_bitmap_get(nodes, disk->node, j, &bitmap); j++) {
			if (strcmp(bitmap.name, name) == 0) {
				remove_bitmap(backup, disk->node, name, on_told);
				return true;
			}
		}
	}
	return false;
}

static bool remove_target(struct vmbackup *backup, struct json_object *nodes)
{
	for (size_t i = 0; i < backup->detail.disk_count; i++) {
		struct json_object *args;
		char name[VMBACKUP_JOB_SIZE];

		vmbackup_job_name(backup->detail.disks[i].id, name);
		if (!qmp_node_is_there(nodes, name))
			continue;
		args = json_object_new_object();
		json_add_str(args, "node-name", name);
		vmbackup_ask(backup, "blockdev-del", args, on_told);
		return true;
	}
	return false;
}

static void on_nodes(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	if (err) {
		say(backup, err);
		vmbackup_look_later(backup, AGAIN_MS);
	} else if (!remove_target(backup, result) &&
		   (backup->machine.state != VMBACKUP_STATE_ROLLBACK ||
		    !remove_own_bitmap(backup, result))) {
		backup->facts.is_clear = true;
		machine_step(&backup->machine);
	}
}

static void say_waits(struct vmbackup *backup)
{
	char why[ERR_MSG_SIZE] = "";

	if (machine_in_state_ms(&backup->machine) > SLOW_MS) {
		err_text(why,
			 "QEMU waits for the storage of '%s' to end the copy: a stop of "
			 "the VM ends it",
			 backup->row.directory);
		say_reason(backup, why);
	}
	vmbackup_look_later(backup, AGAIN_MS);
}

/* Of a rollback jobs run, and are cancelled; of a complete copy they have ended. */
static void on_jobs(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	if (err) {
		say(backup, err);
		vmbackup_look_later(backup, AGAIN_MS);
		return;
	}
	for (size_t i = 0; i < backup->detail.disk_count; i++) {
		struct json_object *args;
		char name[VMBACKUP_JOB_SIZE];
		struct qmp_job job;

		vmbackup_job_name(backup->detail.disks[i].id, name);
		if (!qmp_job_get(result, name, &job))
			continue;
		if (job.status != QMP_JOB_CONCLUDED && backup->facts.at > i) {
			say_waits(backup); /* it was told */
			return;
		}
		if (job.status != QMP_JOB_CONCLUDED)
			backup->facts.at = i + 1;
		args = json_object_new_object();
		json_add_str(args, "id", name);
		vmbackup_ask(backup, job.status == QMP_JOB_CONCLUDED ? "job-dismiss" : "job-cancel",
			     args, on_told);
		return;
	}
	vmbackup_ask_nodes(backup, on_nodes);
}

void vmbackup_look_end(struct vmbackup *backup)
{
	unsigned state = backup->machine.state;
	struct err err;

	if (state == VMBACKUP_STATE_BEGIN || state == VMBACKUP_STATE_SEAL ||
	    (state == VMBACKUP_STATE_ROLLBACK && backup->facts.is_working)) {
		machine_step(&backup->machine);
		return;
	}
	if ((state != VMBACKUP_STATE_CLOSE && state != VMBACKUP_STATE_ROLLBACK) ||
	    backup->facts.is_asking || backup->facts.is_clear || !vmbackup_qemu(backup))
		return;
	if (state == VMBACKUP_STATE_CLOSE && machine_in_state_ms(&backup->machine) > CLOSE_MS) {
		err_set(&err, ERR_TIMEOUT, "QEMU has not let go of the images in %d s: %s",
			CLOSE_MS / 1000, backup->reason);
		vmbackup_fail(backup, &err);
		return;
	}
	vmbackup_ask(backup, "query-jobs", NULL, on_jobs);
}

void vmbackup_enter_close(struct machine *machine)
{
	vmbackup_look_later(vmbackup_of(machine), 0);
}

void vmbackup_step_close(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	if (backup->facts.is_clear)
		vmbackup_go(backup, VMBACKUP_STATE_SEAL);
	else if (!backup->facts.is_asking || !vmbackup_qemu(backup))
		vmbackup_has_lost(backup);
}

/* ---- seal ------------------------------------------------------------------------------------ */

static bool seal(struct vmbackup_task *task, struct err *err)
{
	return vmbackup_files_seal_blocking(&task->place, task->detail, err);
}

static void on_sealed(struct vmbackup *backup, const struct vmbackup_task *task,
		      const struct err *err)
{
	if (err) {
		vmbackup_fail(backup, err);
		return;
	}
	memcpy(backup->detail.disks, task->detail->disks, sizeof(backup->detail.disks));
	vmbackup_go(backup, VMBACKUP_STATE_TIDY);
}

void vmbackup_enter_seal(struct machine *machine)
{
	vmbackup_work(vmbackup_of(machine), seal, on_sealed);
	vmbackup_look_later(vmbackup_of(machine), VMBACKUP_STORAGE_MS);
}

/* What is left in QEMU can be removed if nobody else has the VM meanwhile. */
static void hold_again(struct vmbackup *backup)
{
	struct vm *vm = vmbackup_vm(backup);
	struct err ignored;

	if (!backup->holds_vm && vm && vm_is_active(vm))
		(void)vmbackup_hold_vm(backup, vm, &ignored);
}

/* QEMU has let go of the images, so a target that does not answer is no reason to keep the guest
 * from a move. */
void vmbackup_step_seal(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	if (!backup->holds_vm || machine_in_state_ms(machine) < VMBACKUP_STORAGE_MS)
		return;
	log_warning("vmbackup", "slow", "backup=%s error=the storage of '%s' does not answer",
		    backup->row.id, backup->row.directory);
	err_text(backup->reason, "the storage of '%s' does not answer; the VM is not held any more",
		 backup->row.directory);
	vmbackup_release_vm(backup);
	vmbackup_tell(backup);
}

/* ---- tidy ------------------------------------------------------------ */

static void look_for_old(struct vmbackup *backup);

static void on_old_removed(struct vmbackup *backup, struct json_object *result,
			   const struct err *err)
{
	(void)result;
	if (err)
		log_warning("vmbackup", "bitmap", "backup=%s error=%s", backup->row.id, err->msg);
	backup->facts.is_over = err || ++backup->facts.removals == REMOVALS_MAX;
	look_for_old(backup);
}

/* One that was not closed as it must be says nothing any more. */
static bool is_old(const struct vmbackup *backup, const struct qmp_bitmap *bitmap,
		   const char *disk_id)
{
	char id[ID_UUID_SIZE];

	if (!vmbackup_bitmap_of(bitmap->name, disk_id, id))
		return false;
	if (bitmap->is_inconsistent)
		return true;
	for (size_t i = 0; i < backup->detail.bitmap_count; i++) {
		if (strcmp(backup->detail.bitmaps[i], id) == 0)
			return true;
	}
	return false;
}

static void on_old(struct vmbackup *backup, struct json_object *result, const struct err *err)
{
	for (size_t i = 0; !err && i < backup->detail.disk_count; i++) {
		const struct vmbackup_disk *disk = &backup->detail.disks[i];
		struct qmp_bitmap bitmap;

		for (size_t j = 0; qmp_bitmap_get(result, disk->node, j, &bitmap); j++) {
			if (is_old(backup, &bitmap, disk->id)) {
				remove_bitmap(backup, disk->node, bitmap.name, on_old_removed);
				return;
			}
		}
	}
	backup->facts.is_over = true;
	look_for_old(backup);
}

static void look_for_old(struct vmbackup *backup)
{
	if (backup->facts.is_over || !vmbackup_qemu(backup)) {
		backup->facts.is_over = true;
		machine_step(&backup->machine);
	} else {
		vmbackup_ask_nodes(backup, on_old);
	}
}

void vmbackup_enter_tidy(struct machine *machine)
{
	hold_again(vmbackup_of(machine));
	look_for_old(vmbackup_of(machine));
}

/* A bitmap that stays costs memory and is removed by a later backup: the backup is complete. */
void vmbackup_step_tidy(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	if (backup->facts.is_over || !vmbackup_qemu(backup))
		vmbackup_go(backup, VMBACKUP_STATE_DONE);
}

/* ---- rollback -------------------------------------------------------- */

static bool drop(struct vmbackup_task *task, struct err *err)
{
	return vmbackup_files_drop_blocking(&task->place, err);
}

/* A person has to remove it: no later backup looks there.  HOW is said before its path, WHY behind
 * it. */
static void tell_left(struct vmbackup *backup, const char *how, const char *why)
{
	struct vmbackup_place place = { 0 };
	char path[VM_DEF_PATH_SIZE + 128];
	struct err err = backup->error;

	log_warning("vmbackup", "leftover", "backup=%s error=%s", backup->row.id, why);
	if (!err_is_set(&err))
		return;
	snprintf(place.directory, sizeof(place.directory), "%s", backup->row.directory);
	memcpy(place.id, backup->row.id, sizeof(place.id));
	vmbackup_files_path(&place, "", path);
	err_set(&backup->error, err.code, "%s; %s '%s': %s", err.msg, how, path, why);
}

static void say_left(struct vmbackup *backup, const char *why)
{
	tell_left(backup, "what was made of it may be left in", why);
}

/* The target was unmounted or moved away: it may come back with all that was in it. */
static void say_gone(struct vmbackup *backup)
{
	tell_left(backup, "nothing was found of",
		  "if its storage comes back with it, remove it there");
}

/* Certainly made: QEMU has begun to copy into them. */
static bool has_images(const struct vmbackup *backup)
{
	return backup->detail.taken_ms > 0;
}

static void on_dropped(struct vmbackup *backup, const struct vmbackup_task *task,
		       const struct err *err)
{
	(void)task;
	if (err && err->code != ERR_NOT_FOUND)
		say_left(backup, err->msg);
	else if (err && has_images(backup) && !backup->machine.is_resumed)
		say_gone(backup); /* after a restart it may be that it was removed before */
	backup->facts.is_over = true;
	machine_step(&backup->machine);
}

static void begin_drop(struct vmbackup *backup)
{
	backup->facts.since_ms = now_ms(backup);
	vmbackup_work(backup, drop, on_dropped);
	vmbackup_look_later(backup, VMBACKUP_STORAGE_MS + AGAIN_MS);
}

void vmbackup_enter_rollback(struct machine *machine)
{
	hold_again(vmbackup_of(machine));
	vmbackup_look_later(vmbackup_of(machine), 0);
}

void vmbackup_step_rollback(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);
	bool is_cancelled = backup->error.code == ERR_CANCELLED;

	if (backup->facts.is_working &&
	    now_ms(backup) - backup->facts.since_ms > VMBACKUP_STORAGE_MS) {
		say_left(backup, "its storage does not answer");
		backup->facts.is_over = true;
	}
	if (backup->facts.is_over)
		vmbackup_go(backup,
			    is_cancelled ? VMBACKUP_STATE_CANCELLED : VMBACKUP_STATE_FAILED);
	else if (!backup->facts.is_working && (backup->facts.is_clear || !vmbackup_qemu(backup)))
		begin_drop(backup);
}
