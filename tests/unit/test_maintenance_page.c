/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people see of the maintenance of some hosts: its steps before, what it does and waits for
 * while it runs, and the report at its end. */
#include <stdlib.h>
#include <string.h>

#include "agents/migrctl/maintenance_page.h"
#include "agents/migrctl/maintenance_watch.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"

#define HOST(name, state, final, more) \
	"{\"host\":\"" name "\",\"state\":\"" state "\",\"final\":" final more "}"
#define COUNTS(done, failed, under_way, todo)                                            \
	"\"counts\":{\"total\":3,\"done\":" done ",\"failed\":" failed ",\"skipped\":0," \
	"\"aborted\":0,\"under_way\":" under_way ",\"todo\":" todo "}"
#define MAINTENANCE(state, final, more) \
	"{\"id\":\"m1\",\"conductor\":\"a\",\"state\":\"" state "\",\"final\":" final "," more "}"
#define DONE_B                                                                         \
	HOST("b", "done", "true",                                                      \
	     ",\"vms\":24,\"left\":0,\"moved\":1,\"returned\":23,\"stays\":0,"         \
	     "\"took_ms\":192000,\"blackout_ms\":364.4,\"hook\":{\"state\":\"done\"}," \
	     "\"reason\":\"its guests are back\"")
#define RUNNING                                                                                    \
	MAINTENANCE("waiting", "false",                                                            \
		    "\"hook\":\"reboot\",\"waits_for\":\"c\",\"reason\":\"a person is "            \
		    "waited for\"," COUNTS("1", "0", "2", "0") ",\"hosts\":[" DONE_B "," HOST(     \
			    "c", "todo", "false",                                                  \
			    ",\"waits_for_go\":true") "," HOST("a", "evacuating", "false",         \
							       ",\"vms\":8,\"left\":3,\"moving\":" \
							       "2,\"blocked\":1,\"moved\":5,"      \
							       "\"took_ms\":12300,\"reason\":"     \
							       "\"guests leave\"") "]")
#define FAILED_C                                                                         \
	HOST("c", "failed", "true",                                                      \
	     ",\"vms\":2,\"moved\":2,\"hook\":{\"state\":\"failed\",\"words\":\"no new " \
	     "kernel\"},\"reason\":\"hook 'reboot' has ended with 3: it stays empty\","  \
	     "\"error\":{\"code\":\"conflict\",\"detail\":\"the hook\"}")
#define FAILED(state)              \
	MAINTENANCE(state, "true", \
		    COUNTS("1", "1", "0", "0") ",\"hosts\":[" DONE_B "," FAILED_C "]")
#define PLAN                                                                                     \
	MAINTENANCE(                                                                             \
		"planned", "false",                                                              \
		"\"reason\":\"nothing was "                                                      \
		"changed\",\"state_id\":\"0123456789abcdef\",\"hosts\":[" HOST(                  \
			"b", "todo", "false",                                                    \
			",\"rack\":\"r1\",\"plan\":{\"vms\":24,\"moves\":22,\"stays\":1,"        \
			"\"blocked\":1,\"blocked_by\":\"b7\",\"blocked_why\":\"no host takes "   \
			"it\",\"makespan_ms\":33900,\"fullest\":\"c\",\"fullest_percent\":61.4," \
			"\"homeless\":\"v9\",\"homeless_host\":\"c\"}") "],\"steps\":[{"         \
									"\"number\":1,\"host\":" \
									"\"b\",\"step\":"        \
									"\"check\",\"text\":"    \
									"\"asks it\"},{"         \
									"\"number\":2,\"host\":" \
									"\"b\",\"step\":"        \
									"\"evacuate\",\"text\":" \
									"\"moves 22\"}]")

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

/* One screen says what it waits for, and by which command it goes on. */
START_TEST(screen_tells_what_each_host_does_and_how_to_go_on)
{
	PRINT(maintenance_page_print_screen(out, parse(RUNNING), 0));
	assert_has("conducted by  a\n");
	assert_has("hosts         3: 1 done, 2 under way\n");
	assert_has("go on with    migrctl maintenance go c\n");
	assert_has("a     evacuating       8     3      5");
	assert_has("12.3 s  guests leave\n");
	assert_has_not("HOW IT ENDED");
}
END_TEST

START_TEST(line_has_what_a_log_needs)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	maintenance_page_line(parse(RUNNING), 0, &line);
	ck_assert_str_eq(strbuf_str(&line), "waiting: 1 of 3 hosts done; a: evacuating, 3 of 8 "
					    "guests left, 1 blocked; "
					    "go on with `migrctl maintenance go c'");
}
END_TEST

