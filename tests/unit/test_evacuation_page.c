/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people see of an evacuation: how many are left, which one blocks, when it ends, how full the
 * others get. */
#include <stdlib.h>
#include <string.h>

#include "agents/migrctl/evacuation_page.h"
#include "agents/migrctl/evacuation_watch.h"
#include "base/mem.h"
#include "base/when.h"
#include "tests/lib/check_main.h"

#define NOW "2026-12-01T02:00:00Z"

#define HOST(name, before, after, worst, homeless)                                    \
	"{\"host\":\"" name "\",\"state\":\"online\",\"memory_mib\":4096,\"cpus\":2," \
	"\"before\":{\"memory_mib\":" before                                          \
	"},\"after\":{\"vcpus\":5},\"memory_percent_after\":" after                   \
	",\"memory_percent_worst\":" worst ",\"homeless_after\":" homeless "}"
#define VM(name, state, host, more) \
	"{\"vm\":\"" name "\",\"state\":\"" state "\",\"host\":" host ",\"attempts\":0" more "}"

#define COUNTS(left, moving, blocked, stays)                                                    \
	"\"counts\":{\"total\":24,\"left\":" left ",\"moving\":" moving ",\"blocked\":" blocked \
	",\"moved\":17,\"stays\":" stays "}"
#define ENDS                                                           \
	"\"expected_end\":{\"earliest\":\"2026-12-01T02:00:08.000Z\"," \
	"\"expected\":\"2026-12-01T02:00:11.000Z\",\"latest\":\"2026-12-01T02:00:31.000Z\"}"
#define PLAN                                                                                      \
	"\"plan\":{\"state_id\":\"0123456789abcdef\",\"makespan_ms\":31000,\"bound_ms\":28000,"   \
	"\"moves\":[{\"vm\":\"v1\",\"from\":\"a\",\"to\":\"b\",\"others\":[\"c\",\"d\"],"         \
	"\"start_ms\":0,\"end_ms\":1500,\"why\":\"least imbalance\"}],"                           \
	"\"stays\":[{\"vm\":\"v2\",\"becomes\":null,\"why\":\"no host takes it\",\"rejected\":["  \
	"{\"host\":\"b\",\"why\":\"it lacks 512 MiB of memory\"}]}],"                             \
	"\"hosts\":[" HOST("b", "1024", "48.8", "52.5", "null") "," HOST("c", "2048", "75", "75", \
									 "\"v9\"") "]}"
#define EVACUATION(state, more) "{\"id\":\"e1\",\"host\":\"a\",\"state\":\"" state "\"," more "}"
#define DRAINING                                                                                   \
	EVACUATION("draining",                                                                     \
		   "\"reason\":\"guests leave\",\"blocked_by\":\"v2\"," COUNTS(                    \
			   "7", "2", "1",                                                          \
			   "0") "," ENDS "," PLAN                                                  \
				",\"vms\":[" VM("v1", "moving", "\"b\"", "") "," VM(               \
					"v2", "blocked", "null",                                   \
					",\"why\":\"no host takes "                                \
					"it\",\"rejected\":[{\"host\":\"b\",\"why\":"              \
					"\"it lacks memory\"},{\"host\":\"c\",\"why\":\"it is "    \
					"held\"}]") "," VM("v3", "waiting", "\"c\"",               \
							   "") "," VM("v4", "moved", "\"d\"",      \
								      "") "],"                     \
									  "\"requests\":[{"        \
									  "\"requester\":\"ops\"," \
									  "\"why\":\"new "         \
									  "kernel\","              \
									  "\"on_withdraw\":"       \
									  "\"stay\"}]")

static struct json_object *object;
static char *text;

static struct json_object *parse(const char *json)
{
	struct faults *faults = faults_new();

	object = json_parse(json, strlen(json), &json_limits_default, faults);
	ck_assert_msg(object, "%s", json);
	faults_free(faults);
	return object;
}

static void teardown(void)
{
	json_object_put(object);
	object = NULL;
	free(text);
	text = NULL;
}

static int64_t now(void)
{
	int64_t ms;

	ck_assert(when_parse(NOW, &ms));
	return ms;
}

static void assert_has(const char *words)
{
	ck_assert_msg(strstr(text, words), "'%s' is not in:\n%s", words, text);
}

static void assert_has_not(const char *words)
{
	ck_assert_msg(!strstr(text, words), "'%s' is in:\n%s", words, text);
}

#define PRINT(call)                                        \
	do {                                               \
		size_t size_;                              \
		FILE *out = open_memstream(&text, &size_); \
                                                           \
		ck_assert_ptr_nonnull(out);                \
		call;                                      \
		fclose(out);                               \
	} while (0)

