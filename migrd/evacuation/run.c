/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the plan to the empty host. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"

/* So long nothing is moved because guests are still coming; the host is not said to be empty before
 * they are here, however long that takes. */
#define CREATIONS_MS      10000
#define CREATIONS_LOOK_MS 500
#define PLAN_GAP_MS       500 /* between two plans: what hosts tell may be a second old */
#define PLAN_RETRY_MS     2000
#define PLAN_RETRY_MAX_MS 60000
#define WALL_LOOK_MAX_MS  60000 /* the clock of the wall may be put forward */
#define WHILE_MOVING_MS   5000  /* what an entry waits for changes without an event */

/* A look at the moment MS of the wall's clock; 0: none. */
static void look_at_wall(int64_t ms, uint64_t *wait_ms)
{
	int64_t left_ms = ms - clock_wall_ms();

	if (ms && left_ms < (int64_t)*wait_ms)
		*wait_ms = left_ms > 0 ? (uint64_t)left_ms : 0;
}

/* What has changed is told, once for each look. */
static void tell_news(struct evacuation *evac)
{
	if (!evac->now.is_news || evac->machine.is_saving)
		return;
	evac->now.is_news = false;
	evac_tell(evac);
}

/* The record was not understood, so nothing can be begun. */
static bool is_lost(struct evacuation *evac)
{
	if (evac->request || evac->detail.ending != EVAC_ENDING_NONE)
		return false;
	evac_want_end(evac, EVAC_ENDING_ENDED, EVACUATION_MOVES_FINISH, "",
		      "its record cannot be understood");
	return true;
}

/* ---- planned, waiting ------------------------------------------------------------------ */

static void begin(struct evacuation *evac)
{
	struct evac_detail *detail = &evac->detail;

	detail->started_ms = clock_wall_ms();
	if (evac->request->deadline_s)
		detail->deadline_ms =
			detail->started_ms + (int64_t)evac->request->deadline_s * 1000;
	evac_change(evac);
	evac_go(evac, EVAC_STATE_DRAINING, NULL);
}

static void wait_for_window(struct evacuation *evac, int64_t expires_ms)
{
	const struct evac_detail *detail = &evac->detail;
	uint64_t wait_ms = WALL_LOOK_MAX_MS;

	if (evac->machine.state == EVAC_STATE_PLANNED) {
		evac_go(evac, EVAC_STATE_WAITING, NULL);
		return;
	}
	look_at_wall(expires_ms, &wait_ms);
	look_at_wall(detail->window_until_ms, &wait_ms);
	if (detail->not_before_ms > clock_wall_ms())
		look_at_wall(detail->not_before_ms, &wait_ms);
	evac_look_in(evac, wait_ms);
	tell_news(evac);
}

void evac_step_planned(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);
	struct evac_detail *detail = &evac->detail;
	int64_t now_ms = clock_wall_ms(), expires_ms;
	struct err err;

	evac_expire(evac, now_ms, &expires_ms);
	if (is_lost(evac) || detail->ending != EVAC_ENDING_NONE) {
		evac_end(evac);
	} else if (detail->window_until_ms && detail->window_until_ms <= now_ms) {
		err_set(&err, ERR_TIMEOUT, "%s",
			detail->approved
				? "its window of time has passed before it could begin"
				: "nobody has approved of it before its window of time had passed");
		evac_go(evac, EVAC_STATE_ABORTED, &err);
	} else {
		evac_vms_look(evac);
		if (detail->approved && !detail->paused && detail->not_before_ms <= now_ms)
			begin(evac);
		else
			wait_for_window(evac, expires_ms);
	}
}

/* ---- a plan is made anew ------------------------------------------------------------------- */

