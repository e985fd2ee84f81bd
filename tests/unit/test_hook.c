/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hooks with real programs, which migrd-hook runs: on disk before they begin, once, and followed
 * over restarts of the coordinator. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
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

static int64_t now_ms(void)
{
	return clock_wall_ms() + host.ahead_ms;
}

static bool may_begin(void *data, const char *requester, struct err *err)
{
	(void)data;
	return !host.is_refused || err_set(err, ERR_CONFLICT, "not drained for '%s'", requester);
}

static void on_changed(void *data, const struct hook_run *run)
{
	(void)data;
	told = *run;
	if (run->state == wanted_state || run->state != HOOK_RUNNING)
		loop_stop(rig.loop);
}

static void add_row(void *data, void *row)
{
	(void)data;
	hooks_add_row(hooks, row);
}

/* ---- the host -------------------------------------------------------------------------- */

/* A script of this test that is the program of the hook NAME. */
static char *script(const char *name, const char *text)
{
	CLEANUP(free_charp)
	char *all = xasprintf("#!/bin/sh\ncd %s || exit 99\n%s\n", rig.dir, text);
	CLEANUP(free_charp) char *path = xasprintf("%s/%s.sh", rig.dir, name);
	struct err err;

	ck_assert_msg(file_write(path, all, strlen(all), 0700, &err), "%s", err.msg);
	return TAKE_PTR(path);
}

static struct hook_sections *sections;

static void section(const char *name, const char *text, const char *only_if, uint64_t timeout_s,
		    bool reboots, bool restarts)
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

static void load(void)
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

static void set_up(void)
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

static void away(void)
{
	hooks_clear(hooks);
	store_close(TAKE_PTR(rig.store));
	hooks_free(TAKE_PTR(hooks));
}

static void tear_down(void)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/hooks", rig.dir);
	struct err err;

	away();
	ck_assert_msg(dir_remove(dir, &err), "%s", err.msg);
	rig_tear_down();
}

/* The coordinator ends, and another process of it begins. */
static void restart(const char *process, const char *boot_id)
{
	away();
	host.process = process;
	host.boot_id = boot_id;
	sections = hook_sections_new("b");
	rig_open();
	load();
}

/* ---- asking ------------------------------------------------------------------------------- */

static void on_done(void *data, const struct hook_run *run, const struct err *err)
{
	(void)data;
	answers++;
	answer = err ? *err : (struct err){ 0 };
	if (run)
		answered = *run;
	loop_stop(rig.loop);
}

static enum err_code ask(const char *name, const char *id, bool check)
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

static enum err_code begin(const char *name, const char *id)
{
	return ask(name, id, false);
}

static struct hook_run status(const char *id)
{
	struct hook_run run;

	ck_assert(hooks_status(hooks, id, &run));
	return run;
}

/* Until the hook is in that state. */
static struct hook_run await(const char *id, enum hook_state state)
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
static void await_reason(const char *id, const char *words)
{
	wanted_state = HOOK_RUNNING;
	while (!strstr(status(id).reason, words))
		loop_run(rig.loop);
}

static bool is_there(const char *name)
{
	return access(rig_path(name), F_OK) == 0;
}

static char *text_of(const char *name)
{
	struct err err;
	size_t len;
	char *text;

	ck_assert_msg(file_read(rig_path(name), 4096, &text, &len, &err), "%s", err.msg);
	return text;
}

static void assert_text(const char *name, const char *wanted)
{
	CLEANUP(free_charp) char *text = text_of(name);

	ck_assert_str_eq(text, wanted);
}

/* ---- its end ------------------------------------------------------------------------------- */

START_TEST(program_that_succeeds_is_done_with_what_it_printed)
{
	struct hook_run run;

	section("ok", "echo \"$MIGRD_HOOK $MIGRD_HOOK_ID $(pwd)\"; echo err >&2; echo ran >>ran",
		NULL, 60, false, false);
	load();
	ck_assert_int_eq(begin("ok", "1-a-1"), ERR_NONE);
	ck_assert_int_eq(answered.state, HOOK_RUNNING);
	ck_assert_str_eq(answered.by, "b");
	ck_assert(hooks_is_running(hooks, NULL));
	run = await("1-a-1", HOOK_DONE);
	ck_assert(!hooks_is_running(hooks, NULL));
	ck_assert(run.has_exit && run.exit == 0 && run.needed);
	ck_assert(run.ended_at >= run.begun_at && run.begun_at > 0);
	ck_assert(strstr(run.words, "ok 1-a-1 /tmp/") == run.words);
	ck_assert(strstr(run.words, "\nerr") != NULL);
	assert_text("ran", "ran\n");
}
END_TEST

