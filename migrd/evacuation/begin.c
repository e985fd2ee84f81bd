/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request comes: hosts are asked, a plan is made, and with it an evacuation or a dry run. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"
#include "vm/vm.h"
#include "wire/vm_def_memory.h"

/* A request that waits for the answers of the hosts. */
struct evac_begin {
	TAILQ_ENTRY(evac_begin) link;
	struct evacuations *evacs;
	struct evacuation_request request;
	char by[EVACUATION_WHO_SIZE];
	evacuation_done_fn *done;
	evacuation_tried_fn *tried; /* of a dry run; then DONE is NULL */
	void *data;
	uint64_t save_bytes; /* may_save: that are free in save_dir */
	/* Answered, and a look at save_dir, the capacity, or the planner still knows it. */
	bool is_dismissed;
	struct err err;    /* why it is refused at once */
};

static void fail(struct evac_begin *begin, const struct err *err)
{
	if (begin->is_dismissed)
		return;
	begin->is_dismissed = true;
	if (begin->tried)
		begin->tried(begin->data, NULL, err);
	else
		begin->done(begin->data, NULL, err);
}

static void begin_free(struct evac_begin *begin)
{
	if (begin->evacs)
		TAILQ_REMOVE(&begin->evacs->begins, begin, link);
	free(begin);
}

void evac_dismiss_begins(struct evacuations *evacs)
{
	struct evac_begin *begin;
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	while ((begin = TAILQ_FIRST(&evacs->begins))) {
		TAILQ_REMOVE(&evacs->begins, begin, link);
		begin->evacs = NULL;
		fail(begin, &err);
	}
}

/* ---- what is checked --------------------------------------------------------------- */

static bool is_past(const char *moment)
{
	int64_t ms;

	return when_parse(moment, &ms) && ms <= clock_wall_ms();
}

static bool check(const struct evacuations *evacs, const struct evacuation_request *request,
		  struct err *err)
{
	const char *policy = request->move.policy;
	struct policies_item item;

	if (is_past(request->window_until))
		return err_set(err, ERR_INVALID,
			       "window_until is past: give a later moment, or none");
	if (is_past(request->until))
		return err_set(err, ERR_INVALID, "until is past: give a later moment, or none");
	if (!move_may_ping(evacs->env.moves, &request->move.options, err))
		return false;
	return !policy[0] || policies_find(evacs->env.policies, policy, &item) ||
	       err_set(err, ERR_NOT_FOUND, "there is no policy '%s' on this host", policy);
}

/* A file has all memory of its guest at most. */
static bool check_room(const struct evac_begin *begin, const struct evac_plan *plan,
		       struct err *err)
{
	uint64_t mib = 0, count = 0;

	for (size_t i = 0; i < plan->count; i++) {
		struct vm *vm = vm_find_uuid(begin->evacs->env.vms, plan->list[i].uuid);
		struct err ignored;
		const struct vm_def *def = vm ? vm_def_of(vm, &ignored) : NULL;

		if (plan->list[i].to_count || plan->list[i].becomes != EVAC_VM_SAVING || !def)
			continue;
		mib += vm_def_ordinary_memory_mib(def) + vm_def_huge_memory_mib(def);
		count++;
	}
	return mib <= begin->save_bytes >> 20 ||
	       err_set(err, ERR_NO_SPACE,
		       "save_dir '%s' has %" PRIu64 " MiB free, and the %" PRIu64
		       " guest%s to be saved there may need %" PRIu64
		       " MiB: make room, or name another directory",
		       begin->request.save_dir, begin->save_bytes >> 20, count,
		       count == 1 ? " that is" : "s that are", mib);
}

static bool check_plan(const struct evac_begin *begin, const struct evac_plan *plan,
		       struct err *err)
{
	const struct evacuation_request *request = &begin->request;
	const struct evac_choice *blocked = evac_plan_blocked(plan);

	if (request->state_id[0] && strcmp(request->state_id, plan->state_id) != 0)
		return err_set(err, ERR_CONFLICT,
			       "the plan is stale: hosts or VMs have changed since state_id %s was "
			       "made, and it is %s now: look at a new dry run",
			       request->state_id, plan->state_id);
	if (request->complete && blocked)
		return err_set(err, ERR_CONFLICT, "VM '%s' would stay here: %.300s", blocked->name,
			       blocked->why);
	return check_room(begin, plan, err);
}

