/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input of `migrctl vm monitor': which command a line means, and which words complete it. */
#include <string.h>

#include "agents/lib/lineedit.h"
#include "agents/migrctl/monitor.h"
#include "agents/migrctl/monitor_words.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"

static struct monitor_words words;

static void setup(void)
{
	/* As QEMU prints it. */
	monitor_words_add_help(&words.commands,
			       "announce_self [interfaces] [id] -- Trigger\r\n"
			       "cont|c  -- resume emulation\r\n"
			       "drive_add [-n] [[<domain>:]<bus>:]<slot>\n[file=file][,if=type]\n"
			       "\t\t\tdata after the command\r\n"
			       "info [subcommand] -- show\r\ninfo x -- twice\r\n"
			       "help|? [cmd] -- show the help\r\n",
			       "");
	monitor_words_add_help(&words.info,
			       "info name  -- show\r\ninfo network  -- show\r\nno info -- x\r\n",
			       "info ");
}

static void teardown(void)
{
	words_clear(&words.commands);
	words_clear(&words.info);
}

START_TEST(help_has_each_name_once)
{
	static const char *const names[] = { "announce_self", "cont", "drive_add", "help", "info" };

	ck_assert_uint_eq(words.commands.count, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ck_assert_str_eq(words.commands.list[i], names[i]);
	ck_assert_uint_eq(words.info.count, 2);
	ck_assert_str_eq(words.info.list[1], "network");
}
END_TEST

START_TEST(reply_of_query_commands_is_read)
{
	CLEANUP(json_putp)
	struct json_object *list =
		json_tokener_parse("[{\"name\":\"b\"},{\"name\":\"a\"},{\"nam\":\"c\"},1]");
	struct words found = { .count = 0 };

	monitor_words_add_commands(&found, list);
	monitor_words_add_commands(&found, NULL);
	ck_assert_uint_eq(found.count, 2);
	ck_assert_str_eq(found.list[0], "a");
	words_clear(&found);
}
END_TEST

static const struct {
	const char *text;
	char list; /* 'c', 'i' or 0 */
	size_t start;
} hmp_places[] = {
	{ "", 'c', 0 },           { "co", 'c', 0 },           { "  co", 'c', 2 },
	{ "info ", 'i', 5 },      { "info n", 'i', 5 },       { " info  n", 'i', 7 },
	{ "help c", 'c', 5 },     { "? c", 'c', 2 },          { "cont x", 0, 5 },
	{ "info name x", 0, 10 }, { "help info n", 'i', 10 }, { "infox n", 0, 6 },
};

START_TEST(hmp_word_is_completed_where_it_stands)
{
	const char *text = hmp_places[_i].text;
	size_t start;
	const struct words *found = monitor_words_at_hmp(&words, text, strlen(text), &start);

	ck_assert_ptr_eq(found, hmp_places[_i].list == 'c' ? &words.commands
				: hmp_places[_i].list      ? &words.info
							   : NULL);
	ck_assert_uint_eq(start, hmp_places[_i].start);
}
END_TEST

static const struct {
	const char *text;
	bool has;
	size_t start;
} qmp_places[] = {
	{ "", true, 0 },
	{ "query-st", true, 0 },
	{ " query-st", true, 1 },
	{ "qom-list {", false, 0 },
	{ "{\"execute\":\"query-st", true, 12 },
	{ "{ \"execute\": \"query-st", true, 14 },
	{ "{\"execute\":", false, 10 },
	{ "{\"execute\":\"x\",\"arguments\":{\"pa", false, 29 },
	{ "{", false, 0 },
};

START_TEST(qmp_name_is_completed_also_in_json)
{
	const char *text = qmp_places[_i].text;
	size_t start;
	const struct words *found = monitor_words_at_qmp(&words, text, strlen(text), &start);

	ck_assert_ptr_eq(found, qmp_places[_i].has ? &words.commands : NULL);
	if (found)
		ck_assert_uint_eq(start, qmp_places[_i].start);
}
END_TEST

START_TEST(match_tells_the_common_beginning)
{
	size_t first, common;

	ck_assert_uint_eq(words_match(&words.info, "n", 1, &first, &common), 2);
	ck_assert_uint_eq(common, 1);
	ck_assert_uint_eq(words_match(&words.info, "na", 2, &first, &common), 1);
	ck_assert_uint_eq(first, 0);
	ck_assert_uint_eq(common, 4);
	ck_assert_uint_eq(words_match(&words.info, "x", 1, &first, &common), 0);
	ck_assert_uint_eq(words_match(&words.commands, "", 0, &first, &common), 5);
	ck_assert_uint_eq(common, 0);
}
END_TEST

static const struct {
	const char *text, *json, *error;
} qmp_lines[] = {
	{ "query-status", "{\"execute\":\"query-status\"}", NULL },
	{ "  query-status \t", "{\"execute\":\"query-status\"}", NULL },
	{ "qom-list {\"path\":\"/\"}",
	  "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"\\/\"}}", NULL },
	{ "qom-list{}", "{\"execute\":\"qom-list\",\"arguments\":{}}", NULL },
	{ " {\"execute\":\"x\"}", "{\"execute\":\"x\"}", NULL },
	{ "{\"execute\":", NULL, "" },
	{ "{} {}", NULL, "" },
	{ "qom-list [1]", NULL, "the arguments of 'qom-list': '[1]' is not a JSON object" },
	{ "qom-list x", NULL, "the arguments of 'qom-list'" },
};

START_TEST(qmp_line_is_a_command)
{
	struct err err = { 0 };
	CLEANUP(json_putp)
	struct json_object *obj = monitor_parse_qmp(qmp_lines[_i].text, &err);

	if (qmp_lines[_i].json) {
		ck_assert_msg(obj != NULL, "%s", err.msg);
		ck_assert_str_eq(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
				 qmp_lines[_i].json);
	} else {
		ck_assert_ptr_null(obj);
		ck_assert_int_eq(err.code, ERR_INVALID);
		ck_assert_msg(strstr(err.msg, qmp_lines[_i].error), "%s", err.msg);
	}
}
END_TEST

/* Lines with secrets are not put into the history file. */
START_TEST(secret_line_is_known)
{
	ck_assert(lineedit_is_secret("set_password vnc x"));
	ck_assert(lineedit_is_secret("{\"execute\":\"change-vnc-PASSWORD\"}"));
	ck_assert(lineedit_is_secret("sev-inject-launch-secret {}"));
	ck_assert(lineedit_is_secret(" anything"));
	ck_assert(!lineedit_is_secret("info name"));
}
END_TEST

START_TEST(history_is_kept_where_custom_wants_it)
{
	char *path;

	setenv("XDG_STATE_HOME", "/s", 1);
	path = lineedit_history_path("h");
	ck_assert_str_eq(path, "/s/migrctl/h");
	free(path);
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", "/home/x", 1);
	path = lineedit_history_path("h");
	ck_assert_str_eq(path, "/home/x/.local/state/migrctl/h");
	free(path);
	unsetenv("HOME");
	ck_assert_ptr_null(lineedit_history_path("h"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("monitor_words");
	TCase *tc = tcase_create("monitor_words");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, help_has_each_name_once);
	tcase_add_test(tc, reply_of_query_commands_is_read);
	tcase_add_loop_test(tc, hmp_word_is_completed_where_it_stands, 0, ARRAY_LEN(hmp_places));
	tcase_add_loop_test(tc, qmp_name_is_completed_also_in_json, 0, ARRAY_LEN(qmp_places));
	tcase_add_test(tc, match_tells_the_common_beginning);
	tcase_add_loop_test(tc, qmp_line_is_a_command, 0, ARRAY_LEN(qmp_lines));
	tcase_add_test(tc, secret_line_is_known);
	tcase_add_test(tc, history_is_kept_where_custom_wants_it);
	suite_add_tcase(s, tc);
	return s;
}
