/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of local disks go along with the guest (move/bitmaps.h), if the plan sends them.
 * Copies that are left are removed with what is left of the mirrors (move/src_disks_clear.c). */
#include "base/mem.h"
#include "converge/converge.h"
#include "move/bitmaps.h"
#include "move/disks.h"
#include "move/src_priv.h"

static bool is_wanted(const struct move *move)
{
	return move->begin.bitmap_sums.go_count > 0;
}

static void fail(struct move *move, const struct err *why)
{
	struct err err = *why;

	err_wrap(&err, "the bitmaps of local disks cannot be sent");
	move_roll_back(move, &err);
}

/* ---- which bitmaps QEMU sends --------------------------------------------------------- */

static void on_mapped(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		fail(move, err);
	else
		move_parts_next(move);
}

/* QEMU would send all bitmaps of all nodes without it, to nodes of the same names. */
static void map(struct move *move)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "block-bitmap-mapping", TAKE_PTR(move->begin.bitmaps));
	move_qmp(move, "migrate-set-parameters", args, COMMAND_DEADLINE_MS, on_mapped);
}

/* ---- they stay ------------------------------------------------------------------------ */

/* In the source's images, as internal snapshots do. */
static void leave_behind(struct move *move, size_t count, const char *why)
{
	struct err err;

	if (move->options.remove_source_disks) {
		err_set(&err, ERR_CONFLICT,
			"the images of local disks have %zu bitmaps, which do not go along: %s; or "
			"delete them, or leave out remove_source_disks",
			count, why);
		move_roll_back(move, &err);
		return;
	}
	move_note(move, "left-behind",
		  "%zu bitmaps stay in the images here, so the next backup there is a full one: %s",
		  count, why);
	if (!transfer_plan_has(move->plan, TRANSFER_DIRTY_BITMAPS)) {
		move_parts_next(move);
		return;
	}
	json_object_put(move->begin.bitmaps);
	move->begin.bitmaps = json_object_new_array(); /* QEMU sends none */
	map(move);
}

/* ---- copies of them go ---------------------------------------------------------------- */

/* QEMU has refused to make the copies: it has none of them. */
static void on_copied(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (!err) {
		map(move);
		return;
	}
	move->facts.bitmap_bytes = 0;
	if (err->code == ERR_QEMU)
		leave_behind(move, move->begin.bitmap_sums.go_count, err->msg);
	else
		fail(move, err);
}

/* Makes ACTIONS, and the mapping in MOVE. */
static struct move_bitmap_sums choose(struct move *move, struct json_object *nodes,
				      struct json_object *actions)
{
	struct move_bitmap_sums sums = { 0 };
	const struct vm_def_disk *disk;

	json_object_put(move->begin.bitmaps);
	move->begin.bitmaps = json_object_new_array();
	for (size_t i = 0; i < move->begin.disk_count && (disk = move_local_disk(move, i)); i++) {
		struct move_bitmaps bitmaps;

		move_bitmaps_choose(nodes, move->begin.nodes[i], disk,
				    move->begin.disks[i].virtual_bytes, &sums, &bitmaps);
		if (bitmaps.go_count)
			move_bitmaps_add(&bitmaps, move->begin.nodes[i], disk->id, actions,
					 move->begin.bitmaps);
	}
	return sums;
}

/* Since the plan was made, they or the allowed downtime may have changed. */
static void on_nodes(struct move *move, struct json_object *result, const struct err *err)
{
	struct json_object *actions, *args;
	struct move_bitmap_sums sums;
	uint64_t ms;

	if (err) {
		fail(move, err);
		return;
	}
	actions = json_object_new_array();
	sums = choose(move, result, actions);
	ms = transfer_bitmaps_ms(sums.go_bytes,
				 transfer_plan_number(move->plan, TRANSFER_SWITCHOVER_BANDWIDTH));
	if (sums.stay_count > move->begin.bitmap_sums.stay_count ||
	    ms > converge_first_limit_ms(move->options.downtime_limit_ms)) {
		json_object_put(actions);
		leave_behind(move, sums.go_count + sums.stay_count,
			     "they, or what is allowed of downtime, have changed since the move "
			     "was planned");
		return;
	}
	move->facts.bitmap_bytes = sums.go_bytes;
	args = json_object_new_object();
	json_object_object_add(args, "actions", actions);
	move_qmp(move, "transaction", args, COMMAND_DEADLINE_MS, on_copied);
}

static void send_or_leave(struct move *move)
{
	struct json_object *args;

	if (!transfer_plan_has(move->plan, TRANSFER_DIRTY_BITMAPS)) {
		leave_behind(move, move->begin.bitmap_sums.go_count,
			     transfer_plan_why(move->plan, TRANSFER_DIRTY_BITMAPS));
		return;
	}
	args = json_object_new_object();
	json_add_bool(args, "flat", true);
	move_qmp(move, "query-named-block-nodes", args, COMMAND_DEADLINE_MS, on_nodes);
}

const struct move_part move_part_bitmaps = {
	.name = "bitmaps",
	.wanted = is_wanted,
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_PREPARE] = { send_or_leave } } },
};
