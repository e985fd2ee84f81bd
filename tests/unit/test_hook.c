/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hooks: who may begin one, that it is on disk before it begins, once, and when it is over. */
#include "hook_rig.h"

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

/* ---- whether it is needed ---------------------------------------------------------------- */

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

/* ---- who may ----------------------------------------------------------------------------- */

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

/* ---- restarts ---------------------------------------------------------------------------- */

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

/* ---- the store --------------------------------------------------------------------------- */

START_TEST(hook_that_the_disk_does_not_take_is_not_begun)
{
	struct hook_run run;

	section("ok", "echo ran >>ran", NULL, 60, false, false);
	load();
	rig_limit_files(1);
	ck_assert_int_ne(begin("ok", "1"), ERR_NONE);
	rig_limit_files(RLIM_INFINITY);
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

	tcase_add_checked_fixture(tc, hook_set_up, hook_tear_down);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, same_id_is_begun_once_also_after_a_restart);
	tcase_add_test(tc, hook_that_is_not_needed_is_done_and_not_run);
	tcase_add_test(tc, only_if_that_does_not_know_fails_the_hook);
	tcase_add_test(tc, check_says_whether_it_is_needed_and_leaves_nothing);
	tcase_add_test(tc, hook_is_refused_that_is_not_configured_or_not_now);
	tcase_add_test(tc, conductor_that_is_not_named_is_told_which_key_to_set);
	tcase_add_test(tc, hook_that_was_on_disk_and_not_begun_begins_after_the_restart);
	tcase_add_test(tc, hook_that_was_not_begun_begins_only_on_a_drained_host);
	tcase_add_test(tc, hook_that_a_boot_came_before_begins_after_it_and_waits_for_another_boot);
	tcase_add_test(tc, hook_with_restarts_is_done_when_the_coordinator_is_another_process);
	tcase_add_test(tc, hook_with_restarts_is_not_done_before_its_program_is_over);
	tcase_add_test(tc, hook_whose_boot_does_not_come_has_failed);
	tcase_add_test(tc, hook_that_the_disk_does_not_take_is_not_begun);
	tcase_add_test(tc, newest_hundred_are_kept);
	return s;
}
