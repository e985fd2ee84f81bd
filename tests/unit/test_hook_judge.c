/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has come of a hook (hook/judge.h), what it printed, and what hosts tell each other of it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "hook/judge.h"
#include "hook/sections.h"
#include "hook/words.h"
#include "wire/peer_evacuation.h"

#define END(how_, number_)                                \
	{                                                 \
		.how = HOOK_HOW_##how_, .number = number_ \
	}

/* What is waited for beside the program: nothing, the host's boot, the coordinator's start. */
enum awaited { NOTHING, BOOT, START };
/* Since it began. */
enum since { SAME, NEW_PROCESS, NEW_BOOT };

static const struct {
	enum hook_where where;
	struct hook_end end;
	enum awaited awaited;
	enum since since;
	bool is_late;
	enum hook_next next;
	enum hook_state state;
	const char *reason;
} cases[] = {
	/* Not begun: a program that nobody has begun begins, also after a restart or boot. */
	{ HOOK_WHERE_NOWHERE, END(EXITED, 0), NOTHING, SAME, false, HOOK_NEXT_BEGIN, 0, "" },
	{ HOOK_WHERE_NOWHERE, END(EXITED, 0), BOOT, NEW_BOOT, false, HOOK_NEXT_BEGIN, 0, "" },
	{ HOOK_WHERE_NOWHERE, END(EXITED, 0), START, NEW_PROCESS, false, HOOK_NEXT_BEGIN, 0, "" },
	{ HOOK_WHERE_NOWHERE, END(EXITED, 0), NOTHING, SAME, true, HOOK_NEXT_OVER, HOOK_FAILED,
	  "not begun within its timeout_s of 7 s" },
	/* Under way. */
	{ HOOK_WHERE_RUNS, END(EXITED, 0), NOTHING, SAME, false, HOOK_NEXT_WAIT, 0, "runs" },
	{ HOOK_WHERE_RUNS, END(EXITED, 0), START, NEW_PROCESS, true, HOOK_NEXT_WAIT, 0, "runs" },
	/* Its program has ended. */
	{ HOOK_WHERE_ENDED, END(EXITED, 0), NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_DONE,
	  "has done it" },
	{ HOOK_WHERE_ENDED, END(EXITED, 0), NOTHING, NEW_BOOT, true, HOOK_NEXT_OVER, HOOK_DONE,
	  "has done it" },
	{ HOOK_WHERE_ENDED, END(EXITED, 3), NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_FAILED,
	  "status 3" },
	{ HOOK_WHERE_ENDED, END(KILLED, SIGTERM), NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_FAILED,
	  "signal 15" },
	{ HOOK_WHERE_ENDED, END(LATE, 7), BOOT, SAME, true, HOOK_NEXT_OVER, HOOK_FAILED,
	  "within its timeout_s of 7 s" },
	{ HOOK_WHERE_ENDED, END(NOT_STARTED, 0), BOOT, NEW_BOOT, false, HOOK_NEXT_OVER, HOOK_FAILED,
	  "cannot be started" },
	{ HOOK_WHERE_ENDED, END(NOT_NEEDED, 1), BOOT, SAME, false, HOOK_NEXT_OVER, HOOK_DONE,
	  "not needed" },
	{ HOOK_WHERE_ENDED, END(UNDECIDED, 2), NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_FAILED,
	  "nothing was done" },
	/* What its section waits for beside. */
	{ HOOK_WHERE_ENDED, END(EXITED, 0), BOOT, SAME, false, HOOK_NEXT_WAIT, 0,
	  "waits for the host to be booted" },
	{ HOOK_WHERE_ENDED, END(EXITED, 0), BOOT, NEW_PROCESS, false, HOOK_NEXT_WAIT, 0, "booted" },
	{ HOOK_WHERE_ENDED, END(EXITED, 0), BOOT, SAME, true, HOOK_NEXT_OVER, HOOK_FAILED,
	  "not booted anew within" },
	{ HOOK_WHERE_ENDED, END(EXITED, 0), BOOT, NEW_BOOT, true, HOOK_NEXT_OVER, HOOK_DONE,
	  "booted anew" },
	{ HOOK_WHERE_ENDED, END(EXITED, 0), START, SAME, false, HOOK_NEXT_WAIT, 0,
	  "waits for the coordinator" },
	{ HOOK_WHERE_ENDED, END(EXITED, 0), START, SAME, true, HOOK_NEXT_OVER, HOOK_FAILED,
	  "not started anew within" },
	{ HOOK_WHERE_ENDED, END(EXITED, 0), START, NEW_PROCESS, false, HOOK_NEXT_OVER, HOOK_DONE,
	  "started anew" },
	{ HOOK_WHERE_ENDED, END(EXITED, 1), START, NEW_PROCESS, false, HOOK_NEXT_OVER, HOOK_FAILED,
	  "status 1" },
	{ HOOK_WHERE_ENDED, END(EXITED, 1), BOOT, SAME, false, HOOK_NEXT_OVER, HOOK_FAILED,
	  "status 1" },
	{ HOOK_WHERE_ENDED, END(EXITED, 1), BOOT, NEW_BOOT, false, HOOK_NEXT_OVER, HOOK_DONE,
	  "booted anew" },
	/* A shutdown or a restart may end the program. */
	{ HOOK_WHERE_ENDED, END(KILLED, SIGTERM), BOOT, SAME, false, HOOK_NEXT_WAIT, 0, "booted" },
	{ HOOK_WHERE_ENDED, END(KILLED, SIGTERM), START, NEW_PROCESS, false, HOOK_NEXT_OVER,
	  HOOK_DONE, "started anew" },
	/* It is gone, and has not said how it ended. */
	{ HOOK_WHERE_GONE, END(EXITED, 0), NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_UNKNOWN,
	  "nobody knows" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), NOTHING, NEW_BOOT, false, HOOK_NEXT_OVER, HOOK_UNKNOWN,
	  "nobody knows" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), BOOT, NEW_PROCESS, false, HOOK_NEXT_WAIT, 0, "booted" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), BOOT, NEW_PROCESS, true, HOOK_NEXT_OVER, HOOK_FAILED,
	  "not booted anew" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), BOOT, NEW_BOOT, true, HOOK_NEXT_OVER, HOOK_DONE,
	  "booted anew" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), START, SAME, false, HOOK_NEXT_WAIT, 0, "coordinator" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), START, NEW_BOOT, false, HOOK_NEXT_OVER, HOOK_DONE,
	  "started anew" },
	/* Its migrd-hook was ended, and then it. */
	{ HOOK_WHERE_ENDED, END(CUT, 0), NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_UNKNOWN,
	  "which was ended then" },
	{ HOOK_WHERE_ENDED, END(CUT, 2), NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_UNKNOWN,
	  "of which 2 processes could not be ended" },
	{ HOOK_WHERE_ENDED, END(CUT, 1), NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_UNKNOWN,
	  "of which 1 process could not be ended" },
	{ HOOK_WHERE_ENDED, END(CUT, 0), START, NEW_PROCESS, false, HOOK_NEXT_OVER, HOOK_UNKNOWN,
	  "how far it came" },
	{ HOOK_WHERE_ENDED, END(CUT, 0), START, SAME, false, HOOK_NEXT_WAIT, 0, "coordinator" },
	{ HOOK_WHERE_ENDED, END(CUT, 0), BOOT, SAME, false, HOOK_NEXT_WAIT, 0, "booted" },
	{ HOOK_WHERE_ENDED, END(CUT, 0), BOOT, NEW_BOOT, false, HOOK_NEXT_OVER, HOOK_DONE,
	  "booted anew" },
};

