/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a refresh, and its ways, as tables. */
#include "refresh/priv.h"

#define TO(state) (1u << REFRESH_STATE_##state)
#define FINAL(name_)                                                                      \
	{                                                                                 \
		.name = name_, .flags = MACHINE_FINAL, .restart = MACHINE_RESTART_NOTHING \
	}

const struct refresh_way_row refresh_ways[REFRESH_WAY_COUNT] = {
	[REFRESH_WAY_CPR] = {
		.incoming = CMDLINE_INCOMING_CPR,
		.is_old_first = true,
		.mode = "cpr-transfer",
	},
	[REFRESH_WAY_STREAM] = {
		.incoming = CMDLINE_INCOMING_DEFER,
		.transfer_ms_per_mib = 40, /* 25 MiB/s */
		.still_ms_per_mib = 20,
	},
};

const struct machine_state refresh_states[REFRESH_STATE_COUNT] = {
	[REFRESH_STATE_PREPARE] = {
		.name = "prepare",
		.next = TO(TRANSFER) | TO(ROLLBACK),
		.flags = REFRESH_CAN_CANCEL,
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = refresh_enter_prepare,
		.step = refresh_step_prepare,
	},
	[REFRESH_STATE_TRANSFER] = {
		.name = "transfer",
		.next = TO(SWITCHED) | TO(ROLLBACK),
		.flags = REFRESH_CAN_CANCEL,
		.restart = MACHINE_RESTART_GIVE_UP,
		.enter = refresh_enter_transfer,
		.step = refresh_step_transfer,
	},
	[REFRESH_STATE_SWITCHED] = {
		.name = "switched",
		.next = TO(DONE) | TO(FAILED),
		.flags = REFRESH_MAY_RESUME | REFRESH_MAY_STOP,
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = refresh_enter_switched,
		.step = refresh_step_switched,
	},
	[REFRESH_STATE_ROLLBACK] = {
		.name = "rollback",
		.next = TO(CANCELLED) | TO(FAILED),
		.flags = REFRESH_MAY_STOP,
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = refresh_enter_rollback,
		.step = refresh_step_rollback,
	},
	[REFRESH_STATE_DONE] = FINAL("done"),
	[REFRESH_STATE_CANCELLED] = FINAL("cancelled"),
	[REFRESH_STATE_FAILED] = FINAL("failed"),
};
