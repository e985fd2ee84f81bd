/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/check_main.h"
#include "tests/lib/qmp_rig.h"
#include "tests/lib/recording.h"

/* ---- endings ----------------------------------------------------------- */

START_TEST(monitor_closes_answers_all_in_order_then_tells)
{
	for (unsigned i = 0; i < 3; i++)
		ask("sent", 1000);
	ask("sent-too", 1000);
	ask("queued", 1000);
	loop_sim_run(loop);
	fake_monitor_close(fm);
	loop_sim_run(loop);
	assert_trace("sent=unavailable;sent=unavailable;sent=unavailable;sent-too=unavailable;"
		     "queued=unavailable;closed unavailable;");
	ask("after", 1000);
	loop_sim_advance_ms(loop, 5000);
	ck_assert_ptr_nonnull(strstr(strbuf_str(&trace), "closed unavailable;after=unavailable;"));
	ck_assert_uint_eq(closed_count, 1);
	ck_assert_uint_eq(ready_count, 1);
}
END_TEST

START_TEST(abandoned_command_is_not_answered_again_at_the_end)
{
	ask("a", 100);
	loop_sim_advance_ms(loop, 100);
	fake_monitor_close(fm);
	loop_sim_run(loop);
	assert_trace("a=timeout;closed unavailable;");
}
END_TEST

START_TEST(monitor_closes_in_the_middle_of_a_line)
{
	ask("a", 1000);
	loop_sim_run(loop);
	fake_monitor_send(fm, "{\"return\": {}, \"id\": ");
	fake_monitor_close(fm);
	loop_sim_run(loop);
	assert_trace("a=unavailable;closed unavailable;");
	assert_says("in the middle of a line");
}
END_TEST

/* QEMU's last event (SHUTDOWN) comes together with the end of the connection, and must be
 * delivered. */
START_TEST(last_words_are_heard_though_writing_fails)
{
	fake_monitor_event(fm, "SHUTDOWN", "{\"guest\": true}");
	fake_monitor_close(fm);
	ask("query-status", 1000); /* meets a closed socket */
	assert_trace("");
	loop_sim_run(loop);
	assert_trace("event SHUTDOWN;query-status=unavailable;closed unavailable;");
}
END_TEST

static const char *const bad_lines[] = {
	"garbage\r\n", "[]\r\n", "{\"return\": {}\r\n",
	"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n", /* another client's monitor */
};

START_TEST(broken_stream_closes)
{
	ask("a", 1000);
	loop_sim_run(loop);
	fake_monitor_send(fm, bad_lines[_i]);
	fake_monitor_reply(fm, "a", "1");
	loop_sim_run(loop);
	assert_trace("a=unavailable;closed invalid;");
}
END_TEST

START_TEST(endless_line_closes)
{
	static char noise[1 << 20];
	unsigned i;

	memset(noise, 'x', sizeof(noise));
	for (i = 0; i < 32 && fake_monitor_is_connected(fm); i++) {
		fake_monitor_send_bytes(fm, noise, sizeof(noise));
		loop_sim_run(loop);
	}
	assert_trace("closed invalid;");
	ck_assert_uint_le(i, 18);
}
END_TEST

START_TEST(large_reply_is_read)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "\"");
	for (unsigned i = 0; i < 100000; i++)
		strbuf_adds(&sb, "0123456789");
	strbuf_adds(&sb, "\"");
	fake_monitor_on(fm, "human-monitor-command", strbuf_str(&sb));
	ask("human-monitor-command", 1000);
	loop_sim_run(loop);
	ck_assert_uint_gt(trace.len, 1000000);
	strbuf_fini(&sb);
}
END_TEST

/* ---- freeing ----------------------------------------------------------- */

static void free_now(void)
{
	qmp_conn_free(conn);
	conn = NULL;
	strbuf_adds(&trace, "freed;");
}

static void free_on_ready(void *data, const struct err *err)
{
	on_ready(data, err);
	free_now();
}

static void free_on_event(void *data, const struct qmp_event *event)
{
	on_event(data, event);
	free_now();
}

static void free_on_closed(void *data, const struct err *why)
{
	on_closed(data, why);
	free_now();
}

static void free_on_reply(void *data, struct json_object *result, const struct err *err)
{
	on_reply(data, result, err);
	if (conn)
		free_now();
}

START_TEST(freed_in_ready)
{
	open_with(&(struct qmp_callbacks){ free_on_ready, on_event, on_closed, NULL });
	fake_monitor_greet(fm, true);
	loop_sim_run(loop);
	assert_trace("ready;freed;");
}
END_TEST

START_TEST(freed_in_ready_with_an_error)
{
	open_with(&(struct qmp_callbacks){ free_on_ready, on_event, on_closed, NULL });
	loop_sim_advance_ms(loop, OPEN_MS);
	assert_trace("timeout;freed;");
}
END_TEST