START_TEST(judge_of_each_case)
{
	struct hook_facts facts = {
		.timeout_s = 7,
		.reboots = cases[_i].awaited == BOOT,
		.restarts = cases[_i].awaited == START,
		.is_other_boot = cases[_i].since == NEW_BOOT,
		.is_other_process = cases[_i].since != SAME,
		.is_begun = true,
		.is_late = cases[_i].is_late,
		.where = cases[_i].where,
		.end = &cases[_i].end,
	};
	const struct hook_verdict verdict = hook_judge(&facts);

	ck_assert_int_eq(verdict.next, cases[_i].next);
	if (verdict.next == HOOK_NEXT_OVER)
		ck_assert_int_eq(verdict.state, cases[_i].state);
	ck_assert_msg(strstr(verdict.reason, cases[_i].reason) != NULL, "%s", verdict.reason);
	ck_assert(verdict.needed == (cases[_i].end.how != HOOK_HOW_NOT_NEEDED));
}
END_TEST

/* The host has lost its power when the program was about to begin, or its only_if ran. */
START_TEST(boot_is_no_end_of_a_program_that_may_not_have_begun)
{
	struct hook_facts facts = { .reboots = true, .where = HOOK_WHERE_GONE };

	ck_assert_int_eq(hook_judge(&facts).next, HOOK_NEXT_WAIT);
	facts.is_other_boot = facts.is_other_process = true;
	ck_assert_int_eq(hook_judge(&facts).state, HOOK_UNKNOWN);
	ck_assert(strstr(hook_judge(&facts).reason, "whether its program was begun") != NULL);
	facts.is_begun = true;
	ck_assert_int_eq(hook_judge(&facts).state, HOOK_DONE);
}
END_TEST

