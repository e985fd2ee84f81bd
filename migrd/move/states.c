/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a move, as two tables.  tests/lint/check-diagrams.sh compares the diagrams in
 * move/move.h and ARCHITECTURE.md with them, and tests/model asserts each change of state. */
#include "move/dst.h"
#include "move/priv.h"
#include "move/src.h"
#include "vm/entry.h"

#define TO(state)   (1u << MOVE_STATE_##state)
#define BEARS(kind) MOVE_BEARS(VM_SYNC_##kind)

/* Invariants: the states after the destination took the guest need the verdict TAKEN, and a
 * move that ends without it (cancelled, failed) must not have that verdict. */
static bool is_taken(const struct machine *machine)
{
	return const_move_of(machine)->verdict == VERDICT_TAKEN;
}

static bool is_not_taken(const struct machine *machine)
{
	return !is_taken(machine);
}

#define FINAL(name_, invariant_)                                                           \
	{                                                                                  \
		.name = name_, .flags = MACHINE_FINAL, .restart = MACHINE_RESTART_NOTHING, \
		.invariant = invariant_                                                    \
	}

const struct machine_state move_src_states[MOVE_STATE_COUNT] = {
	[MOVE_STATE_BEGIN] = {
		.name = "begin",
		.next = TO(PREPARE) | TO(ROLLBACK),
		.flags = MOVE_CAN_CANCEL | BEARS(PAUSE) | BEARS(RESUME),
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = move_src_enter_begin,
		.step = move_src_step_begin,
	},
	[MOVE_STATE_PREPARE] = {
		.name = "prepare",
		.next = TO(TRANSFER) | TO(ROLLBACK),
		.flags = MOVE_CAN_CANCEL | BEARS(PAUSE) | BEARS(RESUME),
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = move_src_enter_prepare,
		.step = move_src_step_prepare,
	},
	[MOVE_STATE_TRANSFER] = {
		.name = "transfer",
		.next = TO(HANDOVER) | TO(ROLLBACK),
		.flags = MOVE_CAN_CANCEL | BEARS(PAUSE) | BEARS(RESUME),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_src_enter_transfer,
		.step = move_src_step_transfer,
	},
	[MOVE_STATE_HANDOVER] = {
		.name = "handover",
		.next = TO(CONFIRM) | TO(FETCH) | TO(ROLLBACK) | TO(STUCK),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_src_enter_handover,
		.step = move_src_step_handover,
	},
	[MOVE_STATE_FETCH] = {
		/* Post-copy: the destination has the guest, and this QEMU memory that it needs. */
		.name = "fetch",
		.next = TO(CONFIRM),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_src_enter_fetch,
		.step = move_src_step_fetch,
		.invariant = is_taken,
	},
	[MOVE_STATE_CONFIRM] = {
		.name = "confirm",
		.next = TO(DONE) | TO(LOST),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_src_enter_confirm,
		.step = move_src_step_confirm,
		.invariant = is_taken,
	},
	[MOVE_STATE_ROLLBACK] = {
		.name = "rollback",
		.next = TO(CANCELLED) | TO(FAILED) | TO(CONFIRM) | TO(FETCH) | TO(STUCK),
		.flags = BEARS(PAUSE) | BEARS(RESUME) | BEARS(RESET) | BEARS(SHUTDOWN) | BEARS(STOP),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_src_enter_rollback,
		.step = move_src_step_rollback,
	},
	[MOVE_STATE_DONE] = FINAL("done", is_taken),
	/* Post-copy: the source ended with memory that the guest lacks. */
	[MOVE_STATE_LOST] = FINAL("lost", is_taken),
	[MOVE_STATE_CANCELLED] = FINAL("cancelled", is_not_taken),
	[MOVE_STATE_FAILED] = FINAL("failed", is_not_taken),
	[MOVE_STATE_STUCK] = {
		/* A handover in which the destination does not answer; it goes on asking. */
		.name = "stuck",
		.next = TO(CONFIRM) | TO(FETCH) | TO(ROLLBACK),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_src_enter_handover,
		.step = move_src_step_stuck,
	},
};

const struct machine_state move_dst_states[MOVE_STATE_COUNT] = {
	[MOVE_STATE_PREPARE] = {
		.name = "prepare",
		.next = TO(TRANSFER) | TO(ROLLBACK),
		.flags = MOVE_CAN_CANCEL,
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = move_dst_enter_prepare,
		.step = move_dst_step_prepare,
	},
	[MOVE_STATE_TRANSFER] = {
		.name = "transfer",
		.next = TO(HANDOVER) | TO(ROLLBACK) | TO(STUCK),
		.flags = MOVE_CAN_CANCEL,
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_dst_enter_transfer,
		.step = move_dst_step_transfer,
	},
	[MOVE_STATE_HANDOVER] = {
		.name = "handover",
		.next = TO(DONE) | TO(FETCH) | TO(ROLLBACK),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_dst_enter_handover,
		.step = move_dst_step_handover,
		.invariant = is_taken,
	},
	[MOVE_STATE_FETCH] = {
		.name = "fetch",
		.next = TO(DONE) | TO(LOST),
		.flags = BEARS(PAUSE) | BEARS(RESUME) | BEARS(RESET) | BEARS(SHUTDOWN) | BEARS(STOP),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_dst_enter_fetch,
		.step = move_dst_step_fetch,
		.invariant = is_taken,
	},
	[MOVE_STATE_ROLLBACK] = {
		.name = "rollback",
		.next = TO(FAILED),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_dst_enter_rollback,
		.step = move_dst_step_rollback,
	},
	[MOVE_STATE_DONE] = FINAL("done", is_taken),
	/* Post-copy: the source ended with memory that the guest lacks. */
	[MOVE_STATE_LOST] = FINAL("lost", is_taken),
	[MOVE_STATE_FAILED] = FINAL("failed", is_not_taken),
	[MOVE_STATE_STUCK] = {
		/* The guest is loaded, and the source is silent; it goes on asking. */
		.name = "stuck",
		.next = TO(HANDOVER) | TO(ROLLBACK),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = move_dst_enter_transfer,
		.step = move_dst_step_transfer,
	},
	/* Only the source begins, cancels and confirms. */
	[MOVE_STATE_BEGIN] = { .name = "begin" },
	[MOVE_STATE_CONFIRM] = { .name = "confirm" },
	[MOVE_STATE_CANCELLED] = { .name = "cancelled" },
};
