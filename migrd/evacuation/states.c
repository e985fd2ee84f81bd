/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of an evacuation, as a table. */
#include "evacuation/priv.h"

#define TO(state) (1u << EVAC_STATE_##state)
#define FINAL(name_)                                                                      \
	{                                                                                 \
		.name = name_, .flags = MACHINE_FINAL, .restart = MACHINE_RESTART_NOTHING \
	}

const struct machine_state evac_states[EVAC_STATE_COUNT] = {
	[EVAC_STATE_PLANNED] = {
		.name = "planned",
		.next = TO(WAITING) | TO(DRAINING) | TO(ABORTED),
		.restart = MACHINE_RESTART_CONTINUE,
		.step = evac_step_planned,
	},
	[EVAC_STATE_WAITING] = {
		.name = "waiting",
		.next = TO(DRAINING) | TO(ABORTED),
		.restart = MACHINE_RESTART_CONTINUE,
		.step = evac_step_planned,
	},
	[EVAC_STATE_DRAINING] = {
		.name = "draining",
		.next = TO(DRAINED) | TO(RETURNING) | TO(ENDED) | TO(ABORTED),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = evac_enter_draining,
		.step = evac_step_draining,
	},
	[EVAC_STATE_DRAINED] = {
		.name = "drained",
		.next = TO(DRAINING) | TO(RETURNING) | TO(ENDED),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = evac_enter_draining,
		.step = evac_step_drained,
		.invariant = evac_is_empty,
	},
	[EVAC_STATE_RETURNING] = {
		.name = "returning",
		.next = TO(ENDED),
		.restart = MACHINE_RESTART_CONTINUE,
		.enter = evac_enter_returning,
		.step = evac_step_returning,
	},
	[EVAC_STATE_ENDED] = FINAL("ended"),
	[EVAC_STATE_ABORTED] = FINAL("aborted"),
};
