/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "converge/converge.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* Of what the guest may stand still, so much at first: a guest that converges needs few passes
 * more for a stop that is shorter. */
#define FIRST_DIVISOR 8
/* How much longer the transfer may take for that: 5 % are promised, and the last look at the
 * rest and the stop itself are in them. */
#define LONGER_PERCENT 3
/* What is sent is held by a limit of bandwidth if it comes so near. */
#define HELD_PERCENT 80
/* Passes that leave more than this part of the least before are without progress. */
#define PROGRESS_PERCENT 90
#define STUCK_PASSES     2
/* From the asked limit to the ceiling. */
#define LIMIT_STEPS 4
/* A limit is met by what was left once, if it is so much larger. */
#define MARGIN_PERCENT 10
/* A throttled guest shall change so much of what is sent, and is slowed down in such steps. */
#define WANTED_PERCENT        70
#define THROTTLE_STEP_PERCENT 10
/* QEMU slows the CPUs down when it has looked twice, at least a second apart, which short passes do
 * not wait for (migration_trigger_throttle() in migration/ram.c). */
#define THROTTLE_SHOWS_MS 3000
/* Of the time until the deadline: from then on a good moment is taken. */
#define LATE_PERCENT 80

const char *const converge_action_names[] = { "none",  "limit",  "throttle", "postcopy",
					      "force", "cancel", NULL };

/* What the rules look at. */
struct view {
	const struct converge_basis *basis;
	const struct converge_history *history;
	uint64_t now_ms;
	struct converge_rates rates;
	uint64_t left_bytes;  /* at the end of the last pass */
	uint64_t least_bytes; /* at the end of any */
	uint64_t limit_ms;    /* that may be used */
};

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct view look(const struct converge_basis *basis, uint64_t now_ms)
{
	const struct converge_history *history = basis->history;
	struct view view = {
		.basis = basis,
		.history = history,
		.now_ms = now_ms,
		.rates = converge_rates(history, history->count),
		.left_bytes = history->count ? history->passes[history->count - 1].left_bytes : 0,
		.least_bytes = converge_least_left(history),
		.limit_ms = most(basis->downtime_limit_ms, basis->raised_ms),
	};

	if (!history->count) {
		view.left_bytes = basis->left_bytes;
		view.rates.sent_bytes_per_s = most(basis->sent_bytes_per_s, 1);
	}
	return view;
}

/* How long it takes to send so much. */
static uint64_t time_ms(const struct view *view, uint64_t bytes)
{
	return bytes / (view->rates.sent_bytes_per_s / 1000 + 1);
}

/* ---- words ------------------------------------------------------------------- */

#define SIZE_TEXT 24
#define WHAT_SIZE 120

static const char *size_text(uint64_t bytes, char text[SIZE_TEXT])
{
	if (bytes < UINT64_C(1) << 20)
		snprintf(text, SIZE_TEXT, "%llu KiB", (unsigned long long)bytes >> 10);
	else
		snprintf(text, SIZE_TEXT, "%llu MiB", (unsigned long long)bytes >> 20);
	return text;
}