/* The reason of a failure is seen when it happens, and not only at the end. */
START_TEST(line_names_hosts_that_have_failed_and_those_whose_guests_come_back)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	maintenance_page_line(
		parse(MAINTENANCE("running", "false",
				  "\"paused\":true," COUNTS("0", "1", "1",
							    "1") ",\"hosts\":[" FAILED_C
								 "," HOST("b", "returning", "false",
									  ",\"vms\":4,\"left\":0,"
									  "\"returned\":1") "]")),
		0, &line);
	ck_assert_str_eq(strbuf_str(&line),
			 "running, paused: 0 of 3 hosts done; c has failed: hook 'reboot' has "
			 "ended "
			 "with 3: it stays empty; b: returning, 1 of 4 guests is back; go on with "
			 "`migrctl maintenance resume'");
}
END_TEST

START_TEST(report_tells_of_each_host_how_it_ended_and_what_a_failed_hook_said)
{
	PRINT(maintenance_page_print(out, parse(FAILED("failed")), 0));
	assert_has("HOW IT ENDED");
	assert_has(
		"b     done    3 min 12 s      24     24    23       0       364 ms  done    its "
		"guests are back\n");
	assert_has("hook 'reboot' has ended with 3: it stays empty\n");
	assert_has("the hook of c said: no new kernel\n");
	assert_has("with an empty host  by hand: it waits until a person says go\n");
}
END_TEST

/* Steps have numbers, so that two people can talk of one; nothing was done. */
START_TEST(plan_has_numbered_steps_and_says_what_blocks)
{
	PRINT(maintenance_page_print_plan(out, parse(PLAN)));
	assert_has("nothing was changed\n");
	assert_has(
		"b     r1        24    22     1        1    33.9 s  c              61 %  v9, with "
		"c\n");
	assert_has("  b7 on b: no host takes it\n");
	assert_has("1  b     check     asks it\n");
	assert_has("2  b     evacuate  moves 22\n");
	assert_has("plan 0123456789abcdef\n");
}
END_TEST

/* Names and words come from other hosts and must not control the terminal. */
START_TEST(foreign_text_is_made_harmless)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	maintenance_page_line(parse("{\"state\":\"\\u001b[2J\",\"waits_for\":\"\\u001b[3J\","
				    "\"hosts\":[{\"host\":\"\\u001b[4J\",\"state\":\"failed\","
				    "\"final\":true,\"reason\":\"\\u001b[5J\"}]}"),
			      0, &line);
	ck_assert_msg(!strchr(strbuf_str(&line), '\033'), "%s", strbuf_str(&line));
}
END_TEST

static const struct {
	const char *maintenance;
	enum err_code code;
	const char *part;
} endings[] = {
	{ MAINTENANCE("running", "false", COUNTS("0", "1", "1", "1") ",\"hosts\":[" FAILED_C "]"),
	  ERR_NONE, "" },
	{ MAINTENANCE("done", "true", COUNTS("3", "0", "0", "0") ",\"hosts\":[" DONE_B "]"),
	  ERR_NONE, "" },
	{ FAILED("done"), ERR_CONFLICT, "host 'c' has failed: hook 'reboot' has ended with 3" },
	{ MAINTENANCE("failed", "true",
		      "\"error\":{\"code\":\"timeout\"}," COUNTS("1", "1", "0",
								 "0") ",\"hosts\":[" FAILED_C "]"),
	  ERR_TIMEOUT, "host 'c' has failed" },
	{ MAINTENANCE("aborted", "true", "\"reason\":\"ops has said so\",\"hosts\":[]"),
	  ERR_CANCELLED, "the maintenance was aborted: ops has said so" },
};

/* A script must hear of one host that has failed, also where the others went on. */
START_TEST(exit_code_tells_a_bad_end)
{
	struct err err = { 0 };
	bool ok = maintenance_result(parse(endings[_i].maintenance), &err);

	ck_assert_int_eq(ok, endings[_i].code == ERR_NONE);
	ck_assert_int_eq(err.code, endings[_i].code);
	ck_assert_msg(strstr(err.msg, endings[_i].part), "%s", err.msg);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("maintenance_page");
	TCase *tc = tcase_create("words");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, screen_tells_what_each_host_does_and_how_to_go_on);
	tcase_add_test(tc, line_has_what_a_log_needs);
	tcase_add_test(tc, line_names_hosts_that_have_failed_and_those_whose_guests_come_back);
	tcase_add_test(tc, report_tells_of_each_host_how_it_ended_and_what_a_failed_hook_said);
	tcase_add_test(tc, plan_has_numbered_steps_and_says_what_blocks);
	tcase_add_test(tc, foreign_text_is_made_harmless);
	tcase_add_loop_test(tc, exit_code_tells_a_bad_end, 0, ARRAY_LEN(endings));
	suite_add_tcase(s, tc);
	return s;
}
