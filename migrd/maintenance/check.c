/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host is looked at again right before its turn: is it there, does anything speak against it, how
 * would it be emptied now?  Nothing is changed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "maintenance/priv.h"

#define CHECK_EVERY_MS 2000

/* Not ready yet: asked again until check_s. */
static void wait(struct maintenance *m, struct maint_host *host, const char *why)
{
	host->again_ms = loop_now_ms(m->all->env.loop) + CHECK_EVERY_MS;
	host->phase = 0;
	host->is_blocked = false;
	maint_host_say(m, host, "%s", why);
}

static void refused(struct maintenance *m, struct maint_host *host, const struct err *err)
{
	if (maint_is_lasting(err))
		maint_host_skip(m, host, err->code, err->msg);
	else
		wait(m, host, err->msg);
}

/* ---- the picture: is it there, is it held, is it being emptied? ------------------------ */

const struct capacity_host *maint_picture_hosts(const struct capacity_picture *picture,
						size_t *ret_count)
{
	*ret_count = capacity_host_count(picture);
	return capacity_hosts(picture);
}

const struct capacity_told *maint_told(const struct capacity_host *shown, struct err *ret)
{
	if (shown->told && !shown->is_aged && !shown->trouble)
		return shown->told;
	err_set(ret, ERR_UNAVAILABLE, "does not answer: %.400s",
		shown->trouble ? shown->trouble : "it was not heard");
	return NULL;
}

static const struct capacity_host *find(const struct capacity_picture *picture, const char *id)
{
	size_t count;
	const struct capacity_host *hosts = maint_picture_hosts(picture, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(hosts[i].id, id) == 0)
			return &hosts[i];
	return NULL;
}

static void look(struct maintenance *m, struct maint_host *host, const struct capacity_host *shown)
{
	struct err err;
	const struct capacity_told *told = maint_told(shown, &err);

	if (!told) {
		wait(m, host, err.msg);
		return;
	}
	snprintf(host->rack, sizeof(host->rack), "%s", told->figures.rack);
	if (told->hold[0])
		maint_host_skip(m, host, ERR_CONFLICT, told->hold);
	else
		maint_host_next(host);
}

static void on_picture(struct maintenance *m, struct maint_host *host)
{
	struct capacity_picture *picture = capacity_take(m->all->env.capacity);
	const struct capacity_host *shown = find(picture, host->host);

	if (!shown)
		maint_host_skip(m, host, ERR_NOT_FOUND,
				"is not a peer of the conductor any more: see [peers] there");
	else
		look(m, host, shown);
	capacity_picture_free(picture);
}

/* ---- an evacuation that is there ---------------------------------------------------------- */

static bool is_of_maintenances(const struct peer_evacuation *told)
{
	for (size_t i = 0; i < told->requester_count; i++)
		if (strncmp(told->requesters[i], MAINTENANCE_WHO_PREFIX,
			    strlen(MAINTENANCE_WHO_PREFIX)) != 0)
			return false;
	return told->requester_count;
}

static void take_current(struct maintenance *m, struct maint_host *host,
			 const struct peer_evacuation *told)
{
	bool may_adopt = m->request->adopt && is_of_maintenances(told);
	char why[MAINT_WHY_SIZE];

	if (maint_is_ending(told)) {
		snprintf(why, sizeof(why), "its evacuation %s is coming to its end: %.300s",
			 told->id, told->reason);
		wait(m, host, why);
	} else if (maint_is_wanted(m, told) || may_adopt) {
		host->is_adopted = true;
		maint_host_set(m, host, MAINT_HOST_EVACUATING, "evacuation %s is taken over",
			       told->id);
	} else {
		snprintf(why, sizeof(why), "is in maintenance already: '%s' wants it empty%s",
			 told->requester_count ? told->requesters[0] : "somebody",
			 is_of_maintenances(told) ? "; give `adopt' to take that over" : "");
		maint_host_skip(m, host, ERR_CONFLICT, why);
	}
}