/* A conductor asks again when an answer was lost. */
START_TEST(same_id_is_begun_once_also_after_a_restart)
{
	section("ok", "echo ran >>ran", NULL, 60, false, false);
	load();
	ck_assert_int_eq(begin("ok", "1"), ERR_NONE);
	await("1", HOOK_DONE);
	ck_assert_int_eq(begin("ok", "1"), ERR_NONE);
	ck_assert_int_eq(answered.state, HOOK_DONE);
	restart("p2", BOOT);
	hooks_recover(hooks);
	ck_assert_int_eq(begin("ok", "1"), ERR_NONE);
	ck_assert_int_eq(answered.state, HOOK_DONE);
	ck_assert_int_eq(begin("other", "1"), ERR_CONFLICT);
	assert_text("ran", "ran\n");
}
END_TEST

START_TEST(program_that_fails_or_is_not_there_has_failed)
{
	struct err err;
	struct hook_run run;

	section("bad", "echo no; exit 3", NULL, 60, false, false);
	ck_assert(hook_sections_add_blocking(sections,
					     &(struct hook_setting){ .name = "none",
								     .program = "/nowhere/at/all x",
								     .timeout_s = 60 },
					     &err));
	load();
	ck_assert_int_eq(begin("bad", "1"), ERR_NONE);
	run = await("1", HOOK_FAILED);
	ck_assert(run.has_exit && run.exit == 3);
	ck_assert_str_eq(run.words, "no");
	ck_assert_int_eq(begin("none", "2"), ERR_NONE);
	run = await("2", HOOK_FAILED);
	ck_assert(!run.has_exit);
	ck_assert_msg(strstr(run.words, "/nowhere/at/all") != NULL, "%s", run.words);
}
END_TEST

/* What it has started is ended with it. */
START_TEST(program_that_hangs_is_ended_at_its_deadline_with_its_group)
{
	CLEANUP(free_charp) char *pid = NULL;
	struct proc_id id;
	struct hook_run run;
	struct err err;

	section("slow", "sleep 1000 & echo $! >pid; echo waits; wait", NULL, 1, false, false);
	load();
	ck_assert_int_eq(begin("slow", "1"), ERR_NONE);
	run = await("1", HOOK_FAILED);
	ck_assert_msg(strstr(run.reason, "timeout_s of 1 s") != NULL, "%s", run.reason);
	ck_assert_str_eq(run.words, "waits");
	ck_assert(!run.has_exit);
	pid = text_of("pid");
	ck_assert(!proc_identify((pid_t)strtol(pid, NULL, 10), &id, &err));
}
END_TEST

/* The end of what it prints is kept, and one that prints without end does not block. */
START_TEST(output_is_bounded_and_its_end_is_kept)
{
	struct hook_run run;

	section("loud", "yes | head -c 300000; echo last", NULL, 60, false, false);
	load();
	ck_assert_int_eq(begin("loud", "1"), ERR_NONE);
	run = await("1", HOOK_DONE);
	ck_assert_uint_le(strlen(run.words), HOOK_OUTPUT_MAX);
	ck_assert_uint_ge(strlen(run.words), HOOK_OUTPUT_MAX - 2);
	ck_assert_str_eq(run.words + strlen(run.words) - 4, "last");
}
END_TEST

/* ---- whether it is needed ---------------------------------------------------------------------
 */

START_TEST(hook_that_is_not_needed_is_done_and_not_run)
{
	struct hook_run run;

	section("maybe", "echo ran >>ran", "exit 1", 60, true, false);
	load();
	ck_assert_int_eq(begin("maybe", "1"), ERR_NONE);
	run = await("1", HOOK_DONE);
	ck_assert(!run.needed);
	ck_assert(!is_there("ran"));
}
END_TEST

