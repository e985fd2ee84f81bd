/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back: what a host is asked, and how long, when it answers, is silent, or is of an older
 * version. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check_main.h"
#include "evacuation_rig.h"
#include "wire/problem.h"

#define ID   "01a22bf1-4a2b-76da-a80e-535e716d2089"
#define UUID "01a22bf1-4a2b-76da-a80e-535e716d2001"

static char sent[4096];

static void on_sent(const char *verb, struct json_object *body)
{
	if (strcmp(verb, "back") == 0)
		snprintf(sent, sizeof(sent), "%s", json_text(body, NULL));
}

static void begin(void)
{
	evacuation_set_up();
	sent[0] = '\0';
	fake_peer_before = on_sent;
}

/* A restart finds an evacuation whose only guest is on host b and comes back. */
static void find_returning(const char *request, const char *detail, const char *vm_members)
{
	struct store_evacuation row = {
		.id = ID,
		.state = "returning",
		.request = xstrdup(request),
		.detail = xstrdup(detail),
		.vms = xasprintf("[{\"number\":1,\"uuid\":\"" UUID
				 "\",\"name\":\"g1\",\"host\":\"b\","
				 "\"attempt\":1%s}]",
				 vm_members),
		.created_ms = 1,
	};

	begin();
	evacuations_add_row(evacs, &row);
	evacuations_recover(evacs);
	rig_advance(1000);
}

static void tear_down(void)
{
	fake_peer_before = NULL;
	evacuation_tear_down();
}

static struct evacuation_vm_reply the_vm(void)
{
	const struct evacuation_reply *reply = evacuation_show(evacuations_find(evacs, ID));

	ck_assert_uint_eq(reply->vm_count, 1);
	return reply->vms[0];
}

static void assert_vm(const char *state, const char *words)
{
	struct evacuation_vm_reply vm = the_vm();

	ck_assert_str_eq(vm.state, state);
	ck_assert_msg(strstr(vm.why, words), "'%s' is not in '%s'", words, vm.why);
}

static const char *state(void)
{
	return evacuation_show(evacuations_find(evacs, ID))->state;
}

#define MOVED ",\"state\":\"moved\",\"is_over\":true"

/* ---- what is asked -------------------------------------------------------------------- */

/* But for what only the host that has the guest decides. */
START_TEST(guest_is_asked_for_as_it_went)
{
	find_returning("{\"move\":{\"policy\":\"gentle\",\"bandwidth_bytes_per_s\":1048576,"
		       "\"hold\":{\"timeout_s\":60},\"remove_source_disks\":true}}",
		       "{}", MOVED);
	ck_assert_uint_eq(fake_peer_pending_at("b", "back"), 1);
	ck_assert_str_eq(fake_peer_path("back"), "/peer/v1/evacuations/" ID "/back");
	ck_assert_ptr_nonnull(strstr(sent, "\"policy\":\"gentle\""));
	ck_assert_ptr_nonnull(strstr(sent, "\"bandwidth_bytes_per_s\":1048576"));
	ck_assert_ptr_null(strstr(sent, "hold"));
	ck_assert_ptr_null(strstr(sent, "remove_source_disks"));
	ck_assert_ptr_null(strstr(sent, "give_up_s"));
}
END_TEST

/* The order there ends with the time that is given here. */
START_TEST(time_that_is_left_is_told)
{
	CLEANUP(free_charp)
	char *detail = xasprintf("{\"return_until_ms\":%" PRId64 "}", clock_wall_ms() + 100500);

	const char *told;
	long left;

	find_returning("{}", detail, MOVED);
	told = strstr(sent, "\"give_up_s\":");
	ck_assert_ptr_nonnull(told);
	left = strtol(told + strlen("\"give_up_s\":"), NULL, 10);
	ck_assert_int_le(left, 100); /* the clock of the wall goes on */
	ck_assert_int_gt(left, 50);
	fake_peer_answer("back", "{\"entry\":\"" ID "\",\"state\":\"waiting\",\"final\":false,"
				 "\"reason\":\"its turn\"}");
	assert_vm("returning", "its order on host 'b' is waiting: its turn");
}
END_TEST

/* ---- how long --------------------------------------------------------------------------- */

