/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fault.h"
#include "tests/lib/check_main.h"
#include "tests/lib/qmp_rig.h"

/* ---- commands ---------------------------------------------------------- */

START_TEST(reply_is_delivered_once_with_its_result)
{
	fake_monitor_on(fm, "query-status", "{\"status\":\"running\"}");
	ask("query-status", 100);
	assert_trace("");
	loop_sim_advance_ms(loop, 1000);
	assert_trace("query-status={\"status\":\"running\"};");
}
END_TEST

START_TEST(refusal_has_qemus_words)
{
	fake_monitor_on_error(fm, "cont", "Resetting the Virtual Machine is required");
	ask("cont", 100);
	loop_sim_run(loop);
	assert_trace("cont=qemu-error;");
	assert_says("QEMU refused 'cont': Resetting the Virtual Machine is required");
}
END_TEST

START_TEST(arguments_are_sent)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "uri", "unix:x");
	qmp_command(conn, "migrate", args, 100, on_reply, NAME("migrate"));
	loop_sim_run(loop);
	ck_assert_str_eq(json_get_str(json_get_obj(fake_monitor_last(fm, "migrate"), "arguments"),
				      "uri"),
			 "unix:x");
}
END_TEST

START_TEST(two_replies_in_one_read_with_an_event_between)
{
	ask("a", 100);
	ask("b", 100);
	loop_sim_run(loop);
	fake_monitor_reply(fm, "a", "1");
	fake_monitor_event(fm, "STOP", NULL);
	fake_monitor_reply(fm, "b", "2");
	loop_sim_run(loop);
	assert_trace("a=1;event STOP;b=2;");
}
END_TEST

START_TEST(unanswered_command_times_out_at_its_deadline)
{
	ask("stop", 300);
	loop_sim_advance_ms(loop, 299);
	assert_trace("");
	loop_sim_advance_ms(loop, 1);
	assert_trace("stop=timeout;");
	assert_says("'stop'");
	assert_says("300 ms");
}
END_TEST

/* A late reply must not be taken for the next command's. */
START_TEST(late_reply_is_not_taken_for_the_next)
{
	ask("query-status", 100);
	loop_sim_advance_ms(loop, 100);
	fake_monitor_reply(fm, "query-status", "\"old\"");
	ask("query-status", 100);
	loop_sim_run(loop);
	assert_trace("query-status=timeout;");
	fake_monitor_reply(fm, "query-status", "\"new\"");
	loop_sim_run(loop);
	assert_trace("query-status=timeout;query-status=\"new\";");
}
END_TEST

START_TEST(duplicated_and_unknown_replies_are_harmless)
{
	ask("a", 100);
	loop_sim_run(loop);
	fake_monitor_send(fm, "{\"return\": 1, \"id\": \"x\"}\r\n{\"return\": 2}\r\n"
			      "{\"return\": 3, \"id\": {}}\r\n{\"return\": 4, \"id\": \"\"}\r\n");
	fake_monitor_reply(fm, "a", "5");
	ask("b", 100);
	loop_sim_run(loop);
	fake_monitor_reply(fm, "a", "6"); /* A's, although only B waits */
	fake_monitor_reply_error(fm, "a", "seven");
	fake_monitor_send(fm, "{\"news\": true}\r\n");
	loop_sim_run(loop);
	assert_trace("a=5;");
	fake_monitor_reply(fm, "b", "8");
	loop_sim_run(loop);
	assert_trace("a=5;b=8;");
	ck_assert_uint_eq(closed_count, 0);
}
END_TEST

/* A reply with the id of a command that was not sent yet is a forgery. */
START_TEST(reply_before_its_command_was_sent_is_ignored)
{
	char *first, *next, *text;

	ask("a", 100);
	loop_sim_run(loop);
	first = xstrdup(json_get_str(fake_monitor_last(fm, "a"), "id"));
	next = strrchr(first, '-');
	*next++ = '\0';
	text = xasprintf("{\"return\": 1, \"id\": \"%s-%d\"}\r\n", first, (*next - '0') + 1);
	fake_monitor_send(fm, text);
	loop_sim_run(loop);
	fake_monitor_reply(fm, "a", "0");
	ask("b", 100);
	loop_sim_run(loop);
	assert_trace("a=0;");
	fake_monitor_reply(fm, "b", "2");
	loop_sim_run(loop);
	assert_trace("a=0;b=2;");
	free(first);
	free(text);
}
END_TEST

