/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a hook is now, and what follows from that. */
#include <signal.h>

#include "hook/priv.h"

/* migrd-hook keeps the deadline; so long it may take for the end of the program and its file. */
#define RUNNER_LATE_MS 60000

/* ---- where it is ------------------------------------------------------------------ */

static int64_t left_ms(const struct hook *hook)
{
	return hook->row.created_ms + (int64_t)hook->detail.timeout_s * 1000 -
	       hook_now_ms(hook->hooks);
}

/* With the host and the coordinator as they were then. */
static void compare(const struct hook *hook, const char *boot_id, const char *process,
		    struct hook_facts *facts)
{
	facts->is_other_boot = strcmp(boot_id, hook->hooks->boot_id) != 0;
	facts->is_other_process =
		facts->is_other_boot || strcmp(process, hook->hooks->process) != 0;
}

/* Nobody has said that he runs it. */
static enum hook_where where_unbegun(struct hook *hook, bool is_sealed)
{
	struct err err;

	if (!hook->is_begun && !is_sealed)
		return HOOK_WHERE_NOWHERE;
	if (is_sealed)
		err_set(&err, ERR_INTERNAL, "it was given up before it was begun");
	else
		err_set(&err, ERR_INTERNAL,
			"'%s' has ended before it ran anything: can it write to '%s'?",
			hook->hooks->env.program, hook->hooks->dir);
	hook_not_started(hook, &err);
	return HOOK_WHERE_ENDED;
}

/* SEEN: of a program that is not watched, and was not answered for. */
static enum hook_where where_of(struct hook *hook, const struct hook_seen *seen,
				struct hook_facts *facts)
{
	compare(hook, hook->row.boot_id, hook->detail.process, facts);
	if (hook->answer)
		return HOOK_WHERE_ENDED;
	if (hook->runner)
		return HOOK_WHERE_RUNS;
	if (seen && seen->where == HOOK_WHERE_NOWHERE)
		return where_unbegun(hook, seen->is_sealed);
	if (seen) {
		/* One of another boot than that of the record began after that boot. */
		if (seen->runner.boot_id[0])
			compare(hook, seen->runner.boot_id, seen->runner.process, facts);
		return seen->where;
	}
	if (hook->is_begun)
		return HOOK_WHERE_RUNS;
	return hook->is_recovered ? HOOK_WHERE_GONE : HOOK_WHERE_NOWHERE;
}

static struct hook_facts facts_of(struct hook *hook, const struct hook_seen *seen)
{
	struct hook_facts facts = {
		.timeout_s = hook->detail.timeout_s,
		.reboots = hook->detail.reboots,
		.restarts = hook->detail.restarts,
		.is_url = hook_is_url(hook),
		.is_told = hook->is_sent || hook->detail.is_told,
		.is_late = left_ms(hook) <= 0,
	};

	facts.where = where_of(hook, seen, &facts);
	facts.is_begun = facts.where == HOOK_WHERE_ENDED || (seen && seen->is_begun);
	if (facts.where == HOOK_WHERE_ENDED)
		facts.end = hook->answer ? hook->answer : &seen->end;
	return facts;
}

/* ---- what follows ------------------------------------------------------------------- */

/* Its request was made while the host was drained, and that may be over: a record that the disk
 * seemed to refuse is found by a restart, or somebody has started a guest meanwhile. */
static bool may_still_begin(const struct hook *hook, struct hook_verdict *verdict)
{
	const struct hooks_env *env = &hook->hooks->env;
	struct err err;

	if (!env->may_begin || env->may_begin(env->data, hook->detail.requester, &err))
		return true;
	*verdict = (struct hook_verdict){ .next = err.code == ERR_UNAVAILABLE ? HOOK_NEXT_WAIT
									      : HOOK_NEXT_OVER,
					  .state = HOOK_FAILED,
					  .needed = true };
	snprintf(verdict->reason, sizeof(verdict->reason), "it was not begun: %.400s", err.msg);
	return false;
}

static void begin(struct hook *hook)
{
	hook->is_begun = true;
	if (hook_is_url(hook))
		hook_tell_url(hook);
	else
		hook_run_program(hook);
}

/* migrd-hook has lived for longer than it may, whatever the clock of the wall says, which may have
 * been set.  It is not ended before, as its program would be cut off. */
static bool is_runner_late(const struct hook *hook)
{
	struct proc_use use;
	struct err gone;

	return !proc_use(hook->runner_id, &use, &gone) ||
	       use.lived_ms > hook->detail.timeout_s * 1000 + RUNNER_LATE_MS;
}

static void wait_on(struct hook *hook, const struct hook_verdict *verdict)
{
	int64_t ms = left_ms(hook);

	if (hook->runner)
		ms += RUNNER_LATE_MS;
	if (hook->runner && ms <= 0 && is_runner_late(hook))
		proc_kill(hook->runner, SIGKILL);
	hook_look_in(hook->hooks, ms > 0 ? ms : HOOK_RETRY_MS);
	if (strcmp(hook->reason, verdict->reason) == 0)
		return;
	snprintf(hook->reason, sizeof(hook->reason), "%s", verdict->reason);
	hook_tell(hook);
}

/* With its url, nothing can begin but what was sent. */
static void end(struct hook *hook, const struct hook_verdict *verdict,
		const struct hook_facts *facts, const struct hook_seen *seen)
{
	if (hook_is_url(hook) || (seen && seen->is_claimed))
		hook_end_it(hook, verdict, facts->end);
	else
		hook_seal(hook, verdict, facts->end);
}

static void go_on(struct hook *hook, const struct hook_seen *seen)
{
	struct hook_facts facts = facts_of(hook, seen);
	struct hook_verdict verdict = hook_judge(&facts);

	if (verdict.next == HOOK_NEXT_BEGIN && may_still_begin(hook, &verdict)) {
		begin(hook);
		hook_follow(hook);
		return;
	}
	if (verdict.next == HOOK_NEXT_WAIT)
		wait_on(hook, &verdict);
	else
		end(hook, &verdict, &facts, seen);
	if (!hook->is_saving && hook->is_sent && !hook->detail.is_told)
		hook_write_told(hook);
}

void hook_follow_seen(struct hook *hook, const struct hook_seen *seen)
{
	if (seen->where == HOOK_WHERE_RUNS) {
		hook_watch(hook, seen->runner.id);
		if (!hook->runner) { /* it has ended since, or cannot be watched */
			hook_look_in(hook->hooks, HOOK_SOON_MS);
			return;
		}
	}
	go_on(hook, seen);
}

void hook_follow(struct hook *hook)
{
	if (hook->is_saving || hook->is_working)
		return;
	if (hook_is_url(hook) || hook->answer || hook->runner)
		go_on(hook, NULL);
	else
		hook_look(hook);
}
