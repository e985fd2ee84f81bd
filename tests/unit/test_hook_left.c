/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left of hooks: processes whose migrd-hook was ended from outside, files that a crash has
 * left, and which records are kept. */
#include <errno.h>

#include "base/log.h"
#include "hook_rig.h"

static struct hook_runner runner_of(const char *id)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/hooks", rig.dir);
	struct hook_runner runner = { 0 };
	struct err err = { 0 };

	ck_assert_msg(hook_files_runner(dir, id, &runner, &err), "%s", err.msg);
	return runner;
}

static bool lives(const char *pid_file)
{
	CLEANUP(free_charp) char *text = text_of(pid_file);
	struct proc_id id;
	struct err gone;

	return proc_identify((pid_t)strtol(text, NULL, 10), &id, &gone);
}

static void wait_for(const char *name)
{
	while (!is_there(name))
		;
}

/* Two files, so that both are whole when the second is there. */
#define LIVES_ON "sleep 1000 & echo $! >child; echo $$ >program; >ready; wait"

static void begin_program(const char *id, bool restarts)
{
	section("lives", LIVES_ON, NULL, 60, false, restarts);
	load();
	ck_assert_int_eq(begin("lives", id), ERR_NONE);
	await_reason(id, "runs");
	wait_for("ready");
}

/* ---- processes ------------------------------------------------------------------------------ */

/* Guests could come back beside a program that is to boot the host. */
START_TEST(program_whose_runner_was_killed_is_ended_before_that_is_said)
{
	struct hook_run run;

	begin_program("1", false);
	kill(runner_of("1").id.pid, SIGKILL);
	run = await("1", HOOK_UNKNOWN);
	ck_assert(!lives("program"));
	ck_assert(!lives("child"));
	ck_assert_msg(strstr(run.reason, "migrd-hook was ended before its program") != NULL, "%s",
		      run.reason);
	ck_assert(!hooks_is_running(hooks, NULL));
}
END_TEST

static void on_runner_ended(void *data, int status)
{
	(void)status;
	*(bool *)data = true;
	loop_stop(rig.loop);
}

static void kill_runner(struct proc_id id)
{
	bool has_ended = false;
	struct err err;
	struct proc *proc = proc_watch(rig.loop, id, on_runner_ended, &has_ended, &err);

	ck_assert_ptr_nonnull(proc);
	proc_kill(proc, SIGKILL);
	while (!has_ended)
		loop_run(rig.loop);
	proc_free(proc);
}

/* And that the coordinator is another one says nothing of what was cut off. */
START_TEST(program_whose_runner_was_killed_beside_the_coordinator_is_ended_by_the_next_one)
{
	begin_program("1", true);
	hooks_clear(hooks);
	kill_runner(runner_of("1").id);
	ck_assert(lives("program"));
	restart("p2", BOOT);
	hooks_recover(hooks);
	ck_assert(strstr(await("1", HOOK_UNKNOWN).reason, "how far it came") != NULL);
	ck_assert(!lives("program"));
	ck_assert(!lives("child"));
}
END_TEST

START_TEST(only_if_whose_runner_was_killed_is_ended_and_its_files_are_gone)
{
	section("maybe", ":", "echo $PPID >runner; " LIVES_ON, 60, false, false);
	load();
	hooks_begin(hooks,
		    &(struct hook_request){ .name = "maybe",
					    .hook_id = "1",
					    .requester = "maintenance:1",
					    .check = true },
		    "b", on_done, NULL);
	wait_for("ready");
	{
		CLEANUP(free_charp) char *text = text_of("runner");

		kill((pid_t)strtol(text, NULL, 10), SIGKILL);
	}
	while (!answers)
		loop_run(rig.loop);
	ck_assert_int_eq(answer.code, ERR_CONFLICT);
	ck_assert(!lives("program"));
	ck_assert(!lives("child"));
	ck_assert_int_eq(rmdir(rig_path("hooks")), 0);
	ck_assert_int_eq(mkdir(rig_path("hooks"), 0700), 0);
}
END_TEST

static void leave(const char *name, const char *text)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/hooks/%s", rig.dir, name);
	struct err err;

	ck_assert_msg(file_write(path, text, strlen(text), 0600, &err), "%s", err.msg);
}

static bool is_left(const char *name)
{
	CLEANUP(free_charp) char *path = xasprintf("hooks/%s", name);

	return is_there(path);
}

static void kill_in(const char *pid_file)
{
	CLEANUP(free_charp) char *text = text_of(pid_file);

	kill((pid_t)strtol(text, NULL, 10), SIGKILL);
}

/* An upgrade comes with the boot: the migrd-hook of before did not write that its program began. */
START_TEST(boot_that_ends_a_hook_of_an_older_runner_is_its_end)
{
	const bool is_older = _i;
	CLEANUP(free_charp) char *text = NULL;
	struct hook_runner runner;

	section("boots", LIVES_ON, NULL, 60, true, false);
	load();
	ck_assert_int_eq(begin("boots", "1"), ERR_NONE);
	await_reason("1", "runs");
	wait_for("ready");
	runner = runner_of("1");
	ck_assert(runner.tells_begin);
	hooks_clear(hooks);
	kill_runner(runner.id);
	kill_in("program");
	kill_in("child");
	/* The runner may have been killed before it wrote that the program began. */
	ck_assert(unlink(rig_path("hooks/1.end")) == 0 || errno == ENOENT);
	text = xasprintf("%d %llu " BOOT " p1%s\n", (int)runner.id.pid,
			 (unsigned long long)runner.id.start_time, is_older ? "" : " tells-begin");
	leave("1.run", text);
	restart("p2", BOOT2);
	hooks_recover(hooks);
	await("1", is_older ? HOOK_DONE : HOOK_UNKNOWN);
}
END_TEST

