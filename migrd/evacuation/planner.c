/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plan for thousands of VMs takes a second.  So it is made by a thread of its own: what it is
 * made of is read on the loop when its turn comes, and whoever wants it is called when it is there.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/work.h"
#include "evacuation/priv.h"

/* Somebody wants a plan. */
struct planning {
	struct work work;
	TAILQ_ENTRY(planning) link;
	struct evac_planner *planner;
	struct evacuation_request request;
	struct evac_others others;
	evac_planned_fn *done; /* NULL: answered */
	void *data;
	struct evac_making making;
	struct evac_plan *plan; /* NULL: there is ERR */
	struct err err;
};

struct evac_planner {
	struct evacuations *evacs;
	struct worker *worker;
	TAILQ_HEAD(planning_list, planning) waiting; /* those of runs first */
	size_t waiting_count;
	struct planning *now; /* that the worker has; NULL: none */
	bool is_ending;
};

static void answer(struct planning *planning, struct evac_plan *plan, const struct err *err)
{
	evac_planned_fn *done = planning->done;

	planning->done = NULL;
	if (done)
		done(planning->data, plan, plan ? NULL : err);
}

static void planning_free(struct planning *planning)
{
	evac_plan_free(planning->plan);
	evac_seen_free(planning->making.seen);
	capacity_picture_free(planning->making.picture);
	free(planning);
}

/* ---- the worker -------------------------------------------------------------------- */

static void run(struct work *work)
{
	struct planning *planning = CONTAINER_OF(work, struct planning, work);
	uint64_t begun_ms = clock_monotonic_ms();

	planning->plan = evac_plan_make(&planning->making, &planning->err);
	log_debug("evacuation", "planned", "hosts=%zu vms=%zu ms=%" PRIu64,
		  planning->making.input.host_count, planning->making.input.vm_count,
		  clock_monotonic_ms() - begun_ms);
}

static void begin_next(struct evac_planner *planner);

static void on_made(struct work *work)
{
	struct planning *planning = CONTAINER_OF(work, struct planning, work);
	struct evac_planner *planner = planning->planner;

	planner->now = NULL;
	begin_next(planner);
	answer(planning, planning->plan, &planning->err);
	planning_free(planning);
}

static void begin_next(struct evac_planner *planner)
{
	struct planning *planning = TAILQ_FIRST(&planner->waiting);
	struct evacuations *evacs = planner->evacs;

	if (planner->now || !planning)
		return;
	TAILQ_REMOVE(&planner->waiting, planning, link);
	planner->waiting_count--;
	planner->now = planning;
	planning->making.request = &planning->request;
	planning->making.others = &planning->others;
	planning->making.picture = capacity_take(evacs->env.capacity);
	planning->making.seen = evac_seen_new(evacs, &planning->request);
	planning->work.run = run;
	planning->work.done = on_made;
	worker_submit(planner->worker, &planning->work);
}

/* ---- those who wait ----------------------------------------------------------------- */

static void on_refused(void *data)
{
	struct planning *planning = data;

	answer(planning, NULL, &planning->err);
	planning_free(planning);
}

static bool may_wait(const struct evac_planner *planner, bool is_run, struct err *err)
{
	if (planner->is_ending)
		return err_set(err, ERR_UNAVAILABLE, "this coordinator is stopping");
	return is_run || planner->waiting_count < EVAC_PLANS_MAX ||
	       err_set(err, ERR_LIMIT, "%d plans are waited for already: ask again in a moment",
		       EVAC_PLANS_MAX);
}

void evac_plan_ask(struct evac_planner *planner, const struct evacuation_request *request,
		   const struct evac_others *others, bool is_run, evac_planned_fn *done, void *data)
{
	struct planning *planning = xnew(struct planning);

	planning->planner = planner;
	planning->request = *request;
	planning->others = *others;
	planning->done = done;
	planning->data = data;
	if (!may_wait(planner, is_run, &planning->err)) {
		loop_post(planner->evacs->env.loop, on_refused, planning);
		return;
	}
	if (is_run)
		TAILQ_INSERT_HEAD(&planner->waiting, planning, link);
	else
		TAILQ_INSERT_TAIL(&planner->waiting, planning, link);
	planner->waiting_count++;
	begin_next(planner);
}

/* ---- life ---------------------------------------------------------------------------- */

struct evac_planner *evac_planner_new(struct evacuations *evacs)
{
	struct evac_planner *planner = xnew(struct evac_planner);

	planner->evacs = evacs;
	planner->worker = worker_new(evacs->env.loop, "plans", 1);
	TAILQ_INIT(&planner->waiting);
	return planner;
}

/* The worker may still be at the one that it has. */
void evac_planner_end(struct evac_planner *planner)
{
	struct planning *planning;
	struct err err;

	planner->is_ending = true;
	may_wait(planner, false, &err);
	while ((planning = TAILQ_FIRST(&planner->waiting))) {
		TAILQ_REMOVE(&planner->waiting, planning, link);
		planner->waiting_count--;
		answer(planning, NULL, &err);
		planning_free(planning);
	}
	if (planner->now)
		answer(planner->now, NULL, &err);
}

void evac_planner_free(struct evac_planner *planner)
{
	if (!planner)
		return;
	worker_free(planner->worker);
	free(planner);
}
