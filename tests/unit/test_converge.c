/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a policy decides, rule by rule; what it decides in real moves: test_converge_replay.c. */
#include <string.h>

#include "check_main.h"
#include "converge/converge.h"

#define MIB(n) (UINT64_C(n) << 20)
#define LINK   MIB(100) /* bytes a second */

static struct converge_history history;
static struct policy policy;
static struct converge_basis basis;
static struct converge_look now;

static void set_up(void)
{
	history = (struct converge_history){ 0 };
	policy = (struct policy){ .name = "p" };
	basis = (struct converge_basis){ .history = &history,
					 .policy = &policy,
					 .downtime_limit_ms = 300 };
	now = (struct converge_look){ .left_bytes = MIB(500) };
	converge_history_add(&history, &now);
}

/* A pass that sends all that was left at LINK, and leaves LEFT. */
static void pass(uint64_t left)
{
	uint64_t bytes = now.left_bytes, ms = bytes * 1000 / LINK;

	now.at_ms += ms ? ms : 1;
	now.sent_bytes += bytes;
	now.visited_bytes += bytes;
	now.left_bytes = left;
	now.dirty_bytes_per_s = ms ? left * 1000 / ms : 0;
	ck_assert(converge_history_add(&history, &now));
}

static void passes(int count, uint64_t left)
{
	while (count--)
		pass(left);
}

static struct converge_decision decide(void)
{
	basis.left_bytes = now.left_bytes;
	return converge_decide(&basis, now.at_ms);
}

static void assert_decides(enum converge_action action, uint64_t value)
{
	struct converge_decision decision = decide();

	ck_assert_msg(decision.action == action, "%s: %s", converge_action_names[decision.action],
		      decision.why);
	ck_assert_uint_eq(decision.value, value);
	ck_assert_int_eq(decision.why[0] != '\0', action != CONVERGE_NONE);
}

/* Carries it out. */
static void take(enum converge_action action, uint64_t value)
{
	assert_decides(action, value);
	if (action == CONVERGE_LIMIT) {
		basis.raised_ms = value;
		basis.raised_at_ms = now.at_ms;
	} else {
		basis.throttle_percent = value;
		basis.throttled_at_ms = now.at_ms;
		now.throttle_percent = (unsigned)value;
	}
}

/* ---- passes ------------------------------------------------------------------ */

/* QEMU 11.1 looks ten times a second when post-copy is allowed. */
START_TEST(looks_within_a_pass_are_one_pass)
{
	for (int i = 0; i < 49; i++) {
		now.at_ms += 100;
		now.sent_bytes += LINK / 10;
		now.visited_bytes += LINK / 10;
		now.left_bytes -= LINK / 50;
		now.dirty_bytes_per_s = MIB(80);
		ck_assert_int_eq(converge_history_add(&history, &now), i == 24 || i == 47);
	}
	ck_assert_uint_eq(history.count, 2);
	ck_assert_uint_eq(history.passes[0].sent_bytes, 25 * (LINK / 10));
	ck_assert_uint_eq(history.passes[0].dirty_bytes, 25 * (MIB(80) / 10));
}
END_TEST

/* A link that has become slow: a pass would last for minutes. */
START_TEST(pass_ends_after_some_seconds)
{
	now.at_ms += 4000;
	now.visited_bytes += MIB(1);
	ck_assert(!converge_history_add(&history, &now));
	now.at_ms += 1000;
	ck_assert(converge_history_add(&history, &now));
}
END_TEST

START_TEST(old_passes_are_dropped)
{
	passes(CONVERGE_PASSES_MAX, MIB(400));
	passes(CONVERGE_PASSES_MAX, MIB(300));
	ck_assert_uint_eq(history.count, CONVERGE_PASSES_MAX);
	ck_assert_uint_eq(history.passes[0].left_bytes, MIB(300));
	ck_assert_uint_eq(converge_rates(&history, history.count).sent_bytes_per_s / MIB(1), 100);
}
END_TEST

/* QEMU's counts begin anew with another migration. */
START_TEST(counts_that_fall_begin_a_pass)
{
	pass(MIB(100));
	now.at_ms += 1000;
	now.sent_bytes = now.visited_bytes = 0;
	ck_assert(!converge_history_add(&history, &now));
	ck_assert_uint_eq(history.count, 1);
}
END_TEST

/* ---- a guest that converges ------------------------------------------------------ */