START_TEST(command_without_a_listener_is_fine)
{
	fake_monitor_on_error(fm, "stop", "no");
	qmp_command(conn, "stop", NULL, 100, NULL, NULL);
	qmp_command(conn, "cont", NULL, 100, NULL, NULL);
	loop_sim_advance_ms(loop, 200);
	assert_trace("");
}
END_TEST

/* ---- the window -------------------------------------------------------- */

/* QEMU stops reading at eight commands, and then would not see an out-of-band one either. */
START_TEST(hung_monitor_is_given_few_commands_and_oob_overtakes)
{
	for (unsigned i = 0; i < 20; i++)
		ask("query-status", 1000);
	loop_sim_run(loop);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "query-status"), 4);
	qmp_command_oob(conn, "yank", NULL, 100, on_reply, NAME("yank"));
	loop_sim_run(loop);
	ck_assert_ptr_nonnull(json_get_str(fake_monitor_last(fm, "yank"), "exec-oob"));
	fake_monitor_reply(fm, "yank", "{}");
	loop_sim_run(loop);
	assert_trace("yank={};");
}
END_TEST

/* A command that timed out before it was sent must never run, above all `cont'. */
START_TEST(command_timed_out_in_the_queue_is_never_sent)
{
	for (unsigned i = 0; i < 4; i++)
		ask("query-status", 5000);
	ask("cont", 100);
	loop_sim_advance_ms(loop, 100);
	assert_trace("cont=timeout;");
	assert_says("'cont' was never sent: QEMU has not answered 'query-status'");
	fake_monitor_reply(fm, "query-status", "1");
	loop_sim_run(loop);
	ask("stop", 100);
	loop_sim_run(loop);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "cont"), 0);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "stop"), 1);
}
END_TEST

/* QEMU still holds a command that timed out, so the command keeps its place until it is
 * answered. */
START_TEST(abandoned_commands_keep_their_place_until_answered)
{
	for (unsigned i = 0; i < 4; i++)
		ask("a", 100);
	loop_sim_advance_ms(loop, 100);
	strbuf_clear(&trace);
	ask("b", 1000);
	loop_sim_run(loop);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "b"), 0);
	fake_monitor_reply(fm, "a", "1");
	loop_sim_run(loop);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "b"), 1);
	fake_monitor_reply(fm, "b", "2");
	loop_sim_run(loop);
	assert_trace("b=2;");
}
END_TEST

START_TEST(monitor_without_oob_gets_one_at_a_time)
{
	greet_and_run(false);
	ask("a", 100);
	ask("b", 100);
	loop_sim_run(loop);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "b"), 0);
	fake_monitor_reply(fm, "a", "1");
	loop_sim_run(loop);
	fake_monitor_reply(fm, "b", "2");
	loop_sim_run(loop);
	assert_trace("a=1;b=2;");
}
END_TEST

START_TEST(too_many_waiting_commands_are_refused)
{
	for (unsigned i = 0; i < 256; i++)
		qmp_command(conn, "a", NULL, 1000, NULL, NULL);
	ask("one-more", 1000);
	assert_trace("");
	loop_sim_run(loop);
	assert_trace("one-more=limit;");
	strbuf_clear(&trace);
	fake_monitor_on(fm, "yank", "{}");
	qmp_command_oob(conn, "yank", NULL, 1000, on_reply, NAME("yank"));
	loop_sim_run(loop);
	assert_trace("yank={};");
	loop_sim_advance_ms(loop, 1000);
	strbuf_clear(&trace);
	ask("room-again", 1000);
	loop_sim_run(loop);
	assert_trace("");
}
END_TEST

/* A socket that takes only a part of a write must not lose or mix bytes. */
START_TEST(partial_writes_keep_the_lines_whole)
{
	struct json_object *args = json_object_new_object();
	char *big = xcalloc(1, 400001);

	memset(big, 'x', 400000);
	json_add_str(args, "text", big);
	fake_monitor_suspend(fm, true);
	fake_monitor_on(fm, "last", "1");
	qmp_command(conn, "big", json_object_get(args), 1000, NULL, NULL);
	qmp_command(conn, "big", args, 1000, NULL, NULL);
	ask("last", 1000);
	loop_sim_run(loop);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "big"), 0);
	fake_monitor_suspend(fm, false);
	loop_sim_run(loop);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "big"), 2);
	assert_trace("last=1;");
	free(big);
}
END_TEST

/* ---- faults ------------------------------------------------------------ */

#ifdef ENABLE_FAULT_INJECTION
static void plan(const char *text)
{
	struct err err;

	setenv("MIGRD_FAULTS", text, 1);
	ck_assert_msg(fault_init(&err), "%s", err.msg);
}

