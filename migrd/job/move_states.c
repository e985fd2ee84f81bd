/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a move, as two tables.  tests/lint/check-diagrams.sh compares the diagrams in
 * move.h and ARCHITECTURE.md with them, and tests/model asserts each change of state. */
#include "job/move_dst.h"
#include "job/move_priv.h"
#include "job/move_src.h"
#include "vm/entry.h"

#define TO(state) (1u << MOVE_STATE_##state)
#define MAY(kind) (1u << VM_SYNC_##kind)

#define FINAL(name_)                                                             \
	{                                                                        \
		.name = name_, .is_final = true, .restart = MOVE_RESTART_NOTHING \
	}

const struct move_state_def move_src_states[MOVE_STATE_COUNT] = {
	[MOVE_STATE_BEGIN] = {
		.name = "begin",
		.next = TO(PREPARE) | TO(ROLLBACK),
		.can_cancel = true,
		.sync_jobs = MAY(PAUSE) | MAY(RESUME),
		.restart = MOVE_RESTART_ROLL_BACK,
		.enter = move_src_enter_begin,
		.step = move_src_step_begin,
	},
	[MOVE_STATE_PREPARE] = {
		.name = "prepare",
		.next = TO(TRANSFER) | TO(ROLLBACK),
		.can_cancel = true,
		.sync_jobs = MAY(PAUSE) | MAY(RESUME),
		.restart = MOVE_RESTART_ROLL_BACK,
		.enter = move_src_enter_prepare,
		.step = move_src_step_prepare,
	},
	[MOVE_STATE_TRANSFER] = {
		.name = "transfer",
		.next = TO(HANDOVER) | TO(ROLLBACK),
		.can_cancel = true,
		.sync_jobs = MAY(PAUSE) | MAY(RESUME),
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_src_enter_transfer,
		.step = move_src_step_transfer,
	},
	[MOVE_STATE_HANDOVER] = {
		.name = "handover",
		.next = TO(CONFIRM) | TO(ROLLBACK) | TO(STUCK),
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_src_enter_handover,
		.step = move_src_step_handover,
	},
	[MOVE_STATE_CONFIRM] = {
		.name = "confirm",
		.next = TO(DONE),
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_src_enter_confirm,
		.step = move_src_step_confirm,
	},
	[MOVE_STATE_ROLLBACK] = {
		.name = "rollback",
		.next = TO(CANCELLED) | TO(FAILED) | TO(CONFIRM) | TO(STUCK),
		.sync_jobs = MAY(PAUSE) | MAY(RESUME) | MAY(RESET) | MAY(SHUTDOWN) | MAY(STOP),
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_src_enter_rollback,
		.step = move_src_step_rollback,
	},
	[MOVE_STATE_DONE] = FINAL("done"),
	[MOVE_STATE_CANCELLED] = FINAL("cancelled"),
	[MOVE_STATE_FAILED] = FINAL("failed"),
	[MOVE_STATE_STUCK] = {
		/* A handover in which nobody answers; it goes on asking. */
		.name = "stuck",
		.next = TO(CONFIRM) | TO(ROLLBACK),
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_src_enter_handover,
		.step = move_src_step_stuck,
	},
};

const struct move_state_def move_dst_states[MOVE_STATE_COUNT] = {
	[MOVE_STATE_PREPARE] = {
		.name = "prepare",
		.next = TO(TRANSFER) | TO(ROLLBACK),
		.can_cancel = true,
		.restart = MOVE_RESTART_ROLL_BACK,
		.enter = move_dst_enter_prepare,
		.step = move_dst_step_prepare,
	},
	[MOVE_STATE_TRANSFER] = {
		.name = "transfer",
		.next = TO(HANDOVER) | TO(ROLLBACK) | TO(STUCK),
		.can_cancel = true,
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_dst_enter_transfer,
		.step = move_dst_step_transfer,
	},
	[MOVE_STATE_HANDOVER] = {
		.name = "handover",
		.next = TO(DONE) | TO(ROLLBACK),
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_dst_enter_handover,
		.step = move_dst_step_handover,
	},
	[MOVE_STATE_ROLLBACK] = {
		.name = "rollback",
		.next = TO(FAILED),
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_dst_enter_rollback,
		.step = move_dst_step_rollback,
	},
	[MOVE_STATE_DONE] = FINAL("done"),
	[MOVE_STATE_FAILED] = FINAL("failed"),
	[MOVE_STATE_STUCK] = {
		/* The guest is loaded, and the source is silent; it goes on asking. */
		.name = "stuck",
		.next = TO(HANDOVER) | TO(ROLLBACK),
		.restart = MOVE_RESTART_CONTINUE,
		.enter = move_dst_enter_transfer,
		.step = move_dst_step_transfer,
	},
	/* Only the source begins, cancels and confirms. */
	[MOVE_STATE_BEGIN] = { .name = "begin" },
	[MOVE_STATE_CONFIRM] = { .name = "confirm" },
	[MOVE_STATE_CANCELLED] = { .name = "cancelled" },
};
