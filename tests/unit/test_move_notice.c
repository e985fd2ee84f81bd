/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parties that are told before a guest's memory is sent, and after the end of its move. */
#include "base/mem.h"
#include "notice_rig.h"

static void add_party(const char *name, uint64_t may_delay_s, bool before, bool after)
{
	fake_notify_add(&(struct notify_setting){
		.name = name,
		.may_delay_s = may_delay_s,
		.before = before,
		.after = after,
	});
}

static void start_told(void)
{
	bring(NULL);
	ck_assert_uint_eq(fake_notify_pending("backup"), 1);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}

static void party_says(const char *party, long status, const char *body)
{
	fake_notify_answer(party, status, body);
	rig_run();
}

static void assert_timeline_has(const char *words)
{
	CLEANUP(free_charp) char *timeline = rig_timeline();

	ck_assert_msg(strstr(timeline, words) != NULL, "no '%s' in: %s", words, timeline);
}

static enum err_code delay(const char *party, uint64_t delay_s, const char *reason)
{
	struct notice_answer wish = { .delay_s = delay_s };
	struct err err = { 0 };

	snprintf(wish.reason, sizeof(wish.reason), "%s", reason);
	move_delay(rig_move(), party, &wish, &err);
	rig_run();
	return err.code;
}

/* ---- what the answers do ------------------------------------------------------- */

static const struct {
	long status;
	const char *body, *state, *words;
} answers[] = {
	{ 204, "", "go", "nothing against" },
	{ 200, "{}", "go", "nothing against" },
	{ 200, "{\"delay_s\":0}", "go", "nothing against" },
	{ 200, "{\"ok\":true}", "go", "nothing against" },
	{ 500, "{\"delay_s\":20}", "unheard", "HTTP status 500" },
	{ 302, "", "unheard", "no redirect" },
	{ 200, "delay", "unheard", "not understood" },
	{ 200, "{\"delay_s\":-1}", "unheard", "not understood" },
	{ 200, "{\"delay_s\":\"20\"}", "unheard", "not understood" },
	{ 200, "[]", "unheard", "not understood" },
};

START_TEST(answer_without_a_delay_lets_the_move_go_on)
{
	add_party("backup", 60, true, false);
	start_told();
	party_says("backup", answers[_i].status, answers[_i].body);
	assert_goes_on();
	ck_assert_str_eq(shown("backup").before, answers[_i].state);
	complete();
	assert_timeline_has(answers[_i].words);
}
END_TEST

START_TEST(party_that_does_not_answer_in_time_is_not_waited_for)
{
	add_party("backup", 60, true, false);
	start_told();
	pass(9000);
	assert_waits();
	pass(2000);
	assert_goes_on();
	ck_assert_str_eq(shown("backup").before, "unheard");
	complete();
	assert_timeline_has("no answer within");
}
END_TEST

START_TEST(delay_is_waited_for_and_said)
{
	struct move_reply reply;

	add_party("backup", 60, true, false);
	start_told();
	party_says("backup", 200, "{\"delay_s\":20,\"reason\":\"a snapshot is under way\"}");
	pass(19000);
	assert_waits();
	reply = move_show(rig_move());
	ck_assert(reply.held);
	ck_assert_int_gt(reply.held_until, 0);
	ck_assert_str_eq(shown("backup").reason, "a snapshot is under way");
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "a snapshot is under way"));
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "migrctl move release"));
	pass(2000);
	assert_goes_on();
	ck_assert_str_eq(shown("backup").before, "over");
	complete();
	ck_assert(move_show(rig_move()).times.parties.is_over);
	ck_assert(!move_show(rig_move()).times.held.is_over);
	assert_timeline_has("notices-over memory has waited for parties");
}
END_TEST

/* The bound holds for what a webhook answers, too. */
START_TEST(delay_is_cut_to_what_the_party_may_have)
{
	add_party("backup", 30, true, false);
	start_told();
	party_says("backup", 200, "{\"delay_s\":3600}");
	pass(29000);
	assert_waits();
	pass(2000);
	assert_goes_on();
	complete();
	assert_timeline_has("may have 30 s");
}
END_TEST

START_TEST(party_that_is_only_told_delays_nothing)
{
	add_party("backup", 0, true, false);
	start_told();
	party_says("backup", 200, "{\"delay_s\":20}");
	assert_goes_on();
	ck_assert_str_eq(shown("backup").before, "go");
	complete();
	assert_timeline_has("may have none");
}
END_TEST

