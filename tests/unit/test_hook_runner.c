/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd-hook: how the program of a hook ends, while the coordinator is there or not, and that no
 * two run it. */
#include "hook_rig.h"

/* ---- its end ----------------------------------------------------------------------------- */

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

	section("slow", "sleep 1000 & echo $! >pid; echo waits; wait", NULL, 4, false, false);
	load();
	ck_assert_int_eq(begin("slow", "1"), ERR_NONE);
	run = await("1", HOOK_FAILED);
	ck_assert_msg(strstr(run.reason, "timeout_s of 4 s") != NULL, "%s", run.reason);
	ck_assert_str_eq(run.words, "waits");
	ck_assert(!run.has_exit);
	pid = text_of("pid");
	/* It was killed, and dies when it gets to it. */
	for (int i = 0; i < 1000 && proc_identify((pid_t)strtol(pid, NULL, 10), &id, &err); i++)
		poll(NULL, 0, 10);
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

/* ---- the coordinator goes and comes ------------------------------------------------------ */

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
	ck_assert_int_eq(begin("wait", "1"), ERR_NONE);
	ck_assert_int_eq(answered.state, HOOK_UNKNOWN);
	assert_text("ran", "ran\n");
}
END_TEST

/* ---- one runner at most ------------------------------------------------------------------ */

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
	await_reason("1", "runs");
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

Suite *suite(void)
{
	Suite *s = suite_create("hook_runner");
	TCase *tc = tcase_create("hook_runner");

	tcase_add_checked_fixture(tc, hook_set_up, hook_tear_down);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, program_that_succeeds_is_done_with_what_it_printed);
	tcase_add_test(tc, program_that_fails_or_is_not_there_has_failed);
	tcase_add_test(tc, program_that_hangs_is_ended_at_its_deadline_with_its_group);
	tcase_add_test(tc, output_is_bounded_and_its_end_is_kept);
	tcase_add_test(tc, program_runs_on_while_the_coordinator_is_away_and_is_found_again);
	tcase_add_test(tc, program_that_ends_while_the_coordinator_is_away_is_done);
	tcase_add_test(tc, program_runs_on_when_the_clock_is_put_forward);
	tcase_add_test(tc, program_whose_runner_is_gone_without_a_word_is_unknown);
	tcase_add_test(tc, runner_that_comes_second_runs_nothing);
	tcase_add_test(tc, hook_that_is_given_up_unbegun_can_begin_no_more);
	tcase_add_test(tc, hook_that_was_given_up_unbegun_is_not_done_by_the_next_boot);
	return s;
}
