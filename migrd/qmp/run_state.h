/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/run_state.h -- QEMU's run state, as its events tell it.
 *
 * STOP does not say why: an event just before it does, if there is a reason.
 * Begin with what query-status says, and follow the events from there on.
 *
 * Thread: any (pure).  Source: qapi/run-state.json, qapi/block-core.json (the
 * events and their actions), softmmu/runstate.c (main_loop_should_exit).
 */
#ifndef MIGRD_QMP_RUN_STATE_H
#define MIGRD_QMP_RUN_STATE_H

#include "qmp/conn.h"
#include "qmp/migrate.h"

struct qmp_run {
	enum qmp_run_state state;
	enum qmp_run_state next_stop; /* the state after the next STOP */
};

void qmp_run_init(struct qmp_run *run);
void qmp_run_follow(struct qmp_run *run, const struct qmp_event *event);
/* True: this event stops the guest for a reason of its own; *RET is the state that follows. */
bool qmp_event_stops_guest(const struct qmp_event *event, enum qmp_run_state *ret);

#endif
