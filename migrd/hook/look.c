/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of a hook, and what has become of migrd-hook and its program: looked at and written off the
 * loop. */
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "hook/cut.h"
#include "hook/priv.h"

/* The hook is found again by its id. */
struct item {
	struct work work;
	struct hooks *hooks;
	char *dir;
	char id[HOOK_ID_SIZE], boot_id[ID_UUID_SIZE], process[HOOK_PROCESS_SIZE];
	struct hook_seen seen;       /* of a look */
	struct hook_verdict verdict; /* of an end */
	struct hook_end *end;        /* or NULL */
	struct err err;
};

static struct item *item_new(struct hook *hook)
{
	struct hooks *hooks = hook->hooks;
	struct item *item = xnew(struct item);

	item->hooks = hooks;
	item->dir = xstrdup(hooks->dir);
	memcpy(item->id, hook->row.id, sizeof(item->id));
	memcpy(item->boot_id, hooks->boot_id, sizeof(item->boot_id));
	memcpy(item->process, hooks->process, sizeof(item->process));
	hook->is_working = true;
	return item;
}

/* NULL: it is gone, or the coordinator is stopping. */
static struct hook *item_take(const struct item *item)
{
	struct hook *hook = item->hooks->is_closing ? NULL : hook_find(item->hooks, item->id);

	if (hook)
		hook->is_working = false;
	return hook;
}

static void item_free(struct item *item)
{
	free(item->dir);
	free(item->end);
	free(item);
}

/* ---- a look -------------------------------------------------------------------------- */

/* Of run_seal(): nobody runs it, and nobody will. */
static bool is_seal(const struct hook_runner *runner)
{
	return runner->id.start_time == 0;
}

static bool is_there(struct proc_id id)
{
	struct proc_id found;
	struct err gone;

	if (!proc_identify(id.pid, &found, &gone))
		return gone.code != ERR_NOT_FOUND;
	return found.start_time == id.start_time;
}

/* Of what cannot be looked at something may run, and it is looked at again. */
static enum hook_where where_cut(const struct item *item, struct hook_seen *seen)
{
	switch (hook_cut_blocking(item->dir, item->id, seen->runner.id, HOOK_RUNNER_IS_GONE,
				  &seen->end)) {
	case HOOK_CUT_NOTHING:
		return HOOK_WHERE_GONE;
	case HOOK_CUT_ENDED:
		return HOOK_WHERE_ENDED;
	case HOOK_CUT_UNSEEN:
		break;
	}
	return HOOK_WHERE_RUNS;
}

static enum hook_where where_of(const struct item *item, struct hook_seen *seen)
{
	bool is_same_boot;
	struct err err;

	seen->is_claimed = hook_files_runner(item->dir, item->id, &seen->runner, &err) ||
			   err.code != ERR_NOT_FOUND;
	if (!seen->is_claimed)
		return HOOK_WHERE_NOWHERE;
	if (!seen->runner.boot_id[0] && err.code == ERR_LIMIT)
		return HOOK_WHERE_RUNS; /* nobody can tell: it is looked at again */
	if (!seen->runner.boot_id[0]) {
		log_error("hook", "read", "id=%s error=%s", item->id, err.msg);
		return HOOK_WHERE_GONE;
	}
	seen->is_sealed = is_seal(&seen->runner);
	if (seen->is_sealed)
		return HOOK_WHERE_NOWHERE;
	seen->is_begun = !seen->runner.tells_begin || hook_files_is_begun(item->dir, item->id);
	if (hook_files_end(item->dir, item->id, &seen->end, &err))
		return HOOK_WHERE_ENDED;
	is_same_boot = strcmp(seen->runner.boot_id, item->boot_id) == 0;
	if (is_same_boot && is_there(seen->runner.id))
		return HOOK_WHERE_RUNS;
	/* It may have ended between the two looks. */
	if (hook_files_end(item->dir, item->id, &seen->end, &err))
		return HOOK_WHERE_ENDED;
	return is_same_boot ? where_cut(item, seen) : HOOK_WHERE_GONE;
}

static void run_look(struct work *work)
{
	struct item *item = CONTAINER_OF(work, struct item, work);

	item->seen.where = where_of(item, &item->seen);
}

static void on_looked(struct work *work)
{
	struct item *item = CONTAINER_OF(work, struct item, work);
	struct hook *hook = item_take(item);

	if (hook)
		hook_follow_seen(hook, &item->seen);
	item_free(item);
}

void hook_look(struct hook *hook)
{
	struct item *item = item_new(hook);

	item->work = (struct work){ .run = run_look, .done = on_looked };
	worker_submit(hook->hooks->worker, &item->work);
}

/* ---- its end -------------------------------------------------------------------------- */

/* Nobody can begin its program any more: a migrd-hook that was started and has not run yet finds
 * the file, and ends. */
static void run_seal(struct work *work)
{
	struct item *item = CONTAINER_OF(work, struct item, work);
	struct hook_runner runner = { .id = { .pid = getpid() } };

	snprintf(runner.boot_id, sizeof(runner.boot_id), "%s", item->boot_id);
	snprintf(runner.process, sizeof(runner.process), "%s", item->process);
	if (dir_make(item->dir, 0700, &item->err))
		hook_files_claim(item->dir, item->id, &runner, &item->err);
}

static void on_sealed(struct work *work)
{
	struct item *item = CONTAINER_OF(work, struct item, work);
	struct hook *hook = item_take(item);
	const enum err_code code = item->err.code;

	if (hook && !err_is_set(&item->err)) {
		hook_end_it(hook, &item->verdict, item->end);
	} else if (hook && code == ERR_EXISTS) { /* it has begun after all */
		free(TAKE_PTR(hook->answer));
		hook_follow(hook);
	} else if (hook) {
		log_error("hook", "seal", "id=%s error=%s", item->id, item->err.msg);
		hook_look_in(hook->hooks, HOOK_RETRY_MS);
	}
	item_free(item);
}

void hook_seal(struct hook *hook, const struct hook_verdict *verdict, const struct hook_end *end)
{
	struct item *item = item_new(hook);

	item->verdict = *verdict;
	if (end) {
		item->end = xnew(struct hook_end);
		*item->end = *end;
	}
	item->work = (struct work){ .run = run_seal, .done = on_sealed };
	worker_submit(hook->hooks->worker, &item->work);
}