static const struct {
	enum hook_where where;
	struct hook_end end;
	bool is_told;
	enum awaited awaited;
	enum since since;
	bool is_late;
	enum hook_next next;
	enum hook_state state;
	const char *reason;
} urls[] = {
	{ HOOK_WHERE_RUNS, END(EXITED, 0), false, NOTHING, SAME, false, HOOK_NEXT_WAIT, 0,
	  "is being told" },
	{ HOOK_WHERE_RUNS, END(EXITED, 0), true, NOTHING, SAME, false, HOOK_NEXT_WAIT, 0,
	  "was told; it waits for the answer" },
	{ HOOK_WHERE_ENDED, END(EXITED, 0), true, NOTHING, SAME, false, HOOK_NEXT_OVER, HOOK_DONE,
	  "its url has done it" },
	{ HOOK_WHERE_ENDED, END(EXITED, 500), true, NOTHING, SAME, false, HOOK_NEXT_OVER,
	  HOOK_FAILED, "answered with status 500" },
	/* Nobody has heard of it. */
	{ HOOK_WHERE_ENDED, END(NOT_STARTED, 0), false, NOTHING, SAME, false, HOOK_NEXT_OVER,
	  HOOK_FAILED, "cannot be told" },
	{ HOOK_WHERE_ENDED, END(LATE, 7), false, START, SAME, true, HOOK_NEXT_OVER, HOOK_FAILED,
	  "cannot be told within its timeout_s of 7 s" },
	/* The answer was not heard, by this process or by the one that has told it. */
	{ HOOK_WHERE_ENDED, END(UNANSWERED, 0), true, NOTHING, SAME, true, HOOK_NEXT_OVER,
	  HOOK_UNKNOWN, "was told, and its answer was not heard: look there" },
	{ HOOK_WHERE_ENDED, END(UNANSWERED, 0), true, BOOT, SAME, false, HOOK_NEXT_WAIT, 0,
	  "its answer was not heard; it waits for the host to be booted" },
	{ HOOK_WHERE_ENDED, END(UNANSWERED, 0), true, BOOT, SAME, true, HOOK_NEXT_OVER,
	  HOOK_UNKNOWN, "the host was not booted anew" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), true, NOTHING, NEW_PROCESS, false, HOOK_NEXT_OVER,
	  HOOK_UNKNOWN, "was told, and its answer was not heard: look there" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), false, NOTHING, NEW_PROCESS, false, HOOK_NEXT_OVER,
	  HOOK_UNKNOWN, "may have been told or not" },
	/* What is waited for says nothing of a url that nobody may have told. */
	{ HOOK_WHERE_GONE, END(EXITED, 0), true, START, NEW_PROCESS, false, HOOK_NEXT_OVER,
	  HOOK_DONE, "started anew after its url was told" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), false, START, NEW_PROCESS, false, HOOK_NEXT_OVER,
	  HOOK_UNKNOWN, "nobody knows whether its url was told" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), true, BOOT, NEW_BOOT, false, HOOK_NEXT_OVER, HOOK_DONE,
	  "booted anew after its url was told" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), false, BOOT, NEW_BOOT, false, HOOK_NEXT_OVER,
	  HOOK_UNKNOWN, "nobody knows whether its url was told" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), false, BOOT, NEW_PROCESS, false, HOOK_NEXT_WAIT, 0,
	  "may have been told" },
	{ HOOK_WHERE_GONE, END(EXITED, 0), false, BOOT, NEW_PROCESS, true, HOOK_NEXT_OVER,
	  HOOK_UNKNOWN, "may have been told or not" },
};

