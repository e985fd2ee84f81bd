/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a host of a maintenance: its guests come back, or its evacuation is undone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "maintenance/priv.h"

static void end(struct maintenance *m, struct maint_host *host, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void end(struct maintenance *m, struct maint_host *host, const char *fmt, ...)
{
	char why[MAINT_WHY_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	host->is_unsure = false;
	if (host->error[0])
		maint_host_set(m, host, (enum maint_host_state)host->result, "%.300s; %.200s",
			       host->error, why);
	else
		maint_host_set(m, host, (enum maint_host_state)host->result, "%s", why);
}

static void end_with(struct maintenance *m, struct maint_host *host,
		     const struct peer_evacuation *told)
{
	const struct maint_vms *vms = &host->vms;
	uint64_t away = vms->moved;

	if (!told->final)
		end(m, host, "stays empty: '%s' wants it so",
		    told->requester_count ? told->requesters[0] : "somebody");
	else if (away)
		end(m, host,
		    "takes guests again: %" PRIu64 " of its VMs came back, %" PRIu64
		    " %s on other hosts",
		    vms->returned, away, away == 1 ? "is" : "are");
	else
		end(m, host, "takes guests again: %" PRIu64 " of its VMs came back", vms->returned);
}

static void on_ending(struct maintenance *m, struct maint_host *host,
		      const struct peer_evacuation *told, const struct err *err)
{
	if (err && err->code == ERR_NOT_FOUND) {
		end(m, host, "its evacuation is not on record there any more");
		return;
	}
	if (err) {
		maint_host_ask_again(m, host, err);
		return;
	}
	maint_host_take_vms(m, host, told);
	if (told->final ||
	    (!maint_is_wanted(m, told) && told->requester_count && !maint_is_ending(told))) {
		end_with(m, host, told);
		return;
	}
	maint_host_pause(m, host);
	maint_host_say(m, host, "%s", told->reason);
	/* It has lost what it had answered, as by a loss of power before that was on its disk. */
	if (maint_is_wanted(m, told) && !maint_is_ending(told))
		host->phase--; /* the withdrawal */
}

static void on_withdrawn(struct maintenance *m, struct maint_host *host,
			 const struct peer_evacuation *told, const struct err *err)
{
	(void)told;
	if (err && err->code != ERR_NOT_FOUND && err->code != ERR_TOO_LATE)
		maint_host_ask_again(m, host, err);
	else
		maint_host_next(host); /* withdrawn, now or before, or it has ended */
}

void maint_step_returning(struct maintenance *m, struct maint_host *host)
{
	char who[EVACUATION_WHO_SIZE];

	maint_who(m, who);
	if (host->phase == 0)
		maint_ask_withdraw(m, host, who, on_withdrawn);
	else
		maint_ask_evacuation(m, host, host->evacuation, on_ending);
}

void maint_late_returning(struct maintenance *m, struct maint_host *host)
{
	char why[MAINT_WHY_SIZE];

	snprintf(why, sizeof(why), "has not its guests back after %" PRIu64 " s: %.400s",
		 m->request->return_s, host->why);
	maint_host_fail(m, host, ERR_TIMEOUT, why);
}

static void on_renewed(struct maintenance *m, struct maint_host *host,
		       const struct peer_evacuation *told, const struct err *err)
{
	if (err && host->evacuation[0]) {
		maint_host_next(host); /* withdrawn as it was asked for */
	} else if (err && (maint_is_lasting(err) || err->code == ERR_CONFLICT)) {
		end(m, host, "it was not being emptied");
	} else if (err) {
		maint_host_ask_again(m, host, err);
	} else {
		memcpy(host->evacuation, told->id, sizeof(host->evacuation));
		maint_change(m);
		maint_host_next(host);
	}
}

/* The request of before may still be under way to the host: it is made again, found or renewed, and
 * then taken back.  So nothing comes after that. */
static void renew(struct maintenance *m, struct maint_host *host)
{
	struct evacuation_request *request = xnew(struct evacuation_request);

	maint_request_of(m, host, request);
	if (m->detail.is_aborting && m->detail.stays)
		request->on_withdraw = EVACUATION_WITHDRAWN_STAY;
	maint_ask_evacuate(m, host, request, on_renewed);
	free(request);
}

void maint_step_aborting(struct maintenance *m, struct maint_host *host)
{
	char who[EVACUATION_WHO_SIZE];

	maint_who(m, who);
	if (host->phase == 0)
		renew(m, host);
	else if (host->phase == 1)
		maint_ask_withdraw(m, host, who, on_withdrawn);
	else
		maint_ask_evacuation(m, host, host->evacuation, on_ending);
}

void maint_late_aborting(struct maintenance *m, struct maint_host *host)
{
	char why[MAINT_WHY_SIZE];

	host->is_unsure = true;
	snprintf(why, sizeof(why),
		 "its evacuation has not ended after %" PRIu64 " s, and may go on: %.400s",
		 m->request->return_s, host->why);
	maint_host_fail(m, host, ERR_TIMEOUT, why);
}
