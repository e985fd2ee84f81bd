/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A maintenance from planned to its end: hosts go on, and others are begun as judge.h says. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "maintenance/priv.h"

/* A moment on the clock of the wall is waited for in pieces, as that may be set. */
#define WAIT_MAX_MS 60000

static void look_in(struct maintenance *m, uint64_t ms)
{
	if (m->timer && ms != UINT64_MAX)
		loop_timer_start(m->timer, ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS);
}

static void tell_news(struct maintenance *m)
{
	if (!m->is_news)
		return;
	m->is_news = false;
	maint_tell(m);
}

void maint_stop(struct maintenance *m, bool is_person, const char *why)
{
	struct maint_detail *detail = &m->detail;

	if (!detail->stopping_why[0])
		snprintf(detail->stopping_why, sizeof(detail->stopping_why), "%s", why);
	detail->is_person = detail->is_person || is_person;
	m->is_news = true;
	maint_change(m);
}

/* ---- planned ------------------------------------------------------------------------- */

void maint_step_planned(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);
	int64_t left_ms = m->detail.not_before_ms - clock_wall_ms();

	if (m->detail.stopping_why[0]) {
		maint_go_to(m, MAINT_STATE_STOPPING, NULL);
	} else if (left_ms > 0) {
		look_in(m, (uint64_t)left_ms);
		tell_news(m);
	} else {
		m->detail.started_ms = clock_wall_ms();
		maint_go_to(m, MAINT_STATE_RUNNING, NULL);
	}
}

/* ---- running, waiting ------------------------------------------------------------------ */

static enum judge_phase phase_of(const struct maint_host *host)
{
	if (maint_host_is_final(host))
		return JUDGE_ENDED;
	return host->state == MAINT_HOST_TODO ? JUDGE_TODO : JUDGE_UNDER_WAY;
}

static struct judge_verdict judge(const struct maintenance *m)
{
	struct judge_host *hosts = xcalloc(m->host_count, sizeof(*hosts));
	const struct maintenance_request *request = m->request;
	struct judge_verdict verdict;

	for (size_t i = 0; i < m->host_count; i++) {
		const struct maint_host *host = &m->hosts[i];

		hosts[i] = (struct judge_host){
			.phase = phase_of(host),
			.rack = host->rack,
			.is_checking = host->state == MAINT_HOST_CHECKING,
			.is_own = strcmp(host->host, m->all->env.host_id) == 0,
			.has_go = host->has_go,
			.waits = maint_host_is_by_hand(m, host),
			.has_failed = host->state == MAINT_HOST_FAILED,
			.is_unsure = host->is_unsure,
		};
	}
	verdict = judge_next(&(struct judge_view){ .hosts = hosts,
						   .count = m->host_count,
						   .at_once = request->at_once,
						   .failures = request->failures,
						   .by_rack = request->by_rack,
						   .pause = request->pause,
						   .is_paused = m->detail.is_paused });
	free(hosts);
	return verdict;
}

static const struct maint_host *failed_host(const struct maintenance *m, size_t *ret_count)
{
	const struct maint_host *first = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < m->host_count; i++) {
		if (m->hosts[i].state != MAINT_HOST_FAILED)
			continue;
		(*ret_count)++;
		if (!first)
			first = &m->hosts[i];
	}
	return first;
}

/* Of the first one; of a host that may still be being emptied, and of none, CONFLICT. */
static enum err_code failed_code(const struct maintenance *m)
{
	size_t count;
	const struct maint_host *first = failed_host(m, &count);

	return first && first->error_code[0] ? err_from_name(first->error_code) : ERR_CONFLICT;
}

/* False: fewer than would stop it. */
static bool stop_by_failures(struct maintenance *m)
{
	size_t count;
	const struct maint_host *first = failed_host(m, &count);
	char why[MAINT_WHY_SIZE];

	if (count < m->request->failures)
		return false;
	if (count == 1)
		snprintf(why, sizeof(why), "host '%s' has failed: %.380s", first->host,
			 first->error);
	else
		snprintf(why, sizeof(why), "%zu hosts have failed, the first is '%s': %.340s",
			 count, first->host, first->error);
	maint_stop(m, false, why);
	return true;
}

static void set_waits_for(struct maintenance *m, size_t host)
{
	if (m->waits_for == host)
		return;
	m->waits_for = host;
	m->is_news = true;
}

static void follow(struct maintenance *m, struct judge_verdict verdict)
{
	unsigned state = m->machine.state;
	bool is_waiting = verdict.what == JUDGE_WAIT;

	set_waits_for(m, is_waiting ? verdict.host : JUDGE_NONE);
	switch (verdict.what) {
	case JUDGE_BEGIN:
		maint_host_set(m, &m->hosts[verdict.host], MAINT_HOST_CHECKING, "is checked");
		maints_look(m->all);
		break;
	case JUDGE_STOP:
		stop_by_failures(m);
		break;
	case JUDGE_STUCK:
		maint_stop(m, false,
			   "a host that has failed may still be being emptied: no other is begun "
			   "before somebody has looked at it");
		break;
	case JUDGE_OVER:
		if (!stop_by_failures(m)) {
			maint_go_to(m, MAINT_STATE_DONE, NULL);
			return;
		}
		break;
	case JUDGE_NOTHING:
	case JUDGE_WAIT:
		break;
	}
	if (m->detail.stopping_why[0])
		maint_go_to(m, MAINT_STATE_STOPPING, NULL);
	else if (is_waiting != (state == MAINT_STATE_WAITING))
		maint_go_to(m, is_waiting ? MAINT_STATE_WAITING : MAINT_STATE_RUNNING, NULL);
}

static void step_hosts(struct maintenance *m)
{
	uint64_t wait_ms = UINT64_MAX;

	for (size_t i = 0; i < m->host_count; i++)
		maint_host_step(m, &m->hosts[i], &wait_ms);
	look_in(m, wait_ms);
}

void maint_step_running(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);

	if (m->detail.stopping_why[0]) {
		maint_go_to(m, MAINT_STATE_STOPPING, NULL);
		return;
	}
	step_hosts(m);
	follow(m, judge(m));
	tell_news(m);
}

/* ---- stopping ------------------------------------------------------------------------- */

static void skip_rest(struct maintenance *m)
{
	char why[MAINT_WHY_SIZE];

	snprintf(why, sizeof(why), "was not begun: %.480s", m->detail.stopping_why);
	for (size_t i = 0; i < m->host_count; i++)
		if (m->hosts[i].state == MAINT_HOST_TODO)
			maint_host_skip(m, &m->hosts[i], ERR_CANCELLED, why);
}

void maint_step_stopping(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);
	bool is_person = m->detail.is_person, is_over = true;
	size_t waits_for = JUDGE_NONE;
	struct err err;

	skip_rest(m);
	step_hosts(m);
	for (size_t i = 0; i < m->host_count; i++) {
		if (waits_for == JUDGE_NONE && maint_host_is_by_hand(m, &m->hosts[i]))
			waits_for = i;
		is_over = is_over && !maint_host_is_under_way(&m->hosts[i]);
	}
	set_waits_for(m, waits_for);
	if (!is_over) {
		tell_news(m);
		return;
	}
	err_set(&err, is_person ? ERR_CANCELLED : failed_code(m), "%s", m->detail.stopping_why);
	maint_go_to(m, is_person ? MAINT_STATE_ABORTED : MAINT_STATE_FAILED, &err);
}
