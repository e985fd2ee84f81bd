/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/run_state.h"

#include "base/mem.h"
#include "qmp/events.h"

/* Events after which the guest stands still in STATE, if their "action" is ACTION; NULL: in
 * any case, unless QEMU ends. */
static const struct {
	enum qmp_event_type type;
	const char *action;
	enum qmp_run_state state;
} stops[] = {
	{ QMP_EVENT_TYPE_BLOCK_IO_ERROR, "stop", QMP_RUN_IO_ERROR },
	{ QMP_EVENT_TYPE_GUEST_PANICKED, "pause", QMP_RUN_GUEST_PANICKED },
	{ QMP_EVENT_TYPE_SHUTDOWN, NULL, QMP_RUN_SHUTDOWN },
	{ QMP_EVENT_TYPE_WATCHDOG, "pause", QMP_RUN_WATCHDOG },
};

void qmp_run_init(struct qmp_run *run)
{
	*run = (struct qmp_run){ QMP_RUN_UNKNOWN, QMP_RUN_PAUSED };
}

bool qmp_event_stops_guest(const struct qmp_event *event, enum qmp_run_state *ret)
{
	const char *action = json_get_str(event->data, "action");
	enum qmp_event_type type = qmp_event_type_from_name(event->name);

	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		const char *wanted = stops[i].action;

		if (stops[i].type == type && (!wanted || (action && !strcmp(action, wanted)))) {
			*ret = stops[i].state;
			return true;
		}
	}
	return false;
}

/* True: a reset of a guest in this state leaves it standing still at its very beginning. */
static bool is_made_new(enum qmp_run_state state)
{
	return state == QMP_RUN_PAUSED || state == QMP_RUN_SHUTDOWN || state == QMP_RUN_WATCHDOG ||
	       state == QMP_RUN_GUEST_PANICKED || state == QMP_RUN_IO_ERROR ||
	       state == QMP_RUN_INTERNAL_ERROR;
}

/* True: a guest has arrived, and stays stopped. QEMU has no RESUME or STOP for the
 * end of `inmigrate' if the guest does not run. */
static bool has_arrived(const struct qmp_run *run, const struct qmp_event *event)
{
	const char *status = json_get_str(event->data, "status");

	return run->state == QMP_RUN_INMIGRATE && status && strcmp(status, "completed") == 0;
}

void qmp_run_follow(struct qmp_run *run, const struct qmp_event *event)
{
	enum qmp_event_type type = qmp_event_type_from_name(event->name);

	qmp_event_stops_guest(event, &run->next_stop);
	if (type == QMP_EVENT_TYPE_STOP)
		run->state = run->next_stop;
	else if (type == QMP_EVENT_TYPE_RESUME || type == QMP_EVENT_TYPE_WAKEUP)
		run->state = QMP_RUN_RUNNING;
	else if (type == QMP_EVENT_TYPE_SUSPEND)
		run->state = QMP_RUN_SUSPENDED;
	else if (type == QMP_EVENT_TYPE_RESET && is_made_new(run->state))
		run->state = QMP_RUN_PRELAUNCH;
	else if (type == QMP_EVENT_TYPE_MIGRATION && has_arrived(run, event))
		run->state = QMP_RUN_PAUSED;
	if (type == QMP_EVENT_TYPE_STOP || type == QMP_EVENT_TYPE_RESUME ||
	    type == QMP_EVENT_TYPE_RESET)
		run->next_stop = QMP_RUN_PAUSED;
}