/* An older coordinator can be upgraded, so that is no refusal of the VM. */
START_TEST(older_host_is_told_from_one_that_refuses)
{
	find_returning("{}", "{}", MOVED);
	fake_peer_refuse("back", ERR_NOT_FOUND, PROBLEM_NO_PATH);
	assert_vm("returning", "older than this question: upgrade it to " PACKAGE_VERSION);
	ck_assert_str_eq(state(), "returning");
	rig_advance(10000); /* asked again: it has been upgraded, and has no such VM */
	fake_peer_refuse("back", ERR_NOT_FOUND, "host 'b' has no VM " UUID);
	assert_vm("away", "has no VM");
	rig_advance(1000);
	ck_assert_str_eq(state(), "ended");
}
END_TEST

/* An order has a number, which may have been another VM's before a backup was put back. */
START_TEST(order_whose_number_was_used_gets_another)
{
	find_returning("{}", "{}", MOVED);
	ck_assert_ptr_nonnull(strstr(sent, "\"attempt\":2"));
	fake_peer_refuse("back", ERR_KEY_REUSED, "the key was used for another request");
	rig_advance(10000);
	ck_assert_ptr_nonnull(strstr(sent, "\"attempt\":3"));
	assert_vm("returning", "");
}
END_TEST

START_TEST(silent_host_is_asked_until_a_moment_that_is_told)
{
	const struct evacuation_reply *reply;

	find_returning("{}", "{}", MOVED);
	rig_advance(6000); /* no answer within the deadline */
	assert_vm("returning", "host 'b' is asked until 20");
	assert_vm("returning", "and then the VM stays there: the peer did not answer");
	reply = evacuation_show(evacuations_find(evacs, ID));
	ck_assert_ptr_nonnull(strstr(reply->reason, "1 on hosts that do not answer: VM 'g1'"));
	rig_advance(2000); /* asked again */
	fake_peer_answer("back", "{\"entry\":\"" ID "\",\"state\":\"moving\",\"final\":false,"
				 "\"reason\":\"\"}");
	assert_vm("returning", "its order on host 'b' is moving");
}
END_TEST

/* Over restarts. */
START_TEST(silent_host_is_given_up_after_an_hour)
{
	CLEANUP(free_charp)
	char *silent = xasprintf(",\"state\":\"returning\",\"silent_ms\":%" PRId64,
				 clock_wall_ms() - EVACUATION_SILENT_S * INT64_C(1000));

	find_returning("{}", "{}", silent);
	assert_vm("away", "stays on host 'b', which has been asked in vain since 20");
	assert_vm("away", "'migrctl move start g1 --to a' there brings it back");
	ck_assert_str_eq(state(), "ended");
}
END_TEST

/* Also when its host answers; and a wish for more time is heeded. */
START_TEST(time_that_was_given_is_kept_to)
{
	CLEANUP(free_charp)
	char *silent = xasprintf(",\"state\":\"returning\",\"silent_ms\":%" PRId64,
				 clock_wall_ms() - EVACUATION_SILENT_S * INT64_C(1000));
	CLEANUP(free_charp)
	char *later = xasprintf("{\"return_until_ms\":%" PRId64 "}", clock_wall_ms() + 60000);

	find_returning("{}", later, silent);
	ck_assert_str_eq(the_vm().state, "returning");
	tear_down();
	find_returning("{}", "{\"return_until_ms\":1000}", ",\"state\":\"returning\"");
	assert_vm("away", "which has not moved it back in the time that was given: 'migrctl");
	ck_assert_str_eq(state(), "ended");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("evacuation_back");
	TCase *tc = tcase_create("back");

	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, guest_is_asked_for_as_it_went);
	tcase_add_test(tc, time_that_is_left_is_told);
	tcase_add_test(tc, older_host_is_told_from_one_that_refuses);
	tcase_add_test(tc, order_whose_number_was_used_gets_another);
	tcase_add_test(tc, silent_host_is_asked_until_a_moment_that_is_told);
	tcase_add_test(tc, silent_host_is_given_up_after_an_hour);
	tcase_add_test(tc, time_that_was_given_is_kept_to);
	suite_add_tcase(s, tc);
	return s;
}