static void on_current(struct maintenance *m, struct maint_host *host,
		       const struct peer_evacuation *told, const struct err *err)
{
	if (err && err->code != ERR_NOT_FOUND)
		refused(m, host, err);
	else if (err || told->final)
		maint_host_next(host);
	else
		take_current(m, host, told);
}

/* ---- the hook ------------------------------------------------------------------------------ */

static void on_hook(struct maintenance *m, struct maint_host *host, const struct hook_run *run,
		    const struct err *err)
{
	char why[MAINT_WHY_SIZE];

	if (err) {
		refused(m, host, err);
	} else if (!run->needed) {
		snprintf(why, sizeof(why), "its hook '%s' says that it is not needed%s%.200s",
			 run->name, run->reason[0] ? ": " : "", run->reason);
		maint_host_skip(m, host, ERR_CONFLICT, why);
	} else {
		maint_host_next(host);
	}
}

/* ---- the plan -------------------------------------------------------------------------------- */

void maint_plan_take(struct maint_plan *plan, const struct peer_evacuation *told)
{
	*plan = (struct maint_plan){ .is_there = true,
				     .vms = told->counts.total,
				     .moves = told->counts.left - told->counts.blocked,
				     .stays = told->counts.stays,
				     .blocked = told->counts.blocked,
				     .makespan_ms = told->makespan_ms,
				     .fullest_percent = told->fullest_percent };
	snprintf(plan->state_id, sizeof(plan->state_id), "%s", told->state_id);
	snprintf(plan->blocked_by, sizeof(plan->blocked_by), "%s", told->blocked_by);
	if (told->blocked_by[0] && told->stay_count)
		snprintf(plan->blocked_why, sizeof(plan->blocked_why), "%s", told->stays[0].why);
	snprintf(plan->fullest, sizeof(plan->fullest), "%s", told->fullest);
	snprintf(plan->homeless_host, sizeof(plan->homeless_host), "%s", told->homeless_host);
	snprintf(plan->homeless, sizeof(plan->homeless), "%s", told->homeless);
}

bool maint_plan_check(const struct maint_plan *plan, const struct maintenance_request *request,
		      struct err *err)
{
	if (plan->blocked)
		return err_set(err, ERR_CONFLICT,
			       "%" PRIu64 " VM%s would stay that may not, %s'%s': %s",
			       plan->blocked, plan->blocked == 1 ? "" : "s",
			       plan->blocked == 1 ? "" : "the first is ", plan->blocked_by,
			       plan->blocked_why);
	return !request->spare || !plan->homeless[0] ||
	       err_set(err, ERR_CONFLICT,
		       "while it is empty no other host may be lost: without '%s' VM '%s' would "
		       "find no place",
		       plan->homeless_host, plan->homeless);
}

static void on_plan(struct maintenance *m, struct maint_host *host,
		    const struct peer_evacuation *told, const struct err *err)
{
	struct err bad;

	if (err) {
		refused(m, host, err);
		return;
	}
	maint_plan_take(&host->plan, told);
	if (maint_plan_check(&host->plan, m->request, &bad)) {
		maint_host_set(m, host, MAINT_HOST_EVACUATING, "%" PRIu64 " VM%s to be moved",
			       host->plan.moves, host->plan.moves == 1 ? " is" : "s are");
		return;
	}
	/* It may pass: a move of before is just being settled. */
	wait(m, host, bad.msg);
	host->is_blocked = true;
}

static void ask_plan(struct maintenance *m, struct maint_host *host)
{
	struct evacuation_request *request = xnew(struct evacuation_request);

	maint_evacuation_request(m->request, NULL, request);
	maint_ask_evacuate(m, host, request, on_plan);
	free(request);
}

/* ---- one after another ------------------------------------------------ */

void maint_check_step(struct maintenance *m, struct maint_host *host)
{
	if (host->phase == 0)
		maint_ask_picture(m, host, on_picture);
	else if (host->phase == 1)
		maint_ask_evacuation(m, host, "current", on_current);
	else if (host->phase == 2 && m->request->hook[0])
		maint_ask_hook_begin(m, host, true, on_hook);
	else
		ask_plan(m, host);
}
