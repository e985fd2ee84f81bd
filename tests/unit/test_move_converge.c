/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source carries out what a policy decides (move/src_converge.c). */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"
#include "move_rig.h"

#define PASS_MS    1000
#define PASS_BYTES 100000000
#define DEADLINE_S 10

static struct {
	uint64_t passes, left;
} qemu;
static char answer[512];

/* What QEMU says of its passes, in each of which it sends all that was left. */
static void tell(void)
{
	snprintf(answer, sizeof(answer),
		 "{\"status\":\"active\",\"total-time\":1,\"ram\":{\"total\":%d,\"remaining\":%llu,"
		 "\"transferred\":%llu,\"normal\":%llu,\"duplicate\":0,\"page-size\":4096,"
		 "\"dirty-pages-rate\":%llu,\"dirty-sync-count\":%llu}}",
		 PASS_BYTES, (unsigned long long)qemu.left,
		 (unsigned long long)qemu.passes * PASS_BYTES,
		 (unsigned long long)qemu.passes * PASS_BYTES / 4096,
		 (unsigned long long)qemu.left / 4096, (unsigned long long)qemu.passes + 1);
	fake_qmp_result("query-migrate", answer);
}

static void pass(void)
{
	CLEANUP(free_charp) char *data = NULL;

	/* The destination is there, so that the lease holds. */
	for (int ms = 0; ms < PASS_MS; ms += 100) {
		rig_advance(100);
		if (fake_peer_pending("fate"))
			fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
						 "\"verdict\":\"none\"}");
		rig_run();
	}
	qemu.passes++;
	tell();
	data = xasprintf("{\"pass\":%llu}", (unsigned long long)qemu.passes + 1);
	fake_qemu_event("MIGRATION_PASS", data);
	rig_run();
}

static void passes(int count)
{
	while (count--)
		pass();
}

static void start(const struct policy *policy, const char *capability)
{
	const struct move_options options = { .downtime_limit_ms = 300 };
	struct move *move;

	qemu.passes = 0;
	qemu.left = PASS_BYTES;
	rig_start_move_with(&options);
	move = rig_move();
	move->policy = *policy;
	for (size_t i = 0; capability && i < move->plan->capability_count; i++)
		if (strcmp(move->plan->capabilities[i].name, capability) == 0)
			move->plan->capabilities[i].on = true;
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	tell();
	fake_qemu_migrates("active");
	fake_qemu_event("MIGRATION_PASS", "{\"pass\":1}");
	rig_run();
	ck_assert_str_eq(rig_state(), "transfer");
	trace_clear();
}

static void start_with_deadline(enum policy_timeout timeout)
{
	start(&(struct policy){ .name = "p", .deadline_s = DEADLINE_S, .timeout = (int)timeout },
	      NULL);
}

/* The guest changes all of it in each pass. */
static void reach_deadline(void)
{
	passes(DEADLINE_S + 1);
}

static void assert_noted(const char *text)
{
	CLEANUP(free_charp) char *timeline = rig_timeline();

	ck_assert_msg(strstr(timeline, text) != NULL, "%s", timeline);
}

static void assert_parameter(const char *text)
{
	const char *args = fake_qmp_args("migrate-set-parameters");

	ck_assert_msg(strstr(args, text) != NULL, "%s", args);
}

START_TEST(cancel_at_the_deadline_leaves_the_guest_here_and_says_why)
{
	start_with_deadline(POLICY_TIMEOUT_CANCEL);
	reach_deadline();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(rig_error(), "timeout");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "after 10 s"));
	assert_noted("decided policy 'p' decided (cancel): ");
}
END_TEST

