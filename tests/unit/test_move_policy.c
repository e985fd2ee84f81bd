/* SPDX-License-Identifier: LGPL-2.1-or-later */
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
	ck_assert_str_eq(move_policy(rig_move())->name, "gentle");
	ck_assert_int_eq(rig_move()->policy_origin.from, POLICY_FROM_REQUEST);
	ck_assert_uint_eq(rig_move()->options.bandwidth_bytes_per_s, 64 << 20);
	ck_assert_uint_eq(rig_move()->options.downtime_limit_ms, 300);
}
END_TEST

START_TEST(move_without_a_name_has_the_default)
{
	rig_run_vm();
	ck_assert_int_eq(start(NULL, &nothing_asked), ERR_NONE);
	ck_assert_str_eq(move_policy(rig_move())->name, POLICY_DEFAULT);
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
	ck_assert(memcmp(move_policy(rig_move()), policy_find_built_in("must-complete"),
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
	move_detail_decode(move);
	ck_assert(!move->has_policy);
	ck_assert_str_eq(move_policy(move)->name, POLICY_DEFAULT);
	ck_assert_uint_eq(policy_deadline_ms(move_policy(move), UINT64_C(1) << 40), 0);
}
END_TEST

START_TEST(offered_move_has_no_policy_of_its_own)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert(!rig_move()->has_policy);
	ck_assert_uint_eq(policy_deadline_ms(move_policy(rig_move()), UINT64_C(1) << 40), 0);
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
	tcase_add_test(tc, wish_of_a_policy_that_cannot_be_is_no_reason_against_the_move);
	tcase_add_test(tc, restart_keeps_the_policy);
	tcase_add_test(tc, move_of_an_older_migrd_has_no_deadline);
	tcase_add_test(tc, offered_move_has_no_policy_of_its_own);
	return s;
}