START_TEST(only_if_that_does_not_know_fails_the_hook)
{
	struct hook_run run;

	section("maybe", "echo ran >>ran", "echo broken; exit 2", 60, false, false);
	load();
	ck_assert_int_eq(begin("maybe", "1"), ERR_NONE);
	run = await("1", HOOK_FAILED);
	ck_assert_str_eq(run.words, "broken");
	ck_assert(!is_there("ran"));
	ck_assert_int_eq(ask("maybe", "2", true), ERR_CONFLICT);
	ck_assert_msg(strstr(answer.msg, "status 2") != NULL, "%s", answer.msg);
}
END_TEST

/* The conductor asks before it has the host emptied. */
START_TEST(check_says_whether_it_is_needed_and_leaves_nothing)
{
	struct hook_run run;

	section("always", "echo ran >>ran", NULL, 60, false, false);
	section("maybe", "echo ran >>ran", "test -e needed", 60, true, false);
	load();
	host.is_refused = true; /* it is not drained yet */
	ck_assert_int_eq(ask("always", "1", true), ERR_NONE);
	ck_assert(answered.needed);
	ck_assert_int_eq(ask("maybe", "1", true), ERR_NONE);
	ck_assert(!answered.needed);
	ck_assert(answered.reboots);
	ck_assert(close(open(rig_path("needed"), O_CREAT | O_WRONLY, 0600)) == 0);
	ck_assert_int_eq(ask("maybe", "1", true), ERR_NONE);
	ck_assert(answered.needed);
	ck_assert_int_eq(ask("nothing", "1", true), ERR_NOT_FOUND);
	ck_assert(!hooks_status(hooks, "1", &run));
	ck_assert(!is_there("ran"));
	ck_assert_int_eq(rmdir(rig_path("hooks")), 0);
}
END_TEST

/* ---- who may ----------------------------------------------------------------------------------
 */

START_TEST(hook_is_refused_that_is_not_configured_or_not_now)
{
	struct hook_run run;

	section("wait", "read line <fifo || :", NULL, 60, false, false);
	section("ok", ":", NULL, 60, false, false);
	load();
	ck_assert_int_eq(mkfifo(rig_path("fifo"), 0600), 0);
	ck_assert_int_eq(begin("other", "1"), ERR_NOT_FOUND);
	ck_assert_msg(strstr(answer.msg, "[hook other]") != NULL, "%s", answer.msg);
	host.is_refused = true;
	ck_assert_int_eq(begin("ok", "1"), ERR_CONFLICT);
	ck_assert(!hooks_status(hooks, "1", &run));
	host.is_refused = false;
	ck_assert_int_eq(begin("wait", "1"), ERR_NONE);
	ck_assert_int_eq(begin("ok", "2"), ERR_BUSY);
	await_reason("1", "runs");
	ck_assert(close(open(rig_path("fifo"), O_WRONLY)) == 0);
	await("1", HOOK_DONE);
	ck_assert_int_eq(begin("ok", "2"), ERR_NONE);
	await("2", HOOK_DONE);
}
END_TEST

START_TEST(conductor_that_is_not_named_is_told_which_key_to_set)
{
	struct err err;

	load();
	ck_assert(hooks_conductor(hooks, "b", &err));
	ck_assert(!hooks_conductor(hooks, "c", &err));
	ck_assert_int_eq(err.code, ERR_FORBIDDEN);
	ck_assert(strstr(err.msg, "conductors of the section [maintenance]") != NULL);
}
END_TEST

/* ---- restarts
 * ------------------------------------------------------------------------------------ */

static void begin_waiting(const char *id, bool reboots, bool restarts)
{
	section("wait", "echo ran >>ran; read line <fifo; echo over", NULL, 60, reboots, restarts);
	load();
	ck_assert_int_eq(mkfifo(rig_path("fifo"), 0600), 0);
	ck_assert_int_eq(begin("wait", id), ERR_NONE);
	await_reason(id, "runs");
}

static void let_go(void)
{
	ck_assert(close(open(rig_path("fifo"), O_WRONLY)) == 0);
}

START_TEST(program_runs_on_while_the_coordinator_is_away_and_is_found_again)
{
	struct hook_run run;

	begin_waiting("1", false, false);
	restart("p2", BOOT);
	ck_assert(hooks_is_running(hooks, NULL));
	hooks_recover(hooks);
	ck_assert_int_eq(status("1").state, HOOK_RUNNING);
	let_go();
	run = await("1", HOOK_DONE);
	ck_assert_str_eq(run.words, "over");
	assert_text("ran", "ran\n");
}
END_TEST

