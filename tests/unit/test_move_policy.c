/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"

static enum err_code started;

static void on_started(void *data, struct move *move, const struct err *err)
{
	(void)data;
	started = err ? err->code : ERR_NONE;
	if (move)
		snprintf(rig.move_id, sizeof(rig.move_id), "%s", move_row(move)->id);
}

static enum err_code start(const char *policy, const struct move_options *options)
{
	const struct move_wish wish = {
		.vm = "vm1", .to = "b", .options = *options, .policy = policy
	};

	started = ERR_CODE_COUNT;
	moves_start(rig.moves, &wish, on_started, NULL);
	rig_run();
	return started;
}

/* As the API gives the configuration's limits. */
static const struct move_options nothing_asked = { .bandwidth_bytes_per_s = 5000,
						   .downtime_limit_ms = 300 };

/* What every move needs, and no more. */
static const struct transfer_features poor = {
	.capabilities = { "events", "return-path", "late-block-activate" },
	.capability_count = 3,
	.connections = 1,
};

START_TEST(move_has_the_policy_that_its_request_names)
{
	rig_run_vm();
	ck_assert_int_eq(start("gentle", &nothing_asked), ERR_NONE);
	ck_assert_str_eq(rig_move()->policy.name, "gentle");
	ck_assert_int_eq(rig_move()->policy_origin.from, POLICY_FROM_REQUEST);
	ck_assert_uint_eq(rig_move()->options.bandwidth_bytes_per_s, 64 << 20);
	ck_assert_uint_eq(rig_move()->options.downtime_limit_ms, 300);
}
END_TEST

START_TEST(move_without_a_name_has_the_default)
{
	rig_run_vm();
	ck_assert_int_eq(start(NULL, &nothing_asked), ERR_NONE);
	ck_assert_str_eq(rig_move()->policy.name, POLICY_DEFAULT);
	ck_assert_int_eq(rig_move()->policy_origin.from, POLICY_FROM_DEFAULT);
	ck_assert_uint_eq(rig_move()->options.bandwidth_bytes_per_s, 5000);
}
END_TEST

START_TEST(unknown_policy_is_refused_and_nothing_begins)
{
	rig_run_vm();
	trace_clear();
	ck_assert_int_eq(start("none-such", &nothing_asked), ERR_NOT_FOUND);
	trace_assert_empty();
	ck_assert_ptr_null(vm_job(rig_vm()));
}
END_TEST

START_TEST(request_wins_over_its_policy)
{
	const struct move_options asked = { .bandwidth_bytes_per_s = 7000,
					    .has_bandwidth = true,
					    .downtime_limit_ms = 300 };

	rig_run_vm();
	ck_assert_int_eq(start("gentle", &asked), ERR_NONE);
	ck_assert_uint_eq(rig_move()->options.bandwidth_bytes_per_s, 7000);
	ck_assert_str_eq(rig_move()->policy_origin.overridden, "bandwidth_bytes_per_s");
}
END_TEST

/* Nothing is left to be raised. */
START_TEST(limit_of_a_request_beyond_the_ceiling_is_told)
{
	const struct move_options asked = { .downtime_limit_ms = 3000, .has_downtime_limit = true };

	rig_run_vm();
	ck_assert_int_eq(start("fast", &asked), ERR_NONE);
	ck_assert_uint_eq(rig_move()->options.downtime_limit_ms, 3000);
	ck_assert_str_eq(rig_move()->policy_origin.overridden, "downtime_ceiling_ms");
}
END_TEST

START_TEST(wish_of_a_policy_that_cannot_be_is_no_reason_against_the_move)
{
	CLEANUP(free_charp) char *timeline = NULL;

	fake_peer_features = &poor;
	rig_run_vm();
	ck_assert_int_eq(start("fast", &nothing_asked), ERR_NONE);
	rig_bring_to("transfer");
	ck_assert(transfer_wish_is_plain(&rig_move()->options.transfer));
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, "policy-left-out multifd: "));
}
END_TEST

START_TEST(restart_keeps_the_policy)
{
	fake_peer_features = &poor;
	rig_run_vm();
	ck_assert_int_eq(start("must-complete", &nothing_asked), ERR_NONE);
	rig_bring_to("transfer");
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert(memcmp(&rig_move()->policy, policy_find_built_in("must-complete"),
			 sizeof(struct policy)) == 0);
	ck_assert_str_eq(rig_move()->policy_origin.why, "the request names it");
	ck_assert(rig_move()->has_policy);
}
END_TEST

/* No deadline comes over a move that was begun without one. */
START_TEST(move_of_an_older_migrd_has_no_deadline)
{
	CLEANUP(json_putp) struct json_object *detail = NULL;
	struct move *move;

	rig_bring_to("transfer");
	move = rig_move();
	detail = json_read_back(move->row.detail);
	json_object_object_del(detail, "policy");
	json_object_object_del(detail, "policy_origin");
	free(move->row.detail);
	move->row.detail = xstrdup(json_text(detail, NULL));
	move->has_policy = false;
	free(TAKE_PTR(move->plan)); /* read again too */
	move_frames_fini(move);     /* likewise */
	move_detail_decode(move);
	ck_assert(!move->has_policy);
	ck_assert_str_eq(move->policy.name, POLICY_DEFAULT);
	ck_assert_uint_eq(policy_deadline_ms(&move->policy, UINT64_C(1) << 40), 0);
}
END_TEST

