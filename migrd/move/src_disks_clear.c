/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing of a copy is left at the source: no mirror job, no block node of its target, no limit, no
 * copy of a bitmap.
 * In begin, as an earlier coordinator may have left something, and in rollback. */
#include <string.h>

#include "move/bitmaps.h"
#include "move/disks.h"
#include "move/src_priv.h"
#include "qmp/block.h"

/* How long the end of mirrors is waited for, and how often it is looked at. */
#define CLEAR_MS       10000
#define CLEAR_AGAIN_MS 50

static void clear_later(struct move *move)
{
	move->disks.clear_waits = true;
	loop_timer_start(move->tick, CLEAR_AGAIN_MS);
}

static void ignore(struct move *move, struct json_object *result, const struct err *err)
{
	(void)move;
	(void)result;
	(void)err; /* the next look tells */
}

static void is_clear(struct move *move)
{
	move->disks.clear_waits = move->disks.is_clearing = false;
	move_parts_next(move);
}

/* ---- the copies of bitmaps (move/part_bitmaps.c) -------------------------------------- */

static void ask_bitmaps(struct move *move);

static void on_bitmap_removed(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		move_note(move, "left-behind", "copies of bitmaps stay in QEMU: %s", err->msg);
		is_clear(move);
	} else {
		ask_bitmaps(move);
	}
}

static void on_bitmaps(struct move *move, struct json_object *result, const struct err *err)
{
	struct json_object *copy = err ? NULL : move_bitmaps_copy_left(result);

	if (copy)
		move_qmp(move, "block-dirty-bitmap-remove", copy, COMMAND_DEADLINE_MS,
			 on_bitmap_removed);
	else
		is_clear(move);
}

static void ask_bitmaps(struct move *move)
{
	struct json_object *args = json_object_new_object();

	json_add_bool(args, "flat", true);
	move_qmp(move, "query-named-block-nodes", args, COMMAND_DEADLINE_MS, on_bitmaps);
}

/* ---- the limits of I/O (move/src_disks_pace.c) -------------------------------------- */

static void on_lifted(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_note(move, "limit", "%s", err->msg);
	if (--move->disks.limited == 0)
		ask_bitmaps(move);
}

static void on_blocks(struct move *move, struct json_object *result, const struct err *err)
{
	const struct vm_def_disk *disk;

	move->disks.limited = 0;
	for (size_t i = 0; !err && (disk = move_local_disk(move, i)); i++) {
		const char *group = qmp_block_limits(result, disk->id);
		char ours[MOVE_MIRROR_NAME_SIZE];

		move_mirror_name(disk->id, ours);
		if (!group || strcmp(group, ours) != 0)
			continue;
		move->disks.limited++;
		move_qmp(move, "block_set_io_throttle",
			 move_disks_limit(qmp_block_device(result, disk->id), disk->id, 0),
			 COMMAND_DEADLINE_MS, on_lifted);
	}
	if (!move->disks.limited)
		ask_bitmaps(move);
}

/* ---- the nodes ------------------------------------------------------------------------- */

static void remove_node(struct move *move);

static void on_removed(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	(void)err; /* mostly: there is none */
	move->disks.cleared++;
	remove_node(move);
}

static void remove_node(struct move *move)
{
	const struct vm_def_disk *disk = move_local_disk(move, move->disks.cleared);
	struct json_object *args;

	if (!disk) {
		move_qmp(move, "query-block", NULL, COMMAND_DEADLINE_MS, on_blocks);
		return;
	}
	args = json_object_new_object();
	move_disks_add_name(args, "node-name", disk->id);
	move_qmp(move, "blockdev-del", args, COMMAND_DEADLINE_MS, on_removed);
}

/* ---- the jobs ------------------------------------------------------------------------ */

static void end_job(struct move *move, const char *disk, const struct qmp_job *job)
{
	bool has_ended = job->status == QMP_JOB_CONCLUDED;
	struct json_object *args = json_object_new_object();

	move_disks_add_name(args, "id", disk);
	move_qmp(move, has_ended ? "job-dismiss" : "job-cancel", args, COMMAND_DEADLINE_MS, ignore);
}

static void on_jobs_to_clear(struct move *move, struct json_object *result, const struct err *err)
{
	bool is_late = machine_in_state_ms(&move->machine) > CLEAR_MS;
	const struct vm_def_disk *disk;
	bool has_none = !err;

	for (size_t i = 0; !err && (disk = move_local_disk(move, i)); i++) {
		char name[MOVE_MIRROR_NAME_SIZE];
		struct qmp_job job;

		move_mirror_name(disk->id, name);
		if (!qmp_job_get(result, name, &job))
			continue;
		end_job(move, disk->id, &job);
		has_none = false;
	}
	if (is_late && !has_none)
		move_note(move, "mirror", "QEMU does not end it; the next move tries again");
	if (has_none || is_late)
		remove_node(move);
	else
		clear_later(move);
}

/* The end of QEMU ends this too. */
void move_src_disks_clear(struct move *move)
{
	move->disks.clear_waits = false;
	move->disks.is_clearing = true;
	move->disks.cleared = 0;
	if (move_is_gone(move))
		is_clear(move);
	else
		move_qmp(move, "query-jobs", NULL, COMMAND_DEADLINE_MS, on_jobs_to_clear);
}

void move_src_disks_step_clear(struct move *move)
{
	if (move->disks.is_clearing && move_is_gone(move))
		is_clear(move); /* and no answer comes any more */
	else if (move->disks.clear_waits && !loop_timer_is_active(move->tick))
		move_src_disks_clear(move);
}