START_TEST(judge_of_each_case_of_a_url)
{
	struct hook_facts facts = {
		.timeout_s = 7,
		.is_url = true,
		.is_told = urls[_i].is_told,
		.reboots = urls[_i].awaited == BOOT,
		.restarts = urls[_i].awaited == START,
		.is_other_boot = urls[_i].since == NEW_BOOT,
		.is_other_process = urls[_i].since != SAME,
		.is_late = urls[_i].is_late,
		.where = urls[_i].where,
		.end = &urls[_i].end,
	};
	const struct hook_verdict verdict = hook_judge(&facts);

	ck_assert_int_eq(verdict.next, urls[_i].next);
	if (verdict.next == HOOK_NEXT_OVER)
		ck_assert_int_eq(verdict.state, urls[_i].state);
	ck_assert_msg(strstr(verdict.reason, urls[_i].reason) != NULL, "%s", verdict.reason);
}
END_TEST

/* It is shown on terminals and pages. */
START_TEST(words_have_no_control_characters_and_are_utf8)
{
	static const char data[] = "a\x1b[31mb\r\n\tc\0d\xff\xc3\xa9\xc2\x85 \n\n";
	char words[HOOK_WORDS_SIZE], most[HOOK_WORDS_SIZE - 1];

	hook_words(data, sizeof(data) - 1, words);
	ck_assert_str_eq(words, "a[31mb\n\tcd?\xc3\xa9");
	hook_words(data, 0, words);
	ck_assert_str_eq(words, "");
	memset(most, 0xff, sizeof(most));
	hook_words(most, sizeof(most), words);
	ck_assert_uint_eq(strlen(words), sizeof(most));
}
END_TEST

START_TEST(id_is_safe_in_a_path_and_in_a_signature)
{
	char most[HOOK_ID_SIZE + 1];

	ck_assert(hook_id_is_valid("0192-a-1"));
	ck_assert(!hook_id_is_valid(""));
	ck_assert(!hook_id_is_valid("-a"));
	ck_assert(!hook_id_is_valid("a.b"));
	ck_assert(!hook_id_is_valid("../a"));
	memset(most, 'a', sizeof(most));
	most[HOOK_ID_SIZE - 1] = '\0';
	ck_assert(hook_id_is_valid(most));
	most[HOOK_ID_SIZE - 1] = 'a';
	most[HOOK_ID_SIZE] = '\0';
	ck_assert(!hook_id_is_valid(most));
}
END_TEST

START_TEST(conductors_are_whole_names)
{
	struct hook_sections *none = hook_sections_new(NULL);
	struct hook_sections *two = hook_sections_new("ab, c");

	ck_assert(!hook_sections_names_conductor(none, "ab"));
	ck_assert(hook_sections_names_conductor(two, "ab"));
	ck_assert(hook_sections_names_conductor(two, "c"));
	ck_assert(!hook_sections_names_conductor(two, "a"));
	ck_assert(!hook_sections_names_conductor(two, "b"));
	ck_assert(!hook_sections_names_conductor(two, "abc"));
	ck_assert(!hook_sections_names_conductor(two, ""));
	hook_sections_free(none);
	hook_sections_free(two);
}
END_TEST

/* ---- what hosts tell each other ------------------------------------------------------- */

START_TEST(run_is_read_as_it_was_told_and_new_keys_are_skipped)
{
	struct hook_run run = { .hook_id = "r-a-1",
				.name = "reboot",
				.state = HOOK_FAILED,
				.needed = true,
				.has_exit = true,
				.exit = 3,
				.reboots = true,
				.boot_id = "018f0000-0000-7000-8000-000000000001",
				.reason = "because",
				.words = "one\ntwo",
				.requester = "maintenance:r",
				.by = "b",
				.begun_at = 1796000000000,
				.ended_at = 1796000001000 };
	CLEANUP(json_putp) struct json_object *obj = json_encode(hook_run_fields, &run);
	struct hook_run *read = xnew(struct hook_run);
	struct err err = { 0 };

	json_add_str(obj, "of_a_later_version", "x");
	ck_assert_msg(hook_run_decode(obj, read, &err), "%s", err.msg);
	ck_assert_mem_eq(read, &run, sizeof(run));
	json_add_str(obj, "state", "levitating");
	ck_assert(!hook_run_decode(obj, read, &err));
	free(read);
}
END_TEST

