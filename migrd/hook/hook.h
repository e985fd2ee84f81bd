/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/hook.h -- what this host does when it is empty: programs and webhooks of its configuration.
 *
 *     running -> done, failed, unknown
 *
 * `running' is on disk before anything is begun.  A program is run by migrd-hook, which writes to a
 * file of the hook's id who it is, before it runs the program, and to another how that ended: the
 * first file is made by one process only, so the program runs once, and the second is written also
 * while this coordinator is away.  A url is told once; an answer that was missed is `unknown'.
 *
 * With `reboots' another boot id is the end, with `restarts' that the program is over and this
 * coordinator is another process than the one that began it.  (hook/judge.h)
 *
 * One hook runs at a time.  Of those that have ended the newest STORE_HOOKS_MAX are kept.
 * Thread: loop.
 */
#ifndef MIGRD_HOOK_HOOK_H
#define MIGRD_HOOK_HOOK_H

#include "base/loop.h"
#include "base/strbuf.h"
#include "store/store.h"
#include "wire/hook.h"

struct hooks;
struct hook;
struct hook_sections; /* hook/sections.h: what the configuration says */

struct hooks_env {
	struct loop *loop;
	struct store *store;
	const char *state_dir; /* files of hooks are in its directory `hooks' */
	const char *host_id;
	const char *program; /* migrd-hook */
	/* Wall clock and process of this coordinator, for tests; NULL: as they are. */
	int64_t (*now_ms)(void);
	const char *boot_id, *process;
	/* False: the host may not be taken for that requester now: ERR says why, CONFLICT; or
	 * UNAVAILABLE, nobody can tell now.  Asked when a hook is asked for, and again right before
	 * it begins. */
	bool (*may_begin)(void *data, const char *requester, struct err *err);
	/* Called when one was begun or has ended; RUN is borrowed.  May be NULL. */
	void (*changed)(void *data, const struct hook_run *run);
	void *data;
};

/* SECTIONS is taken over, also by a failure. */
struct hooks *hooks_new(const struct hooks_env *env, struct hook_sections *sections,
			struct err *err);
/* A reload: SECTIONS is taken over.  A hook that runs keeps what its section said. */
void hooks_set(struct hooks *hooks, struct hook_sections *sections);
void hooks_add_row(struct hooks *hooks, struct store_hook *row);
/* Looks what has come of those that ran; begins none twice.  Files that a crash has left are
 * removed. */
void hooks_recover(struct hooks *hooks);
/* Programs run on. */
void hooks_clear(struct hooks *hooks);
void hooks_free(struct hooks *hooks);

/* Called once, on the loop, never from inside the call: RUN (borrowed) when `running' is on disk,
 * or as the hook of this id is now, if it was begun before; or ERR: NOT_FOUND (this host has no
 * such section), CONFLICT (the id is another hook's, or the host is not drained for the requester),
 * BUSY (another hook runs), STORE.
 *
 * With `check' nothing is begun: RUN says of a hook that there is whether it is needed, which its
 * only_if is asked for (HOOK_CHECK_S); CONFLICT: that one does not know; TIMEOUT, LIMIT. */
#define HOOK_CHECK_S 8
typedef void hook_done_fn(void *data, const struct hook_run *run, const struct err *err);
void hooks_begin(struct hooks *hooks, const struct hook_request *request, const char *by,
		 hook_done_fn *done, void *data);

/* Guests may not come back while a hook runs: one sentence is added to WHY.  HOOKS may be NULL. */
bool hooks_is_running(const struct hooks *hooks, struct strbuf *why);

/* False: there is none of this id (any more). */
bool hooks_status(const struct hooks *hooks, const char *hook_id, struct hook_run *ret);
/* The newest of the hook NAME, newest first; returns how many, MAX at most. */
size_t hooks_newest(const struct hooks *hooks, const char *name, struct hook_run *ret, size_t max);
/* How many this process has seen end so. */
uint64_t hooks_ended(const struct hooks *hooks, enum hook_state state);
/* Good until hooks_set(). */
const struct hook_sections *hooks_sections(const struct hooks *hooks);

/* May the host PEER ask this one to be emptied, and for its hooks ([maintenance] conductors)?
 * FORBIDDEN, in words that say which key to set. */
bool hooks_conductor(const struct hooks *hooks, const char *peer, struct err *err);

#endif