START_TEST(whole_limit_is_for_the_time_in_which_plain_qemu_ends)
{
	ck_assert_uint_eq(converge_limit_ms(&basis, 0), 37);
	pass(MIB(250));
	pass(MIB(125));
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 37);
	pass(MIB(29)); /* plain QEMU stops just before, and is done after 9.04 s */
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 37);
	pass(MIB(20));
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 37);
	pass(MIB(15)); /* would be over after 9.39 s, and 9.31 s are allowed */
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 300);
	assert_decides(CONVERGE_NONE, 0);
}
END_TEST

/* Plain QEMU has 30 MiB left after 6.9 s, and stops the guest for 0.3 s then. */
START_TEST(transfer_goes_on_as_long_as_a_shorter_stop_may_cost)
{
	pass(MIB(200));
	pass(MIB(20)); /* after 7 s, and the rest takes 0.2 s: until 7.4 s it may */
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 37);
	pass(MIB(15));
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 37);
	pass(MIB(8)); /* until 7.43 s */
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 300);
}
END_TEST

/* It is short anyway, and QEMU has less to send if it looks earlier. */
START_TEST(stop_without_limit_of_bandwidth_is_not_waited_for)
{
	basis.bandwidth_bytes_per_s = LINK;
	ck_assert_uint_eq(converge_limit_ms(&basis, 0), 37);
	pass(MIB(200));
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 300);
	basis.bandwidth_bytes_per_s = 2 * LINK; /* the link holds it */
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 37);
}
END_TEST

/* It will not leave less by itself: the best moment is now. */
START_TEST(guest_that_becomes_faster_is_stopped_while_it_fits)
{
	pass(MIB(10));
	pass(MIB(12));
	pass(MIB(14));
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 300);
}
END_TEST

START_TEST(limit_is_never_0_nor_more_than_asked_for)
{
	for (uint64_t ms = 1; ms < 3000; ms += 7) {
		basis.downtime_limit_ms = ms;
		ck_assert_uint_ge(converge_limit_ms(&basis, now.at_ms), 1);
		ck_assert_uint_le(converge_limit_ms(&basis, now.at_ms), ms);
	}
	basis.raised_ms = UINT64_MAX;
	ck_assert_uint_eq(converge_limit_ms(&basis, 0), CONVERGE_LIMIT_MAX_MS);
}
END_TEST

/* ---- one that does not ------------------------------------------------------------- */

START_TEST(limit_is_raised_to_what_was_left_at_best)
{
	policy.downtime_ceiling_ms = 1000;
	pass(MIB(80));
	pass(MIB(70));
	pass(MIB(75));
	assert_decides(CONVERGE_NONE, 0); /* 70 of 80 is progress */
	pass(MIB(80));
	take(CONVERGE_LIMIT, 769); /* 0.7 s and a tenth */
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 769);
	pass(MIB(90));
	assert_decides(CONVERGE_NONE, 0); /* it waits for that moment */
	pass(MIB(90));
	take(CONVERGE_LIMIT, 945);
	passes(2, MIB(90));
	take(CONVERGE_LIMIT, 1000);
	passes(4, MIB(90));
	assert_decides(CONVERGE_NONE, 0); /* nothing else is allowed */
}
END_TEST

START_TEST(cpus_are_slowed_down_by_as_much_as_it_takes)
{
	policy.throttle_max_percent = 80;
	basis.can_throttle = true;
	passes(3, MIB(400));
	take(CONVERGE_THROTTLE, 30); /* 100 MiB/s are to become 70 */
	passes(2, MIB(400));         /* the first of which began without */
	assert_decides(CONVERGE_NONE, 0);
	pass(MIB(400));
	take(CONVERGE_THROTTLE, 60);
	passes(3, MIB(400));
	take(CONVERGE_THROTTLE, 80);
	passes(3, MIB(400));
	assert_decides(CONVERGE_NONE, 0);
}
END_TEST

/* A saw-tooth: what it left once at its best comes again. */
START_TEST(guest_on_its_way_down_is_left_alone)
{
	policy.throttle_max_percent = 80;
	basis.can_throttle = true;
	pass(MIB(50));
	pass(MIB(400));
	pass(MIB(300));
	pass(MIB(200));
	assert_decides(CONVERGE_NONE, 0);
	pass(MIB(190));
	ck_assert_int_eq(decide().action, CONVERGE_THROTTLE);
}
END_TEST