/* Its record is lost, and nobody waits for it: what it has left running must not be beside guests.
 */
START_TEST(program_of_a_hook_that_is_not_known_is_ended_and_the_log_says_why)
{
	CLEANUP(free_charp) char *log = NULL;
	int fd, before = dup(STDERR_FILENO);

	begin_program("1", false);
	hooks_clear(hooks);
	rig_commit_ok(&(struct store_txn){ { { STORE_HOOK, STORE_DELETE, "1" } } });
	away();
	sections = hook_sections_new("b");
	section("maybe", ":", "exit 0", 60, false, false);
	rig_open();
	load();
	fd = open(rig_path("log"), O_CREAT | O_WRONLY, 0600);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	log_set_level(LOG_LEVEL_WARNING);
	hooks_recover(hooks);
	/* Their files come after those that are removed at the start: first all are looked at. */
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(ask("maybe", "2", true), ERR_NONE);
	dup2(before, STDERR_FILENO);
	close(before);
	ck_assert(!is_left("1.run"));
	ck_assert(!lives("program"));
	ck_assert(!lives("child"));
	log = text_of("log");
	ck_assert_msg(strstr(log, "their hook is not known any more") != NULL, "%s", log);
	ck_assert_ptr_null(strstr(log, "migrd-hook is gone"));
}
END_TEST

/* ---- files ----------------------------------------------------------------------------------- */

static const char *const leftovers[] = {
	"check-1-2-3.run", "check-1-2-3.end", "check-1-2-4.end",        "gone.run",
	"gone.end",        "1.run.999999999", "1.run.999999999.AbCdEf", "gone.end.AbCdEf",
};

START_TEST(files_that_crashes_have_left_are_removed_and_others_stay)
{
	section("ok", "echo ran >>ran", NULL, 60, false, false);
	load();
	ck_assert_int_eq(begin("ok", "1"), ERR_NONE);
	await("1", HOOK_DONE);
	for (size_t i = 0; i < ARRAY_LEN(leftovers); i++)
		leave(leftovers[i], "999999999 5 " BOOT " p0\n");
	leave("of somebody", "x");
	away();
	sections = hook_sections_new("b");
	section("maybe", ":", "exit 0", 60, false, false);
	rig_open();
	load();
	hooks_recover(hooks);
	/* Their files come after those that are removed at the start: first all are looked at. */
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(ask("maybe", "2", true), ERR_NONE);
	for (size_t i = 0; i < ARRAY_LEN(leftovers); i++)
		ck_assert_msg(!is_left(leftovers[i]), "%s", leftovers[i]);
	ck_assert(is_left("1.run"));
	ck_assert(is_left("1.end"));
	ck_assert(is_left("of somebody"));
}
END_TEST

/* ---- records ---------------------------------------------------------- */

static void add_id(void *data, void *row)
{
	struct store_hook *hook = row;

	strbuf_addf(data, " %s", hook->id);
	store_hook_fini(hook);
}

/* A conductor that asks for one that is forgotten would have it run again. */
START_TEST(newest_are_kept_also_when_the_clock_was_set_back)
{
	CLEANUP(strbuf_fini) struct strbuf ids = STRBUF_INIT;
	CLEANUP(free_charp) char *detail = detail_of("/x", false);
	const int64_t then_ms = clock_wall_ms() + 3600000;
	struct hook_run run;
	struct err err;

	section("ok", ":", NULL, 60, false, false);
	for (int i = 0; i < STORE_HOOKS_MAX; i++) {
		struct store_hook row = { .name = "ok",
					  .state = "done",
					  .is_final = true,
					  .boot_id = BOOT,
					  .detail = detail,
					  .created_ms = then_ms + i,
					  .ended_ms = then_ms + i };

		snprintf(row.id, sizeof(row.id), "old-%d", i);
		rig_commit_ok(&(struct store_txn){ { store_put_hook(&row) } });
	}
	load();
	for (int i = 0; i < 2; i++) {
		const char *id = i ? "new-2" : "new-1";

		ck_assert_int_eq(begin("ok", id), ERR_NONE);
		await(id, HOOK_DONE);
	}
	ck_assert(hooks_status(hooks, "new-1", &run));
	ck_assert(!hooks_status(hooks, "old-1", &run));
	ck_assert(store_load_blocking(rig.store, STORE_HOOK, add_id, &ids, &err));
	ck_assert(strstr(strbuf_str(&ids), " new-1") != NULL);
	ck_assert(strstr(strbuf_str(&ids), " new-2") != NULL);
	ck_assert(strstr(strbuf_str(&ids), " old-2 ") != NULL);
	ck_assert(strstr(strbuf_str(&ids), " old-1 ") == NULL);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("hook_left");
	TCase *tc = tcase_create("hook_left");

	tcase_add_checked_fixture(tc, hook_set_up, hook_tear_down);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, program_whose_runner_was_killed_is_ended_before_that_is_said);
	tcase_add_test(
		tc,
		program_whose_runner_was_killed_beside_the_coordinator_is_ended_by_the_next_one);
	tcase_add_test(tc, only_if_whose_runner_was_killed_is_ended_and_its_files_are_gone);
	tcase_add_loop_test(tc, boot_that_ends_a_hook_of_an_older_runner_is_its_end, 0, 2);
	tcase_add_test(tc, program_of_a_hook_that_is_not_known_is_ended_and_the_log_says_why);
	tcase_add_test(tc, files_that_crashes_have_left_are_removed_and_others_stay);
	tcase_add_test(tc, newest_are_kept_also_when_the_clock_was_set_back);
	return s;
}
