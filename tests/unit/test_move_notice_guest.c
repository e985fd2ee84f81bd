/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program in the guest that is told before its memory is sent, and after the end of the move. */
#include "base/mem.h"
#include "fake_agent.h"
#include "notice_rig.h"

static struct fake_agent *fa;

static void agent_set_up(void)
{
	char path[160];

	rig_set_up();
	rig.more_members = ",\"guest_agent\":true";
	snprintf(path, sizeof(path), "%s/%s.agent", rig.dir, RIG_VM_UUID);
	fa = fake_agent_new(rig.loop, path);
	fake_notify_add(&(struct notify_setting){ .name = "guest",
						  .command = "/usr/libexec/notice --fast  now",
						  .may_delay_s = 60,
						  .before = true,
						  .after = true });
	fake_agent_on(fa, "guest-exec", "\"return\":{\"pid\":77}");
}

static void agent_tear_down(void)
{
	fake_agent_free(fa);
	rig_tear_down();
}

static void agent_runs(void)
{
	rig_run_vm();
	fake_qemu_event("VSERPORT_CHANGE", "{\"id\":\"agent-port\",\"open\":true}");
	rig_run();
	fake_agent_clear_heard(fa);
}

/* How the program ended; OUTPUT is in base64. */
static void program_ends(int status, const char *output)
{
	CLEANUP(free_charp)
	char *member = xasprintf("\"return\":{\"exited\":true,\"exitcode\":%d,\"out-data\":\"%s\"}",
				 status, output);

	fake_agent_on(fa, "guest-exec-status", member);
}

#define DELAY_20                                                                         \
	"eyJkZWxheV9zIjoyMCwicmVhc29uIjoiYnVzeSJ9Cg==" /* {"delay_s":20,"reason":"busy"} \
							*/

START_TEST(program_in_the_guest_is_waited_for)
{
	agent_runs();
	fake_agent_on(fa, "guest-exec-status", "\"return\":{\"exited\":false}");
	bring(NULL);
	pass(5000);
	assert_waits();
	ck_assert_int_eq(strncmp(fake_agent_heard(fa), "guest-exec;guest-exec-status;", 29), 0);
	ck_assert_str_eq(shown("guest").before, "asked");
	program_ends(0, "Cg==");
	pass(1000);
	assert_goes_on();
	ck_assert_str_eq(shown("guest").before, "go");
	complete();
}
END_TEST

START_TEST(program_in_the_guest_asks_for_a_delay)
{
	agent_runs();
	program_ends(0, DELAY_20);
	bring(NULL);
	pass(15000);
	assert_waits();
	ck_assert_str_eq(shown("guest").reason, "busy");
	pass(7000);
	assert_goes_on();
	complete();
}
END_TEST

static const struct {
	const char *exec, *status, *words;
} bad_programs[] = {
	{ "\"error\":{\"desc\":\"no such file\"}", "", "no such file" },
	{ "\"return\":{}", "", "does not say" },
	{ "\"return\":{\"pid\":1}", "\"return\":{\"exited\":true,\"exitcode\":3}", "status 3" },
	{ "\"return\":{\"pid\":1}", "\"return\":{\"exited\":true,\"signal\":9}", "a signal" },
	{ "\"return\":{\"pid\":1}", "\"return\":7", "makes no sense" },
	{ "\"return\":{\"pid\":1}",
	  "\"return\":{\"exited\":true,\"exitcode\":0,\"out-data\":\"!!\"}", "makes no sense" },
	{ "\"return\":{\"pid\":1}",
	  "\"return\":{\"exited\":true,\"exitcode\":0,\"out-data\":\"Z2FyYmFnZQ==\"}",
	  "not understood" },
	{ "\"return\":{\"pid\":1}", "\"error\":{\"desc\":\"it is gone\"}", "it is gone" },
	{ "\"return\":{\"pid\":1}", "\"return\":{\"exited\":false}", "not ended within 10000 ms" },
};

START_TEST(program_that_does_not_answer_well_keeps_nothing_back)
{
	agent_runs();
	fake_agent_on(fa, "guest-exec", bad_programs[_i].exec);
	if (*bad_programs[_i].status)
		fake_agent_on(fa, "guest-exec-status", bad_programs[_i].status);
	bring(NULL);
	pass(11000);
	assert_goes_on();
	ck_assert_str_eq(shown("guest").before, "unheard");
	ck_assert_ptr_nonnull(strstr(shown("guest").reason, bad_programs[_i].words));
	complete();
}
END_TEST

/* The guest has started no agent, or it is silent. */
START_TEST(silent_agent_keeps_nothing_back)
{
	if (_i) {
		agent_runs();
		fake_agent_mute(fa, "guest-exec");
	}
	bring(NULL);
	pass(11000);
	assert_goes_on();
	ck_assert_str_eq(shown("guest").before, "unheard");
}
END_TEST