START_TEST(force_gives_qemu_all_the_time_there_is)
{
	start_with_deadline(POLICY_TIMEOUT_FORCE);
	reach_deadline();
	assert_parameter("\"downtime-limit\":2000000");
	ck_assert_str_eq(rig_state(), "transfer");
	fake_qmp_result("query-migrate", NULL);
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* QEMU has been forced, and has stopped the guest. */
static void stand_still(void)
{
	start_with_deadline(POLICY_TIMEOUT_PAUSE);
	reach_deadline();
	fake_qmp_result("query-migrate", NULL);
	fake_qemu_migrates("device");
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert(!rig_guest_runs());
}

/* A guest that our own `stop' has stopped stays so when QEMU fails and nobody is here. */
START_TEST(pause_is_left_to_qemu)
{
	stand_still();
	assert_parameter("\"downtime-limit\":2000000");
	ck_assert_uint_eq(trace_count("qmp stop"), 0);
	rig_completes();
	ck_assert_uint_eq(trace_count("peer go run"), 1);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* It may take longer than the limit that was asked for; QEMU is not interrupted for that. */
START_TEST(guest_that_stands_still_may_take_its_time)
{
	stand_still();
	rig_advance(30000);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp yank"), 0);
}
END_TEST

/* This coordinator was away for too long. */
START_TEST(guest_that_was_let_go_says_why)
{
	stand_still();
	fake_stream_fails(STREAM_LET_GO);
	fake_qemu_migrates("failed");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(rig_error(), "unavailable");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "coordinator was away"));
}
END_TEST

START_TEST(throttle_is_told_to_qemu_and_known_after_a_restart)
{
	const struct policy policy = { .name = "p", .throttle_max_percent = 80 };

	start(&policy, "auto-converge");
	move_src_apply_options(rig_move());
	assert_parameter("\"throttle-trigger-threshold\":50");
	passes(3);
	assert_parameter("\"max-cpu-throttle\":30");
	assert_parameter("\"throttle-trigger-threshold\":1");
	assert_noted(
		"decided policy 'p' decided (throttle): the guest's CPUs are slowed down by 30 %");
	passes(1);
	assert_parameter("\"max-cpu-throttle\":30");
	rig_restart();
	rig_advance(1000);
	ck_assert_uint_eq(rig_move()->facts.throttle_percent, 30);
	assert_parameter("\"max-cpu-throttle\":30");
}
END_TEST

START_TEST(limit_is_raised_and_known_after_a_restart)
{
	const struct policy policy = { .name = "p", .downtime_ceiling_ms = 5000 };

	start(&policy, NULL);
	passes(2);
	assert_parameter("\"downtime-limit\":37");
	pass();
	assert_parameter("\"downtime-limit\":1476");
	rig_restart();
	rig_advance(1000);
	assert_parameter("\"downtime-limit\":1476");
}
END_TEST

START_TEST(post_copy_begins_as_if_a_user_had_asked)
{
	const struct policy policy = { .name = "p", .postcopy = POLICY_POSTCOPY_IF_NEEDED };

	start(&policy, "postcopy-ram");
	passes(2);
	ck_assert_uint_eq(trace_count("qmp stop"), 0);
	pass();
	ck_assert_str_eq(rig_state(), "handover");
	trace_assert_order("disk handover", "qmp stop");
	trace_assert_order("qmp stop", "qmp migrate-start-postcopy");
}
END_TEST

START_TEST(policy_that_observes_only_says_what_it_would_do)
{
	struct policy policy = {
		.name = "p", .observe = true, .throttle_max_percent = 30, .deadline_s = DEADLINE_S
	};

	start(&policy, NULL);
	reach_deadline();
	passes(2);
	ck_assert_str_eq(rig_state(), "transfer");
	assert_parameter("\"downtime-limit\":300");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	ck_assert_uint_eq(rig_move()->facts.observed, 2);
	assert_noted("would-have-decided policy 'p' would have decided (throttle): ");
	assert_noted("would-have-decided policy 'p' would have decided (cancel): ");
	rig_restart();
	ck_assert_uint_eq(rig_move()->facts.observed, 2);
}
END_TEST

/* A hold before memory has a time of its own. */
START_TEST(deadline_does_not_come_while_the_move_is_held)
{
	const struct move_options options = { .downtime_limit_ms = 300,
					      .has_hold = true,
					      .hold = { .timeout_s = 3600 } };

	rig_start_move_with(&options);
	rig_move()->policy.deadline_s = DEADLINE_S;
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_advance(2000);
	ck_assert(move_is_held(rig_move()));
	rig_advance(2000ull * DEADLINE_S);
	ck_assert_str_eq(rig_state(), "transfer");
}
END_TEST

