/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a backup, as a table. */
#include "vmbackup/priv.h"

#define TO(state) (1u << VMBACKUP_STATE_##state)
#define FINAL(name_)                                                                      \
	{                                                                                 \
		.name = name_, .flags = MACHINE_FINAL, .restart = MACHINE_RESTART_NOTHING \
	}

const struct machine_state vmbackup_states[VMBACKUP_STATE_COUNT] = {
	[VMBACKUP_STATE_BEGIN] = {
		.name = "begin",
		.next = TO(COPY) | TO(ROLLBACK),
		.flags = VMBACKUP_CAN_CANCEL,
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = vmbackup_enter_begin,
		.step = vmbackup_step_begin,
	},
	[VMBACKUP_STATE_COPY] = {
		.name = "copy",
		.next = TO(CLOSE) | TO(ROLLBACK),
		.flags = VMBACKUP_CAN_CANCEL,
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = vmbackup_enter_copy,
		.step = vmbackup_step_copy,
	},
	[VMBACKUP_STATE_CLOSE] = {
		.name = "close",
		.next = TO(SEAL) | TO(ROLLBACK),
		.flags = VMBACKUP_CAN_CANCEL,
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = vmbackup_enter_close,
		.step = vmbackup_step_close,
	},
	[VMBACKUP_STATE_SEAL] = {
		.name = "seal",
		.next = TO(TIDY) | TO(ROLLBACK),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = vmbackup_enter_seal,
		.step = vmbackup_step_seal,
	},
	[VMBACKUP_STATE_TIDY] = {
		.name = "tidy",
		.next = TO(DONE),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = vmbackup_enter_tidy,
		.step = vmbackup_step_tidy,
	},
	[VMBACKUP_STATE_ROLLBACK] = {
		.name = "rollback",
		.next = TO(CANCELLED) | TO(FAILED),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = vmbackup_enter_rollback,
		.step = vmbackup_step_rollback,
	},
	[VMBACKUP_STATE_DONE] = FINAL("done"),
	[VMBACKUP_STATE_CANCELLED] = FINAL("cancelled"),
	[VMBACKUP_STATE_FAILED] = FINAL("failed"),
};