START_TEST(fault_at_send_fails_the_command_unsent)
{
	plan("qmp.send.cont:error");
	ask("cont", 100);
	assert_trace("");
	loop_sim_run(loop);
	assert_trace("cont=internal;");
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "cont"), 0);
}
END_TEST

START_TEST(fault_at_reply_fails_the_command_done)
{
	plan("qmp.reply.cont:error");
	fake_monitor_on(fm, "cont", "{}");
	ask("cont", 100);
	loop_sim_run(loop);
	assert_trace("cont=internal;");
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "cont"), 1);
}
END_TEST

START_TEST(fault_in_the_negotiation_fails_the_opening)
{
	static const char *const plans[] = { "qmp.send.qmp_capabilities:error",
					     "qmp.reply.qmp_capabilities:error",
					     "qmp.send.qmp_capabilities:drop",
					     "qmp.reply.qmp_capabilities:drop" };

	plan(plans[_i]);
	open_with(&callbacks);
	fake_monitor_greet(fm, true);
	loop_sim_advance_ms(loop, _i < 2 ? 0 : OPEN_MS);
	assert_trace(_i < 2 ? "internal;" : "timeout;");
}
END_TEST

START_TEST(dropped_command_and_reply_time_out_and_block_nothing)
{
	plan("qmp.send.a:drop:times=0,qmp.reply.b:drop:times=0");
	fake_monitor_on(fm, "b", "{}");
	fake_monitor_on(fm, "c", "{}");
	for (unsigned i = 0; i < 5; i++) {
		qmp_command(conn, "a", NULL, 100, NULL, NULL);
		qmp_command(conn, "b", NULL, 100, NULL, NULL);
	}
	ask("a", 100);
	ask("b", 100);
	ask("c", 100);
	loop_sim_run(loop);
	assert_trace("c={};");
	loop_sim_advance_ms(loop, 100);
	assert_trace("c={};a=timeout;b=timeout;");
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "a"), 0);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "b"), 6);
}
END_TEST

START_TEST(dropped_event_is_not_seen)
{
	plan("qmp.event.STOP:drop");
	fake_monitor_event(fm, "STOP", NULL);
	fake_monitor_event(fm, "RESUME", NULL);
	fake_monitor_event(fm, "STOP", NULL);
	loop_sim_run(loop);
	assert_trace("event RESUME;event STOP;");
}
END_TEST

#endif

static void add_commands(Suite *s)
{
	TCase *tc = cases(s, "commands", setup_ready);

	tcase_add_test(tc, reply_is_delivered_once_with_its_result);
	tcase_add_test(tc, refusal_has_qemus_words);
	tcase_add_test(tc, arguments_are_sent);
	tcase_add_test(tc, two_replies_in_one_read_with_an_event_between);
	tcase_add_test(tc, unanswered_command_times_out_at_its_deadline);
	tcase_add_test(tc, late_reply_is_not_taken_for_the_next);
	tcase_add_test(tc, duplicated_and_unknown_replies_are_harmless);
	tcase_add_test(tc, reply_before_its_command_was_sent_is_ignored);
	tcase_add_test(tc, command_without_a_listener_is_fine);
	tcase_add_test(tc, hung_monitor_is_given_few_commands_and_oob_overtakes);
	tcase_add_test(tc, command_timed_out_in_the_queue_is_never_sent);
	tcase_add_test(tc, abandoned_commands_keep_their_place_until_answered);
	tcase_add_test(tc, too_many_waiting_commands_are_refused);
	tcase_add_test(tc, partial_writes_keep_the_lines_whole);
	tc = cases(s, "no oob", setup);
	tcase_add_test(tc, monitor_without_oob_gets_one_at_a_time);
}

static void add_faults(Suite *s)
{
#ifdef ENABLE_FAULT_INJECTION
	TCase *tc = cases(s, "faults", setup_ready);

	tcase_add_test(tc, fault_at_send_fails_the_command_unsent);
	tcase_add_test(tc, fault_at_reply_fails_the_command_done);
	tcase_add_loop_test(tc, fault_in_the_negotiation_fails_the_opening, 0, 4);
	tcase_add_test(tc, dropped_command_and_reply_time_out_and_block_nothing);
	tcase_add_test(tc, dropped_event_is_not_seen);
#else
	(void)s;
#endif
}

Suite *suite(void)
{
	Suite *s = suite_create("qmp_conn_commands");

	add_commands(s);
	add_faults(s);
	return s;
}