/* The file of the runner, as it stands in the store of another process. */
static struct hook_runner runner_of(const char *id)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/hooks", rig.dir);
	struct hook_runner runner = { 0 };
	struct err err = { 0 };

	ck_assert_msg(hook_files_runner(dir, id, &runner, &err), "%s", err.msg);
	return runner;
}

static void on_runner_ended(void *data, int unused)
{
	(void)unused;
	*(bool *)data = true;
	loop_stop(rig.loop);
}

/* Without a coordinator that looks. */
static void wait_for_runner(struct proc_id id)
{
	struct loop *loop = rig.loop;
	bool has_ended = false;
	struct err err;
	struct proc *proc = proc_watch(loop, id, on_runner_ended, &has_ended, &err);

	while (proc && !has_ended)
		loop_run(loop);
	proc_free(proc);
}

START_TEST(program_that_ends_while_the_coordinator_is_away_is_done)
{
	struct proc_id id;

	begin_waiting("1", false, false);
	while (!is_there("ran"))
		;
	id = runner_of("1").id;
	away();
	let_go();
	wait_for_runner(id);
	sections = hook_sections_new("b");
	host.process = "p2";
	rig_open();
	load();
	hooks_recover(hooks);
	await("1", HOOK_DONE);
}
END_TEST

/* Its own deadline is not of that clock, and has not come. */
START_TEST(program_runs_on_when_the_clock_is_put_forward)
{
	begin_waiting("1", false, false);
	while (!is_there("ran"))
		;
	host.ahead_ms = 3600000;
	restart("p2", BOOT);
	hooks_recover(hooks);
	ck_assert_int_eq(status("1").state, HOOK_RUNNING);
	let_go();
	await("1", HOOK_DONE);
}
END_TEST

/* migrd-hook was killed: nobody can say how the program ended, or whether it has. */
START_TEST(program_whose_runner_is_gone_without_a_word_is_unknown)
{
	struct hook_run run;

	begin_waiting("1", false, false);
	while (!is_there("ran"))
		;
	kill(runner_of("1").id.pid, SIGKILL);
	run = await("1", HOOK_UNKNOWN);
	ck_assert_msg(strstr(run.reason, "look at the host") != NULL, "%s", run.reason);
	let_go();
	ck_assert_int_eq(begin("wait", "1"), ERR_NONE);
	ck_assert_int_eq(answered.state, HOOK_UNKNOWN);
	assert_text("ran", "ran\n");
}
END_TEST

static char *detail_of(const char *path, bool reboots)
{
	return xasprintf("{\"requester\":\"r\",\"why\":\"\",\"by\":\"b\",\"program\":\"%s\","
			 "\"only_if\":\"\",\"timeout_s\":60,\"reboots\":%s,\"restarts\":false,"
			 "\"process\":\"p1\"}",
			 path, reboots ? "true" : "false");
}

/* A row that says that it runs, as after a crash before it was begun. */
static void put_row(const char *id, const char *path, bool reboots)
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

START_TEST(hook_that_was_on_disk_and_not_begun_begins_after_the_restart)
{
	CLEANUP(free_charp) char *path = script("ok", "echo ran >>ran");

	put_row("1", path, false);
	load();
	hooks_recover(hooks);
	await("1", HOOK_DONE);
	assert_text("ran", "ran\n");
}
END_TEST

/* Guests may have come since it was asked for. */
START_TEST(hook_that_was_not_begun_begins_only_on_a_drained_host)
{
	CLEANUP(free_charp) char *path = script("ok", "echo ran >>ran");

	put_row("1", path, false);
	load();
	host.is_refused = true;
	hooks_recover(hooks);
	ck_assert(strstr(await("1", HOOK_FAILED).reason, "not drained for 'r'") != NULL);
	ck_assert(!is_there("ran"));
}
END_TEST

/* It was not that hook that booted the host. */
START_TEST(hook_that_a_boot_came_before_begins_after_it_and_waits_for_another_boot)
{
	CLEANUP(free_charp) char *path = script("ok", "echo ran >>ran");

	put_row("1", path, true);
	host.boot_id = BOOT2;
	load();
	hooks_recover(hooks);
	await_reason("1", "booted anew");
	assert_text("ran", "ran\n");
	restart("p2", BOOT);
	hooks_recover(hooks);
	await("1", HOOK_DONE);
	assert_text("ran", "ran\n");
}
END_TEST