/* The answer to qmp_capabilities must not reach a connection that was freed. */
START_TEST(freed_while_negotiating)
{
	fake_monitor_on(fm, "qmp_capabilities", NULL);
	fake_monitor_greet(fm, true);
	loop_sim_run(loop);
	free_now();
	loop_sim_advance_ms(loop, 10 * OPEN_MS);
	assert_trace("freed;");
}
END_TEST

START_TEST(closed_while_negotiating)
{
	fake_monitor_on(fm, "qmp_capabilities", NULL);
	fake_monitor_greet(fm, true);
	loop_sim_run(loop);
	fake_monitor_close(fm);
	loop_sim_advance_ms(loop, 10 * OPEN_MS);
	assert_trace("unavailable;");
}
END_TEST

START_TEST(freed_in_event_with_more_bytes_waiting)
{
	open_with(&(struct qmp_callbacks){ on_ready, free_on_event, on_closed, NULL });
	greet_and_run(true);
	ask("a", 100);
	loop_sim_run(loop);
	fake_monitor_event(fm, "STOP", NULL);
	fake_monitor_event(fm, "RESUME", NULL);
	fake_monitor_reply(fm, "a", "1");
	loop_sim_run(loop);
	assert_trace("event STOP;freed;a=unavailable;");
}
END_TEST

START_TEST(freed_in_closed)
{
	open_with(&(struct qmp_callbacks){ on_ready, on_event, free_on_closed, NULL });
	greet_and_run(true);
	fake_monitor_close(fm);
	loop_sim_run(loop);
	assert_trace("closed unavailable;freed;");
}
END_TEST

static void start_two_that_free(void)
{
	open_with(&callbacks);
	greet_and_run(true);
	qmp_command(conn, "a", NULL, 100, free_on_reply, NAME("a"));
	qmp_command(conn, "b", NULL, 100, free_on_reply, NAME("b"));
	loop_sim_run(loop);
}

START_TEST(freed_in_reply)
{
	start_two_that_free();
	fake_monitor_reply(fm, "a", "1");
	fake_monitor_reply(fm, "b", "2");
	loop_sim_run(loop);
	assert_trace("a=1;freed;b=unavailable;");
}
END_TEST

START_TEST(freed_in_reply_of_a_timeout)
{
	start_two_that_free();
	loop_sim_advance_ms(loop, 1000);
	assert_trace("a=timeout;freed;b=unavailable;");
}
END_TEST

START_TEST(freed_in_reply_of_a_timeout_in_the_queue)
{
	open_with(&callbacks);
	greet_and_run(true);
	for (unsigned i = 0; i < 4; i++)
		qmp_command(conn, "a", NULL, 1000, NULL, NULL);
	qmp_command(conn, "b", NULL, 100, free_on_reply, NAME("b"));
	loop_sim_advance_ms(loop, 2000);
	assert_trace("b=timeout;freed;");
}
END_TEST

START_TEST(freed_in_reply_of_a_close)
{
	start_two_that_free();
	fake_monitor_close(fm);
	loop_sim_run(loop);
	assert_trace("a=unavailable;freed;b=unavailable;");
}
END_TEST

START_TEST(freed_by_owner_answers_all_once_later)
{
	ask("a", 100);
	for (unsigned i = 0; i < 5; i++)
		qmp_command(conn, "q", NULL, 100, on_reply, NAME("q"));
	free_now();
	assert_trace("freed;");
	loop_sim_advance_ms(loop, 1000);
	assert_trace("freed;a=unavailable;q=unavailable;q=unavailable;q=unavailable;"
		     "q=unavailable;q=unavailable;");
}
END_TEST

/* Jobs ask their next question from inside an answer. */
static void ask_on_reply(void *data, struct json_object *result, const struct err *err)
{
	unsigned *left = data;

	ck_assert_msg(!err || err->code == ERR_UNAVAILABLE, "%s", err ? err->msg : "");
	(void)result;
	if (err || (*left)-- == 0)
		return;
	qmp_command(conn, "next", NULL, 100, ask_on_reply, left);
}

START_TEST(asked_from_inside_an_answer)
{
	unsigned left = 50;

	fake_monitor_on(fm, "next", "{}");
	qmp_command(conn, "next", NULL, 100, ask_on_reply, &left);
	loop_sim_run(loop);
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "next"), 51);
}
END_TEST

static void ask_again_on_reply(void *data, struct json_object *result, const struct err *err)
{
	on_reply(data, result, err);
	ask("again", 100);
}

START_TEST(asked_from_inside_a_closing_answer)
{
	qmp_command(conn, "a", NULL, 100, ask_again_on_reply, NAME("a"));
	loop_sim_run(loop);
	fake_monitor_close(fm);
	loop_sim_run(loop);
	assert_trace("a=unavailable;closed unavailable;again=unavailable;");
}
END_TEST