START_TEST(request_without_requester_or_with_a_senseless_id_is_refused)
{
	static const char *const bad[] = {
		"{\"name\":\"x\",\"hook_id\":\"1\"}",
		"{\"name\":\"x\",\"hook_id\":\"a/b\",\"requester\":\"r\"}",
		"{\"name\":\"../x\",\"hook_id\":\"1\",\"requester\":\"r\"}",
		"{\"name\":\"x\",\"hook_id\":\"1\",\"requester\":\"r\",\"program\":\"/bin/sh\"}",
		"{\"name\":\"x\",\"hook_id\":\"1\",\"requester\":\"r\",\"why\":\"a\\nb\"}",
	};
	CLEANUP(json_putp)
	struct json_object *good = json_read_back("{\"name\":\"x\",\"hook_id\":\"1\",\"requester\":"
						  "\"r\",\"why\":\"w\",\"check\":true}");
	struct faults *faults = faults_new();
	struct hook_request request;

	ck_assert(hook_request_decode(good, &request, faults));
	ck_assert(request.check);
	ck_assert_str_eq(request.requester, "r");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(json_putp) struct json_object *obj = json_read_back(bad[i]);

		ck_assert_msg(!hook_request_decode(obj, &request, faults), "%s", bad[i]);
	}
	faults_free(faults);
}
END_TEST

static const char plan_text[] =
	"{\"state_id\":\"0123456789abcdef\",\"makespan_ms\":5000,\"moves\":[{\"vm\":\"v1\"},{"
	"\"vm\":\"v2\"}],"
	"\"stays\":[{\"vm\":\"s1\",\"becomes\":\"leave\",\"why\":\"it may\"},"
	"{\"vm\":\"s2\",\"becomes\":null,\"why\":\"no room\"}],"
	"\"hosts\":[{\"host\":\"a\",\"memory_percent_worst\":99,\"homeless_after\":\"x\"},"
	"{\"host\":\"b\",\"memory_percent_worst\":40.5,\"homeless_after\":null},"
	"{\"host\":\"c\",\"memory_percent_worst\":60,\"homeless_after\":\"v9\"}]}";

/* An evacuation in short, as it comes to the conductor. */
START_TEST(evacuation_in_short_has_what_blocks_first_and_the_fullest_other_host)
{
	CLEANUP(json_putp) struct json_object *plan = json_read_back(plan_text);
	const struct evacuation_who who[] = { { .requester = "maintenance:r" },
					      { .requester = "alice" } };
	const struct evacuation_reply reply = { .host = "a",
						.state = "planned",
						.reason = "it is a dry run",
						.requests = who,
						.request_count = 2,
						.counts = { .total = 4, .left = 2 },
						.plan = plan };
	struct peer_evacuation *told = xnew(struct peer_evacuation);
	struct peer_evacuation *read = xnew(struct peer_evacuation);
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct err err = { 0 };

	peer_evacuation_of(&reply, told);
	obj = json_encode(peer_evacuation_fields, told);
	ck_assert_msg(peer_evacuation_decode(obj, read, &err), "%s", err.msg);
	ck_assert_mem_eq(read, told, sizeof(*told));
	ck_assert_str_eq(read->id, "");
	ck_assert_str_eq(read->state_id, "0123456789abcdef");
	ck_assert_uint_eq(read->moves_total, 2);
	ck_assert_uint_eq(read->stays_total, 2);
	ck_assert_uint_eq(read->blocked_total, 1);
	ck_assert_str_eq(read->stays[0].vm, "s2");
	ck_assert_str_eq(read->stays[1].becomes, "leave");
	ck_assert_str_eq(read->fullest, "c");
	ck_assert_str_eq(read->homeless_host, "c");
	ck_assert_str_eq(read->homeless, "v9");
	ck_assert_uint_eq(read->requester_count, 2);
	ck_assert_str_eq(read->requesters[1], "alice");
	ck_assert(!read->has_blackout);
	free(told);
	free(read);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("hook_judge");
	TCase *tc = tcase_create("hook_judge");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, judge_of_each_case, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(tc, boot_is_no_end_of_a_program_that_may_not_have_begun);
	tcase_add_loop_test(tc, judge_of_each_case_of_a_url, 0, (int)ARRAY_LEN(urls));
	tcase_add_test(tc, words_have_no_control_characters_and_are_utf8);
	tcase_add_test(tc, id_is_safe_in_a_path_and_in_a_signature);
	tcase_add_test(tc, conductors_are_whole_names);
	tcase_add_test(tc, run_is_read_as_it_was_told_and_new_keys_are_skipped);
	tcase_add_test(tc, request_without_requester_or_with_a_senseless_id_is_refused);
	tcase_add_test(tc, evacuation_in_short_has_what_blocks_first_and_the_fullest_other_host);
	return s;
}