/* The record that memory begins waits for the disk, and the deadline comes. */
START_TEST(review_deadline_before_memory_begins)
{
	const struct move_options options = { .downtime_limit_ms = 300,
					      .has_hold = true,
					      .hold = { .timeout_s = 3600 } };
	struct err err;

	rig_start_move_with(&options);
	rig_move()->policy.deadline_s = DEADLINE_S;
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_advance(2000);
	rig_disk_is_full(true);
	ck_assert(move_release(rig_move(), &err));
	for (int i = 0; i < 40; i++)
		rig_advance(500);
	rig_disk_is_full(false);
	for (int i = 0; i < 40; i++)
		rig_advance(500);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

/* A user who ends the move, or has it go over, has decided. */
START_TEST(nothing_is_decided_when_a_user_has)
{
	struct err err;

	start_with_deadline(POLICY_TIMEOUT_FORCE);
	fake_qmp_hold("migrate_cancel");
	ck_assert(move_cancel(rig_move(), "ops", &err));
	reach_deadline();
	ck_assert(!rig_move()->facts.forced);
	fake_qmp_release("migrate_cancel");
	rig_run();
}
END_TEST

/* The first pass has not ended, and 80 MB of 100 are left after 11 s. */
START_TEST(review_rest_of_the_first_pass_is_known)
{
	start_with_deadline(POLICY_TIMEOUT_PAUSE);
	for (int ms = 0; ms < (DEADLINE_S + 1) * 1000; ms += 100) {
		snprintf(answer, sizeof(answer),
			 "{\"status\":\"active\",\"total-time\":1,\"ram\":{\"total\":%d,"
			 "\"remaining\":%d,\"transferred\":%d,\"normal\":%d,\"duplicate\":0,"
			 "\"page-size\":4096,\"dirty-pages-rate\":0,\"dirty-sync-count\":1}}",
			 PASS_BYTES, PASS_BYTES - ms * 1000, ms * 1000, ms / 4);
		fake_qmp_result("query-migrate", answer);
		rig_advance(100);
		if (fake_peer_pending("fate"))
			fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
						 "\"verdict\":\"none\"}");
		rig_run();
	}
	ck_assert(rig_move()->facts.forced);
	ck_assert_msg(rig_move()->facts.rest_ms > 500000, "rest_ms %llu",
		      (unsigned long long)rig_move()->facts.rest_ms);
}
END_TEST

static void on_set(void *data, struct move *move, const struct move_changes *changes,
		   const struct err *err)
{
	(void)data;
	(void)move;
	(void)changes;
	ck_assert_ptr_null(err);
}

START_TEST(review_another_policy_decides_after_one_that_observed)
{
	struct policy policy = { .name = "p", .observe = true, .deadline_s = DEADLINE_S };
	struct err err;

	start(&policy, NULL);
	reach_deadline();
	ck_assert_uint_eq(rig_move()->facts.observed, 1);
	ck_assert(move_set(rig_move(),
			   &(struct move_setting){ .policy = "suspend", .downtime_limit_ms = 300 },
			   on_set, NULL, &err));
	passes(30);
	ck_assert(rig_move()->facts.forced);
}
END_TEST

START_TEST(review_another_policy_takes_a_raised_limit_back)
{
	const struct policy policy = { .name = "p", .downtime_ceiling_ms = 5000 };
	struct err err;

	start(&policy, NULL);
	passes(3);
	assert_parameter("\"downtime-limit\":1476");
	ck_assert(move_set(rig_move(),
			   &(struct move_setting){ .policy = "default", .downtime_limit_ms = 300 },
			   on_set, NULL, &err));
	passes(2);
	ck_assert_uint_eq(rig_move()->facts.downtime_raised_ms, 0);
	assert_parameter("\"downtime-limit\":37");
}
END_TEST

static struct move_changes give(const struct policy *policy)
{
	const struct move_setting wanted = { .downtime_limit_ms = 300 };
	const struct policies_choice choice = { .policy = *policy };
	struct move_changes changes = { .changed_count = 0 };

	move_settings_change(rig_move(), &wanted, &choice, &changes);
	move_src_apply_options(rig_move());
	rig_run();
	return changes;
}

static bool is_kept(const struct move_changes *changes, const char *setting)
{
	for (size_t i = 0; i < changes->kept_count; i++)
		if (strcmp(changes->kept[i].setting, setting) == 0)
			return true;
	return false;
}

