/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sizes of the guest's virtqueues.  QEMU 10.0 gives them more entries than their queue-size
 * says, and QEMU 11.1 refuses to load such a guest
 * (findings/virtqueues-of-10.0.13-are-larger-than-queue-size.sh).  So the source tells the
 * sizes, and the destination asks its own QEMU, which waits, what it has made room for. */
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"

#define QUERY_DEADLINE_MS 5000

static const struct qmp_version *version_of(const struct move *move)
{
	const struct qemu *qemu = move_qemu(move);

	return qemu ? qemu_version(qemu) : NULL;
}

static void ask_queue(struct move *move, const struct evidence_queue *queue, move_answer_fn *fn)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "path", queue->path);
	json_add_uint(args, "queue", queue->queue);
	move_qmp(move, "x-query-virtio-queue-status", args, QUERY_DEADLINE_MS, fn);
}

/* What is not known is not compared, and left to QEMU. */
static void give_up(struct move *move, const struct err *err)
{
	log_warning("move", "virtqueues", "move=%s error=%s", move->row.id, err->msg);
	move_parts_next(move);
}

/* ---- the source ---------------------------------------------------------------- */

/* Other versions have what queue-size says, as far as was seen. */
static bool may_be_large(const struct move *move)
{
	const struct qmp_version *version = version_of(move);

	return version && version->major == 10 && version->minor == 0 && move->evidence;
}

static void ask_next(struct move *move);

/* After the last queue of a device QEMU answers with an error. */
static void on_queue(struct move *move, struct json_object *result, const struct err *err)
{
	struct move_virtqueues *at = &move->virtqueues;
	int64_t entries = err ? 0 : json_get_int(result, "vring-num", 0);

	if (err && err->code != ERR_QEMU) {
		give_up(move, err);
		return;
	}
	if (entries > 0) {
		move->evidence->queues[move->evidence->queue_count++].entries = (uint64_t)entries;
		at->queue++;
	} else {
		at->device++;
		at->queue = 0;
	}
	ask_next(move);
}

static void ask_next(struct move *move)
{
	const struct move_virtqueues *at = &move->virtqueues;
	struct evidence_queue *queue = &move->evidence->queues[move->evidence->queue_count];
	const char *path;

	if (at->device >= json_count(at->devices) ||
	    move->evidence->queue_count == EVIDENCE_QUEUES_MAX) {
		move_parts_next(move);
		return;
	}
	path = json_get_str(json_object_array_get_idx(at->devices, at->device), "path");
	*queue = (struct evidence_queue){ .queue = at->queue };
	snprintf(queue->path, sizeof(queue->path), "%s", path ? path : "");
	ask_queue(move, queue, on_queue);
}

static void on_devices(struct move *move, struct json_object *result, const struct err *err)
{
	if (err) {
		give_up(move, err);
		return;
	}
	json_object_put(move->virtqueues.devices);
	move->virtqueues = (struct move_virtqueues){ .devices = json_object_get(result) };
	ask_next(move);
}

static void gather(struct move *move)
{
	if (may_be_large(move))
		move_qmp(move, "x-query-virtio", NULL, QUERY_DEADLINE_MS, on_devices);
	else
		move_parts_next(move);
}

/* ---- the destination ------------------------------------------------------------- */

/* Older ones load queues of any size: seen with 7.2.22 and 10.0.13. */
static bool is_strict(const struct move *move)
{
	const struct qmp_version *version = version_of(move);

	return version && qmp_version_is_since(version, 11, 1);
}

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

	if (index < there->queue_count)
		ask_queue(move, &there->queues[index], on_room);
	else
		judge(move);
}

static void compare(struct move *move)
{
	if (move->offer.compared && move->evidence && is_strict(move))
		compare_next(move);
	else
		move_parts_next(move);
}

const struct move_part move_part_virtqueues = {
	.name = "virtqueues",
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_PREPARE] = { gather } },
		   [MOVE_DST] = { [MOVE_PHASE_CHECK] = { compare } } },
};