/* The four questions of who empties a host are answered at the top. */
START_TEST(page_begins_with_the_four_answers)
{
	PRINT(evacuation_page_print(out, parse(DRAINING), now()));
	assert_has("left          7 of 24: 2 on their way, 1 blocked\n");
	assert_has("blocked by    v2: no host takes it (b: it lacks memory; c: it is held)\n");
	assert_has("ends          in about 11.0 s, 8.0 s to 31.0 s\n");
	assert_has("b     online  4.0 GiB    25 %   49 %     52 %     2            5  -\n");
	assert_has("c     online  4.0 GiB    50 %   75 %     75 %     2            5  v9\n");
	assert_has("new kernel");
	assert_has("v4");
}
END_TEST

/* On the screen there is room for those about which there is something to say. */
START_TEST(answers_leave_out_guests_that_wait_or_have_moved)
{
	PRINT(evacuation_page_print_answers(out, parse(DRAINING), now()));
	assert_has("v1  moving");
	assert_has("v2  blocked");
	assert_has_not("v3");
	assert_has_not("v4");
}
END_TEST

START_TEST(line_has_what_a_log_needs)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	evacuation_page_line(parse(DRAINING), now(), &line);
	ck_assert_str_eq(
		strbuf_str(&line),
		"a: draining: left 7 of 24: 2 on their way, 1 blocked; ends in about 11.0 s, "
		"8.0 s to 31.0 s; blocked by v2: no host takes it (b: it lacks memory; c: it "
		"is held)");
}
END_TEST

/* Nobody asks when something ends that has. */
START_TEST(drained_host_has_no_expected_end_and_a_paused_one_says_so)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	evacuation_page_line(parse(EVACUATION("drained", COUNTS("0", "0", "0", "1"))), now(),
			     &line);
	ck_assert_str_eq(strbuf_str(&line), "a: drained: left 0 of 24: 1 to stay");
	teardown();
	strbuf_clear(&line);
	evacuation_page_line(parse(EVACUATION("draining", "\"paused\":true,\"expected_end\":"
							  "null," COUNTS("3", "0", "0", "0"))),
			     now(), &line);
	ck_assert_str_eq(strbuf_str(&line), "a: draining, paused: left 3 of 24; ends not known");
}
END_TEST

/* A plan is judged before anything is done: what stays, and why on each host. */
START_TEST(plan_tells_who_goes_where_and_why_others_stay)
{
	PRINT(evacuation_page_print_plan(out, parse(EVACUATION("planned", PLAN))));
	assert_has("host a: 1 move in about 31.0 s (bytes and links alone: 28.0 s), 1 guest would "
		   "stay\n");
	assert_has("v1  a     b   c, d    0 ms  1.5 s  least imbalance\n");
	assert_has("v2     -        no host takes it\n");
	assert_has("  v2 not to b: it lacks 512 MiB of memory\n");
	assert_has("plan 0123456789abcdef: nothing was changed\n");
}
END_TEST

/* Names come from other hosts and must not control the terminal. */
START_TEST(foreign_text_is_made_harmless)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	evacuation_page_line(parse("{\"host\":\"\\u001b[2J\",\"state\":\"x\",\"blocked_by\":"
				   "\"\\u001b[3J\"}"),
			     now(), &line);
	ck_assert_msg(!strchr(strbuf_str(&line), '\033'), "%s", strbuf_str(&line));
}
END_TEST

static const struct {
	const char *evacuation;
	enum err_code code;
	const char *part;
} endings[] = {
	{ EVACUATION("drained", "\"error\":null"), ERR_NONE, "" },
	{ EVACUATION("ended", "\"error\":null"), ERR_NONE, "" },
	{ EVACUATION("aborted", "\"error\":null,\"reason\":\"ops has said so\""), ERR_CANCELLED,
	  "the evacuation of host 'a' was aborted: ops has said so" },
	{ EVACUATION("aborted",
		     "\"error\":{\"code\":\"timeout\",\"detail\":\"its window is over\"}"),
	  ERR_TIMEOUT, "was aborted: its window is over" },
	{ EVACUATION("ended", "\"error\":{\"code\":\"conflict\",\"detail\":\"2 stayed\"}"),
	  ERR_CONFLICT, "ended badly: 2 stayed" },
};

/* A script that reboots the host must hear that it may not. */
START_TEST(exit_code_tells_a_bad_end)
{
	struct err err = { 0 };
	bool ok = evacuation_result(parse(endings[_i].evacuation), &err);

	ck_assert_int_eq(ok, endings[_i].code == ERR_NONE);
	ck_assert_int_eq(err.code, endings[_i].code);
	ck_assert_msg(strstr(err.msg, endings[_i].part), "%s", err.msg);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("evacuation_page");
	TCase *tc = tcase_create("words");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, page_begins_with_the_four_answers);
	tcase_add_test(tc, answers_leave_out_guests_that_wait_or_have_moved);
	tcase_add_test(tc, line_has_what_a_log_needs);
	tcase_add_test(tc, drained_host_has_no_expected_end_and_a_paused_one_says_so);
	tcase_add_test(tc, plan_tells_who_goes_where_and_why_others_stay);
	tcase_add_test(tc, foreign_text_is_made_harmless);
	tcase_add_loop_test(tc, exit_code_tells_a_bad_end, 0, ARRAY_LEN(endings));
	suite_add_tcase(s, tc);
	return s;
}
