/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's local disks, which the move copies. */
#include <stdio.h>

#include "move/disks.h"

void move_mirror_name(const char *disk_id, char ret[MOVE_MIRROR_NAME_SIZE])
{
	snprintf(ret, MOVE_MIRROR_NAME_SIZE, "migrd-%s", disk_id);
}

/* The plan says it; before there is one, the definition does. */
static bool is_wanted(const struct move *move)
{
	const struct vm_def *def = move->plan ? NULL : move_definition(move);

	if (move->plan)
		return move->plan->disk_count > 0;
	return def && vm_def_local_image(def, 0);
}

/* Without a plan nothing has begun. */
static enum move_part_progress progress(const struct move *move)
{
	if (move->side == MOVE_DST)
		return MOVE_PART_DONE;
	return move->plan ? move_src_disks_progress(move) : MOVE_PART_FLOWS;
}

static void step(struct move *move)
{
	if (move->side == MOVE_SRC)
		move_src_disks_step(move);
}

static bool event(struct move *move, const struct qmp_event *event)
{
	return move->side == MOVE_SRC && move_src_disks_event(move, event);
}

static void give_up(struct move *move)
{
	move_roll_back(move, &move->error);
}

const struct move_part move_part_disks = {
	.name = "disks",
	.wanted = is_wanted,
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_CHECK] = { move_src_disks_clear,
							 move_src_disks_look },
				  [MOVE_PHASE_END] = { move_src_disks_put_aside },
				  [MOVE_PHASE_UNDO] = { move_src_disks_clear } },
		   [MOVE_DST] = { [MOVE_PHASE_PROVIDE] = { move_dst_disks_make },
				  [MOVE_PHASE_PREPARE] = { move_dst_disks_serve },
				  [MOVE_PHASE_TAKE] = { move_dst_disks_close },
				  [MOVE_PHASE_END] = { move_dst_disks_keep },
				  [MOVE_PHASE_UNDO] = { move_dst_disks_remove } } },
	.start = move_src_disks_start,
	.is_ready = move_src_disks_are_ready,
	.step = step,
	.event = event,
	.settle = move_src_disks_settle,
	.progress = progress,
	.give_up = give_up,
};
