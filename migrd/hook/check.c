/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a hook is needed: its only_if is run, and nothing is recorded or begun. */
#include <signal.h>

#include "hook/cut.h"
#include "hook/priv.h"

/* migrd-hook keeps HOOK_CHECK_S; so long it may take beside. */
#define LATE_MS 10000

struct hook_check {
	struct hooks *hooks;
	char id[HOOK_ID_SIZE]; /* of its files; that of no hook */
	struct proc *runner;   /* NULL: it has ended */
	struct loop_timer *timer;
	struct hook_run run; /* to be answered */
	hook_done_fn *done;
	void *data;
	TAILQ_ENTRY(hook_check) link;
};

static void check_free(struct hook_check *check)
{
	struct hooks *hooks = check->hooks;

	TAILQ_REMOVE(&hooks->checks, check, link);
	hooks->check_count--;
	proc_free(check->runner);
	loop_timer_free(check->timer);
	free(check);
}

static bool judge(const struct hook_end *end, bool *ret_needed, struct err *err)
{
	switch (end->how) {
	case HOOK_HOW_EXITED:
	case HOOK_HOW_NOT_NEEDED:
		*ret_needed = end->how == HOOK_HOW_EXITED;
		return true;
	case HOOK_HOW_UNDECIDED:
		return err_set(err, ERR_CONFLICT,
			       "only_if has ended with status %d, where 0 is needed and 1 is not",
			       end->number);
	case HOOK_HOW_LATE:
		return err_set(err, ERR_TIMEOUT, "only_if did not end within %d s, and was ended",
			       end->number);
	case HOOK_HOW_KILLED:
	case HOOK_HOW_NOT_STARTED:
	case HOOK_HOW_CUT:
	case HOOK_HOW_UNANSWERED:
	case HOOK_HOW_BEGUN:
	case HOOK_HOW_COUNT:
		break;
	}
	return err_set(err, ERR_CONFLICT, "only_if cannot be started: %.400s", end->output);
}

/* What its files say, read and removed off the loop; what migrd-hook has left running if it was
 * ended before is ended. */
struct reading {
	struct work work;
	struct hooks *hooks;
	char *dir;
	char id[HOOK_ID_SIZE];
	bool has_ended;
	struct hook_end end;
	struct err err;
};

static void run_reading(struct work *work)
{
	struct reading *reading = CONTAINER_OF(work, struct reading, work);
	enum hook_cut cut = HOOK_CUT_NOTHING;
	struct hook_runner runner;
	struct err err;

	reading->has_ended =
		hook_files_end(reading->dir, reading->id, &reading->end, &reading->err);
	if (!reading->has_ended && hook_files_runner(reading->dir, reading->id, &runner, &err))
		cut = hook_cut_blocking(reading->dir, reading->id, runner.id, HOOK_RUNNER_IS_GONE,
					&reading->end);
	/* Not NOT_FOUND, which says that this host has no such hook. */
	if (!reading->has_ended && reading->err.code == ERR_NOT_FOUND)
		err_set(&reading->err, ERR_CONFLICT, "migrd-hook has ended without a word, and %s",
			cut == HOOK_CUT_UNSEEN ? "only_if may go on: look at the host"
					       : "only_if was ended then");
	if (cut != HOOK_CUT_UNSEEN) /* else the next start finds it by them */
		hook_files_remove(reading->dir, reading->id);
}

static struct hook_check *check_find(const struct hooks *hooks, const char *id)
{
	struct hook_check *check;

	TAILQ_FOREACH(check, &hooks->checks, link)
	{
		if (strcmp(check->id, id) == 0)
			return check;
	}
	return NULL;
}

bool hook_check_is_known(const struct hooks *hooks, const char *id)
{
	return check_find(hooks, id);
}

static void answer(struct hook_check *check, const struct reading *reading)
{
	struct err err = reading->err;
	const bool ok = reading->has_ended && judge(&reading->end, &check->run.needed, &err);

	if (!ok)
		err_wrap(&err, "hook '%s': is it needed?", check->run.name);
	check->done(check->data, ok ? &check->run : NULL, ok ? NULL : &err);
}