/* The same settings, but nothing was armed for one that only observes. */
START_TEST(settings_of_a_policy_that_observed_are_not_there)
{
	struct policy policy = { .name = "p",
				 .observe = true,
				 .channels = 2,
				 .throttle_max_percent = 80,
				 .deadline_s = DEADLINE_S,
				 .postcopy = POLICY_POSTCOPY_IF_NEEDED,
				 .timeout = POLICY_TIMEOUT_POSTCOPY };
	struct move_changes changes;

	start(&policy, NULL);
	policy.observe = false;
	changes = give(&policy);
	ck_assert(is_kept(&changes, "channels"));
	ck_assert(is_kept(&changes, "throttle_max_percent"));
	ck_assert(is_kept(&changes, "postcopy"));
	ck_assert(is_kept(&changes, "timeout"));
	ck_assert_uint_eq(changes.changed_count, 1);
	ck_assert_str_eq(changes.changed[0], "observe");
	ck_assert_uint_eq(rig_move()->policy.throttle_max_percent, 0);
	ck_assert_int_eq(rig_move()->policy.postcopy, POLICY_POSTCOPY_NEVER);
	ck_assert_int_eq(rig_move()->policy.timeout, POLICY_TIMEOUT_CANCEL);
}
END_TEST

/* The guest has its CPUs and its limit back, and all of the new one is looked at. */
START_TEST(policy_that_observes_takes_back_what_was_done)
{
	struct policy policy = { .name = "p",
				 .throttle_max_percent = 30,
				 .downtime_ceiling_ms = 5000,
				 .deadline_s = 3600 };
	struct move_changes changes;

	start(&policy, "auto-converge");
	rig_move()->options.transfer.auto_converge = true;
	rig_move()->facts.throttle_percent = 30;
	rig_move()->facts.downtime_raised_ms = 4000;
	policy.observe = true;
	policy.postcopy = POLICY_POSTCOPY_IF_NEEDED;
	changes = give(&policy);
	ck_assert_uint_eq(changes.kept_count, 0);
	ck_assert_int_eq(rig_move()->policy.postcopy, POLICY_POSTCOPY_IF_NEEDED);
	assert_parameter("\"max-cpu-throttle\":1}");
	assert_parameter("\"throttle-trigger-threshold\":1,");
	assert_parameter("\"downtime-limit\":300,");
	ck_assert_uint_eq(move_converge_stop_ms(rig_move()), 300);
}
END_TEST

/* A user asks for post-copy when QEMU has been told to stop the guest, and has not yet. */
START_TEST(review_no_post_copy_beside_a_pause)
{
	struct policy policy = { .name = "p",
				 .deadline_s = DEADLINE_S,
				 .postcopy = POLICY_POSTCOPY_MANUAL,
				 .timeout = POLICY_TIMEOUT_PAUSE };
	struct err err;

	start(&policy, "postcopy-ram");
	rig_move()->options.transfer.has_postcopy = true;
	rig_move()->options.transfer.postcopy.start = TRANSFER_POSTCOPY_MANUAL;
	rig_disk_hold_answers();
	reach_deadline();
	ck_assert(rig_move()->facts.forced);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert(!move_switch(rig_move(), &err));
}
END_TEST

START_TEST(review_limits_that_were_not_heard_are_told_again)
{
	start_with_deadline(POLICY_TIMEOUT_FORCE);
	fake_qmp_refuse("migrate-set-parameters", ERR_TIMEOUT);
	reach_deadline();
	ck_assert(rig_move()->facts.forced);
	fake_qmp_accept("migrate-set-parameters");
	trace_clear();
	passes(2);
	ck_assert_uint_gt(trace_count("qmp migrate-set-parameters"), 0);
}
END_TEST

/* ---- a user wants the end -------------------------------------------------------------- */

static struct move_finishing finishing;

static enum err_code finish(bool force)
{
	struct err err = { 0 };

	if (!move_finish(rig_move(), &(struct move_finish_wish){ .force = force, .by = "ann" },
			 &finishing, &err))
		return err.code;
	rig_run();
	return ERR_NONE;
}