static void plan_failed(struct evacuation *evac, const struct err *err)
{
	uint64_t ms = (uint64_t)PLAN_RETRY_MS
		      << (evac->now.plan_failed < 5 ? evac->now.plan_failed : 5);

	evac->now.plan_failed++;
	evac->now.plan_again_ms = loop_now_ms(evac->evacs->env.loop) +
				  (ms < PLAN_RETRY_MAX_MS ? ms : PLAN_RETRY_MAX_MS);
	snprintf(evac->now.plan_error, sizeof(evac->now.plan_error), "%.500s", err->msg);
	evac->now.is_news = true;
	log_warning("evacuation", "plan", "evacuation=%s error=%s", evac->row.id, err->msg);
}

/* What has changed since the plan was begun waits for the next one. */
static void take_choice(struct evacuation *evac, struct evac_vm *vm, const struct evac_plan *plan)
{
	struct evac_choice *choice = evac_plan_find(plan, vm->uuid);
	uint64_t ignored;

	if (!evac_vm_wants_plan(evac, vm, &ignored) ||
	    !evac_seen_is_right(plan->seen, evac->evacs, vm->uuid))
		return;
	if (choice && choice->waits_for_room)
		evac_vm_await_room(evac, vm, choice);
	else if (choice)
		evac_vm_take_choice(evac, vm, choice);
	else
		evac_vm_has_no_choice(evac, vm);
}

static void take_plan(struct evacuation *evac, struct evac_plan *plan)
{
	json_object_put(evac->plan);
	evac->plan = json_object_get(plan->shown);
	free(evac->row.plan);
	evac->row.plan = TAKE_PTR(plan->text);
	evac->detail.planned_ms = clock_wall_ms();
	snprintf(evac->detail.state_id, sizeof(evac->detail.state_id), "%s", plan->state_id);
	evac->now.plan_failed = 0;
	evac->now.plan_again_ms = loop_now_ms(evac->evacs->env.loop) + PLAN_GAP_MS;
	evac->now.plan_error[0] = '\0';
	evac_rooms_take(evac, plan);
	for (size_t i = 0; i < evac->vm_count; i++)
		take_choice(evac, &evac->vms[i], plan);
	evac_change(evac);
}

static bool may_begin_moves(const struct evacuation *evac)
{
	return evac->machine.state == EVAC_STATE_DRAINING && !evac->machine.is_saving &&
	       evac->request && !evac->detail.paused && evac->detail.ending == EVAC_ENDING_NONE;
}

/* NULL: nobody waits for this plan any more.  IS_LAST: it is waited for until now. */
static struct evacuation *planned_for(struct machine_ref *ref, bool is_last)
{
	uint64_t number;
	struct evacuation *evac = evac_ref_take(ref, &number);

	if (!evac || evac->now.planning != number || evac->evacs->is_closing)
		return NULL;
	if (is_last || !may_begin_moves(evac))
		evac->now.planning = 0;
	return may_begin_moves(evac) ? evac : NULL;
}

static void on_planned(void *data, struct evac_plan *plan, const struct err *err)
{
	struct evacuation *evac = planned_for(data, true);

	if (!evac)
		return;
	evac_vms_look(evac);
	if (plan)
		take_plan(evac, plan);
	else
		plan_failed(evac, err);
	evacuations_look(evac->evacs);
}

static void on_asked(void *data)
{
	struct evacuation *evac = planned_for(data, false);
	struct evac_others others;

	if (!evac)
		return;
	evac_rooms_others(evac, &others);
	evac_plan_ask(evac->evacs->planner, evac->request, &others, true, on_planned,
		      evac_ref_new(evac, evac->now.planning));
}

/* The earliest moment at which one of the VMs wants a plan. */
static void plan_if_wanted(struct evacuation *evac, uint64_t *wait_ms)
{
	uint64_t now_ms = loop_now_ms(evac->evacs->env.loop), first_ms = UINT64_MAX;
	bool is_wanted = false;

	if (evac_rooms_are_under_way(evac))
		return;
	for (size_t i = 0; i < evac->vm_count; i++) {
		uint64_t ms;

		is_wanted |= evac_vm_wants_plan(evac, &evac->vms[i], &ms);
		if (ms < first_ms)
			first_ms = ms;
	}
	if (is_wanted)
		first_ms = evac->now.plan_again_ms;
	if (is_wanted && first_ms <= now_ms && !evac->now.planning) {
		evac->now.planning = ++evac->evacs->last_planning;
		capacity_ask(evac->evacs->env.capacity, on_asked,
			     evac_ref_new(evac, evac->now.planning));
	} else if (first_ms != UINT64_MAX && first_ms > now_ms && first_ms - now_ms < *wait_ms) {
		*wait_ms = first_ms - now_ms;
	}
}

