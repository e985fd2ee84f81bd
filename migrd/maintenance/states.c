/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a maintenance, as a table.  Its hosts' states are in host.c. */
#include "maintenance/priv.h"

#define TO(state) (1u << MAINT_STATE_##state)
#define FINAL(name_)                                                                       \
	{                                                                                  \
		.name = name_, .flags = MACHINE_FINAL, .restart = MACHINE_RESTART_NOTHING, \
		.invariant = is_over                                                       \
	}

/* No host is between its begin and its end. */
static bool is_over(const struct machine *machine)
{
	const struct maintenance *m = maint_of((struct machine *)(uintptr_t)machine);

	for (size_t i = 0; i < m->host_count; i++)
		if (maint_host_is_under_way(&m->hosts[i]))
			return false;
	return true;
}

const struct machine_state maint_states[MAINT_STATE_COUNT] = {
	[MAINT_STATE_PLANNED] = {
		.name = "planned",
		.next = TO(RUNNING) | TO(STOPPING),
		.restart = MACHINE_RESTART_CONTINUE,
		.step = maint_step_planned,
	},
	[MAINT_STATE_RUNNING] = {
		.name = "running",
		.next = TO(WAITING) | TO(STOPPING) | TO(DONE),
		.restart = MACHINE_RESTART_CONTINUE,
		.step = maint_step_running,
	},
	[MAINT_STATE_WAITING] = {
		.name = "waiting",
		.next = TO(RUNNING) | TO(STOPPING) | TO(DONE),
		.restart = MACHINE_RESTART_CONTINUE,
		.step = maint_step_running,
	},
	[MAINT_STATE_STOPPING] = {
		.name = "stopping",
		.next = TO(FAILED) | TO(ABORTED),
		.restart = MACHINE_RESTART_CONTINUE,
		.step = maint_step_stopping,
	},
	[MAINT_STATE_DONE] = FINAL("done"),
	[MAINT_STATE_FAILED] = FINAL("failed"),
	[MAINT_STATE_ABORTED] = FINAL("aborted"),
};