static void assert_did(const char *text)
{
	ck_assert_msg(strstr(finishing.did, text) != NULL, "%s", finishing.did);
}

START_TEST(finish_by_force_stops_the_guest_at_once_and_says_what_it_costs)
{
	start(&(struct policy){ .name = "p" }, NULL);
	rig_move()->options.bandwidth_bytes_per_s = 1 << 20;
	move_src_apply_options(rig_move());
	ck_assert_uint_eq(fake_stream_bytes_per_s, 1 << 20);
	passes(2);
	ck_assert_int_eq(finish(true), ERR_NONE);
	assert_parameter("\"downtime-limit\":2000000");
	ck_assert_uint_eq(fake_stream_bytes_per_s, 0);
	assert_did("95 MiB are left at 95 MiB/s, which takes about ");
	ck_assert_uint_ge(finishing.stop_ms, 990);
	ck_assert_uint_le(finishing.stop_ms, 1010);
	assert_noted("finish-requested by ann, by force: ");
	assert_noted("granted a user asked for the end (force): ");
	ck_assert_int_eq(finish(false), ERR_NONE);
	assert_did("is being stopped already");
	fake_qmp_result("query-migrate", NULL);
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

START_TEST(finish_by_force_says_that_a_stop_of_half_an_hour_is_not_begun)
{
	start(&(struct policy){ .name = "p" }, NULL);
	pass();
	qemu.left = UINT64_C(300000000000);
	pass();
	ck_assert_int_eq(finish(true), ERR_NONE);
	ck_assert_uint_gt(finishing.stop_ms, CONVERGE_LIMIT_MAX_MS);
	assert_did(" stops the guest when the rest takes 2000 s at most, ");
	assert_noted("until then it runs on; now the rest would take about ");
	ck_assert_int_eq(finish(true), ERR_NONE);
	assert_did(" when the rest takes 2000 s at most, and until then it runs on: ");
}
END_TEST

START_TEST(finish_allows_what_the_policy_does)
{
	start(&(struct policy){ .name = "p", .downtime_ceiling_ms = 900 }, NULL);
	pass();
	ck_assert_int_eq(finish(false), ERR_NONE);
	assert_parameter("\"downtime-limit\":900");
	assert_did("stand still for 900 ms from now on");
	assert_did("`force' stops the guest all the same");
	ck_assert(!rig_move()->facts.forced);
}
END_TEST

START_TEST(wish_for_the_end_outlives_a_restart)
{
	start(&(struct policy){ .name = "p" }, NULL);
	passes(2);
	for (int i = 0; i < 20 && !fake_peer_pending("fate"); i++)
		rig_advance(100);
	fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\","
				 "\"cannot_record\":true}");
	rig_run();
	ck_assert(rig_move()->facts.lease_held);
	ck_assert_int_eq(finish(true), ERR_NONE);
	assert_did("as soon as both hosts can finish the move again");
	ck_assert(!rig_move()->facts.forced);
	rig_restart();
	passes(1);
	ck_assert(rig_move()->facts.forced);
	assert_parameter("\"downtime-limit\":2000000");
}
END_TEST

/* It is told what to do instead. */
START_TEST(finish_without_anything_to_finish_is_refused)
{
	const struct move_options options = { .downtime_limit_ms = 300,
					      .has_hold = true,
					      .hold = { .timeout_s = 3600 } };

	rig_start_move_with(&options);
	ck_assert_int_eq(finish(false), ERR_CONFLICT);
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert(move_is_held(rig_move()));
	ck_assert_int_eq(finish(true), ERR_CONFLICT);
	ck_assert(!rig_move()->facts.finish_wanted);
}
END_TEST

START_TEST(finish_after_the_stop_is_too_late)
{
	rig_bring_to("handover");
	ck_assert_int_eq(finish(true), ERR_TOO_LATE);
}
END_TEST

START_TEST(policy_that_observes_keeps_no_user_from_the_end)
{
	start(&(struct policy){ .name = "p", .observe = true, .deadline_s = DEADLINE_S }, NULL);
	reach_deadline();
	ck_assert_int_eq(finish(true), ERR_NONE);
	ck_assert(rig_move()->facts.forced);
	ck_assert_uint_eq(rig_move()->facts.observed, 1);
}
END_TEST