/* Passes of a quarter of a second: QEMU has not slowed it down yet, and more would be too much. */
START_TEST(throttle_is_judged_when_it_is_in_force)
{
	policy.throttle_max_percent = 80;
	basis.can_throttle = true;
	passes(9, MIB(25));
	take(CONVERGE_THROTTLE, 30);
	now.throttle_percent = 0;
	for (int i = 0; i < 8; i++) {
		pass(MIB(25));
		assert_decides(CONVERGE_NONE, 0);
	}
	now.throttle_percent = 30;
	passes(2, MIB(25)); /* the first of which began without */
	assert_decides(CONVERGE_NONE, 0);
	pass(MIB(25));
	take(CONVERGE_THROTTLE, 60);
}
END_TEST

START_TEST(throttle_that_never_comes_is_not_waited_for)
{
	policy.throttle_max_percent = 80;
	basis.can_throttle = true;
	passes(3, MIB(400));
	take(CONVERGE_THROTTLE, 30);
	now.throttle_percent = 0;
	passes(2, MIB(400)); /* the second of which began 4 s later */
	assert_decides(CONVERGE_NONE, 0);
	pass(MIB(400));
	assert_decides(CONVERGE_THROTTLE, 60);
}
END_TEST

START_TEST(cpus_are_left_alone_while_it_helps)
{
	policy.throttle_max_percent = 80;
	basis.can_throttle = true;
	passes(3, MIB(400));
	take(CONVERGE_THROTTLE, 30);
	passes(2, MIB(300));
	assert_decides(CONVERGE_NONE, 0);
	pass(MIB(200));
	assert_decides(CONVERGE_NONE, 0);
}
END_TEST

START_TEST(qemu_that_was_not_told_before_is_not_asked_for_it)
{
	policy.throttle_max_percent = 80;
	policy.postcopy = POLICY_POSTCOPY_IF_NEEDED;
	passes(5, MIB(400));
	assert_decides(CONVERGE_NONE, 0);
}
END_TEST

START_TEST(post_copy_comes_after_all_else)
{
	policy.postcopy = POLICY_POSTCOPY_IF_NEEDED;
	policy.downtime_ceiling_ms = 1000;
	policy.throttle_max_percent = 50;
	basis.can_postcopy = basis.can_throttle = true;
	passes(3, MIB(400));
	take(CONVERGE_THROTTLE, 30);
	passes(3, MIB(400));
	take(CONVERGE_THROTTLE, 50);
	passes(3, MIB(400));
	assert_decides(CONVERGE_POSTCOPY, 0);
	policy.postcopy = POLICY_POSTCOPY_MANUAL;
	take(CONVERGE_LIMIT, 1000);
	assert_decides(CONVERGE_NONE, 0);
}
END_TEST

/* The best moment needs 980 ms; with a margin that is more than the ceiling. */
START_TEST(best_moment_that_fits_below_the_ceiling_is_waited_for)
{
	policy.postcopy = POLICY_POSTCOPY_IF_NEEDED;
	policy.downtime_ceiling_ms = 1000;
	basis.can_postcopy = true;
	passes(3, MIB(98));
	take(CONVERGE_LIMIT, 1000);
	assert_decides(CONVERGE_NONE, 0);
	pass(MIB(105));
	assert_decides(CONVERGE_NONE, 0);
	pass(MIB(105));
	assert_decides(CONVERGE_POSTCOPY, 0);
}
END_TEST

/* Of a link that becomes slow the limit is no less than before: plain QEMU had ended. */
START_TEST(whole_limit_stays_when_the_link_becomes_slow)
{
	pass(MIB(29));
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms + 1000), 300);
	now.at_ms += 3000;
	now.sent_bytes += MIB(29);
	now.visited_bytes += MIB(29);
	now.left_bytes = MIB(20);
	ck_assert(converge_history_add(&history, &now));
	ck_assert_uint_eq(converge_limit_ms(&basis, now.at_ms), 300);
}
END_TEST

/* 100 MiB are left in the midst of a pass, and 10 MiB a second are sent since a while. */
START_TEST(rest_is_of_the_link_as_it_is_now)
{
	policy.timeout = POLICY_TIMEOUT_PAUSE;
	passes(2, MIB(200));
	basis.deadline_ms = now.at_ms + 4000;
	basis.left_bytes = MIB(100);
	basis.sent_bytes_per_s = MIB(10);
	now.dirty_bytes_per_s = 0;
	ck_assert_uint_ge(converge_decide(&basis, basis.deadline_ms).rest_ms, 10000);
}
END_TEST

/* ---- the deadline ---------------------------------------------------------------------- */