START_TEST(all_parties_are_told_at_once_and_the_last_is_waited_for)
{
	add_party("backup", 60, true, false);
	add_party("monitor", 60, true, false);
	start_told();
	ck_assert_uint_eq(fake_notify_pending("monitor"), 1);
	party_says("backup", 200, "{}");
	assert_waits();
	party_says("monitor", 200, "{\"delay_s\":5}");
	pass(4000);
	assert_waits();
	pass(2000);
	assert_goes_on();
}
END_TEST

START_TEST(party_of_another_label_is_not_told)
{
	fake_notify_add(&(struct notify_setting){
		.name = "backup", .label = "tier=database", .before = true, .after = true });
	rig.more_members = _i ? ",\"labels\":{\"tier\":\"database\",\"a\":\"b\"}"
			      : ",\"labels\":{\"tier\":\"web\"}";
	bring(NULL);
	ck_assert_uint_eq(fake_notify_pending("backup"), (size_t)_i);
	ck_assert_uint_eq(trace_count("qmp migrate"), (size_t)!_i);
}
END_TEST

/* ---- users and parties ------------------------------------------------------------ */

START_TEST(release_overrides_a_delay)
{
	char did[MOVE_DID_SIZE];
	struct err err;

	add_party("backup", 60, true, false);
	start_told();
	if (_i)
		party_says("backup", 200, "{\"delay_s\":20}");
	move_say_release(rig_move(), did);
	ck_assert_msg(strstr(did, "no party is waited for any more"), "%s", did);
	ck_assert_msg(move_release(rig_move(), &err), "%s", err.msg);
	rig_run();
	assert_goes_on();
	ck_assert_str_eq(shown("backup").before, "released");
	if (!_i) /* its answer comes too late */
		party_says("backup", 200, "{\"delay_s\":20}");
	ck_assert(!move_release(rig_move(), &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	complete();
}
END_TEST

START_TEST(finish_says_that_parties_are_waited_for)
{
	const struct move_finish_wish wish = { .by = "admin" };
	struct move_finishing finishing;
	struct err err;

	add_party("backup", 60, true, false);
	start_told();
	ck_assert(!move_finish(rig_move(), &wish, &finishing, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_msg(strstr(err.msg, "migrctl move release"), "%s", err.msg);
	assert_waits();
}
END_TEST

START_TEST(cancel_needs_no_party)
{
	struct err err;

	add_party("backup", 60, true, false);
	start_told();
	party_says("backup", 200, "{\"delay_s\":20}");
	ck_assert(move_cancel(rig_move(), "ops", &err));
	rig_run();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(party_delays_more_or_lets_go_by_a_request)
{
	add_party("backup", 60, true, false);
	start_told();
	party_says("backup", 200, "{\"delay_s\":5}");
	ck_assert_int_eq(delay("backup", 20, "still busy"), ERR_NONE);
	pass(10000);
	assert_waits();
	ck_assert_str_eq(shown("backup").reason, "still busy");
	ck_assert_int_eq(delay("backup", 61, ""), ERR_CONFLICT);
	assert_waits();
	ck_assert_int_eq(delay("backup", 0, ""), ERR_NONE);
	assert_goes_on();
	ck_assert_int_eq(delay("backup", 1, ""), ERR_TOO_LATE);
	complete();
}
END_TEST

/* What has passed is counted by the loop's clock: the time of day stands still here. */
START_TEST(time_that_has_passed_is_taken_off_what_a_party_may_have)
{
	add_party("backup", 30, true, false);
	start_told();
	party_says("backup", 200, "{\"delay_s\":20}");
	pass(19000);
	ck_assert_int_eq(delay("backup", 12, ""), ERR_CONFLICT);
	ck_assert_int_eq(delay("backup", 11, ""), ERR_NONE);
	pass(10000);
	assert_waits();
	pass(2000);
	assert_goes_on();
}
END_TEST

/* It knows by itself that it is not ready; its answer comes later, and says nothing new. */
START_TEST(request_before_the_answer_counts)
{
	add_party("backup", 60, true, false);
	start_told();
	ck_assert_int_eq(delay("backup", 20, "busy"), ERR_NONE);
	party_says("backup", 200, "{}");
	pass(10000);
	assert_waits();
	pass(11000);
	assert_goes_on();
}
END_TEST

START_TEST(delay_by_an_unknown_party_is_refused)
{
	static const char *const strangers[] = { "stranger", "told", "after" };

	add_party("backup", 60, true, false);
	add_party("told", 0, true, false);
	add_party("after", 0, false, true);
	start_told();
	ck_assert_int_eq(delay(strangers[_i], 20, ""), ERR_FORBIDDEN);
	ck_assert_uint_eq(moves_notice_count(rig.moves, MOVE_NOTICE_REFUSED), 1);
	party_says("backup", 200, "{}");
	party_says("told", 200, "{}");
	assert_goes_on();
}
END_TEST

START_TEST(request_before_the_party_is_told_is_refused)
{
	add_party("backup", 60, true, false);
	rig_start_move();
	ck_assert_int_eq(delay("backup", 20, ""), ERR_CONFLICT);
}
END_TEST

START_TEST(parties_are_told_when_a_hold_is_over)
{
	const struct move_options options = {
		.downtime_limit_ms = 300,
		.has_hold = true,
		.hold = { .timeout_s = 60, .then = MOVE_HOLD_CANCEL },
	};
	struct err err;

	add_party("backup", 60, true, false);
	bring(&options);
	ck_assert_uint_eq(fake_notify_pending("backup"), 0);
	ck_assert(move_release(rig_move(), &err));
	rig_run();
	ck_assert_uint_eq(fake_notify_pending("backup"), 1);
	assert_waits();
	party_says("backup", 200, "{}");
	assert_goes_on();
	complete();
	ck_assert(move_show(rig_move()).times.held.is_over);
	ck_assert(move_show(rig_move()).times.parties.is_over);
}
END_TEST

static void (*checks_of_the_rig)(const char *verb, struct json_object *body);
static int64_t hold_s;

static void note_hold(const char *verb, struct json_object *body)
{
	if (strcmp(verb, "prepare") == 0)
		hold_s = json_get_int(body, "hold_s", 0);
	checks_of_the_rig(verb, body);
}

/* The destination is to bear it. */
START_TEST(destination_is_told_how_long_parties_may_delay)
{
	add_party("backup", 600, true, false);
	add_party("monitor", 30, true, false);
	checks_of_the_rig = fake_peer_before;
	fake_peer_before = note_hold;
	bring(NULL);
	fake_peer_before = checks_of_the_rig;
	ck_assert_int_eq(hold_s, 600);
}
END_TEST

/* ---- restarts ---------------------------------------------------------------------- */

START_TEST(party_that_was_asked_is_asked_again_with_the_same_id)
{
	CLEANUP(free_charp) char *id = NULL;

	add_party("backup", 60, true, false);
	start_told();
	id = xstrdup(fake_notify_id());
	ck_assert_ptr_null(strchr(id, '.'));
	rig_restart();
	ck_assert_uint_eq(fake_notify_pending("backup"), 1);
	ck_assert_str_eq(fake_notify_id(), id);
	ck_assert_uint_eq(trace_count("notify before backup"), 2);
	assert_waits();
	party_says("backup", 200, "{}");
	assert_goes_on();
	complete();
}
END_TEST

START_TEST(delay_goes_on_after_a_restart)
{
	add_party("backup", 60, true, false);
	start_told();
	party_says("backup", 200, "{\"delay_s\":20,\"reason\":\"busy\"}");
	rig_restart();
	ck_assert_uint_eq(trace_count("notify before backup"), 1);
	pass(10000);
	assert_waits();
	ck_assert_str_eq(shown("backup").reason, "busy");
	pass(11000);
	assert_goes_on();
	complete();
}
END_TEST

START_TEST(party_that_is_configured_no_more_keeps_nothing_back)
{
	add_party("backup", 60, true, true);
	start_told();
	rig_crash();
	fake_notify_clear();
	rig_start_again();
	pass(500);
	assert_goes_on();
	ck_assert_str_eq(shown("backup").before, "gone");
	complete();
	pass(500);
	ck_assert_str_eq(shown("backup").after, "gone");
}
END_TEST

START_TEST(restart_after_the_answers_asks_nobody)
{
	add_party("backup", 60, true, false);
	start_told();
	party_says("backup", 200, "{}");
	assert_goes_on();
	rig_restart();
	ck_assert_uint_eq(trace_count("notify before backup"), 1);
}
END_TEST

/* ---- after ---------------------------------------------------------------------------- */

START_TEST(party_is_told_of_the_end)
{
	add_party("backup", 0, false, true);
	bring(NULL);
	assert_goes_on();
	complete();
	pass(500);
	ck_assert_uint_eq(fake_notify_pending("backup"), 1);
	ck_assert_ptr_nonnull(strstr(fake_notify_body(), "\"outcome\":\"done\""));
	ck_assert_ptr_nonnull(strstr(fake_notify_body(), "\"owner\":\"b\""));
	party_says("backup", 200, "");
	ck_assert_str_eq(shown("backup").after, "told");
	rig_restart();
	pass(1000);
	ck_assert_uint_eq(trace_count("notify after backup"), 1);
}
END_TEST

START_TEST(party_is_told_of_a_failure)
{
	struct err err;

	add_party("backup", 0, false, true);
	rig_start_move();
	ck_assert(move_cancel(rig_move(), "ops", &err));
	rig_run();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	pass(500);
	ck_assert_ptr_nonnull(strstr(fake_notify_body(), "\"outcome\":\"cancelled\""));
	ck_assert_ptr_nonnull(strstr(fake_notify_body(), "\"code\":\"cancelled\""));
	ck_assert_ptr_nonnull(strstr(fake_notify_body(), "\"owner\":\"a\""));
}
END_TEST

START_TEST(notice_of_the_end_is_repeated_ever_more_slowly_and_then_given_up)
{
	static const uint64_t pauses_ms[] = { 1000, 5000, 30000, 120000, 600000 };

	add_party("backup", 0, false, true);
	bring(NULL);
	complete();
	pass(500);
	for (size_t i = 0; i < ARRAY_LEN(pauses_ms); i++) {
		party_says("backup", 503, "");
		pass(pauses_ms[i] - 500);
		ck_assert_uint_eq(fake_notify_pending("backup"), 0);
		pass(1000);
		ck_assert_uint_eq(fake_notify_pending("backup"), 1);
	}
	ck_assert_str_eq(shown("backup").after, "waits");
	party_says("backup", 503, "");
	ck_assert_str_eq(shown("backup").after, "unheard");
	for (int i = 0; i < 6; i++)
		rig_advance(600000);
	ck_assert_uint_eq(trace_count("notify after backup"), 6);
}
END_TEST

START_TEST(party_that_wants_to_hear_no_more_is_told_once)
{
	add_party("backup", 0, false, true);
	bring(NULL);
	complete();
	pass(500);
	party_says("backup", 410, "");
	ck_assert_str_eq(shown("backup").after, "gone");
}
END_TEST

START_TEST(restart_goes_on_telling_the_end)
{
	CLEANUP(free_charp) char *id = NULL;

	add_party("backup", 0, false, true);
	bring(NULL);
	complete();
	pass(500);
	id = xstrdup(fake_notify_id());
	rig_restart();
	pass(500);
	ck_assert_uint_eq(fake_notify_pending("backup"), 1);
	ck_assert_str_eq(fake_notify_id(), id);
	party_says("backup", 200, "");
	ck_assert_str_eq(shown("backup").after, "told");
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("move_notice");
	TCase *tc = rig_add_case(suite, "before");

	tcase_add_loop_test(tc, answer_without_a_delay_lets_the_move_go_on, 0,
			    (int)ARRAY_LEN(answers));
	tcase_add_test(tc, party_that_does_not_answer_in_time_is_not_waited_for);
	tcase_add_test(tc, delay_is_waited_for_and_said);
	tcase_add_test(tc, delay_is_cut_to_what_the_party_may_have);
	tcase_add_test(tc, party_that_is_only_told_delays_nothing);
	tcase_add_test(tc, all_parties_are_told_at_once_and_the_last_is_waited_for);
	tcase_add_loop_test(tc, party_of_another_label_is_not_told, 0, 2);
	tcase_add_loop_test(tc, release_overrides_a_delay, 0, 2);
	tcase_add_test(tc, finish_says_that_parties_are_waited_for);
	tcase_add_test(tc, cancel_needs_no_party);
	tcase_add_test(tc, party_delays_more_or_lets_go_by_a_request);
	tcase_add_test(tc, time_that_has_passed_is_taken_off_what_a_party_may_have);
	tcase_add_test(tc, request_before_the_answer_counts);
	tcase_add_loop_test(tc, delay_by_an_unknown_party_is_refused, 0, 3);
	tcase_add_test(tc, request_before_the_party_is_told_is_refused);
	tcase_add_test(tc, parties_are_told_when_a_hold_is_over);
	tcase_add_test(tc, destination_is_told_how_long_parties_may_delay);
	tc = rig_add_case(suite, "restart");
	tcase_add_test(tc, party_that_was_asked_is_asked_again_with_the_same_id);
	tcase_add_test(tc, delay_goes_on_after_a_restart);
	tcase_add_test(tc, party_that_is_configured_no_more_keeps_nothing_back);
	tcase_add_test(tc, restart_after_the_answers_asks_nobody);
	tc = rig_add_case(suite, "after");
	tcase_add_test(tc, party_is_told_of_the_end);
	tcase_add_test(tc, party_is_told_of_a_failure);
	tcase_add_test(tc, notice_of_the_end_is_repeated_ever_more_slowly_and_then_given_up);
	tcase_add_test(tc, party_that_wants_to_hear_no_more_is_told_once);
	tcase_add_test(tc, restart_goes_on_telling_the_end);
	return suite;
}
