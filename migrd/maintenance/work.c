/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host of a maintenance is empty: its hook runs, and then it has to be healthy. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "maintenance/priv.h"

/* ---- hooking -------------------------------------------------------------------------- */

static void take_hook(struct maintenance *m, struct maint_host *host, const struct hook_run *run)
{
	size_t len = strlen(run->words), most = sizeof(host->words) - 1;

	if (host->hook != run->state) {
		host->hook = run->state;
		maint_change(m);
	}
	/* The end of them tells more. */
	snprintf(host->words, sizeof(host->words), "%s",
		 run->words + (len > most ? len - most : 0));
	maint_text_repair(host->words);
}

static void end_hook(struct maintenance *m, struct maint_host *host, const struct hook_run *run)
{
	char why[MAINT_WHY_SIZE];

	host->hook_ms = clock_wall_ms();
	if (host->is_aborted && run->state == HOOK_DONE) {
		maint_host_undo(m, host, m->detail.stopping_why);
	} else if (run->state == HOOK_DONE && run->needed) {
		maint_host_set(m, host, MAINT_HOST_HEALING, "hook '%s' has ended: %.300s",
			       run->name, run->reason);
	} else if (run->state == HOOK_DONE) {
		host->result = MAINT_HOST_DONE;
		maint_host_set(m, host, MAINT_HOST_RETURNING, "hook '%s' was not needed: %.300s",
			       run->name, run->reason);
	} else {
		snprintf(why, sizeof(why), "hook '%s' %s: %.300s", run->name,
			 run->state == HOOK_FAILED ? "has failed" : "may have run or not",
			 run->reason);
		maint_host_fail_empty(m, host, ERR_HOOK, why);
	}
}

static void on_hook(struct maintenance *m, struct maint_host *host, const struct hook_run *run,
		    const struct err *err);

/* Its host does not begin it: it is not empty, or not in this name. */
static void on_not_begun(struct maintenance *m, struct maint_host *host,
			 const struct peer_evacuation *told, const struct err *err)
{
	if (maint_host_has_forgotten(m, host, err) || (!err && maint_host_was_ended(m, host, told)))
		return;
	maint_host_pause(m, host);
}

/* Its host does not know a hook that it had begun: host->why says so. */
static void on_hook_gone(struct maintenance *m, struct maint_host *host,
			 const struct peer_evacuation *told, const struct err *err)
{
	char why[MAINT_WHY_SIZE];

	if (maint_host_has_forgotten(m, host, err) || (!err && maint_host_was_ended(m, host, told)))
		return;
	if (err && !maint_is_lasting(err)) {
		maint_host_pause(m, host);
		return;
	}
	memcpy(why, host->why, sizeof(why));
	maint_host_fail_empty(m, host, ERR_NOT_FOUND, why);
}

static void on_hook_begun(struct maintenance *m, struct maint_host *host,
			  const struct hook_run *run, const struct err *err)
{
	if (err && err->code == ERR_CONFLICT) {
		maint_host_say(m, host, "is asked again: %.400s", err->msg);
		maint_ask_evacuation(m, host, host->evacuation, on_not_begun);
	} else if (err && maint_is_lasting(err)) {
		maint_host_fail_empty(m, host, err->code, err->msg);
	} else if (err) {
		maint_host_ask_again(m, host, err);
	} else {
		on_hook(m, host, run, NULL);
	}
}

