/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the conductor of a maintenance asks of other hosts (hook/ask.h). */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "fake_peer.h"
#include "hook/ask.h"
#include "wire/problem.h"

static struct loop *loop;
static struct peer_clients *peers;
static struct json_object *asked; /* the body of the last question */

/* The last answer. */
static unsigned answers;
static struct err answer;
static struct hook_run run;
static struct peer_evacuation told;

static void keep_body(const char *verb, struct json_object *body)
{
	(void)verb;
	json_object_put(asked);
	asked = json_object_get(body);
}

static void set_up(void)
{
	loop = loop_new_sim();
	peers = fake_peer_new(loop);
	fake_peer_before = keep_body;
	answers = 0;
}

static void tear_down(void)
{
	peer_clients_free(peers);
	loop_free(loop);
	json_object_put(TAKE_PTR(asked));
}

static void on_hook(void *data, const struct hook_run *hook, const struct err *err)
{
	(void)data;
	answers++;
	answer = err ? *err : (struct err){ 0 };
	if (hook)
		run = *hook;
}

static void on_evacuation(void *data, const struct peer_evacuation *evac, const struct err *err)
{
	(void)data;
	answers++;
	answer = err ? *err : (struct err){ 0 };
	if (evac)
		told = *evac;
}

static void ask_hook(void)
{
	hook_ask_begin(peers, "b",
		       &(struct hook_request){
			       .name = "reboot", .hook_id = "r-b-1", .requester = "maintenance:r" },
		       on_hook, NULL);
}

START_TEST(hook_is_asked_for_and_its_run_is_read)
{
	static const struct hook_run now = { .hook_id = "r-b-1",
					     .name = "reboot",
					     .reason = "runs" };
	CLEANUP(json_putp) struct json_object *obj = json_encode(hook_run_fields, &now);

	ask_hook();
	ck_assert_str_eq(fake_peer_path("hooks"), "/peer/v1/hooks");
	ck_assert_str_eq(json_get_str(asked, "requester"), "maintenance:r");
	fake_peer_answer("hooks", json_text(obj, NULL));
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(answer.code, ERR_NONE);
	ck_assert_str_eq(run.reason, "runs");
	hook_ask_status(peers, "b", "r-b-1", on_hook, NULL);
	ck_assert_str_eq(fake_peer_path("fate"), "/peer/v1/hooks/r-b-1");
	fake_peer_refuse("fate", ERR_NOT_FOUND, "host 'b' has not begun it");
	ck_assert_int_eq(answer.code, ERR_NOT_FOUND);
}
END_TEST

/* It has not said that there is no such hook, or evacuation. */
START_TEST(host_that_is_no_peer_any_more_is_one_that_does_not_answer)
{
	hook_ask_status(peers, "b", "r-b-1", on_hook, NULL);
	fake_peer_is_none("fate");
	ck_assert_int_eq(answer.code, ERR_UNAVAILABLE);
	evacuation_ask_status(peers, "b", "current", on_evacuation, NULL);
	fake_peer_is_none("fate");
	ck_assert_int_eq(answer.code, ERR_UNAVAILABLE);
	ck_assert_uint_eq(answers, 2);
}
END_TEST

/* An upgrade by hand helps; asking again does not. */
START_TEST(older_host_is_told_from_a_hook_that_is_not_there)
{
	ask_hook();
	fake_peer_refuse("hooks", ERR_NOT_FOUND, PROBLEM_NO_PATH);
	ck_assert_int_eq(answer.code, ERR_PROTOCOL);
	ck_assert_msg(strstr(answer.msg, "older migrd") != NULL, "%s", answer.msg);
	ask_hook();
	fake_peer_refuse("hooks", ERR_NOT_FOUND, "host 'b' has no hook 'reboot'");
	ck_assert_int_eq(answer.code, ERR_NOT_FOUND);
	ck_assert_uint_eq(answers, 2);
}
END_TEST

START_TEST(answer_that_makes_no_sense_or_does_not_come_is_an_error)
{
	ask_hook();
	fake_peer_answer("hooks", "{\"state\":\"levitating\"}");
	ck_assert_int_eq(answer.code, ERR_PEER);
	ask_hook();
	loop_sim_advance_ms(loop, HOOK_ASK_MS);
	ck_assert_int_eq(answer.code, ERR_TIMEOUT);
	ck_assert_uint_eq(answers, 2);
}
END_TEST

START_TEST(evacuation_is_asked_for_with_what_is_wished_and_no_more)
{
	static const struct peer_evacuation now = { .id = "018f0000-0000-7000-8000-000000000001",
						    .state = "draining",
						    .counts = { .total = 3, .left = 2 } };
	CLEANUP(json_putp) struct json_object *obj = json_encode(peer_evacuation_fields, &now);

	evacuation_ask_begin(peers, "b",
			     &(struct evacuation_request){ .requester = "maintenance:r",
							   .complete = true },
			     on_evacuation, NULL);
	ck_assert_str_eq(fake_peer_path("evacuations"), "/peer/v1/evacuations");
	/* A host of this or an earlier version knows all keys of it. */
	ck_assert(json_get_bool(asked, "complete", false));
	ck_assert(!json_object_object_get_ex(asked, "dry_run", NULL));
	ck_assert(!json_object_object_get_ex(asked, "others_max", NULL));
	fake_peer_answer("evacuations", json_text(obj, NULL));
	ck_assert_int_eq(answer.code, ERR_NONE);
	ck_assert_str_eq(told.state, "draining");
	ck_assert_uint_eq(told.counts.left, 2);
}
END_TEST

START_TEST(request_is_withdrawn_by_its_requester)
{
	evacuation_ask_withdraw(peers, "b", "current",
				&(struct evacuation_withdraw){ .requester = "maintenance:r" },
				on_evacuation, NULL);
	ck_assert_str_eq(json_get_str(asked, "requester"), "maintenance:r");
	ck_assert_str_eq(fake_peer_path("withdraw"), "/peer/v1/evacuations/current/withdraw");
	fake_peer_fail("withdraw", ERR_FORBIDDEN);
	ck_assert_int_eq(answer.code, ERR_FORBIDDEN);
	evacuation_ask_status(peers, "b", "current", on_evacuation, NULL);
	ck_assert_str_eq(fake_peer_path("fate"), "/peer/v1/evacuations/current");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("hook_ask");
	TCase *tc = tcase_create("hook_ask");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, hook_is_asked_for_and_its_run_is_read);
	tcase_add_test(tc, host_that_is_no_peer_any_more_is_one_that_does_not_answer);
	tcase_add_test(tc, older_host_is_told_from_a_hook_that_is_not_there);
	tcase_add_test(tc, answer_that_makes_no_sense_or_does_not_come_is_an_error);
	tcase_add_test(tc, evacuation_is_asked_for_with_what_is_wished_and_no_more);
	tcase_add_test(tc, request_is_withdrawn_by_its_requester);
	return s;
}
