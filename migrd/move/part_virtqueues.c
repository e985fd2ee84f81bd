/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sizes of the guest's virtqueues (vm/virtqueues.h).  The source tells them, and the
 * destination asks its own QEMU, which waits, what it has made room for. */
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"

#define QUERY_DEADLINE_MS 5000

static const struct qmp_version *version_of(const struct move *move)
{
	const struct qemu *qemu = move_qemu(move);

	return qemu ? qemu_version(qemu) : NULL;
}

/* What is not known is not compared, and left to QEMU. */
static void give_up(struct move *move, const struct err *err)
{
	log_warning("move", "virtqueues", "move=%s error=%s", move->row.id, err->msg);
	move_parts_next(move);
}

/* ---- the source ---------------------------------------------------------------- */

static void ask_next(struct move *move);

static void on_answer(struct move *move, struct json_object *result, const struct err *err)
{
	bool is_list = !move->virtqueues.devices;

	if (err && (is_list || err->code != ERR_QEMU)) {
		give_up(move, err);
		return;
	}
	virtqueues_take(&move->virtqueues, err ? NULL : result);
	ask_next(move);
}

static void ask_next(struct move *move)
{
	struct json_object *args;
	const char *command = virtqueues_next(&move->virtqueues, &args);

	if (command)
		move_qmp(move, command, args, QUERY_DEADLINE_MS, on_answer);
	else
		move_parts_next(move);
}

static void gather(struct move *move)
{
	if (!move->evidence || !virtqueues_may_be_large(version_of(move))) {
		move_parts_next(move);
		return;
	}
	virtqueues_walk_fini(&move->virtqueues);
	move->virtqueues = (struct virtqueues_walk){ .there = move->evidence };
	ask_next(move);
}

/* ---- the destination ------------------------------------------------------------- */

static void judge(struct move *move)
{
	struct preflight_reasons *reasons = xnew(struct preflight_reasons);

	virtqueues_judge(move->offer.compared->there, move->evidence, reasons);
	if (reasons->count) {
		move_refuse(move, reasons);
		machine_step(&move->machine);
	} else {
		move_parts_next(move);
	}
	free(reasons);
}

static void compare_next(struct move *move);

/* QEMU may have no such device: then the move fails by itself. */
static void on_room(struct move *move, struct json_object *result, const struct err *err)
{
	int64_t entries = err ? 0 : json_get_int(result, "vring-num-default", 0);

	if (err && err->code != ERR_QEMU) {
		give_up(move, err);
		return;
	}
	move->evidence->queues[move->evidence->queue_count++].entries =
		entries > 0 ? (uint64_t)entries : 0;
	compare_next(move);
}

static void compare_next(struct move *move)
{
	const struct evidence *there = move->offer.compared->there;
	size_t index = move->evidence->queue_count;
	struct json_object *args;

	if (index == there->queue_count) {
		judge(move);
		return;
	}
	args = json_object_new_object();
	json_add_str(args, "path", there->queues[index].path);
	json_add_uint(args, "queue", there->queues[index].queue);
	move_qmp(move, "x-query-virtio-queue-status", args, QUERY_DEADLINE_MS, on_room);
}

static void compare(struct move *move)
{
	if (move->offer.compared && move->evidence && virtqueues_are_strict(version_of(move)))
		compare_next(move);
	else
		move_parts_next(move);
}

const struct move_part move_part_virtqueues = {
	.name = "virtqueues",
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_PREPARE] = { gather } },
		   [MOVE_DST] = { [MOVE_PHASE_CHECK] = { compare } } },
};
