/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a save and of a restore, as two tables. */
#include "save/priv.h"

#define TO(state) (1u << SAVE_STATE_##state)
#define FINAL(name_)                                                                      \
	{                                                                                 \
		.name = name_, .flags = MACHINE_FINAL, .restart = MACHINE_RESTART_NOTHING \
	}

const struct machine_state save_out_states[SAVE_STATE_COUNT] = {
	[SAVE_STATE_BEGIN] = {
		.name = "begin",
		.next = TO(TRANSFER) | TO(ROLLBACK),
		.flags = SAVE_CAN_CANCEL,
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = save_out_enter_begin,
	},
	[SAVE_STATE_TRANSFER] = {
		.name = "transfer",
		.next = TO(SEAL) | TO(ROLLBACK),
		.flags = SAVE_CAN_CANCEL,
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = save_out_enter_transfer,
		.step = save_out_step_transfer,
	},
	[SAVE_STATE_SEAL] = {
		.name = "seal",
		.next = TO(END) | TO(DONE) | TO(ROLLBACK),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = save_out_enter_seal,
	},
	[SAVE_STATE_END] = {
		.name = "end",
		.next = TO(DONE) | TO(ROLLBACK),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = save_out_enter_end,
		.step = save_out_step_end,
	},
	[SAVE_STATE_ROLLBACK] = {
		.name = "rollback",
		.next = TO(CANCELLED) | TO(FAILED),
		.flags = SAVE_MAY_STOP,
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = save_out_enter_rollback,
		.step = save_out_step_rollback,
	},
	[SAVE_STATE_DONE] = FINAL("done"),
	[SAVE_STATE_CANCELLED] = FINAL("cancelled"),
	[SAVE_STATE_FAILED] = FINAL("failed"),
};

const struct machine_state save_in_states[SAVE_STATE_COUNT] = {
	[SAVE_STATE_BEGIN] = {
		.name = "begin",
		.next = TO(DISKS) | TO(LOAD) | TO(ROLLBACK),
		.flags = SAVE_CAN_CANCEL,
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = save_in_enter_begin,
		.step = save_in_step_begin,
	},
	[SAVE_STATE_DISKS] = {
		.name = "disks",
		.next = TO(LOAD) | TO(ROLLBACK),
		.flags = SAVE_CAN_CANCEL,
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = save_in_enter_disks,
		.step = save_in_step_begin,
	},
	[SAVE_STATE_LOAD] = {
		.name = "load",
		.next = TO(CLAIM) | TO(ROLLBACK),
		.flags = SAVE_CAN_CANCEL,
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = save_in_enter_load,
		.step = save_in_step_load,
	},
	[SAVE_STATE_CLAIM] = {
		.name = "claim",
		.next = TO(RUN) | TO(ROLLBACK),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = save_in_enter_claim,
		.step = save_in_step_claim,
	},
	[SAVE_STATE_RUN] = {
		.name = "run",
		.next = TO(DONE),
		.flags = SAVE_MAY_RESUME | SAVE_MAY_STOP,
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = save_in_enter_run,
		.step = save_in_step_run,
	},
	[SAVE_STATE_ROLLBACK] = {
		.name = "rollback",
		.next = TO(CANCELLED) | TO(FAILED),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = save_in_enter_rollback,
		.step = save_in_step_rollback,
	},
	[SAVE_STATE_DONE] = FINAL("done"),
	[SAVE_STATE_CANCELLED] = FINAL("cancelled"),
	[SAVE_STATE_FAILED] = FINAL("failed"),
};
