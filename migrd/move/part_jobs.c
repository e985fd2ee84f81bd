/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks before a move for block jobs and exports on the guest's disks.  They end with the
 * source's QEMU, and while a job holds an image, QEMU gives a transfer up at its end, without
 * a reason (block.c, bdrv_inactivate_all). */
#include "base/mem.h"
#include "base/utf8.h"
#include "move/priv.h"
#include "move/src_priv.h"
#include "qmp/block.h"

#define LOOK_AGAIN_MS 500
/* Long enough for a backup of a large disk; needed for a job that never ends (a mirror). */
#define WAIT_MAX_MS   600000
#define CANCEL_MAX_MS 30000
#define NAMED_MAX     3

static void describe(struct json_object *reply, char ret[ERR_MSG_SIZE])
{
	struct qmp_block_user user;
	size_t count = 0, len = 0;

	ret[0] = '\0';
	while (qmp_block_user_get(reply, MOVE_EXPORT_ID, count, &user) && count < NAMED_MAX) {
		len += (size_t)snprintf(ret + len, ERR_MSG_SIZE - len, "%s%s '%.40s' (%.20s)",
					count ? ", " : "", user.what, user.id, user.type);
		count++;
	}
	if (qmp_block_user_get(reply, MOVE_EXPORT_ID, count, &user))
		snprintf(ret + len, ERR_MSG_SIZE - len, " and more");
	utf8_trim(ret);
}

static void refuse(struct move *move, struct json_object *reply)
{
	char users[ERR_MSG_SIZE];
	struct err err;

	describe(reply, users);
	err_set(&err, ERR_BUSY,
		"%.200s on the guest's disks would end with this QEMU: end it, or ask again with "
		"block_jobs 'wait' or 'cancel'",
		users);
	move_roll_back(move, &err);
}

static void on_told_to_end(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_note(move, "block-job", "%s", err->msg);
}

static void cancel_all(struct move *move, struct json_object *reply)
{
	struct qmp_block_user user;

	for (size_t i = 0; qmp_block_user_get(reply, MOVE_EXPORT_ID, i, &user); i++) {
		bool is_job = strcmp(user.what, "job") == 0;
		struct json_object *args = json_object_new_object();

		json_add_str(args, "id", user.id);
		if (!is_job)
			json_add_str(args, "mode", "hard");
		if (!move->facts.waits_for_jobs)
			move_note(move, "block-job", "%s '%s' (%s) is cancelled for the move",
				  user.what, user.id, user.type);
		move_qmp(move, is_job ? "job-cancel" : "block-export-del", args,
			 COMMAND_DEADLINE_MS, on_told_to_end);
	}
}

static void wait_for_end(struct move *move, struct json_object *reply)
{
	bool is_cancel = move->options.block_jobs == MOVE_BLOCK_JOBS_CANCEL;
	uint64_t limit_ms = is_cancel ? CANCEL_MAX_MS : WAIT_MAX_MS;
	uint64_t waited_ms = machine_in_state_ms(&move->machine);
	char users[ERR_MSG_SIZE];
	struct err err;

	describe(reply, users);
	if (waited_ms >= limit_ms) {
		err_set(&err, ERR_TIMEOUT, "%.200s on the guest's disks did not end in %u s", users,
			(unsigned)(limit_ms / 1000));
		move_roll_back(move, &err);
		return;
	}
	if (!move->facts.waits_for_jobs)
		move_note(move, "block-job", "the move waits for the end of %s", users);
	move->facts.waits_for_jobs = true;
	move_set_reason(move, "waiting for the end of %.200s on the guest's disks", users);
	loop_timer_start(move->retry, LOOK_AGAIN_MS); /* then step() looks again */
}

static void take_users(struct move *move, struct json_object *reply)
{
	switch ((enum move_block_jobs)move->options.block_jobs) {
	case MOVE_BLOCK_JOBS_REFUSE:
		refuse(move, reply);
		return;
	case MOVE_BLOCK_JOBS_CANCEL:
		cancel_all(move, reply);
		break;
	case MOVE_BLOCK_JOBS_WAIT:
		break;
	}
	wait_for_end(move, reply);
}

static void on_exports(struct move *move, struct json_object *result, const struct err *err)
{
	struct qmp_block_user user;

	if (err) {
		move_roll_back(move, err);
	} else if (qmp_block_user_get(result, MOVE_EXPORT_ID, 0, &user)) {
		take_users(move, result);
	} else {
		move->facts.waits_for_jobs = false;
		move->reason[0] = '\0';
		move_parts_next(move);
	}
}

static void ask_exports(struct move *move)
{
	move->facts.waits_for_jobs = false;
	move_qmp(move, "query-block-exports", NULL, COMMAND_DEADLINE_MS, on_exports);
}

static void on_jobs(struct move *move, struct json_object *result, const struct err *err)
{
	struct qmp_block_user user;

	if (err)
		move_roll_back(move, err);
	else if (qmp_block_user_get(result, NULL, 0, &user))
		take_users(move, result);
	else
		ask_exports(move);
}

static void check_jobs(struct move *move)
{
	move->facts.asked = true; /* the retry timer clears it */
	move_qmp(move, "query-jobs", NULL, COMMAND_DEADLINE_MS, on_jobs);
}

static void step(struct move *move)
{
	if (move->facts.waits_for_jobs && !move->facts.asked)
		check_jobs(move);
}

/* ---- what is lost ------------------------------------------------------------ */

static void on_nodes(struct move *move, struct json_object *result, const struct err *err)
{
	const char *node, *name;

	if (err) {
		move_roll_back(move, err);
		return;
	}
	for (size_t i = 0; qmp_transient_bitmap_get(result, i, &node, &name); i++) {
		if (i == NAMED_MAX) {
			move_note(move, "bitmap-lost", "and more");
			break;
		}
		move_note(move, "bitmap-lost",
			  "dirty bitmap '%s' of node '%s' is not persistent and is lost by the "
			  "move",
			  name, node ? node : "?");
	}
	move_parts_next(move);
}

static void note_bitmaps(struct move *move)
{
	struct json_object *args = json_object_new_object();

	json_add_bool(args, "flat", true);
	move_qmp(move, "query-named-block-nodes", args, COMMAND_DEADLINE_MS, on_nodes);
}

const struct move_part move_part_jobs = {
	.name = "block-jobs",
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_CHECK] = { check_jobs, note_bitmaps },
				  [MOVE_PHASE_PREPARE] = { move_images_activate } } },
	.step = step,
};
