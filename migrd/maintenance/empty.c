/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host of a maintenance is emptied by an evacuation in its name. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "maintenance/priv.h"

#define CHECKS_MAX 5 /* plans that were stale, or refused for another reason that may pass */

/* The name of an earlier maintenance on it, which was taken over; NULL: none is left. */
static const char *former_name(const struct maintenance *m, const struct peer_evacuation *told)
{
	char who[EVACUATION_WHO_SIZE];

	maint_who(m, who);
	for (size_t i = 0; i < told->requester_count; i++)
		if (strcmp(told->requesters[i], who) != 0 &&
		    strncmp(told->requesters[i], MAINTENANCE_WHO_PREFIX,
			    strlen(MAINTENANCE_WHO_PREFIX)) == 0)
			return told->requesters[i];
	return NULL;
}

static void on_former(struct maintenance *m, struct maint_host *host,
		      const struct peer_evacuation *told, const struct err *err)
{
	(void)told;
	if (err)
		maint_host_ask_again(m, host, err);
}

static void on_evacuation(struct maintenance *m, struct maint_host *host,
			  const struct peer_evacuation *told, const struct err *err)
{
	const char *former;

	if (maint_host_has_forgotten(m, host, err))
		return;
	if (err) {
		maint_host_ask_again(m, host, err);
		return;
	}
	maint_host_take_vms(m, host, told);
	maint_host_pause(m, host);
	if (!host->evacuation[0]) {
		memcpy(host->evacuation, told->id, sizeof(host->evacuation));
		maint_change(m);
	}
	if (maint_host_was_ended(m, host, told))
		return;
	former = host->is_adopted ? former_name(m, told) : NULL;
	if (former) {
		maint_ask_withdraw(m, host, former, on_former);
	} else if (strcmp(told->state, "drained") == 0 && !maint_is_ending(told)) {
		host->drained_ms = clock_wall_ms();
		maint_host_set(m, host, MAINT_HOST_HOOKING, "is empty");
	} else {
		maint_host_say(m, host, "%s", told->reason);
	}
}

static void on_evacuate(struct maintenance *m, struct maint_host *host,
			const struct peer_evacuation *told, const struct err *err)
{
	if (!err)
		on_evacuation(m, host, told, NULL);
	else if (err->code == ERR_CONFLICT && host->checks < CHECKS_MAX)
		maint_host_set(m, host, MAINT_HOST_CHECKING, "is checked again: %.400s", err->msg);
	else if (maint_is_lasting(err) || err->code == ERR_CONFLICT)
		maint_host_fail_full(m, host, err->code, err->msg);
	else
		maint_host_ask_again(m, host, err);
}

void maint_evacuation_request(const struct maintenance_request *request, const char *id,
			      struct evacuation_request *ret)
{
	*ret = request->evacuation;
	ret->dry_run = !id;
	ret->on_withdraw = request->back == EVACUATION_BACK_MOVE ? EVACUATION_WITHDRAWN_RETURN
								 : EVACUATION_WITHDRAWN_STAY;
	snprintf(ret->requester, sizeof(ret->requester), MAINTENANCE_WHO_PREFIX "%s",
		 id ? id : "dry-run");
	snprintf(ret->why, sizeof(ret->why), "%s", request->why);
}

/* Who takes an evacuation over runs it as it is run. */
void maint_request_of(const struct maintenance *m, const struct maint_host *host,
		      struct evacuation_request *ret)
{
	static const struct evacuation_request plain = {
		.powerdown_s = EVACUATION_POWERDOWN_S,
		.move.options.priority = MOVE_PRIORITY_EVACUATION,
	};
	struct maintenance_request *request = xnew(struct maintenance_request);

	*request = *m->request;
	if (host->is_adopted)
		request->evacuation = plain;
	maint_evacuation_request(request, m->row.id, ret);
	free(request);
}

void maint_step_evacuating(struct maintenance *m, struct maint_host *host)
{
	struct evacuation_request *request;

	if (host->evacuation[0]) {
		maint_ask_evacuation(m, host, host->evacuation, on_evacuation);
		return;
	}
	request = xnew(struct evacuation_request);
	maint_request_of(m, host, request);
	if (!host->is_adopted)
		memcpy(request->state_id, host->plan.state_id, sizeof(request->state_id));
	maint_ask_evacuate(m, host, request, on_evacuate);
	free(request);
}

void maint_late_evacuating(struct maintenance *m, struct maint_host *host)
{
	char why[MAINT_WHY_SIZE];

	snprintf(why, sizeof(why), "is not empty after %" PRIu64 " s: %.400s",
		 m->request->evacuate_s, host->why);
	maint_host_fail_full(m, host, ERR_TIMEOUT, why);
}
