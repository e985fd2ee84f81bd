/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nobody keeps the deadline of a program whose migrd-hook is gone, or will say how it has ended: so
 * it is ended itself, before the host takes guests again.
 *
 * The program and what it has started are in the session of migrd-hook, whose number is on disk
 * before the program begins.  A signal at the death of the parent (PR_SET_PDEATHSIG of prctl(2))
 * would reach the program and not what that has started; a pidfd is gone with migrd-hook; a cgroup
 * is not everywhere this daemon's to make.  A process that has made a session of its own goes on,
 * as after the deadline. */
#include "hook/cut.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/session.h"

/* From SIGTERM to SIGKILL, as migrd-hook has it. */
#define TERM_MS 5000

static void write_end(const char *dir, const char *hook_id, const struct hook_end *end)
{
	struct err err;

	if (!hook_files_write_end(dir, hook_id, end, &err))
		log_error("hook", "cut", "id=%s error=%s", hook_id, err.msg);
}

/* On disk before, too: the next look would find nothing of it.  What is not seen to have ended is
 * said to be left. */
enum hook_cut hook_cut_blocking(const char *dir, const char *hook_id, struct proc_id runner,
				const char *why, struct hook_end *ret)
{
	CLEANUP(free_charp) char *mark = xasprintf(HOOK_ENV_ID "=%s", hook_id);
	struct err err;
	size_t count;

	if (!session_count_blocking(runner, mark, &count, &err)) {
		log_error("hook", "cut", "id=%s error=%s", hook_id, err.msg);
		return HOOK_CUT_UNSEEN;
	}
	if (!count)
		return HOOK_CUT_NOTHING;
	log_warning("hook", "cut", "id=%s processes=%zu why=%s", hook_id, count, why);
	*ret = (struct hook_end){ .how = HOOK_HOW_CUT, .number = (int)count };
	write_end(dir, hook_id, ret);
	if (!session_end_blocking(runner, mark, TERM_MS, &count, &err))
		log_error("hook", "cut", "id=%s error=%s", hook_id, err.msg);
	ret->number = (int)count;
	write_end(dir, hook_id, ret);
	return HOOK_CUT_ENDED;
}
