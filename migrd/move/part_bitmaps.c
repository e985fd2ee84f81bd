/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of local disks go along with the guest (move/bitmaps.h).  Copies that are left are
 * removed with what is left of the mirrors (move/src_disks_clear.c). */
#include "base/mem.h"
#include "move/bitmaps.h"
#include "move/disks.h"
#include "move/src_priv.h"

#define CAPABILITY "dirty-bitmaps"

static bool is_wanted(const struct move *move)
{
	return move->begin.bitmap_count > 0;
}

static void fail(struct move *move, const struct err *why)
{
	struct err err = *why;

	err_wrap(&err, "the bitmaps of local disks cannot be sent");
	move_roll_back(move, &err);
}

static void on_mapped(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		fail(move, err);
	else
		move_parts_next(move);
}

/* QEMU would send all bitmaps of all nodes without it, to nodes of the same names. */
static void map(struct move *move, struct json_object *result, const struct err *err)
{
	struct json_object *mapping = TAKE_PTR(move->begin.bitmaps), *args;

	(void)result;
	if (err) {
		json_object_put(mapping);
		fail(move, err);
		return;
	}
	args = json_object_new_object();
	json_object_object_add(args, "block-bitmap-mapping", mapping);
	move_qmp(move, "migrate-set-parameters", args, COMMAND_DEADLINE_MS, on_mapped);
}

static void on_nodes(struct move *move, struct json_object *result, const struct err *err)
{
	uint64_t budget = move_bitmaps_budget(moves_limit_of_new(move->moves, &move->options));
	struct json_object *actions, *args;
	const struct vm_def_disk *disk;

	if (err) {
		fail(move, err);
		return;
	}
	actions = json_object_new_array();
	json_object_put(move->begin.bitmaps);
	move->begin.bitmaps = json_object_new_array();
	for (size_t i = 0; i < move->begin.disk_count && (disk = move_local_disk(move, i)); i++) {
		struct move_bitmaps bitmaps;

		move_bitmaps_choose(result, move->begin.nodes[i], disk,
				    move->begin.disks[i].virtual_bytes, &budget, &bitmaps);
		if (bitmaps.go_count)
			move_bitmaps_add(&bitmaps, move->begin.nodes[i], disk->id, actions,
					 move->begin.bitmaps);
	}
	args = json_object_new_object();
	json_object_object_add(args, "actions", actions);
	move_qmp(move, "transaction", args, COMMAND_DEADLINE_MS, map);
}

/* They stay in the source's images, as internal snapshots do. */
static void leave_behind(struct move *move)
{
	struct err err;

	if (!move->options.remove_source_disks) {
		move_note(move, "left-behind",
			  "%zu bitmaps stay in the images here: host '%s' "
			  "does not take them",
			  move->begin.bitmap_count, move->row.peer);
		move_parts_next(move);
		return;
	}
	err_set(&err, ERR_CONFLICT,
		"the images of local disks have %zu bitmaps, which host '%s' does not take: "
		"upgrade "
		"its migrd and QEMU, delete them, or leave out remove_source_disks",
		move->begin.bitmap_count, move->row.peer);
	move_roll_back(move, &err);
}

static void copy(struct move *move)
{
	struct json_object *args;

	if (!transfer_plan_has(move->plan, CAPABILITY)) {
		leave_behind(move);
		return;
	}
	args = json_object_new_object();
	json_add_bool(args, "flat", true);
	move_qmp(move, "query-named-block-nodes", args, COMMAND_DEADLINE_MS, on_nodes);
}

const struct move_part move_part_bitmaps = {
	.name = "bitmaps",
	.wanted = is_wanted,
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_PREPARE] = { copy } } },
};