START_TEST(program_is_run_again_after_a_restart)
{
	agent_runs();
	fake_agent_on(fa, "guest-exec-status", "\"return\":{\"exited\":false}");
	bring(NULL);
	pass(1000);
	fake_agent_clear_heard(fa);
	rig_restart();
	program_ends(0, "");
	pass(3000);
	ck_assert_ptr_nonnull(strstr(fake_agent_heard(fa), "guest-exec;"));
	assert_goes_on();
	complete();
}
END_TEST

/* ---- after the end ----------------------------------------------------------------- */

static void cancel_move(void)
{
	struct err err;

	rig_start_move();
	ck_assert(move_cancel(rig_move(), "ops", &err));
	rig_run();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
}

static void assert_ran(size_t times)
{
	const char *at = fake_agent_heard(fa);
	size_t count = 0;

	while ((at = strstr(at, "guest-exec;"))) {
		at += strlen("guest-exec;");
		count++;
	}
	ck_assert_msg(count == times, "the agent heard: %s", fake_agent_heard(fa));
}

START_TEST(guest_that_stayed_is_told_where_it_runs)
{
	agent_runs();
	program_ends(0, "");
	cancel_move();
	pass(2000);
	ck_assert_str_eq(shown("guest").after, "told");
	assert_ran(1);
	rig_restart();
	pass(2000);
	assert_ran(1);
}
END_TEST

START_TEST(guest_that_has_left_is_told_by_its_new_host)
{
	agent_runs();
	program_ends(0, "");
	bring(NULL);
	pass(1000);
	assert_goes_on();
	complete();
	pass(2000);
	ck_assert_str_eq(shown("guest").after, "there");
	assert_ran(1); /* before */
}
END_TEST

static void arrive(void)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	rig_run();
	ck_assert_str_eq(rig_state(), "done");
}

static void let_pass(uint64_t ms)
{
	rig_advance(ms);
	rig_run();
}

START_TEST(guest_that_arrived_is_told)
{
	program_ends(0, "Z2FyYmFnZQ=="); /* what it says does not matter */
	arrive();
	let_pass(1500);
	ck_assert_str_eq(shown("guest").after, "told");
	ck_assert_str_eq(shown("guest").before, "");
	assert_ran(1);
}
END_TEST

START_TEST(guest_that_did_not_hear_is_told_again)
{
	program_ends(3, "");
	arrive();
	let_pass(1500);
	ck_assert_str_eq(shown("guest").after, "waits");
	ck_assert_str_eq(shown("guest").after_reason, "its program ended with status 3");
	if (_i)
		rig_restart();
	program_ends(0, "");
	for (int i = 0; i < 8; i++)
		let_pass(1000);
	ck_assert_str_eq(shown("guest").after, "told");
	ck_assert_str_eq(shown("guest").after_reason, "");
}
END_TEST

START_TEST(guest_that_never_hears_is_given_up)
{
	fake_agent_mute(fa, "");
	arrive();
	for (int i = 0; i < 160; i++)
		let_pass(10000);
	ck_assert_str_eq(shown("guest").after, "unheard");
	ck_assert_str_ne(shown("guest").after_reason, "");
}
END_TEST

START_TEST(guest_that_was_refused_is_not_told_here)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_str_eq(rig_drop(), "refused");
	let_pass(1500);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(move_show(rig_move()).notice_count, 0);
	assert_ran(0);
}
END_TEST

START_TEST(guest_without_an_agent_has_no_such_party)
{
	rig.more_members = NULL;
	bring(NULL);
	assert_goes_on();
	ck_assert_uint_eq(move_show(rig_move()).notice_count, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_notice_guest");
	TCase *tc = tcase_create("guest");

	tcase_add_checked_fixture(tc, agent_set_up, agent_tear_down);
	tcase_add_test(tc, program_in_the_guest_is_waited_for);
	tcase_add_test(tc, program_in_the_guest_asks_for_a_delay);
	tcase_add_loop_test(tc, program_that_does_not_answer_well_keeps_nothing_back, 0,
			    (int)ARRAY_LEN(bad_programs));
	tcase_add_loop_test(tc, silent_agent_keeps_nothing_back, 0, 2);
	tcase_add_test(tc, program_is_run_again_after_a_restart);
	tcase_add_test(tc, guest_without_an_agent_has_no_such_party);
	tcase_add_test(tc, guest_that_stayed_is_told_where_it_runs);
	tcase_add_test(tc, guest_that_has_left_is_told_by_its_new_host);
	tcase_add_test(tc, guest_that_arrived_is_told);
	tcase_add_loop_test(tc, guest_that_did_not_hear_is_told_again, 0, 2);
	tcase_add_test(tc, guest_that_never_hears_is_given_up);
	tcase_add_test(tc, guest_that_was_refused_is_not_told_here);
	suite_add_tcase(s, tc);
	return s;
}