/* ---- a new one ----------------------------------------------------------------------- */

/* The whole request as text; its members always come in the same order. */
static char *text_of(const struct evacuation_request *request)
{
	CLEANUP(json_putp)
	struct json_object *obj = json_encode(evacuation_request_fields, request);

	return xstrdup(json_text(obj, NULL));
}

static void take_plan(struct evacuation *evac, struct evac_plan *plan)
{
	struct evac_detail *detail = &evac->detail;

	evac->plan = json_object_get(plan->shown);
	detail->planned_ms = clock_wall_ms();
	snprintf(detail->state_id, sizeof(detail->state_id), "%s", plan->state_id);
	evac_vms_look(evac);
	for (size_t i = 0; i < plan->count; i++) {
		struct evac_choice *choice = &plan->list[i];
		struct evac_vm *vm = evac_vm_find(evac, choice->uuid);

		if (vm)
			evac_vm_foresee(evac, vm, choice);
	}
}

static void make(struct evac_begin *begin, struct evac_plan *plan)
{
	struct evacuations *evacs = begin->evacs;
	struct evacuation_request *request = &begin->request;
	struct evacuation *evac;
	char id[ID_UUID_SIZE];
	struct err err;

	id_uuid_new(id);
	evac = evac_new(evacs, id);
	evac->request = xnew(struct evacuation_request);
	*evac->request = *request;
	evac->row.request = text_of(request);
	evac->wish = json_read_back(evac->row.request);
	when_parse(request->not_before, &evac->detail.not_before_ms);
	when_parse(request->window_until, &evac->detail.window_until_ms);
	evac->detail.approved = !request->approval;
	snprintf(evac->detail.began_by, sizeof(evac->detail.began_by), "%s", begin->by);
	if (!evac_ask(evac, request, begin->by, &err)) {
		evac_free(evac);
		fail(begin, &err);
		return;
	}
	take_plan(evac, plan);
	evac_answer_when_saved(evac, begin->done, begin->data);
	begin->is_dismissed = true;
	machine_begin(&evac->machine, &(struct machine_change){ .to = EVAC_STATE_PLANNED });
}

/* ---- one that is there ------------------------------------------------------------------ */

/* What of a request is of the run. */
static char *run_text(const struct evacuation_request *request)
{
	struct evacuation_request run = *request;

	memset(run.requester, 0, sizeof(run.requester));
	memset(run.why, 0, sizeof(run.why));
	memset(run.until, 0, sizeof(run.until));
	memset(run.state_id, 0, sizeof(run.state_id));
	run.on_withdraw = 0;
	run.complete = false;
	return text_of(&run);
}

/* Who joins says who and why, and may say again how the run is to be. */
static bool is_same_run(const struct evacuation *evac, const struct evacuation_request *request)
{
	const struct evacuation_request plain = {
		.powerdown_s = EVACUATION_POWERDOWN_S,
		.move.options.priority = MOVE_PRIORITY_EVACUATION,
	};
	CLEANUP(free_charp) char *wish = run_text(request);
	CLEANUP(free_charp) char *none = run_text(&plain);
	CLEANUP(free_charp) char *run = evac->request ? run_text(evac->request) : NULL;

	return strcmp(wish, none) == 0 || (run && strcmp(wish, run) == 0);
}

static void join(struct evac_begin *begin, struct evacuation *evac)
{
	struct err err;

	if (evac_is_returning(evac) || evac->detail.ending != EVAC_ENDING_NONE ||
	    evac_is_just_ending(evac)) {
		err_set(&err, ERR_CONFLICT,
			"evacuation %s is coming to its end: ask again when it has ended",
			evac->row.id);
	} else if (!is_same_run(evac, &begin->request)) {
		err_set(&err, ERR_CONFLICT,
			"evacuation %s is under way, and is run as its first request says: join it "
			"without options of the run, or abort it first",
			evac->row.id);
	} else if (evac_ask(evac, &begin->request, begin->by, &err)) {
		evac_answer_when_saved(evac, begin->done, begin->data);
		begin->is_dismissed = true;
		return;
	}
	fail(begin, &err);
}