static void on_hook(struct maintenance *m, struct maint_host *host, const struct hook_run *run,
		    const struct err *err)
{
	if (err && err->code == ERR_NOT_FOUND && host->is_aborted) {
		maint_host_undo(m, host, m->detail.stopping_why);
	} else if (err && err->code == ERR_NOT_FOUND && host->hook == HOOK_STATE_COUNT) {
		maint_ask_hook_begin(m, host, false, on_hook_begun);
	} else if (err && err->code == ERR_NOT_FOUND) {
		maint_host_say(m, host, "%s", err->msg);
		maint_ask_evacuation(m, host, host->evacuation, on_hook_gone);
	} else if (err && maint_is_lasting(err)) {
		maint_host_fail_empty(m, host, err->code, err->msg);
	} else if (err) {
		maint_host_ask_again(m, host, err);
	} else {
		take_hook(m, host, run);
		if (run->state == HOOK_RUNNING) {
			maint_host_pause(m, host);
			maint_host_say(m, host, "hook '%s' runs: %.400s", run->name, run->reason);
		} else {
			end_hook(m, host, run);
		}
	}
}

static void step_by_hand(struct maintenance *m, struct maint_host *host)
{
	if (host->is_aborted) {
		maint_host_undo(m, host, m->detail.stopping_why);
	} else if (host->is_by_hand) {
		host->hook_ms = clock_wall_ms();
		maint_host_set(m, host, MAINT_HOST_HEALING, "somebody said that all is done");
	} else {
		maint_host_say(m, host,
			       "is empty, and waits until somebody says go (POST "
			       "/v1/maintenances/{id}/go)");
	}
}

void maint_step_hooking(struct maintenance *m, struct maint_host *host)
{
	if (m->request->hook[0])
		maint_ask_hook(m, host, on_hook);
	else
		step_by_hand(m, host);
}

void maint_late_hooking(struct maintenance *m, struct maint_host *host)
{
	char why[MAINT_WHY_SIZE];

	snprintf(why, sizeof(why), "hook '%s' has not ended within %" PRIu64 " s: %.400s",
		 m->request->hook, m->request->hook_s, host->why);
	maint_host_fail_empty(m, host, ERR_TIMEOUT, why);
}

/* ---- healing -------------------------------------------------------------------------- */

static void heal_again(struct maintenance *m, struct maint_host *host)
{
	maint_host_pause(m, host);
	host->phase = 0;
}

static void on_still_empty(struct maintenance *m, struct maint_host *host,
			   const struct peer_evacuation *told, const struct err *err)
{
	if (maint_host_has_forgotten(m, host, err))
		return;
	if (err) {
		heal_again(m, host);
		maint_host_say(m, host, "is not healthy yet: %.400s", err->msg);
		return;
	}
	maint_host_take_vms(m, host, told);
	if (maint_host_was_ended(m, host, told))
		return;
	if (strcmp(told->state, "drained") != 0 || maint_is_ending(told)) {
		heal_again(m, host);
		maint_host_say(m, host, "is not healthy yet: its evacuation is %s", told->state);
		return;
	}
	host->healed_ms = clock_wall_ms();
	host->result = MAINT_HOST_DONE;
	maint_host_set(m, host, MAINT_HOST_RETURNING, "is healthy, and is given back");
}

static void on_health(struct maintenance *m, struct maint_host *host, const char *software,
		      const struct err *err)
{
	const char *wished = m->request->version;

	if (err) {
		heal_again(m, host);
		maint_host_say(m, host, "is not healthy yet: %.400s", err->msg);
	} else if (wished[0] && strcmp(wished, software) != 0) {
		heal_again(m, host);
		maint_host_say(m, host, "is not healthy yet: it runs '%s', not '%s'", software,
			       wished);
	} else {
		maint_host_next(host);
	}
}

void maint_step_healing(struct maintenance *m, struct maint_host *host)
{
	if (host->phase == 0)
		maint_ask_health(m, host, on_health);
	else
		maint_ask_evacuation(m, host, host->evacuation, on_still_empty);
}

void maint_late_healing(struct maintenance *m, struct maint_host *host)
{
	char why[MAINT_WHY_SIZE];

	snprintf(why, sizeof(why), "is not healthy %" PRIu64 " s after its hook: %.400s",
		 m->request->heal_s, host->why);
	maint_host_fail_empty(m, host, ERR_TIMEOUT, why);
}