/* ---- draining --------------------------------------------------------- */

/* What is asked of it now stands on disk already, in its own record and that of the cordon. */
void evac_enter_draining(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);

	evac->now.creations_until_ms = loop_now_ms(evac->evacs->env.loop) + CREATIONS_MS;
}

/* True: nothing is to be waited for any more, or not so long. */
static bool creations_have_ended(struct evacuation *evac)
{
	size_t count = cordon_creations_under_way(evac->evacs->env.holds);

	if (evac->now.creations != count)
		evac->now.is_news = true;
	evac->now.creations = count;
	return count == 0 || loop_now_ms(evac->evacs->env.loop) >= evac->now.creations_until_ms;
}

static bool is_moving(const struct evacuation *evac)
{
	for (size_t i = 0; i < evac->vm_count; i++)
		if (evac->vms[i].state == EVAC_VM_MOVING || evac->vms[i].state == EVAC_VM_QUEUED)
			return true;
	return false;
}

static void drain(struct evacuation *evac, uint64_t *wait_ms)
{
	if (!evac_cordon(evac, true))
		return;
	if (!creations_have_ended(evac)) {
		*wait_ms = CREATIONS_LOOK_MS;
		return;
	}
	evac_vms_feed(evac);
	evac_rooms_step(evac, wait_ms);
	plan_if_wanted(evac, wait_ms);
	evac_stays_end(evac, wait_ms);
	if (evac->now.creations && *wait_ms > CREATIONS_LOOK_MS)
		*wait_ms = CREATIONS_LOOK_MS;
	if (is_moving(evac) && *wait_ms > WHILE_MOVING_MS)
		*wait_ms = WHILE_MOVING_MS;
	if (evac_is_empty(&evac->machine)) {
		evac_rooms_leave(evac);
		evac_go(evac, EVAC_STATE_DRAINED, NULL);
	}
}

void evac_step_draining(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);
	struct evac_detail *detail = &evac->detail;
	uint64_t wait_ms = WALL_LOOK_MAX_MS;
	int64_t expires_ms;

	evac_expire(evac, clock_wall_ms(), &expires_ms);
	is_lost(evac);
	evac_look_at_deadline(evac);
	evac_vms_look(evac);
	evac_entries_cancel(evac);
	if (detail->ending != EVAC_ENDING_NONE) {
		if (evac_entries_end(evac, detail->moves == EVACUATION_MOVES_CANCEL))
			evac_end(evac);
	} else if (detail->paused) {
		evac_entries_end(evac, detail->moves == EVACUATION_MOVES_CANCEL);
	} else {
		drain(evac, &wait_ms);
	}
	if (evac->machine.is_saving)
		return;
	look_at_wall(expires_ms, &wait_ms);
	look_at_wall(evac_deadline_ms(evac), &wait_ms);
	evac_look_in(evac, wait_ms);
	tell_news(evac);
}

/* ---- drained ---------------------------------------------------------- */

void evac_step_drained(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);
	uint64_t wait_ms = WALL_LOOK_MAX_MS;
	int64_t expires_ms;

	evac_expire(evac, clock_wall_ms(), &expires_ms);
	is_lost(evac);
	evac_vms_look(evac);
	if (evac->detail.ending != EVAC_ENDING_NONE) {
		evac_end(evac);
	} else if (!evac_is_empty(machine)) {
		evac_go(evac, EVAC_STATE_DRAINING, NULL);
	} else {
		evac_cordon(evac, true);
	}
	if (evac->machine.is_saving)
		return;
	look_at_wall(expires_ms, &wait_ms);
	evac_look_in(evac, wait_ms);
	tell_news(evac);
}