static void on_read(struct work *work)
{
	struct reading *reading = CONTAINER_OF(work, struct reading, work);
	struct hook_check *check = check_find(reading->hooks, reading->id);

	if (check) {
		answer(check, reading);
		check_free(check);
	}
	free(reading->dir);
	free(reading);
}

static void finish(struct hook_check *check)
{
	struct hooks *hooks = check->hooks;
	struct reading *reading = xnew(struct reading);

	loop_timer_stop(check->timer);
	reading->work = (struct work){ .run = run_reading, .done = on_read };
	reading->hooks = hooks;
	reading->dir = xstrdup(hooks->dir);
	memcpy(reading->id, check->id, sizeof(reading->id));
	worker_submit(hooks->worker, &reading->work);
}

static void on_ended(void *data, int status)
{
	struct hook_check *check = data;

	(void)status;
	proc_free(TAKE_PTR(check->runner));
	finish(check);
}

/* It had ended before it was watched, or does not end. */
static void on_timer(void *data)
{
	struct hook_check *check = data;

	if (check->runner)
		proc_kill(check->runner, SIGKILL);
	else
		finish(check);
}

static void fill(const struct hook_section *section, struct hook_run *ret)
{
	snprintf(ret->name, sizeof(ret->name), "%s", section->name);
	ret->state = HOOK_DONE;
	ret->reboots = section->reboots;
	ret->restarts = section->restarts;
}

static void answer_at_once(struct hooks *hooks, const struct hook_section *section,
			   hook_done_fn *done, void *data, const struct err *err)
{
	struct hook_run *run = xnew(struct hook_run);

	fill(section, run);
	run->needed = true;
	hook_reply(hooks, done, data, err ? NULL : run, err);
	free(run);
}

static struct hook_check *check_new(struct hooks *hooks, const struct hook_section *section)
{
	struct hook_check *check = xnew(struct hook_check);

	check->hooks = hooks;
	check->timer = loop_timer_new(hooks->env.loop, on_timer, check);
	snprintf(check->id, sizeof(check->id), "check-%s-%u", hooks->process,
		 ++hooks->check_number);
	fill(section, &check->run);
	TAILQ_INSERT_TAIL(&hooks->checks, check, link);
	hooks->check_count++;
	return check;
}

static void begin(struct hooks *hooks, const struct hook_section *section, hook_done_fn *done,
		  void *data)
{
	struct hook_check *check = check_new(hooks, section);
	const struct hook_command command = { .id = check->id,
					      .name = section->name,
					      .only_if = section->only_if,
					      .timeout_s = HOOK_CHECK_S };
	struct proc_id id;
	struct err err = { 0 };

	if (!hook_spawn(hooks, &command, &id, &err)) {
		answer_at_once(hooks, section, done, data, &err);
		check_free(check);
		return;
	}
	check->done = done;
	check->data = data;
	if (id.pid)
		check->runner = proc_watch(hooks->env.loop, id, on_ended, check, &err);
	loop_timer_start(check->timer, check->runner ? HOOK_CHECK_S * 1000 + LATE_MS : 0);
}

void hook_check(struct hooks *hooks, const struct hook_section *section, hook_done_fn *done,
		void *data)
{
	struct err err;

	if (!section->only_if) {
		answer_at_once(hooks, section, done, data, NULL);
	} else if (hooks->check_count == HOOK_CHECKS_MAX) {
		err_set(&err, ERR_LIMIT, "%d hooks are being asked whether they are needed",
			HOOK_CHECKS_MAX);
		answer_at_once(hooks, section, done, data, &err);
	} else {
		begin(hooks, section, done, data);
	}
}

void hook_checks_clear(struct hooks *hooks)
{
	struct hook_check *check;
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	while ((check = TAILQ_FIRST(&hooks->checks))) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		check->done(check->data, NULL, &err);
		check_free(check);
	}
}