/* "WHAT: HOW IT IS" */
__attribute__((format(printf, 3, 4))) static struct converge_decision
say(struct converge_decision decision, const struct view *view, const char *fmt, ...)
{
	char what[WHAT_SIZE], left[SIZE_TEXT], dirty[SIZE_TEXT], sent[SIZE_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (view->history->count)
		snprintf(decision.why, sizeof(decision.why),
			 "%s: the last pass left %s, the guest changes %s/s, and %s/s are sent",
			 what, size_text(view->left_bytes, left),
			 size_text(view->rates.dirty_bytes_per_s, dirty),
			 size_text(view->rates.sent_bytes_per_s, sent));
	else
		snprintf(decision.why, sizeof(decision.why), "%s: no pass has ended yet", what);
	return decision;
}

/* ---- a guest that converges --------------------------------------------------------- */

/* So much could be sent in the limit that was asked for. */
static uint64_t limit_bytes(const struct view *view, struct converge_rates rates)
{
	return rates.sent_bytes_per_s / 1000 * view->basis->downtime_limit_ms;
}

/* Of plain QEMU: when it stops the guest, and how much is left to send then. */
struct plain_end {
	uint64_t at_ms, left_bytes;
};

/* In pass I, which left no more than BYTES: QEMU looks when no more than them is left of a pass,
 * and so in the midst of one of ours, in which that became less and less. */
static struct plain_end end_in_pass(const struct converge_history *history, size_t i,
				    uint64_t bytes)
{
	const struct converge_pass *pass = &history->passes[i];
	double before = i ? (double)history->passes[i - 1].left_bytes : 0;
	double left = (double)pass->left_bytes, ms = (double)(pass->ended_ms - pass->began_ms);

	if (before <= (double)bytes)
		return (struct plain_end){ pass->ended_ms, pass->left_bytes };
	return (struct plain_end){
		pass->began_ms + (uint64_t)(ms * (before - (double)bytes) / (before - left)), bytes
	};
}

/* With the link as it was then; false: it has not stopped it. */
static bool plain_end(const struct view *view, struct plain_end *ret)
{
	for (size_t i = 0; i < view->history->count; i++) {
		uint64_t bytes = limit_bytes(view, converge_rates(view->history, i + 1));

		if (view->history->passes[i].left_bytes <= bytes) {
			*ret = end_in_pass(view->history, i, bytes);
			return true;
		}
	}
	return false;
}

bool converge_is_held(uint64_t bandwidth_bytes_per_s, uint64_t sent_bytes_per_s)
{
	return bandwidth_bytes_per_s &&
	       sent_bytes_per_s / HELD_PERCENT >= bandwidth_bytes_per_s / 100;
}

/* The next pass leaves less, and is over in the time that the shorter stop may cost. */
static bool may_wait(const struct view *view)
{
	uint64_t end_ms, until_ms;
	struct plain_end end;

	if (!view->history->count)
		return true;
	if (converge_is_held(view->basis->bandwidth_bytes_per_s, view->rates.sent_bytes_per_s))
		return false;
	if (!plain_end(view, &end))
		return true;
	end_ms = end.at_ms + time_ms(view, end.left_bytes);
	until_ms = end_ms + (end_ms - view->history->passes[0].began_ms) * LONGER_PERCENT / 100;
	return view->rates.dirty_bytes_per_s < view->rates.sent_bytes_per_s &&
	       view->now_ms + time_ms(view, view->left_bytes) <= until_ms;
}

uint64_t converge_first_limit_ms(uint64_t limit_ms)
{
	return most(limit_ms / FIRST_DIVISOR, 1);
}

bool converge_would_stop(const struct converge_stop *at, double *plain_end_ms)
{
	double whole_ms = (double)at->limit_ms;

	if (at->left_ms <= whole_ms && *plain_end_ms <= 0)
		*plain_end_ms = at->elapsed_ms + at->left_ms;
	if (at->left_ms <= (double)converge_first_limit_ms(at->limit_ms))
		return true;
	return at->left_ms <= whole_ms &&
	       (at->is_held ||
		at->elapsed_ms + at->left_ms > *plain_end_ms * (100 + LONGER_PERCENT) / 100);
}

uint64_t converge_limit_ms(const struct converge_basis *basis, uint64_t now_ms)
{
	const struct view view = look(basis, now_ms);
	uint64_t ms = view.limit_ms;

	if (!basis->raised_ms && may_wait(&view))
		ms = converge_first_limit_ms(view.limit_ms);
	return least(most(ms, 1), CONVERGE_LIMIT_MAX_MS);
}

/* ---- one that does not ---------------------------------------------------------------- */

static size_t passes_since(const struct converge_history *history, uint64_t since_ms)
{
	size_t count = 0;

	for (size_t i = 0; i < history->count; i++)
		count += since_ms == 0 || history->passes[i].began_ms >= since_ms;
	return count;
}

/* A throttle of which so few passes were is not judged yet. */
static size_t throttled_passes(const struct view *view)
{
	const struct converge_basis *basis = view->basis;
	size_t count = 0;

	for (size_t i = 0; i < view->history->count; i++) {
		const struct converge_pass *pass = &view->history->passes[i];

		count += pass->began_ms >= basis->throttled_at_ms &&
			 (pass->throttle_percent >= basis->throttle_percent ||
			  pass->began_ms >= basis->throttled_at_ms + THROTTLE_SHOWS_MS);
	}
	return count;
}

/* The newest pass left less than the one before: a guest on its way down is not stuck, although it
 * once had less. */
static bool is_falling(const struct converge_history *history)
{
	uint64_t newest = history->passes[history->count - 1].left_bytes;

	return newest / PROGRESS_PERCENT <= history->passes[history->count - 2].left_bytes / 100;
}

/* The newest STUCK_PASSES, in which the last throttle was in force, brought no progress. */
static bool is_stuck(const struct view *view)
{
	const struct converge_history *history = view->history;
	uint64_t before = history->passes[0].left_bytes, newest = UINT64_MAX;

	if (history->count <= STUCK_PASSES || throttled_passes(view) < STUCK_PASSES ||
	    is_falling(history))
		return false;
	for (size_t i = 0; i < history->count; i++) {
		if (i < history->count - STUCK_PASSES)
			before = least(before, history->passes[i].left_bytes);
		else
			newest = least(newest, history->passes[i].left_bytes);
	}
	return newest / PROGRESS_PERCENT > before / 100;
}

/* The least that was left so far is sent in so much. */
static bool was_met(const struct view *view, uint64_t limit_ms)
{
	return time_ms(view, view->least_bytes) <= limit_ms;
}

/* A limit that QEMU would have met at that moment. */
static uint64_t met_ms(const struct view *view)
{
	uint64_t ms = time_ms(view, view->least_bytes);

	return ms + ms * MARGIN_PERCENT / 100 + 1;
}

static bool waits_for_limit(const struct view *view)
{
	const struct converge_basis *basis = view->basis;

	return was_met(view, view->limit_ms) && basis->raised_ms &&
	       passes_since(view->history, basis->raised_at_ms) < STUCK_PASSES;
}

static struct converge_decision raise_to(const struct view *view, uint64_t limit_ms)
{
	uint64_t ms = least(limit_ms, view->basis->policy->downtime_ceiling_ms);

	return say((struct converge_decision){ .action = CONVERGE_LIMIT, .value = ms }, view,
		   "the guest may stand still for %llu ms", (unsigned long long)ms);
}

static uint64_t next_limit_ms(const struct view *view)
{
	uint64_t asked_ms = view->basis->downtime_limit_ms;
	uint64_t ceiling_ms = view->basis->policy->downtime_ceiling_ms;
	uint64_t step_ms = (ceiling_ms - asked_ms) / LIMIT_STEPS + 1;

	return most(view->limit_ms + step_ms, met_ms(view));
}

/* So that it changes less than is sent, in round numbers. */
static uint64_t wanted_throttle(const struct view *view)
{
	uint64_t now = view->basis->throttle_percent;
	uint64_t wanted = view->rates.sent_bytes_per_s / 100 * WANTED_PERCENT;
	uint64_t cpu = wanted * (100 - now) / view->rates.dirty_bytes_per_s;
	uint64_t percent = cpu < 100 ? 100 - cpu : 0;

	percent = most(percent, now + THROTTLE_STEP_PERCENT);
	percent = (percent + THROTTLE_STEP_PERCENT - 1) / THROTTLE_STEP_PERCENT *
		  THROTTLE_STEP_PERCENT;
	return least(percent, view->basis->policy->throttle_max_percent);
}

static struct converge_decision throttle(const struct view *view)
{
	uint64_t percent = wanted_throttle(view);

	return say((struct converge_decision){ .action = CONVERGE_THROTTLE, .value = percent },
		   view, "the guest's CPUs are slowed down by %llu %%",
		   (unsigned long long)percent);
}

static struct converge_decision postcopy(const struct view *view)
{
	return say((struct converge_decision){ .action = CONVERGE_POSTCOPY }, view,
		   "the guest goes over by post-copy, and its memory follows");
}

static bool may_go_over(const struct converge_basis *basis)
{
	return basis->can_postcopy && basis->policy->postcopy == POLICY_POSTCOPY_IF_NEEDED;
}

static struct converge_decision help(const struct view *view)
{
	const struct converge_basis *basis = view->basis;
	uint64_t ceiling_ms = basis->policy->downtime_ceiling_ms;
	bool may_raise = view->limit_ms < ceiling_ms;

	if (waits_for_limit(view))
		return (struct converge_decision){ 0 };
	if (may_raise && was_met(view, ceiling_ms))
		return raise_to(view, next_limit_ms(view));
	if (basis->can_throttle && basis->throttle_percent < basis->policy->throttle_max_percent)
		return throttle(view);
	if (may_go_over(basis))
		return postcopy(view);
	if (may_raise)
		return raise_to(view, ceiling_ms);
	return (struct converge_decision){ 0 };
}

/* ---- a user wants the end ---------------------------------------------------------------- */

struct converge_rest converge_rest(const struct converge_basis *basis, uint64_t now_ms)
{
	const struct converge_history *history = basis->history;
	struct view view = look(basis, now_ms);
	uint64_t since_ms = history->count ? history->passes[history->count - 1].ended_ms : now_ms;
	uint64_t changed =
		now_ms > since_ms ? view.rates.dirty_bytes_per_s * (now_ms - since_ms) / 1000 : 0;
	struct converge_rest rest = { .left_bytes = basis->left_bytes };

	/* It changes no more than the last pass found, if it changes the same again and again. */
	if (history->count)
		rest.left_bytes += least(changed, view.left_bytes);
	if (!history->count && !basis->sent_bytes_per_s)
		return rest;
	view.rates.sent_bytes_per_s =
		basis->sent_bytes_per_s ? basis->sent_bytes_per_s : view.rates.sent_bytes_per_s;
	rest.sent_bytes_per_s = view.rates.sent_bytes_per_s;
	rest.ms = time_ms(&view, rest.left_bytes);
	return rest;
}

uint64_t converge_end_limit_ms(const struct converge_basis *basis)
{
	return most(basis->downtime_limit_ms,
		    basis->policy->observe ? 0 : basis->policy->downtime_ceiling_ms);
}

/* "WHAT: HOW IT IS" */
static struct converge_decision grant(struct converge_decision decision, const char *what,
				      uint64_t what_ms, const struct converge_rest *rest)
{
	char left[SIZE_TEXT], sent[SIZE_TEXT], ms[32] = "";

	if (what_ms)
		snprintf(ms, sizeof(ms), "%llu ms", (unsigned long long)what_ms);
	if (rest->sent_bytes_per_s)
		snprintf(decision.why, sizeof(decision.why), "%s%s: %s are left, and %s/s are sent",
			 what, ms, size_text(rest->left_bytes, left),
			 size_text(rest->sent_bytes_per_s, sent));
	else
		snprintf(decision.why, sizeof(decision.why),
			 "%s%s: %s are left, and how fast they are sent is not known yet", what, ms,
			 size_text(rest->left_bytes, left));
	decision.is_wish = true;
	return decision;
}

/* What is said of such a stop, before a number if REST->ms is not 0.  QEMU does not begin it while
 * it would take longer than the longest downtime-limit. */
static const char *stop_words(const struct converge_rest *rest)
{
	static_assert(CONVERGE_LIMIT_MAX_MS == 2000 * 1000, "2000 s");
	if (rest->ms > CONVERGE_LIMIT_MAX_MS)
		return "QEMU stops the guest when the rest takes 2000 s at most, until then it "
		       "runs on; now the rest would take about ";
	return rest->ms ? "the guest stands still for as long as the rest takes, for about "
			: "the guest stands still for as long as the rest takes";
}

/* A rate that is not known bounds nothing. */
static struct converge_decision stop_for(const struct converge_rest *rest)
{
	return (struct converge_decision){ .action = CONVERGE_FORCE,
					   .rest_ms = rest->sent_bytes_per_s
							      ? rest->ms
							      : CONVERGE_LIMIT_MAX_MS };
}

struct converge_decision converge_grant(const struct converge_basis *basis, uint64_t now_ms)
{
	struct converge_rest rest = converge_rest(basis, now_ms);
	uint64_t limit_ms = converge_end_limit_ms(basis);
	struct converge_decision limit = { .action = CONVERGE_LIMIT, .value = limit_ms };

	if (basis->wish == CONVERGE_WISH_FORCE)
		return grant(stop_for(&rest), stop_words(&rest), rest.ms, &rest);
	if (basis->wish == CONVERGE_WISH_END && !basis->policy->observe &&
	    basis->raised_ms < limit_ms)
		return grant(limit, "the guest may from now on stand still for ", limit_ms, &rest);
	return (struct converge_decision){ 0 };
}

/* ---- the deadline ------------------------------------------------------------------------ */

static struct converge_decision cancel(const struct view *view, const char *more)
{
	return say((struct converge_decision){ .action = CONVERGE_CANCEL }, view,
		   "the transfer was not over at its deadline, after %llu s%s",
		   (unsigned long long)view->basis->deadline_ms / 1000, more);
}

static struct converge_decision force(const struct view *view)
{
	struct converge_rest rest = converge_rest(view->basis, view->now_ms);

	if (!rest.ms)
		return say(stop_for(&rest), view, "%s", stop_words(&rest));
	return say(stop_for(&rest), view, "%s%llu ms", stop_words(&rest),
		   (unsigned long long)rest.ms);
}

static struct converge_decision at_deadline(const struct view *view)
{
	switch ((enum policy_timeout)view->basis->policy->timeout) {
	case POLICY_TIMEOUT_CANCEL:
		break;
	case POLICY_TIMEOUT_FORCE:
		return may_go_over(view->basis) ? postcopy(view) : force(view);
	case POLICY_TIMEOUT_POSTCOPY:
		return view->basis->can_postcopy ? postcopy(view)
						 : cancel(view, ", and post-copy is not possible");
	case POLICY_TIMEOUT_PAUSE:
		return force(view);
	}
	return cancel(view, "");
}

static bool is_good_moment(const struct view *view)
{
	uint64_t deadline_ms = view->basis->deadline_ms;
	int timeout = view->basis->policy->timeout;

	return (timeout == POLICY_TIMEOUT_FORCE || timeout == POLICY_TIMEOUT_PAUSE) &&
	       view->history->count && view->left_bytes == view->least_bytes &&
	       view->rates.dirty_bytes_per_s / PROGRESS_PERCENT >=
		       view->rates.sent_bytes_per_s / 100 &&
	       view->now_ms >= deadline_ms * LATE_PERCENT / 100;
}

struct converge_decision converge_decide(const struct converge_basis *basis, uint64_t now_ms)
{
	const struct view view = look(basis, now_ms);

	if (basis->deadline_ms && (now_ms >= basis->deadline_ms || is_good_moment(&view)))
		return at_deadline(&view);
	if (!is_stuck(&view))
		return (struct converge_decision){ 0 };
	return help(&view);
}
