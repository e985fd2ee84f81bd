/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/hook_rig.h -- hooks with real programs, which migrd-hook runs, on a real store, over
 * restarts of the coordinator. */
#ifndef MIGRD_TESTS_LIB_HOOK_RIG_H
#define MIGRD_TESTS_LIB_HOOK_RIG_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "hook/files.h"
#include "hook/hook.h"
#include "hook/sections.h"
#include "store_rig.h"

#define BOOT  "018f0000-0000-7000-8000-00000000000b"
#define BOOT2 "018f0000-0000-7000-8000-00000000000c"

static struct hooks *hooks;
static char program[256];
static struct {
	const char *boot_id, *process;
	int64_t ahead_ms; /* of the clock */
	bool is_refused;  /* by who may begin */
} host;

/* The last answer. */
static unsigned answers;
static struct err answer;
static struct hook_run answered;
/* The last change. */
static struct hook_run told;
static int wanted_state; /* the loop stops when it is told; -1: at each answer */

static inline int64_t now_ms(void)
{
	return clock_wall_ms() + host.ahead_ms;
}

static inline bool may_begin(void *data, const char *requester, struct err *err)
{
	(void)data;
	return !host.is_refused || err_set(err, ERR_CONFLICT, "not drained for '%s'", requester);
}

static inline void on_changed(void *data, const struct hook_run *run)
{
	(void)data;
	told = *run;
	if (run->state == wanted_state || run->state != HOOK_RUNNING)
		loop_stop(rig.loop);
}

static inline void add_row(void *data, void *row)
{
	(void)data;
	hooks_add_row(hooks, row);
}

/* ---- the host ---------------------------------------------------------------------------- */

/* A script of this test that is the program of the hook NAME. */
static inline char *script(const char *name, const char *text)
{
	CLEANUP(free_charp)
	char *all = xasprintf("#!/bin/sh\ncd %s || exit 99\n%s\n", rig.dir, text);
	CLEANUP(free_charp) char *path = xasprintf("%s/%s.sh", rig.dir, name);
	struct err err;

	ck_assert_msg(file_write(path, all, strlen(all), 0700, &err), "%s", err.msg);
	return TAKE_PTR(path);
}

static struct hook_sections *sections;

static inline void section(const char *name, const char *text, const char *only_if,
			   uint64_t timeout_s, bool reboots, bool restarts)
{
	CLEANUP(free_charp) char *path = script(name, text);
	CLEANUP(free_charp) char *if_path = only_if ? script("only-if", only_if) : NULL;
	struct err err;

	ck_assert_msg(hook_sections_add_blocking(sections,
						 &(struct hook_setting){ .name = name,
									 .program = path,
									 .only_if = if_path,
									 .timeout_s = timeout_s,
									 .reboots = reboots,
									 .restarts = restarts },
						 &err),
		      "%s", err.msg);
}

static inline void load(void)
{
	struct err err = { 0 };

	hooks = hooks_new(&(struct hooks_env){ .loop = rig.loop,
					       .store = rig.store,
					       .state_dir = rig.dir,
					       .host_id = "a",
					       .program = program,
					       .now_ms = now_ms,
					       .boot_id = host.boot_id,
					       .process = host.process,
					       .may_begin = may_begin,
					       .changed = on_changed },
			  TAKE_PTR(sections), &err);
	ck_assert_msg(hooks != NULL, "%s", err.msg);
	ck_assert_msg(store_load_blocking(rig.store, STORE_HOOK, add_row, NULL, &err), "%s",
		      err.msg);
}

static inline void hook_set_up(void)
{
	const char *builddir = getenv("builddir");
	CLEANUP(free_charp) char *path = realpath(builddir ? builddir : ".", NULL);

	snprintf(program, sizeof(program), "%s/bin/migrd-hook", path);
	signal(SIGCHLD, SIG_IGN); /* as the daemon has it */
	rig_set_up_real();
	memset(&host, 0, sizeof(host));
	host.boot_id = BOOT;
	host.process = "p1";
	wanted_state = HOOK_DONE;
	answers = 0;
	sections = hook_sections_new("b");
}

static inline void away(void)
{
	hooks_clear(hooks);
	store_close(TAKE_PTR(rig.store));
	hooks_free(TAKE_PTR(hooks));
}