START_TEST(offered_move_has_no_policy_of_its_own)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert(!rig_move()->has_policy);
	ck_assert_uint_eq(policy_deadline_ms(&rig_move()->policy, UINT64_C(1) << 40), 0);
}
END_TEST

/* ---- another policy while it runs -------------------------------------------------- */

static struct move_changes changes;
static enum err_code set_error;

static void on_set(void *data, struct move *move, const struct move_changes *told,
		   const struct err *err)
{
	(void)data;
	ck_assert_ptr_eq(move, rig_move());
	changes = *told;
	set_error = err ? err->code : ERR_NONE;
}

static enum err_code set_policy(const char *name)
{
	const struct move_setting setting = { .policy = name,
					      .bandwidth_bytes_per_s = 5000,
					      .downtime_limit_ms = 300 };
	struct err err;

	set_error = ERR_CODE_COUNT;
	changes = (struct move_changes){ 0 };
	if (!move_set(rig_move(), &setting, on_set, NULL, &err))
		return err.code;
	rig_run();
	return set_error;
}

static bool is_changed(const char *name)
{
	for (size_t i = 0; i < changes.changed_count; i++) {
		if (strcmp(changes.changed[i], name) == 0)
			return true;
	}
	return false;
}

static bool is_kept(const char *name)
{
	for (size_t i = 0; i < changes.kept_count; i++) {
		if (strcmp(changes.kept[i].setting, name) == 0)
			return changes.kept[i].why[0];
	}
	return false;
}

START_TEST(another_policy_changes_what_can_be_changed_and_says_what_not)
{
	fake_peer_features = &poor;
	rig_run_vm();
	ck_assert_int_eq(start("gentle", &nothing_asked), ERR_NONE);
	rig_bring_to("transfer");
	ck_assert_int_eq(set_policy("must-complete"), ERR_NONE);
	ck_assert(is_changed("bandwidth_bytes_per_s") && is_changed("deadline_s") &&
		  is_changed("downtime_ceiling_ms") && is_changed("timeout"));
	ck_assert(is_kept("throttle_max_percent") && is_kept("postcopy"));
	ck_assert_uint_eq(rig_move()->options.bandwidth_bytes_per_s, 5000);
	ck_assert_int_eq(rig_move()->policy.timeout, POLICY_TIMEOUT_FORCE);
	ck_assert_int_eq(rig_move()->policy.postcopy, POLICY_POSTCOPY_NEVER);
	ck_assert_uint_eq(rig_move()->policy.throttle_max_percent, 0);
	rig_restart();
	ck_assert_str_eq(rig_move()->policy.name, "must-complete");
	ck_assert_int_eq(rig_move()->policy.timeout, POLICY_TIMEOUT_FORCE);
}
END_TEST

START_TEST(limit_of_the_request_stays_under_another_policy)
{
	const struct move_options asked = { .bandwidth_bytes_per_s = 7000,
					    .has_bandwidth = true,
					    .downtime_limit_ms = 300 };

	rig_run_vm();
	ck_assert_int_eq(start(NULL, &asked), ERR_NONE);
	rig_bring_to("transfer");
	rig_restart(); /* that it was asked for is on disk */
	ck_assert_int_eq(set_policy("gentle"), ERR_NONE);
	ck_assert(is_kept("bandwidth_bytes_per_s") && !is_changed("bandwidth_bytes_per_s"));
	ck_assert_uint_eq(rig_move()->options.bandwidth_bytes_per_s, 7000);
}
END_TEST

START_TEST(another_policy_that_is_unknown_or_not_on_disk_changes_nothing)
{
	rig_run_vm();
	ck_assert_int_eq(start("gentle", &nothing_asked), ERR_NONE);
	rig_bring_to("transfer");
	ck_assert_int_eq(set_policy("none-such"), ERR_NOT_FOUND);
	rig_disk_is_full(true);
	ck_assert_int_ne(set_policy("suspend"), ERR_NONE);
	rig_disk_is_full(false);
	ck_assert(memcmp(&rig_move()->policy, policy_find_built_in("gentle"),
			 sizeof(struct policy)) == 0);
	ck_assert_uint_eq(rig_move()->options.bandwidth_bytes_per_s, 64 << 20);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_policy");
	TCase *tc = rig_add_case(s, "policy of a move");

	tcase_add_test(tc, move_has_the_policy_that_its_request_names);
	tcase_add_test(tc, move_without_a_name_has_the_default);
	tcase_add_test(tc, unknown_policy_is_refused_and_nothing_begins);
	tcase_add_test(tc, request_wins_over_its_policy);
	tcase_add_test(tc, limit_of_a_request_beyond_the_ceiling_is_told);
	tcase_add_test(tc, wish_of_a_policy_that_cannot_be_is_no_reason_against_the_move);
	tcase_add_test(tc, restart_keeps_the_policy);
	tcase_add_test(tc, move_of_an_older_migrd_has_no_deadline);
	tcase_add_test(tc, offered_move_has_no_policy_of_its_own);
	tcase_add_test(tc, another_policy_changes_what_can_be_changed_and_says_what_not);
	tcase_add_test(tc, limit_of_the_request_stays_under_another_policy);
	tcase_add_test(tc, another_policy_that_is_unknown_or_not_on_disk_changes_nothing);
	return s;
}
