/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a hook is now, and what follows from that. */
#include <signal.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
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

/* Of seal(): nobody runs it, and nobody will. */
static bool is_seal(const struct hook_runner *runner)
{
	return runner->id.start_time == 0;
}

/* Nobody has said that he runs it. */
static enum hook_where look_without_runner(struct hook *hook, const struct err *why,
					   struct hook_end *ret_end)
{
	const struct hooks *hooks = hook->hooks;
	struct err err;

	if (why->code != ERR_NOT_FOUND) {
		log_error("hook", "read", "id=%s error=%s", hook->row.id, why->msg);
		return HOOK_WHERE_GONE;
	}
	if (!hook->is_begun)
		return HOOK_WHERE_NOWHERE;
	err_set(&err, ERR_INTERNAL, "'%s' has ended before it ran anything: can it write to '%s'?",
		hooks->env.program, hooks->dir);
	hook_not_started(hook, &err);
	*ret_end = *hook->answer;
	return HOOK_WHERE_ENDED;
}

/* RET_END is set if it has ended. */
static enum hook_where look_at_program(struct hook *hook, struct hook_facts *facts,
				       struct hook_end *ret_end)
{
	const char *dir = hook->hooks->dir, *id = hook->row.id;
	struct hook_runner runner;
	struct err err;

	if (hook->runner)
		return HOOK_WHERE_RUNS;
	if (!hook_files_runner(dir, id, &runner, &err))
		return look_without_runner(hook, &err, ret_end);
	if (is_seal(&runner)) {
		err_set(&err, ERR_INTERNAL, "it was given up before it was begun");
		hook_not_started(hook, &err);
		*ret_end = *hook->answer;
		return HOOK_WHERE_ENDED;
	}
	/* One of another boot than that of the record began after that boot. */
	compare(hook, runner.boot_id, runner.process, facts);
	if (hook_files_end(dir, id, ret_end, &err))
		return HOOK_WHERE_ENDED;
	if (!facts->is_other_boot)
		hook_watch(hook, runner.id);
	if (hook->runner)
		return HOOK_WHERE_RUNS;
	/* It may have ended between the two looks. */
	return hook_files_end(dir, id, ret_end, &err) ? HOOK_WHERE_ENDED : HOOK_WHERE_GONE;
}

static enum hook_where look_at(struct hook *hook, struct hook_facts *facts,
			       struct hook_end *ret_end)
{
	compare(hook, hook->row.boot_id, hook->detail.process, facts);
	if (hook->answer) {
		*ret_end = *hook->answer;
		return HOOK_WHERE_ENDED;
	}
	if (!hook_is_url(hook))
		return look_at_program(hook, facts, ret_end);
	if (hook->is_begun)
		return HOOK_WHERE_RUNS;
	return hook->is_recovered ? HOOK_WHERE_GONE : HOOK_WHERE_NOWHERE;
}

static struct hook_verdict judge(struct hook *hook, struct hook_facts *facts, struct hook_end *end)
{
	*facts = (struct hook_facts){
		.timeout_s = hook->detail.timeout_s,
		.reboots = hook->detail.reboots,
		.restarts = hook->detail.restarts,
		.is_url = hook_is_url(hook),
		.is_late = left_ms(hook) <= 0,
		.end = end,
	};
	facts->where = look_at(hook, facts, end);
	return hook_judge(facts);
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
 * been set.  It is not ended before: its program would run on, and nobody would know. */
static bool is_runner_late(const struct hook *hook)
{
	struct hook_runner runner;
	struct proc_use use;
	struct err ignored;

	return !hook_files_runner(hook->hooks->dir, hook->row.id, &runner, &ignored) ||
	       !proc_use(runner.id, &use, &ignored) ||
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

/* True: nobody can begin its program any more; a migrd-hook that was started and has not run yet
 * finds the file, and ends.  False: it is to be looked at again. */
static bool seal(struct hook *hook)
{
	struct hooks *hooks = hook->hooks;
	struct hook_runner runner = { .id = { .pid = getpid() } };
	struct err err = { 0 };

	if (hook_is_url(hook) || hook_files_runner(hooks->dir, hook->row.id, &runner, &err) ||
	    err.code != ERR_NOT_FOUND)
		return true;
	snprintf(runner.boot_id, sizeof(runner.boot_id), "%s", hooks->boot_id);
	snprintf(runner.process, sizeof(runner.process), "%s", hooks->process);
	if (dir_make(hooks->dir, 0700, &err) &&
	    hook_files_claim(hooks->dir, hook->row.id, &runner, &err))
		return true;
	if (err.code == ERR_EXISTS)
		free(TAKE_PTR(hook->answer));
	else
		log_error("hook", "seal", "id=%s error=%s", hook->row.id, err.msg);
	hook_look_in(hooks, err.code == ERR_EXISTS ? 0 : HOOK_RETRY_MS);
	return false;
}

void hook_follow(struct hook *hook)
{
	struct hook_end *end;
	struct hook_facts facts;
	struct hook_verdict verdict;

	if (hook->is_saving)
		return;
	end = xnew(struct hook_end);
	verdict = judge(hook, &facts, end);
	if (verdict.next == HOOK_NEXT_BEGIN && may_still_begin(hook, &verdict)) {
		begin(hook);
		verdict = judge(hook, &facts, end);
	}
	if (verdict.next == HOOK_NEXT_WAIT)
		wait_on(hook, &verdict);
	else if (seal(hook))
		hook_end_it(hook, &verdict, facts.where == HOOK_WHERE_ENDED ? end : NULL);
	free(end);
}