START_TEST(deadline_does_what_the_policy_says)
{
	static const struct {
		enum policy_timeout timeout;
		bool can_postcopy;
		enum converge_action action;
	} rows[] = {
		{ POLICY_TIMEOUT_CANCEL, false, CONVERGE_CANCEL },
		{ POLICY_TIMEOUT_FORCE, false, CONVERGE_FORCE },
		{ POLICY_TIMEOUT_FORCE, true, CONVERGE_POSTCOPY },
		{ POLICY_TIMEOUT_POSTCOPY, true, CONVERGE_POSTCOPY },
		{ POLICY_TIMEOUT_POSTCOPY, false, CONVERGE_CANCEL },
		{ POLICY_TIMEOUT_PAUSE, true, CONVERGE_FORCE }, /* never by post-copy */
	};

	passes(2, MIB(400));
	basis.deadline_ms = 20000;
	policy.postcopy = POLICY_POSTCOPY_IF_NEEDED;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		policy.timeout = rows[i].timeout;
		basis.can_postcopy = rows[i].can_postcopy;
		now.at_ms = 10000;
		assert_decides(CONVERGE_NONE, 0);
		now.at_ms = 20000;
		assert_decides(rows[i].action, 0);
	}
}
END_TEST

START_TEST(cancel_says_why)
{
	passes(2, MIB(400));
	basis.deadline_ms = now.at_ms = 20000;
	ck_assert_str_eq(decide().why,
			 "the transfer was not over at its deadline, after 20 s: the last pass "
			 "left "
			 "400 MiB, the guest changes 100 MiB/s, and 100 MiB/s are sent");
}
END_TEST

/* No pass: the link is too slow, or disks are copied. */
START_TEST(deadline_without_a_pass_says_so)
{
	basis.deadline_ms = 1000;
	now.at_ms = 1000;
	ck_assert_str_eq(decide().why, "the transfer was not over at its deadline, after 1 s: no "
				       "pass has ended yet");
}
END_TEST

/* Its disks took longer than the deadline, and memory has just begun: what cannot be told yet is
 * not taken for nothing, or QEMU would be given up before it is done. */
START_TEST(deadline_before_a_rate_is_known_bounds_no_stop)
{
	struct converge_decision decision;

	policy.timeout = POLICY_TIMEOUT_PAUSE;
	basis.deadline_ms = 1000;
	basis.left_bytes = MIB(64 * 1024);
	decision = converge_decide(&basis, 1000);
	ck_assert_int_eq(decision.action, CONVERGE_FORCE);
	ck_assert_uint_eq(decision.rest_ms, CONVERGE_LIMIT_MAX_MS);
	ck_assert_str_eq(decision.why, "the guest stands still for as long as the rest takes: "
				       "no pass has ended yet");
}
END_TEST

START_TEST(guest_is_stopped_at_the_best_moment_before_the_deadline)
{
	policy.timeout = POLICY_TIMEOUT_PAUSE;
	pass(MIB(400));
	pass(MIB(100)); /* after 9 s */
	basis.deadline_ms = 12000;
	assert_decides(CONVERGE_NONE, 0);
	pass(MIB(100)); /* after 10 s */
	ck_assert_int_eq(decide().action, CONVERGE_FORCE);
	ck_assert_uint_eq(decide().rest_ms, 999);
	pass(MIB(120));
	assert_decides(CONVERGE_NONE, 0); /* not at a worse one */
}
END_TEST

/* ---- a user wants the end ------------------------------------------------------------------ */

START_TEST(wish_is_granted_at_any_moment)
{
	struct converge_decision decision;

	policy.downtime_ceiling_ms = 900;
	basis.left_bytes = MIB(100);
	basis.wish = CONVERGE_WISH_END;
	passes(1, MIB(200));
	now.at_ms += 500; /* 40 MiB a second are changed: 20 more */
	decision = converge_grant(&basis, now.at_ms);
	ck_assert_int_eq(decision.action, CONVERGE_LIMIT);
	ck_assert_uint_eq(decision.value, 900);
	ck_assert(decision.is_wish);
	basis.raised_ms = 900;
	ck_assert_int_eq(converge_grant(&basis, now.at_ms).action, CONVERGE_NONE);
	basis.wish = CONVERGE_WISH_FORCE;
	decision = converge_grant(&basis, now.at_ms);
	ck_assert_int_eq(decision.action, CONVERGE_FORCE);
	ck_assert_uint_eq(decision.rest_ms, converge_rest(&basis, now.at_ms).ms);
	ck_assert_uint_eq(converge_rest(&basis, now.at_ms).left_bytes >> 20, 120);
	ck_assert_ptr_nonnull(strstr(decision.why, "120 MiB are left"));
	basis.wish = CONVERGE_WISH_NONE;
	ck_assert_int_eq(converge_grant(&basis, now.at_ms).action, CONVERGE_NONE);
}
END_TEST

