/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metrics of a host that is emptied, of the maintenance that it conducts, of hooks and holds. */
#include <string.h>

#include "base/mem.h"
#include "metrics/priv.h"

static void add_state(struct metrics_out *out, const char *now, const char *const *states,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		metrics_add(out, strcmp(states[i], now) == 0, LABELS(states[i]));
}

/* ---- the evacuation under way ----------------------------------------------------------- */

void metrics_read_evacuation_state(struct metrics_out *out, const struct metrics *metrics)
{
	static const char *const states[] = { "planned", "waiting", "draining", "drained",
					      "returning" };

	add_state(out, metrics->look.evacuation.state, states, ARRAY_LEN(states));
}

void metrics_read_evacuation_paused(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, metrics->look.evacuation.is_paused, NULL);
}

void metrics_read_evacuation_vms(struct metrics_out *out, const struct metrics *metrics)
{
	const struct evacuation_counts *counts = &metrics->look.evacuation.counts;

	metrics_add(out, (double)counts->left, LABELS("left"));
	metrics_add(out, (double)counts->moving, LABELS("moving"));
	metrics_add(out, (double)counts->blocked, LABELS("blocked"));
	metrics_add(out, (double)counts->moved, LABELS("moved"));
	metrics_add(out, (double)counts->stays, LABELS("stays"));
	metrics_add(out, (double)counts->returned, LABELS("returned"));
}

void metrics_read_evacuation_blocked(struct metrics_out *out, const struct metrics *metrics)
{
	const struct look_evacuation *evac = &metrics->look.evacuation;

	for (size_t i = 0; i < evac->blocked_count; i++)
		metrics_add(out, 1, LABELS(evac->blocked[i].vm, evac->blocked[i].why));
}

static void add_time(struct metrics_out *out, int64_t ms)
{
	if (ms)
		metrics_add(out, (double)ms / 1000, NULL);
}

void metrics_read_evacuation_end(struct metrics_out *out, const struct metrics *metrics)
{
	add_time(out, metrics->look.evacuation.end_ms);
}

void metrics_read_evacuation_deadline(struct metrics_out *out, const struct metrics *metrics)
{
	add_time(out, metrics->look.evacuation.deadline_ms);
}

void metrics_read_evacuation_fill(struct metrics_out *out, const struct metrics *metrics)
{
	const struct look_evacuation *evac = &metrics->look.evacuation;

	for (size_t i = 0; i < evac->fill_count; i++) {
		const struct look_fill *fill = &evac->fills[i];

		metrics_add(out, fill->before, LABELS(fill->host, "before"));
		metrics_add(out, fill->after, LABELS(fill->host, "after"));
		metrics_add(out, fill->worst, LABELS(fill->host, "worst"));
	}
}

void metrics_read_evacuations(struct metrics_out *out, const struct metrics *metrics)
{
	const struct evacuations_ended ended = evacuations_ended(metrics->env.evacuations);

	metrics_add(out, (double)ended.ended, LABELS("ended"));
	metrics_add(out, (double)ended.aborted, LABELS("aborted"));
}

/* ---- maintenances -------------------------------------------------------------------------- */

void metrics_read_maintenance_state(struct metrics_out *out, const struct metrics *metrics)
{
	static const char *const states[] = { "planned", "running", "waiting", "stopping" };

	add_state(out, metrics->look.maintenance.state, states, ARRAY_LEN(states));
}

void metrics_read_maintenance_hosts(struct metrics_out *out, const struct metrics *metrics)
{
	const struct maintenance_counts *counts = &metrics->look.maintenance.counts;

	metrics_add(out, (double)counts->todo, LABELS("todo"));
	metrics_add(out, (double)counts->under_way, LABELS("under_way"));
	metrics_add(out, (double)counts->done, LABELS("done"));
	metrics_add(out, (double)counts->failed, LABELS("failed"));
	metrics_add(out, (double)counts->skipped, LABELS("skipped"));
	metrics_add(out, (double)counts->aborted, LABELS("aborted"));
}

void metrics_read_maintenances(struct metrics_out *out, const struct metrics *metrics)
{
	const struct maintenances_ended ended = maintenances_ended(metrics->env.maintenances);

	metrics_add(out, (double)ended.done, LABELS("done"));
	metrics_add(out, (double)ended.failed, LABELS("failed"));
	metrics_add(out, (double)ended.aborted, LABELS("aborted"));
}

/* ---- hooks, holds ---------------------------------------------------------------------------- */

void metrics_read_hooks(struct metrics_out *out, const struct metrics *metrics)
{
	for (int state = HOOK_DONE; state < HOOK_STATE_COUNT; state++)
		metrics_add(out, (double)hooks_ended(metrics->env.hooks, (enum hook_state)state),
			    LABELS(hook_state_names[state]));
}

void metrics_read_hook_running(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, hooks_is_running(metrics->env.hooks, NULL), NULL);
}

void metrics_read_holds(struct metrics_out *out, const struct metrics *metrics)
{
	const struct store_hold *row = NULL;
	size_t of_host = 0, of_vms = 0;

	while ((row = holds_next(metrics->env.holds, row))) {
		if (row->vm_uuid[0])
			of_vms++;
		else
			of_host++;
	}
	metrics_add(out, (double)of_host, LABELS("host"));
	metrics_add(out, (double)of_vms, LABELS("vm"));
}
