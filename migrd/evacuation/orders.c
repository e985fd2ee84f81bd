/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody wants of an evacuation.  It counts at once, and is answered when it is on disk. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"

struct refusal {
	evacuation_done_fn *done;
	void *data;
	struct err err;
	struct machine_ref *ref;
};

static void on_refused(void *data)
{
	struct refusal *refusal = data;

	refusal->done(refusal->data, evac_ref_take(refusal->ref, NULL), &refusal->err);
	free(refusal);
}

static void refuse(struct evacuation *evac, evacuation_done_fn *done, void *data,
		   const struct err *err)
{
	struct refusal *refusal = xnew(struct refusal);

	*refusal = (struct refusal){ done, data, *err, evac_ref_new(evac, 0) };
	loop_post(evac->evacs->env.loop, on_refused, refusal);
}

/* IS_ALLOWED: bits of enum evac_state. */
static bool check_state(const struct evacuation *evac, uint32_t is_allowed, const char *what,
			struct err *err)
{
	const struct machine *machine = &evac->machine;

	if (machine_is_final(machine))
		return err_set(err, ERR_TOO_LATE, "evacuation %s has ended: %s", evac->row.id,
			       machine_state(machine)->name);
	if (evac_is_just_ending(evac))
		return err_set(err, ERR_TOO_LATE, "evacuation %s is just ending", evac->row.id);
	return is_allowed & 1u << machine->state ||
	       err_set(err, ERR_CONFLICT, "evacuation %s is %s: %s", evac->row.id,
		       machine_state(machine)->name, what);
}

static bool check_going_on(const struct evacuation *evac, struct err *err)
{
	return evac->detail.ending == EVAC_ENDING_NONE ||
	       err_set(err, ERR_CONFLICT, "evacuation %s is coming to its end already: %.300s",
		       evac->row.id, evac->detail.ending_why);
}

#define BIT(state)   (1u << EVAC_STATE_##state)
#define BEFORE       (BIT(PLANNED) | BIT(WAITING))
#define ALL_BUT_ENDS (BEFORE | BIT(DRAINING) | BIT(DRAINED) | BIT(RETURNING))

/* ---- approve --------------------------------------------------------------------------- */

static void approve(struct evacuation *evac, evacuation_done_fn *done, void *data)
{
	if (!evac->detail.approved) {
		evac->detail.approved = true;
		evac->now.is_news = true;
		evac_change(evac);
	}
	evac_answer_when_saved(evac, done, data);
}

/* The hosts are asked first whether the plan is still what was seen. */
struct approval {
	struct machine_ref *ref;
	struct evacuation_approve wish;
	evacuation_done_fn *done;
	void *data;
};

/* The evacuation of APPROVAL, if it may still be approved of; NULL: it was answered. */
static struct evacuation *may_approve(struct approval *approval)
{
	struct evacuation *evac = evac_ref_take(TAKE_PTR(approval->ref), NULL);
	struct err err;

	if (evac && check_state(evac, ALL_BUT_ENDS, "", &err) && check_going_on(evac, &err))
		return evac;
	if (!evac)
		err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	approval->done(approval->data, evac, &err);
	return NULL;
}

static bool is_same_plan(const struct evac_plan *plan, const char *wanted, struct err *err)
{
	return strcmp(plan->state_id, wanted) == 0 ||
	       err_set(err, ERR_CONFLICT,
		       "the plan is stale: hosts or VMs have changed since state_id %s was "
		       "made, and it is %s now: look at a new dry run",
		       wanted, plan->state_id);
}

/* Somebody else may have approved of it meanwhile. */
static void on_planned(void *data, struct evac_plan *plan, const struct err *err)
{
	struct approval *approval = data;
	struct evacuation *evac = may_approve(approval);
	struct err bad;

	if (plan)
		err = is_same_plan(plan, approval->wish.state_id, &bad) ? NULL : &bad;
	if (evac && err && !evac->detail.approved)
		approval->done(approval->data, evac, err);
	else if (evac)
		approve(evac, approval->done, approval->data);
	free(approval);
}

static void on_asked(void *data)
{
	struct approval *approval = data;
	struct evacuation *evac = may_approve(approval);
	struct evac_others others = { 0 };

	if (evac && !evac->detail.approved && approval->wish.state_id[0] && evac->request) {
		others.max = (unsigned)evac->request->others_max;
		approval->ref = evac_ref_new(evac, 0);
		evac_plan_ask(evac->evacs->planner, evac->request, &others, false, on_planned,
			      approval);
		return;
	}
	if (evac)
		approve(evac, approval->done, approval->data);
	free(approval);
}

void evacuation_approve(struct evacuation *evac, const struct evacuation_approve *wish,
			evacuation_done_fn *done, void *data)
{
	struct approval *approval = xnew(struct approval);

	*approval = (struct approval){ evac_ref_new(evac, 0), *wish, done, data };
	capacity_ask(evac->evacs->env.capacity, on_asked, approval);
}

