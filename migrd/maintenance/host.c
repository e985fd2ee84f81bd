/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One host of a maintenance: its states, and what it is asked in each.
 *
 * A question is asked when its state is on disk, one at a time, and again until its answer tells
 * that the state is over, or until the deadline of the state. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "maintenance/priv.h"

#define ASK_EVERY_MS  500
#define AWAY_GRACE_MS 20000

const char *const maint_host_names[] = { "todo",    "checking",  "evacuating", "hooking",
					 "healing", "returning", "aborting",   "done",
					 "failed",  "skipped",   "aborted",    NULL };

#define BIT(state) (1u << MAINT_HOST_##state)

/* Beside step, all of a state that ends by time. */
struct host_state {
	uint32_t next;
	uint64_t (*limit_s)(const struct maintenance_request *request);
	/* It is not over in time. */
	void (*late)(struct maintenance *m, struct maint_host *host);
	/* Asks, when nothing is asked and the pause is over. */
	void (*step)(struct maintenance *m, struct maint_host *host);
};
static const struct host_state states[MAINT_HOST_STATE_COUNT];

/* ---- what is common -------------------------------------------------------------------- */

const struct maintenance_place *maint_place(const struct maintenances *all, const char *host)
{
	return strcmp(host, all->env.host_id) == 0 ? &place_own : &place_peer;
}

void maint_who(const struct maintenance *m, char ret[EVACUATION_WHO_SIZE])
{
	snprintf(ret, EVACUATION_WHO_SIZE, MAINTENANCE_WHO_PREFIX "%s", m->row.id);
}

bool maint_host_is_final(const struct maint_host *host)
{
	return host->state >= MAINT_HOST_DONE;
}

bool maint_host_is_under_way(const struct maint_host *host)
{
	return host->state != MAINT_HOST_TODO && !maint_host_is_final(host);
}

bool maint_host_is_by_hand(const struct maintenance *m, const struct maint_host *host)
{
	return host->state == MAINT_HOST_HOOKING && m->request && !m->request->hook[0] &&
	       !host->is_by_hand;
}

bool maint_is_lasting(const struct err *err)
{
	return err->code == ERR_NOT_FOUND || err->code == ERR_FORBIDDEN ||
	       err->code == ERR_INVALID || err->code == ERR_PROTOCOL || err->code == ERR_TOO_LATE;
}

/* Texts are cut anywhere, and what is no UTF-8 would be longer in the record than here, and then
 * too long to be read again. */
void maint_text_repair(char *text)
{
	size_t left, len;

	utf8_trim(text);
	for (left = strlen(text); left; left -= len, text += len) {
		len = utf8_sequence(text, left);
		if (!len) {
			*text = '?';
			len = 1;
		}
	}
}