/* ---- from the request to the answer ------------------------------------------------------- */

static void answer_dry_run(struct evac_begin *begin, const struct evac_plan *plan)
{
	struct evac_shown *shown = evac_show_plan(begin->evacs, plan, &begin->request, begin->by);

	begin->is_dismissed = true;
	begin->tried(begin->data, evac_shown_reply(shown), NULL);
	evac_shown_free(shown);
}

/* True: there is an evacuation, and the request is for that one. */
static bool has_joined(struct evac_begin *begin)
{
	struct evacuation *current = evacs_current(begin->evacs);

	if (begin->tried || !current)
		return false;
	join(begin, current);
	return true;
}

static void go_on(struct evac_begin *begin, struct evac_plan *plan)
{
	struct err err;

	if (!check(begin->evacs, &begin->request, &err) || !check_plan(begin, plan, &err))
		fail(begin, &err);
	else if (begin->tried)
		answer_dry_run(begin, plan);
	else
		make(begin, plan);
}

/* Another request may have begun an evacuation meanwhile, and a moment be past. */
static void on_planned(void *data, struct evac_plan *plan, const struct err *err)
{
	struct evac_begin *begin = data;

	if (begin->evacs && !begin->is_dismissed && !has_joined(begin)) {
		if (plan)
			go_on(begin, plan);
		else
			fail(begin, err);
	}
	begin_free(begin);
}

static void on_asked(void *data)
{
	struct evac_begin *begin = data;
	const struct evac_others others = { .max = (unsigned)begin->request.others_max };

	if (begin->evacs && !begin->is_dismissed && !has_joined(begin))
		evac_plan_ask(begin->evacs->planner, &begin->request, &others, false, on_planned,
			      begin);
	else
		begin_free(begin);
}

/* Not from inside the request. */
static void on_refused(void *data)
{
	struct evac_begin *begin = data;

	fail(begin, &begin->err);
	begin_free(begin);
}

static struct evac_begin *begin_new(struct evacuations *evacs,
				    const struct evacuation_request *request, const char *by,
				    void *data)
{
	struct evac_begin *begin = xnew(struct evac_begin);

	begin->evacs = evacs;
	begin->request = *request;
	begin->request.move.options.priority = MOVE_PRIORITY_EVACUATION;
	if (!begin->request.powerdown_s)
		begin->request.powerdown_s = EVACUATION_POWERDOWN_S;
	begin->data = data;
	snprintf(begin->by, sizeof(begin->by), "%s", by);
	TAILQ_INSERT_TAIL(&evacs->begins, begin, link);
	return begin;
}

static void on_dir_looked(void *data, uint64_t room_bytes, const struct err *err)
{
	struct evac_begin *begin = data;
	struct err refused;

	begin->save_bytes = room_bytes;
	if (begin->evacs && !begin->is_dismissed && !err) {
		capacity_ask(begin->evacs->env.capacity, on_asked, begin);
		return;
	}
	if (err) {
		refused = *err;
		err_wrap(&refused, "save_dir");
		fail(begin, &refused);
	}
	begin_free(begin);
}

static void begin(struct evac_begin *begin)
{
	struct evacuations *evacs = begin->evacs;

	if (!check(evacs, &begin->request, &begin->err))
		loop_post(evacs->env.loop, on_refused, begin);
	else if (begin->request.may_save)
		saves_look_at_dir(evacs->env.saves, begin->request.save_dir, on_dir_looked, begin);
	else
		capacity_ask(evacs->env.capacity, on_asked, begin);
}

void evacuations_request(struct evacuations *evacs, const struct evacuation_request *request,
			 const char *by, evacuation_done_fn *done, void *data)
{
	struct evac_begin *mine = begin_new(evacs, request, by, data);

	mine->done = done;
	begin(mine);
}

void evacuations_try(struct evacuations *evacs, const struct evacuation_request *request,
		     const char *by, evacuation_tried_fn *done, void *data)
{
	struct evac_begin *mine = begin_new(evacs, request, by, data);

	mine->tried = done;
	mine->request.dry_run = true;
	begin(mine);
}