/* ---- a guest that stands still is called back ------------------------------------------ */

static bool cancel(void)
{
	struct err err;
	bool is_taken = move_cancel(rig_move(), "ops", &err);

	rig_run();
	return is_taken;
}

static void assert_called_back(void)
{
	fake_qmp_result("query-migrate", NULL);
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
}

START_TEST(guest_that_stands_still_is_called_back)
{
	stand_still();
	ck_assert(move_can_cancel(rig_move()));
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	fake_qemu_migrates("cancelled");
	assert_called_back();
}
END_TEST

/* A QEMU before 10.0 would give its images up if it heard a cancel in its last pass. */
START_TEST(old_qemu_that_stands_still_loses_its_connection)
{
	fake_qemu_cancel_keeps_images = false;
	stand_still();
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("stream kill"), 1);
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	fake_qemu_migrates("failed");
	assert_called_back();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
}
END_TEST

/* Its main loop waits for its last pass. */
START_TEST(forced_guest_is_called_back_past_a_deaf_qemu)
{
	start_with_deadline(POLICY_TIMEOUT_FORCE);
	reach_deadline();
	fake_qmp_result("query-migrate", NULL);
	fake_qemu_migrates("device");
	ck_assert_str_eq(rig_state(), "handover");
	fake_qmp_hold("migrate_cancel");
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("qmp yank"), 1);
	fake_qemu_migrates("failed");
	assert_called_back();
}
END_TEST