/* Of two that are started for it one finds the other's file. */
START_TEST(runner_that_comes_second_runs_nothing)
{
	CLEANUP(free_charp) char *path = script("ok", "echo ran >>ran");
	CLEANUP(free_charp) char *dir = xasprintf("%s/hooks", rig.dir);
	struct hook_runner first = { .id = { .pid = getpid() }, .process = "p0" };
	struct err err;

	put_row("1", path, false);
	ck_assert(dir_make(dir, 0700, &err));
	ck_assert(proc_identify(getpid(), &first.id, &err));
	snprintf(first.boot_id, sizeof(first.boot_id), "%s", BOOT);
	ck_assert_msg(hook_files_claim(dir, "1", &first, &err), "%s", err.msg);
	ck_assert(!hook_files_claim(dir, "1", &first, &err));
	ck_assert_int_eq(err.code, ERR_EXISTS);
	load();
	hooks_recover(hooks);
	ck_assert_int_eq(status("1").state, HOOK_RUNNING);
	ck_assert(strstr(status("1").reason, "runs") != NULL);
	ck_assert(!is_there("ran"));
}
END_TEST

/* Its time is over, and a migrd-hook of before may still be about to begin it: it finds that it
 * must not. */
START_TEST(hook_that_is_given_up_unbegun_can_begin_no_more)
{
	CLEANUP(free_charp) char *path = script("ok", "echo ran >>ran");
	struct hook_run run;

	put_row("1", path, false);
	host.ahead_ms = 61000;
	load();
	hooks_recover(hooks);
	run = await("1", HOOK_FAILED);
	ck_assert_msg(strstr(run.reason, "not begun") != NULL, "%s", run.reason);
	ck_assert_int_eq(runner_of("1").id.pid, getpid());
	ck_assert(!is_there("ran"));
}
END_TEST

/* The coordinator that gave it up came no further than that. */
START_TEST(hook_that_was_given_up_unbegun_is_not_done_by_the_next_boot)
{
	CLEANUP(free_charp) char *path = script("ok", "echo ran >>ran");
	CLEANUP(free_charp) char *dir = xasprintf("%s/hooks", rig.dir);
	struct hook_runner seal = { .id = { .pid = getpid() }, .process = "p1" };
	struct err err;

	put_row("1", path, true);
	ck_assert(dir_make(dir, 0700, &err));
	snprintf(seal.boot_id, sizeof(seal.boot_id), "%s", BOOT);
	ck_assert_msg(hook_files_claim(dir, "1", &seal, &err), "%s", err.msg);
	host.boot_id = BOOT2;
	load();
	hooks_recover(hooks);
	ck_assert(strstr(await("1", HOOK_FAILED).words, "given up") != NULL);
	ck_assert(!is_there("ran"));
}
END_TEST

START_TEST(hook_with_restarts_is_done_when_the_coordinator_is_another_process)
{
	section("up", "echo ran >>ran", NULL, 60, false, true);
	load();
	ck_assert_int_eq(begin("up", "1"), ERR_NONE);
	await_reason("1", "coordinator to be started anew");
	ck_assert(hooks_is_running(hooks, NULL));
	restart("p2", BOOT);
	hooks_recover(hooks);
	await("1", HOOK_DONE);
}
END_TEST

/* An upgrade goes on after it has restarted the coordinator. */
START_TEST(hook_with_restarts_is_not_done_before_its_program_is_over)
{
	begin_waiting("1", false, true);
	restart("p2", BOOT);
	hooks_recover(hooks);
	ck_assert_int_eq(status("1").state, HOOK_RUNNING);
	let_go();
	await("1", HOOK_DONE);
}
END_TEST

START_TEST(hook_whose_boot_does_not_come_has_failed)
{
	section("up", ":", NULL, 60, true, false);
	load();
	ck_assert_int_eq(begin("up", "1"), ERR_NONE);
	await_reason("1", "booted anew");
	host.ahead_ms = 61000;
	restart("p2", BOOT);
	hooks_recover(hooks);
	ck_assert(strstr(await("1", HOOK_FAILED).reason, "not booted anew") != NULL);
}
END_TEST

/* ---- the store
 * ------------------------------------------------------------------------------------- */