static inline void hook_tear_down(void)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/hooks", rig.dir);
	struct err err;

	away();
	ck_assert_msg(dir_remove(dir, &err), "%s", err.msg);
	rig_tear_down();
}

/* The coordinator ends, and another process of it begins. */
static inline void restart(const char *process, const char *boot_id)
{
	away();
	host.process = process;
	host.boot_id = boot_id;
	sections = hook_sections_new("b");
	rig_open();
	load();
}

/* ---- asking ------------------------------------------------------------------------------ */

static inline void on_done(void *data, const struct hook_run *run, const struct err *err)
{
	(void)data;
	answers++;
	answer = err ? *err : (struct err){ 0 };
	if (run)
		answered = *run;
	loop_stop(rig.loop);
}

static inline enum err_code ask(const char *name, const char *id, bool check)
{
	struct hook_request request = { .requester = "maintenance:1",
					.why = "test",
					.check = check };
	const unsigned before = answers;

	snprintf(request.name, sizeof(request.name), "%s", name);
	snprintf(request.hook_id, sizeof(request.hook_id), "%s", id);
	hooks_begin(hooks, &request, "b", on_done, NULL);
	ck_assert_uint_eq(answers, before);
	while (answers == before)
		loop_run(rig.loop);
	return answer.code;
}

static inline enum err_code begin(const char *name, const char *id)
{
	return ask(name, id, false);
}

static inline struct hook_run status(const char *id)
{
	struct hook_run run;

	ck_assert(hooks_status(hooks, id, &run));
	return run;
}

/* Until the hook is in that state. */
static inline struct hook_run await(const char *id, enum hook_state state)
{
	struct hook_run run;

	wanted_state = (int)state;
	while ((run = status(id)).state != (int)state) {
		ck_assert_msg(run.state == HOOK_RUNNING, "%s", run.reason);
		loop_run(rig.loop);
	}
	return run;
}

/* Until a change says that. */
static inline void await_reason(const char *id, const char *words)
{
	wanted_state = HOOK_RUNNING;
	while (!strstr(status(id).reason, words))
		loop_run(rig.loop);
}

static inline bool is_there(const char *name)
{
	return access(rig_path(name), F_OK) == 0;
}

static inline char *text_of(const char *name)
{
	struct err err;
	size_t len;
	char *text;

	ck_assert_msg(file_read(rig_path(name), 4096, &text, &len, &err), "%s", err.msg);
	return text;
}

static inline void assert_text(const char *name, const char *wanted)
{
	CLEANUP(free_charp) char *text = text_of(name);

	ck_assert_str_eq(text, wanted);
}

/* ---- a program that waits ---------------------------------------------------------------- */

static inline void begin_waiting(const char *id, bool reboots, bool restarts)
{
	section("wait", "echo ran >>ran; read line <fifo; echo over", NULL, 60, reboots, restarts);
	load();
	ck_assert_int_eq(mkfifo(rig_path("fifo"), 0600), 0);
	ck_assert_int_eq(begin("wait", id), ERR_NONE);
	await_reason(id, "runs");
}

static inline void let_go(void)
{
	ck_assert(close(open(rig_path("fifo"), O_WRONLY)) == 0);
}

/* ---- rows -------------------------------------------------------------------------------- */

static inline char *detail_of(const char *path, bool reboots)
{
	return xasprintf("{\"requester\":\"r\",\"why\":\"\",\"by\":\"b\",\"program\":\"%s\","
			 "\"only_if\":\"\",\"timeout_s\":60,\"reboots\":%s,\"restarts\":false,"
			 "\"process\":\"p1\"}",
			 path, reboots ? "true" : "false");
}

/* A row that says that it runs, as after a crash before it was begun. */
static inline void put_row(const char *id, const char *path, bool reboots)
{
	CLEANUP(free_charp) char *detail = detail_of(path, reboots);
	struct store_hook row = { .name = "ok",
				  .state = "running",
				  .boot_id = BOOT,
				  .detail = detail,
				  .created_ms = clock_wall_ms() };

	snprintf(row.id, sizeof(row.id), "%s", id);
	rig_commit_ok(&(struct store_txn){ { store_put_hook(&row) } });
}

#endif
