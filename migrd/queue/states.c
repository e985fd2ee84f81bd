/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of an entry of the queue, as a table. */
#include "queue/priv.h"

#define TO(state) (1u << QUEUE_STATE_##state)
#define FINAL(name_)                                                                      \
	{                                                                                 \
		.name = name_, .flags = MACHINE_FINAL, .restart = MACHINE_RESTART_NOTHING \
	}

const struct machine_state queue_states[QUEUE_STATE_COUNT] = {
	[QUEUE_STATE_WAITING] = {
		.name = "waiting",
		.next = TO(MOVING) | TO(FAILED) | TO(CANCELLED),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = queue_enter_waiting,
		.step = queue_step,
	},
	[QUEUE_STATE_MOVING] = {
		.name = "moving",
		.next = TO(WAITING) | TO(DONE) | TO(FAILED) | TO(CANCELLED),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = queue_enter_moving,
		.step = queue_step,
	},
	[QUEUE_STATE_DONE] = FINAL("done"),
	[QUEUE_STATE_FAILED] = FINAL("failed"),
	[QUEUE_STATE_CANCELLED] = FINAL("cancelled"),
};