/* ---- pause, resume ------------------------------------------------------------------------ */

void evacuation_pause(struct evacuation *evac, const struct evacuation_pause *wish, const char *by,
		      evacuation_done_fn *done, void *data)
{
	struct evac_detail *detail = &evac->detail;
	struct err err;

	if (!check_state(evac, BEFORE | BIT(DRAINING) | BIT(RETURNING),
			 "nothing of it is under way", &err) ||
	    !check_going_on(evac, &err)) {
		refuse(evac, done, data, &err);
		return;
	}
	detail->paused = true;
	evac_set_moves(evac, wish->moves, by);
	snprintf(detail->paused_by, sizeof(detail->paused_by), "%s", by);
	snprintf(detail->paused_why, sizeof(detail->paused_why), "%s",
		 wish->why[0] ? wish->why : "somebody has paused it");
	evac->now.is_news = true;
	evac_change(evac);
	evac_answer_when_saved(evac, done, data);
}

void evacuation_resume(struct evacuation *evac, evacuation_done_fn *done, void *data)
{
	struct evac_detail *detail = &evac->detail;
	struct err err;

	if (!check_state(evac, ALL_BUT_ENDS, "", &err) || !check_going_on(evac, &err)) {
		refuse(evac, done, data, &err);
		return;
	}
	if (detail->paused) {
		detail->paused = false;
		detail->paused_why[0] = detail->paused_by[0] = '\0';
		for (size_t i = 0; i < evac->vm_count; i++) {
			evac->vms[i].again_ms = 0;
			evac_vm_forget_refusals(&evac->vms[i]);
		}
		evac->refusal_count = 0;
		evac->now.is_news = true;
		evac_change(evac);
	}
	evac_answer_when_saved(evac, done, data);
}

/* ---- ends ----------------------------------------------------------------------------------- */

void evacuation_abort(struct evacuation *evac, const struct evacuation_abort *wish, const char *by,
		      evacuation_done_fn *done, void *data)
{
	enum evac_ending ending = EVAC_ENDING_ABORTED;
	struct err err;

	if (!check_state(evac, ALL_BUT_ENDS, "", &err)) {
		refuse(evac, done, data, &err);
		return;
	}
	if (!evac->detail.aborted_by[0])
		snprintf(evac->detail.aborted_by, sizeof(evac->detail.aborted_by), "%s", by);
	if (wish->back && evac->machine.state != EVAC_STATE_RETURNING)
		ending = EVAC_ENDING_RETURNING;
	evac->detail.keep_cordon = wish->keep_cordon && ending != EVAC_ENDING_RETURNING;
	evac_want_end(evac, ending, wish->moves, by,
		      wish->why[0] ? wish->why : "aborted on request");
	evac_answer_when_saved(evac, done, data);
}

void evacuation_return(struct evacuation *evac, const struct evacuation_return *wish,
		       evacuation_done_fn *done, void *data)
{
	bool is_back = wish->vms == EVACUATION_BACK_MOVE;
	bool may_return = !is_back || wish->give_up_s; /* also if it does already */
	struct err err;

	if (!check_state(evac, BIT(DRAINED) | (may_return ? BIT(RETURNING) : 0),
			 "only a drained host is returned to; abort it, with back if what has "
			 "moved is to come back",
			 &err) ||
	    !check_going_on(evac, &err)) {
		refuse(evac, done, data, &err);
		return;
	}
	evac->detail.return_until_ms =
		wish->give_up_s ? clock_wall_ms() + (int64_t)wish->give_up_s * 1000 : 0;
	evac->now.is_news = true;
	evac_change(evac);
	if (!is_back || evac->machine.state == EVAC_STATE_DRAINED)
		evac_want_end(evac, is_back ? EVAC_ENDING_RETURNING : EVAC_ENDING_ENDED,
			      EVACUATION_MOVES_FINISH, "",
			      wish->why[0] ? wish->why : "returned on request");
	evac_answer_when_saved(evac, done, data);
}

void evacuation_withdraw(struct evacuation *evac, const char *requester, evacuation_done_fn *done,
			 void *data)
{
	struct err err;

	if (!check_state(evac, ALL_BUT_ENDS, "", &err)) {
		refuse(evac, done, data, &err);
		return;
	}
	if (!evac_withdraw(evac, requester)) {
		err_set(&err, ERR_NOT_FOUND, "evacuation %s has no request of '%.63s'",
			evac->row.id, requester);
		refuse(evac, done, data, &err);
		return;
	}
	evac_answer_when_saved(evac, done, data);
}

void evacuation_await(struct evacuation *evac, evacuation_done_fn *done, void *data)
{
	assert(!machine_is_final(&evac->machine));
	evac_answer_when_saved(evac, done, data);
}