void maint_host_say(struct maintenance *m, struct maint_host *host, const char *fmt, ...)
{
	char why[MAINT_WHY_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	maint_text_repair(why);
	if (strcmp(why, host->why) == 0)
		return;
	memcpy(host->why, why, sizeof(host->why));
	m->is_news = true;
}

static void forget(struct maint_host *host)
{
	host->epoch++;
	host->phase = 0;
	host->is_asking = false;
	host->again_ms = 0;
}

static void enter(struct maintenance *m, struct maint_host *host, enum maint_host_state to)
{
	assert(states[host->state].next & 1u << to);
	log_info("maintenance", "host", "maintenance=%s host=%s from=%s to=%s why=%s", m->row.id,
		 host->host, maint_host_names[host->state], maint_host_names[to], host->why);
	host->state = to;
	host->since_ms = clock_wall_ms();
	host->checks += to == MAINT_HOST_CHECKING;
	if (to == MAINT_HOST_CHECKING && !host->started_ms)
		host->started_ms = host->since_ms;
	if (maint_host_is_final(host))
		host->ended_ms = host->since_ms;
	forget(host);
	host->change = maint_change(m);
	m->is_news = true;
}

void maint_host_set(struct maintenance *m, struct maint_host *host, enum maint_host_state to,
		    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(host->why, sizeof(host->why), fmt, ap);
	va_end(ap);
	maint_text_repair(host->why);
	enter(m, host, to);
}

static void note_error(struct maint_host *host, enum err_code code, const char *why)
{
	if (host->error_code[0])
		return; /* the first one tells more */
	snprintf(host->error_code, sizeof(host->error_code), "%s", err_name(code));
	snprintf(host->error, sizeof(host->error), "%s", why);
	maint_text_repair(host->error);
}

/* An evacuation may have been asked for before this check, by a request whose answer was not heard.
 */
static bool may_be_evacuated(const struct maint_host *host)
{
	return host->state == MAINT_HOST_CHECKING && host->checks > 1;
}

static void undo(struct maintenance *m, struct maint_host *host, enum maint_host_state result,
		 const char *why)
{
	host->result = result;
	maint_host_set(m, host, MAINT_HOST_ABORTING, "its evacuation is undone: %.400s", why);
}

void maint_host_skip(struct maintenance *m, struct maint_host *host, enum err_code code,
		     const char *why)
{
	note_error(host, code, why);
	if (may_be_evacuated(host))
		undo(m, host, MAINT_HOST_SKIPPED, host->error);
	else
		maint_host_set(m, host, MAINT_HOST_SKIPPED, "%s", host->error);
}

void maint_host_pause(struct maintenance *m, struct maint_host *host)
{
	host->again_ms = loop_now_ms(m->all->env.loop) + ASK_EVERY_MS;
}

void maint_host_ask_again(struct maintenance *m, struct maint_host *host, const struct err *err)
{
	maint_host_pause(m, host);
	maint_host_say(m, host, "is asked again: %.400s", err->msg);
}

void maint_host_next(struct maint_host *host)
{
	host->phase++;
	host->again_ms = 0;
}

void maint_host_fail_full(struct maintenance *m, struct maint_host *host, enum err_code code,
			  const char *why)
{
	note_error(host, code, why);
	undo(m, host, MAINT_HOST_FAILED, host->error);
}

void maint_host_fail_empty(struct maintenance *m, struct maint_host *host, enum err_code code,
			   const char *why)
{
	note_error(host, code, why);
	host->result = MAINT_HOST_FAILED;
	if (m->request->on_failure == MAINTENANCE_FAILED_RETURN)
		maint_host_set(m, host, MAINT_HOST_RETURNING, "is given back: %.400s", host->error);
	else
		maint_host_set(m, host, MAINT_HOST_FAILED,
			       "stays empty, and takes no guests until its evacuation %s is ended: "
			       "%.300s",
			       host->evacuation, host->error);
}

void maint_host_fail(struct maintenance *m, struct maint_host *host, enum err_code code,
		     const char *why)
{
	note_error(host, code, why);
	maint_host_set(m, host, MAINT_HOST_FAILED, "%s", host->error);
}

void maint_host_take_vms(struct maintenance *m, struct maint_host *host,
			 const struct peer_evacuation *told)
{
	const struct evacuation_counts *counts = &told->counts;
	struct maint_vms *vms = &host->vms;

	if (vms->left != counts->left || vms->moving != counts->moving ||
	    vms->returned != counts->returned || vms->blocked != counts->blocked)
		m->is_news = true;
	vms->total = counts->total;
	vms->left = counts->left;
	vms->moving = counts->moving;
	vms->blocked = counts->blocked;
	vms->moved = counts->moved;
	vms->stays = counts->stays;
	vms->returned = counts->returned;
	if (told->has_blackout && told->blackout_ms > vms->blackout_ms)
		vms->blackout_ms = told->blackout_ms;
	vms->has_blackout = vms->has_blackout || told->has_blackout;
}

static bool wants(const struct peer_evacuation *told, const char *who)
{
	for (size_t i = 0; i < told->requester_count; i++)
		if (strcmp(told->requesters[i], who) == 0)
			return true;
	return false;
}

bool maint_is_wanted(const struct maintenance *m, const struct peer_evacuation *told)
{
	char who[EVACUATION_WHO_SIZE];

	maint_who(m, who);
	return wants(told, who);
}

bool maint_is_ending(const struct peer_evacuation *told)
{
	return told->final || told->ending[0] || strcmp(told->state, "returning") == 0;
}

void maint_host_undo(struct maintenance *m, struct maint_host *host, const char *why)
{
	undo(m, host, MAINT_HOST_ABORTED, why);
}

bool maint_host_was_ended(struct maintenance *m, struct maint_host *host,
			  const struct peer_evacuation *told)
{
	char why[MAINT_WHY_SIZE];

	if (!told->final && maint_is_wanted(m, told))
		return false;
	snprintf(why, sizeof(why), "its evacuation %s was ended by somebody else: it is %s: %.300s",
		 told->id, told->state, told->error[0] ? told->error_text : told->reason);
	maint_host_fail(m, host, ERR_CANCELLED, why);
	return true;
}

bool maint_host_has_forgotten(struct maintenance *m, struct maint_host *host, const struct err *err)
{
	char why[MAINT_WHY_SIZE];

	if (!err || err->code != ERR_NOT_FOUND || !host->evacuation[0])
		return false;
	snprintf(why, sizeof(why),
		 "its evacuation %s is not on record there any more, as when a backup of its "
		 "records is put back: look at it before it is used or emptied again",
		 host->evacuation);
	maint_host_fail(m, host, ERR_NOT_FOUND, why);
	return true;
}

/* ---- the table ------------------------------------------------------------------------------ */

static void late_checking(struct maintenance *m, struct maint_host *host)
{
	char why[MAINT_WHY_SIZE];

	snprintf(why, sizeof(why), "%s", host->why);
	if (host->is_blocked && may_be_evacuated(host))
		maint_host_fail_full(m, host, ERR_CONFLICT, why);
	else if (host->is_blocked)
		maint_host_fail(m, host, ERR_CONFLICT, why);
	else
		maint_host_skip(m, host, ERR_TIMEOUT, why);
}

#define LIMIT(member)                                                             \
	static uint64_t limit_##member(const struct maintenance_request *request) \
	{                                                                         \
		return request->member;                                           \
	}
LIMIT(check_s)
LIMIT(evacuate_s)
LIMIT(hook_s)
LIMIT(heal_s)
LIMIT(return_s)

static const struct host_state states[MAINT_HOST_STATE_COUNT] = {
	[MAINT_HOST_TODO] = { .next = BIT(CHECKING) | BIT(SKIPPED) },
	[MAINT_HOST_CHECKING] = { .next = BIT(EVACUATING) | BIT(ABORTING) | BIT(SKIPPED) |
					  BIT(FAILED),
				  .limit_s = limit_check_s,
				  .late = late_checking,
				  .step = maint_check_step },
	[MAINT_HOST_EVACUATING] = { .next = BIT(CHECKING) | BIT(HOOKING) | BIT(ABORTING) |
					    BIT(FAILED),
				    .limit_s = limit_evacuate_s,
				    .late = maint_late_evacuating,
				    .step = maint_step_evacuating },
	[MAINT_HOST_HOOKING] = { .next = BIT(HEALING) | BIT(RETURNING) | BIT(ABORTING) |
					 BIT(FAILED),
				 .limit_s = limit_hook_s,
				 .late = maint_late_hooking,
				 .step = maint_step_hooking },
	[MAINT_HOST_HEALING] = { .next = BIT(RETURNING) | BIT(ABORTING) | BIT(FAILED),
				 .limit_s = limit_heal_s,
				 .late = maint_late_healing,
				 .step = maint_step_healing },
	[MAINT_HOST_RETURNING] = { .next = BIT(DONE) | BIT(FAILED) | BIT(ABORTED),
				   .limit_s = limit_return_s,
				   .late = maint_late_returning,
				   .step = maint_step_returning },
	[MAINT_HOST_ABORTING] = { .next = BIT(FAILED) | BIT(SKIPPED) | BIT(ABORTED),
				  .limit_s = limit_return_s,
				  .late = maint_late_aborting,
				  .step = maint_step_aborting },
};

int64_t maint_host_deadline_ms(const struct maintenance *m, const struct maint_host *host)
{
	const struct host_state *state = &states[host->state];

	if (!state->limit_s || !m->request ||
	    (host->state == MAINT_HOST_HOOKING && !m->request->hook[0]))
		return 0;
	return host->since_ms + (int64_t)state->limit_s(m->request) * 1000;
}

static void look_in(uint64_t *wait_ms, uint64_t ms)
{
	if (ms < *wait_ms)
		*wait_ms = ms;
}

/* How long nothing is late because this coordinator was away: its host is asked first what it has
 * done meanwhile. */
static uint64_t grace_ms(const struct maintenance *m, const struct maint_host *host,
			 uint64_t loop_ms)
{
	const struct maintenances *all = m->all;
	uint64_t until_ms = all->recovered_loop_ms + AWAY_GRACE_MS;

	return host->since_ms < all->recovered_ms && until_ms > loop_ms ? until_ms - loop_ms : 0;
}

void maint_host_step(struct maintenance *m, struct maint_host *host, uint64_t *wait_ms)
{
	int64_t deadline_ms = maint_host_deadline_ms(m, host), now_ms = clock_wall_ms();
	uint64_t loop_ms = loop_now_ms(m->all->env.loop);

	if (!maint_host_is_under_way(host))
		return;
	if (deadline_ms && deadline_ms <= now_ms && !grace_ms(m, host, loop_ms)) {
		states[host->state].late(m, host);
		return;
	}
	if (deadline_ms)
		look_in(wait_ms, deadline_ms <= now_ms ? grace_ms(m, host, loop_ms)
						       : (uint64_t)(deadline_ms - now_ms));
	if (!record_has(&m->machine, host->change) || host->is_asking)
		return;
	if (host->again_ms > loop_ms)
		look_in(wait_ms, host->again_ms - loop_ms);
	else
		states[host->state].step(m, host);
}

void maint_host_abort(struct maintenance *m, struct maint_host *host)
{
	const char *why = m->detail.stopping_why;

	host->is_aborted = true;
	maint_change(m);
	if (host->state == MAINT_HOST_CHECKING)
		maint_host_skip(m, host, ERR_CANCELLED, why);
	else if (host->state == MAINT_HOST_EVACUATING || host->state == MAINT_HOST_HEALING)
		maint_host_undo(m, host, why);
	else
		host->again_ms = 0; /* one whose hook runs is undone when that has ended */
}