/* ---- recorded ---------------------------------------------------------- */

/* Sends QEMU's recorded answer to line I of REC, with our id in place of the recorded one. */
static void say_next(const struct recording *rec, size_t *i)
{
	struct strbuf sb = STRBUF_INIT;

	for (; *i < rec->count && !rec->lines[*i].is_command; (*i)++) {
		struct json_object *said = json_tokener_parse(rec->lines[*i].text);
		const char *id = json_get_str(said, "id");
		unsigned long n = id ? strtoul(id + strlen("rec-"), NULL, 10) : 0;
		struct json_object *heard = n ? fake_monitor_message(fm, n - 1) : NULL;

		if (heard)
			json_add_str(said, "id", json_get_str(heard, "id"));
		strbuf_addf(&sb, "%s\r\n",
			    json_object_to_json_string_ext(said, JSON_C_TO_STRING_PLAIN));
		json_object_put(said);
	}
	fake_monitor_send(fm, strbuf_str(&sb));
	strbuf_fini(&sb);
	loop_sim_run(loop);
}

static void give_command(const char *text)
{
	struct json_object *cmd = json_tokener_parse(text);
	const char *oob = json_get_str(cmd, "exec-oob"), *name = json_get_str(cmd, "execute");
	struct json_object *args = json_object_get(json_get_obj(cmd, "arguments"));

	if (oob)
		qmp_command_oob(conn, oob, args, 1000, on_reply, NAME("oob"));
	else
		qmp_command(conn, name, args, 1000, on_reply, NAME("reply"));
	loop_sim_run(loop);
	json_object_put(cmd);
}

static char *replay(const struct recording *rec, unsigned seed)
{
	size_t i = 0;

	strbuf_clear(&trace);
	open_with(&callbacks);
	fake_monitor_on(fm, "qmp_capabilities", NULL);
	fake_monitor_split(fm, seed);
	say_next(rec, &i); /* the greeting; the connection sends qmp_capabilities by itself */
	for (i++; i < rec->count;) {
		say_next(rec, &i);
		for (; i < rec->count && rec->lines[i].is_command; i++)
			give_command(rec->lines[i].text);
	}
	return xstrdup(strbuf_str(&trace));
}

/* A real QEMU's bytes, cut anywhere, give the same answers and events. */
START_TEST(recorded_conversation_cut_anywhere_gives_the_same)
{
	struct recording rec;
	char *whole, *pieces;

	recording_load(&rec, recording_names[_i]);
	whole = replay(&rec, 0);
	ck_assert_ptr_nonnull(strstr(whole, "ready;"));
	ck_assert_ptr_nonnull(strstr(whole, "event SHUTDOWN;reply={};"));
	ck_assert_ptr_null(strstr(whole, "invalid"));
	for (unsigned seed = 1; seed <= 20; seed++) {
		pieces = replay(&rec, seed);
		ck_assert_str_eq(pieces, whole);
		free(pieces);
	}
	free(whole);
	recording_fini(&rec);
}
END_TEST

static void add_endings(Suite *s)
{
	TCase *tc = cases(s, "endings", setup_ready);

	tcase_add_test(tc, monitor_closes_answers_all_in_order_then_tells);
	tcase_add_test(tc, abandoned_command_is_not_answered_again_at_the_end);
	tcase_add_test(tc, monitor_closes_in_the_middle_of_a_line);
	tcase_add_test(tc, last_words_are_heard_though_writing_fails);
	tcase_add_loop_test(tc, broken_stream_closes, 0, (int)ARRAY_LEN(bad_lines));
	tcase_add_test(tc, endless_line_closes);
	tcase_add_test(tc, large_reply_is_read);
	tcase_add_test(tc, freed_by_owner_answers_all_once_later);
	tcase_add_test(tc, asked_from_inside_an_answer);
	tcase_add_test(tc, asked_from_inside_a_closing_answer);
	tc = cases(s, "freeing", setup);
	tcase_add_test(tc, freed_in_ready);
	tcase_add_test(tc, freed_in_ready_with_an_error);
	tcase_add_test(tc, freed_while_negotiating);
	tcase_add_test(tc, closed_while_negotiating);
	tcase_add_test(tc, freed_in_event_with_more_bytes_waiting);
	tcase_add_test(tc, freed_in_closed);
	tcase_add_test(tc, freed_in_reply);
	tcase_add_test(tc, freed_in_reply_of_a_timeout);
	tcase_add_test(tc, freed_in_reply_of_a_timeout_in_the_queue);
	tcase_add_test(tc, freed_in_reply_of_a_close);
	tcase_add_loop_test(tc, recorded_conversation_cut_anywhere_gives_the_same, 0, 7);
}

Suite *suite(void)
{
	Suite *s = suite_create("qmp_conn_end");

	add_endings(s);
	return s;
}