/* QEMU was done first: only the destination may run the guest now. */
START_TEST(guest_that_is_called_back_too_late_goes_over)
{
	stand_still();
	fake_qmp_hold("migrate_cancel");
	fake_qmp_hold("yank");
	ck_assert(cancel());
	fake_qmp_result("query-migrate", NULL);
	rig_completes();
	ck_assert(!move_can_cancel(rig_move()));
	ck_assert(!cancel());
	fake_qmp_release("migrate_cancel");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

/* Its connection is the destination's by then. */
START_TEST(cancel_that_fails_after_the_end_breaks_nothing)
{
	stand_still();
	fake_qmp_hold("migrate_cancel");
	fake_qmp_hold("yank");
	ck_assert(cancel());
	fake_qmp_result("query-migrate", NULL);
	rig_completes();
	trace_clear();
	fake_qmp_refuse("migrate_cancel", ERR_TIMEOUT);
	fake_qmp_release("migrate_cancel");
	rig_run();
	ck_assert_uint_eq(trace_count("qmp yank"), 0);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* After a restart QEMU may have sent all, and go may be out. */
START_TEST(restarted_coordinator_calls_back_when_qemu_has_said_how_far_it_is)
{
	stand_still();
	fake_qmp_hold("query-migrate");
	rig_restart();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	fake_qmp_release("query-migrate");
	rig_run();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	fake_qemu_migrates("cancelled");
	assert_called_back();
}
END_TEST

/* QEMU is in its last pass, and has no monitor for the next coordinator. */
START_TEST(restarted_coordinator_ends_the_stream_of_a_deaf_qemu)
{
	start_with_deadline(POLICY_TIMEOUT_FORCE);
	reach_deadline();
	fake_qmp_result("query-migrate", NULL);
	fake_qemu_migrates("device");
	fake_qmp_hold("query-migrate");
	fake_qemu()->has_oob = false;
	rig_restart();
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("stream kill"), 0);
	rig_advance(3000);
	ck_assert_uint_eq(trace_count("stream kill"), 1);
	fake_qemu_migrates("failed");
	fake_qmp_release("query-migrate");
	assert_called_back();
}
END_TEST

/* ---- bitmaps that go along ------------------------------------------------------ */

/* The first pass had all that the link takes, PASS_BYTES a second, and the others nothing to send
 * (their time is the test's own).  The last move to the host got TIMES as much. */
static void plan_bitmaps(unsigned times)
{
	struct move *move = rig_move();
	struct transfer_parameter *parameter =
		&move->plan->parameters[move->plan->parameter_count++];

	for (size_t i = 0; i < move->passes->count; i++) {
		move->passes->rows[i].duration_ms = i == 0 ? 1000 : 0;
		move->passes->rows[i].sent_bytes = i == 0 ? PASS_BYTES : 0;
	}
	snprintf(parameter->name, sizeof(parameter->name), "%s", TRANSFER_SWITCHOVER_BANDWIDTH);
	parameter->number = (uint64_t)PASS_BYTES * times;
	move->facts.bitmap_bytes = PASS_BYTES / 100;
}

/* The guest may leave as much as the link takes in the limit as it is now; the bitmaps take 10 ms
 * of it, by ten times the rate 1 ms. */
START_TEST(limit_beside_bitmaps_is_that_of_the_link_as_it_is_now)
{
	CLEANUP(json_putp) struct json_object *args = json_object_new_object();

	start(&(struct policy){ .name = "p", .deadline_s = 1000 }, NULL);
	passes(3);
	plan_bitmaps(_i ? 10 : 1);
	rig_move()->facts.downtime_raised_ms = 500; /* no more waiting for a quieter moment */
	move_converge_add_parameters(rig_move(), args);
	ck_assert_int_eq(json_get_int(args, "downtime-limit", 0), _i ? 52 : 511);
	ck_assert_int_eq(json_get_int(args, TRANSFER_SWITCHOVER_BANDWIDTH, 0),
			 (int64_t)PASS_BYTES * (_i ? 10 : 1));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_converge");
	TCase *tc = rig_add_case(s, "move_converge");

	tcase_add_test(tc, cancel_at_the_deadline_leaves_the_guest_here_and_says_why);
	tcase_add_test(tc, force_gives_qemu_all_the_time_there_is);
	tcase_add_test(tc, pause_is_left_to_qemu);
	tcase_add_test(tc, guest_that_stands_still_may_take_its_time);
	tcase_add_test(tc, guest_that_was_let_go_says_why);
	tcase_add_test(tc, throttle_is_told_to_qemu_and_known_after_a_restart);
	tcase_add_test(tc, limit_is_raised_and_known_after_a_restart);
	tcase_add_test(tc, post_copy_begins_as_if_a_user_had_asked);
	tcase_add_test(tc, policy_that_observes_only_says_what_it_would_do);
	tcase_add_test(tc, deadline_does_not_come_while_the_move_is_held);
	tcase_add_test(tc, nothing_is_decided_when_a_user_has);
	tcase_add_test(tc, review_deadline_before_memory_begins);
	tcase_add_test(tc, review_rest_of_the_first_pass_is_known);
	tcase_add_test(tc, review_another_policy_decides_after_one_that_observed);
	tcase_add_test(tc, review_another_policy_takes_a_raised_limit_back);
	tcase_add_test(tc, settings_of_a_policy_that_observed_are_not_there);
	tcase_add_test(tc, policy_that_observes_takes_back_what_was_done);
	tcase_add_test(tc, review_no_post_copy_beside_a_pause);
	tcase_add_test(tc, review_limits_that_were_not_heard_are_told_again);
	tcase_add_test(tc, finish_by_force_stops_the_guest_at_once_and_says_what_it_costs);
	tcase_add_test(tc, finish_by_force_says_that_a_stop_of_half_an_hour_is_not_begun);
	tcase_add_test(tc, finish_allows_what_the_policy_does);
	tcase_add_test(tc, wish_for_the_end_outlives_a_restart);
	tcase_add_test(tc, finish_without_anything_to_finish_is_refused);
	tcase_add_test(tc, finish_after_the_stop_is_too_late);
	tcase_add_test(tc, policy_that_observes_keeps_no_user_from_the_end);
	tcase_add_test(tc, guest_that_stands_still_is_called_back);
	tcase_add_loop_test(tc, limit_beside_bitmaps_is_that_of_the_link_as_it_is_now, 0, 2);
	tcase_add_test(tc, old_qemu_that_stands_still_loses_its_connection);
	tcase_add_test(tc, forced_guest_is_called_back_past_a_deaf_qemu);
	tcase_add_test(tc, guest_that_is_called_back_too_late_goes_over);
	tcase_add_test(tc, cancel_that_fails_after_the_end_breaks_nothing);
	tcase_add_test(tc, restarted_coordinator_calls_back_when_qemu_has_said_how_far_it_is);
	tcase_add_test(tc, restarted_coordinator_ends_the_stream_of_a_deaf_qemu);
	return s;
}