/* QEMU does not stop the guest for longer than its longest downtime-limit. */
START_TEST(force_of_what_takes_too_long_says_that_the_guest_runs_on)
{
	struct converge_decision decision;

	passes(3, MIB(200));
	basis.wish = CONVERGE_WISH_FORCE;
	basis.left_bytes = MIB(200) * 1000 * 1000;
	decision = converge_grant(&basis, now.at_ms);
	ck_assert_int_eq(decision.action, CONVERGE_FORCE);
	ck_assert_uint_gt(decision.rest_ms, CONVERGE_LIMIT_MAX_MS);
	ck_assert_msg(strstr(decision.why,
			     "when the rest takes 2000 s at most, until then it runs on"),
		      "%s", decision.why);
}
END_TEST

/* Nothing has been sent yet: a figure would be a guess. */
START_TEST(wish_without_a_rate_says_so)
{
	struct converge_decision decision;

	basis.left_bytes = MIB(500);
	basis.wish = CONVERGE_WISH_FORCE;
	ck_assert_uint_eq(converge_rest(&basis, 0).ms, 0);
	decision = converge_grant(&basis, 0);
	ck_assert_uint_eq(decision.rest_ms, CONVERGE_LIMIT_MAX_MS);
	ck_assert_str_eq(decision.why,
			 "the guest stands still for as long as the rest takes: "
			 "500 MiB are left, and how fast they are sent is not known yet");
}
END_TEST

/* Never less than was asked for, and nothing of a policy that is not carried out. */
START_TEST(wish_goes_no_further_than_the_policy)
{
	basis.wish = CONVERGE_WISH_END;
	ck_assert_uint_eq(converge_grant(&basis, 0).value, 300);
	policy.downtime_ceiling_ms = 900;
	policy.observe = true;
	ck_assert_uint_eq(converge_end_limit_ms(&basis), 300);
	ck_assert_int_eq(converge_grant(&basis, 0).action, CONVERGE_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("converge");
	TCase *tc = tcase_create("converge");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, looks_within_a_pass_are_one_pass);
	tcase_add_test(tc, pass_ends_after_some_seconds);
	tcase_add_test(tc, old_passes_are_dropped);
	tcase_add_test(tc, counts_that_fall_begin_a_pass);
	tcase_add_test(tc, whole_limit_is_for_the_time_in_which_plain_qemu_ends);
	tcase_add_test(tc, transfer_goes_on_as_long_as_a_shorter_stop_may_cost);
	tcase_add_test(tc, stop_without_limit_of_bandwidth_is_not_waited_for);
	tcase_add_test(tc, guest_that_becomes_faster_is_stopped_while_it_fits);
	tcase_add_test(tc, limit_is_never_0_nor_more_than_asked_for);
	tcase_add_test(tc, limit_is_raised_to_what_was_left_at_best);
	tcase_add_test(tc, cpus_are_slowed_down_by_as_much_as_it_takes);
	tcase_add_test(tc, guest_on_its_way_down_is_left_alone);
	tcase_add_test(tc, throttle_is_judged_when_it_is_in_force);
	tcase_add_test(tc, throttle_that_never_comes_is_not_waited_for);
	tcase_add_test(tc, cpus_are_left_alone_while_it_helps);
	tcase_add_test(tc, qemu_that_was_not_told_before_is_not_asked_for_it);
	tcase_add_test(tc, post_copy_comes_after_all_else);
	tcase_add_test(tc, best_moment_that_fits_below_the_ceiling_is_waited_for);
	tcase_add_test(tc, whole_limit_stays_when_the_link_becomes_slow);
	tcase_add_test(tc, rest_is_of_the_link_as_it_is_now);
	tcase_add_test(tc, deadline_does_what_the_policy_says);
	tcase_add_test(tc, cancel_says_why);
	tcase_add_test(tc, deadline_without_a_pass_says_so);
	tcase_add_test(tc, deadline_before_a_rate_is_known_bounds_no_stop);
	tcase_add_test(tc, guest_is_stopped_at_the_best_moment_before_the_deadline);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, wish_is_granted_at_any_moment);
	tcase_add_test(tc, force_of_what_takes_too_long_says_that_the_guest_runs_on);
	tcase_add_test(tc, wish_without_a_rate_says_so);
	tcase_add_test(tc, wish_goes_no_further_than_the_policy);
	return s;
}