static void fill_disk(bool is_full)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = is_full ? 1 : RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(hook_that_the_disk_does_not_take_is_not_begun)
{
	struct hook_run run;

	section("ok", "echo ran >>ran", NULL, 60, false, false);
	load();
	fill_disk(true);
	ck_assert_int_ne(begin("ok", "1"), ERR_NONE);
	fill_disk(false);
	ck_assert(!hooks_status(hooks, "1", &run));
	ck_assert(!hooks_is_running(hooks, NULL));
	ck_assert(!is_there("ran"));
	ck_assert_int_eq(begin("ok", "1"), ERR_NONE);
	await("1", HOOK_DONE);
}
END_TEST

static unsigned row_count;

static void count_row(void *data, void *row)
{
	(void)data;
	row_count++;
	store_hook_fini(row);
}

START_TEST(newest_hundred_are_kept)
{
	CLEANUP(free_charp) char *detail = detail_of("/x", false);
	struct hook_run run;
	struct err err;

	section("ok", ":", NULL, 60, false, false);
	for (int i = 0; i < STORE_HOOKS_MAX; i++) {
		struct store_hook row = { .name = "ok",
					  .state = "done",
					  .is_final = true,
					  .boot_id = BOOT,
					  .detail = detail,
					  .created_ms = 1000 + i,
					  .ended_ms = 1000 + i };

		snprintf(row.id, sizeof(row.id), "old-%d", i);
		rig_commit_ok(&(struct store_txn){ { store_put_hook(&row) } });
	}
	load();
	ck_assert_int_eq(begin("ok", "new"), ERR_NONE);
	await("new", HOOK_DONE);
	ck_assert(!hooks_status(hooks, "old-0", &run));
	ck_assert(hooks_status(hooks, "old-1", &run));
	ck_assert(store_load_blocking(rig.store, STORE_HOOK, count_row, NULL, &err));
	ck_assert_uint_eq(row_count, STORE_HOOKS_MAX);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("hook");
	TCase *tc = tcase_create("hook");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, program_that_succeeds_is_done_with_what_it_printed);
	tcase_add_test(tc, same_id_is_begun_once_also_after_a_restart);
	tcase_add_test(tc, program_that_fails_or_is_not_there_has_failed);
	tcase_add_test(tc, program_that_hangs_is_ended_at_its_deadline_with_its_group);
	tcase_add_test(tc, output_is_bounded_and_its_end_is_kept);
	tcase_add_test(tc, hook_that_is_not_needed_is_done_and_not_run);
	tcase_add_test(tc, only_if_that_does_not_know_fails_the_hook);
	tcase_add_test(tc, check_says_whether_it_is_needed_and_leaves_nothing);
	tcase_add_test(tc, hook_is_refused_that_is_not_configured_or_not_now);
	tcase_add_test(tc, conductor_that_is_not_named_is_told_which_key_to_set);
	tcase_add_test(tc, program_runs_on_while_the_coordinator_is_away_and_is_found_again);
	tcase_add_test(tc, program_that_ends_while_the_coordinator_is_away_is_done);
	tcase_add_test(tc, program_runs_on_when_the_clock_is_put_forward);
	tcase_add_test(tc, program_whose_runner_is_gone_without_a_word_is_unknown);
	tcase_add_test(tc, hook_that_was_on_disk_and_not_begun_begins_after_the_restart);
	tcase_add_test(tc, hook_that_was_not_begun_begins_only_on_a_drained_host);
	tcase_add_test(tc, hook_that_a_boot_came_before_begins_after_it_and_waits_for_another_boot);
	tcase_add_test(tc, runner_that_comes_second_runs_nothing);
	tcase_add_test(tc, hook_that_is_given_up_unbegun_can_begin_no_more);
	tcase_add_test(tc, hook_that_was_given_up_unbegun_is_not_done_by_the_next_boot);
	tcase_add_test(tc, hook_with_restarts_is_done_when_the_coordinator_is_another_process);
	tcase_add_test(tc, hook_with_restarts_is_not_done_before_its_program_is_over);
	tcase_add_test(tc, hook_whose_boot_does_not_come_has_failed);
	tcase_add_test(tc, hook_that_the_disk_does_not_take_is_not_begun);
	tcase_add_test(tc, newest_hundred_are_kept);
	return s;
}
