/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qga/conn.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"
#include "qga/codec.h"
#include "tests/lib/fake_agent.h"
#include "tests/lib/scratch.h"

#define DEADLINE_MS 1000
/* DATA of a request: the name under which its answer is traced. */
#define NAME(s) ((void *)(uintptr_t)(s))

static struct loop *loop;
static struct fake_agent *fa;
static struct qga_conn *conn;
static struct strbuf trace; /* what happened, in order, each entry ended by ';' */
static struct err last_err;
static unsigned heard;

static void on_reply(void *data, struct json_object *result, const struct err *err)
{
	if (err)
		last_err = *err;
	strbuf_addf(&trace, "%s=%s;", (const char *)data,
		    err      ? err_name(err->code)
		    : result ? json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN)
			     : "done");
}

static void on_heard(void *data)
{
	(void)data;
	heard++;
}

static void on_closed(void *data)
{
	(void)data;
	strbuf_adds(&trace, "closed;");
}

static void ask_for(const char *name, const char *command, uint32_t deadline_ms)
{
	size_t before = trace.len;

	qga_conn_request(conn,
			 &(struct qga_request){ .command = command,
						.deadline_ms = deadline_ms,
						.is_silent = !strcmp(command, "guest-shutdown"),
						.fn = on_reply,
						.data = NAME(name) });
	ck_assert_uint_eq(trace.len, before); /* not called from inside the call */
}

static void ask(const char *name)
{
	ask_for(name, "guest-ping", DEADLINE_MS);
}

static void say(const char *text)
{
	fake_agent_say(fa, text, strlen(text));
}

static void assert_trace(const char *expected)
{
	loop_sim_run(loop);
	ck_assert_str_eq(trace.data ? trace.data : "", expected);
	strbuf_clear(&trace);
}

static void setup(void)
{
	const struct qga_callbacks cb = { on_heard, on_closed, NULL };
	struct err err;

	scratch_setup();
	loop = loop_new_sim();
	fa = fake_agent_new(loop, scratch_path("agent"));
	conn = qga_conn_open(loop, scratch_path("agent"), &cb, &err);
	ck_assert_ptr_nonnull(conn);
	heard = 0;
}

static void teardown(void)
{
	qga_conn_free(conn);
	loop_sim_run(loop);
	fake_agent_free(fa);
	strbuf_fini(&trace);
	loop_free(loop);
	scratch_teardown();
}

/* ---- exchanges ---------------------------------------------------------------- */

START_TEST(ask_agent_answers)
{
	ask("a");
	assert_trace("a={};");
	ck_assert_str_eq(fake_agent_heard(fa), "guest-ping;");
	ck_assert_uint_eq(fake_agent_marks(fa), 1);
}
END_TEST

/* Several callers at once: one exchange after the other, in the order of the requests. */
START_TEST(ask_three_at_once_each_gets_its_own)
{
	fake_agent_guest(fa)->file_systems = 7;
	ask_for("a", "guest-fsfreeze-freeze", DEADLINE_MS);
	ask_for("b", "guest-fsfreeze-status", DEADLINE_MS);
	ask_for("c", "guest-fsfreeze-thaw", DEADLINE_MS);
	assert_trace("a=7;b=\"frozen\";c=7;");
}
END_TEST

/* The error has the agent's own words. */
START_TEST(ask_agent_refuses)
{
	fake_agent_on(fa, "guest-ping",
		      "\"error\":{\"class\":\"GenericError\",\"desc\":\"no disks\"}");
	ask("a");
	assert_trace("a=agent-error;");
	ck_assert_ptr_nonnull(strstr(last_err.msg, "no disks"));
}
END_TEST

/* An answer may come in pieces of any length. */
START_TEST(ask_answer_in_pieces)
{
	fake_agent_split(fa, (size_t)_i);
	fake_agent_on(fa, "guest-ping", "\"return\":{\"n\":[1,2,{}]}");
	ask("a");
	ask("b");
	assert_trace("a={\"n\":[1,2,{}]};b={\"n\":[1,2,{}]};");
	ck_assert_uint_eq(heard, 0);
}
END_TEST

/* ---- an earlier life ---------------------------------------------------------- */

/* Until the agent answers our synchronization it sends answers to an earlier coordinator,
 * which may hold marks. */
START_TEST(ask_old_answers_come_first_are_dropped)
{
	fake_agent_mute(fa, "guest-sync-delimited");
	ask("a");
	loop_sim_run(loop);
	say("{\"return\":{\"old\":1}}\n\xff{\"return\":5}\n{\"return\":\"old\"}\n");
	say("\xff\n\xff{\"error\":{}}\n\xff\xff{\"return\":\"77\"}\nnoise\n");
	assert_trace("");
	fake_agent_unmute(fa);
	fake_agent_answer(fa, 0);
	assert_trace("a={};");
}
END_TEST

/* An answer that comes after its deadline must not be taken for the next one's. */
START_TEST(late_answer_is_not_the_next_ones)
{
	fake_agent_mute(fa, "guest-fsfreeze-freeze");
	ask_for("a", "guest-fsfreeze-freeze", DEADLINE_MS);
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, DEADLINE_MS);
	assert_trace("a=timeout;");
	ck_assert_ptr_nonnull(strstr(last_err.msg, "may still do it"));
	ask("b");
	loop_sim_run(loop);
	fake_agent_answer(fa, 0); /* 2, and then what belongs to b */
	assert_trace("b={};");
	ck_assert_uint_gt(heard, 0);
}
END_TEST

/* The agent was silent until after the deadline: the command was not sent into the channel,
 * and the late sign of life is reported. */
START_TEST(ask_agent_wakes_late_only_the_sync_was_sent)
{
	fake_agent_mute(fa, "");
	ask_for("a", "guest-fsfreeze-freeze", DEADLINE_MS);
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, DEADLINE_MS);
	assert_trace("a=timeout;");
	ck_assert_ptr_nonnull(strstr(last_err.msg, "did not answer"));
	fake_agent_unmute(fa);
	fake_agent_answer(fa, 0);
	loop_sim_run(loop);
	ck_assert_str_eq(fake_agent_heard(fa), "");
	ck_assert_uint_eq(heard, 1);
}
END_TEST

/* The agent ends in the middle of an exchange, and its successor knows nothing of it. */
START_TEST(agent_restarts_in_mid_exchange_next_one_is_well)
{
	fake_agent_mute(fa, "guest-ping");
	ask("a");
	loop_sim_run(loop);
	say("{\"return\":{\"half\":");
	fake_agent_restart(fa);
	fake_agent_unmute(fa);
	ask("b");
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, DEADLINE_MS - 1);
	assert_trace("");
	loop_sim_advance_ms(loop, 1);
	assert_trace("a=timeout;b=timeout;");
	ask("c");
	assert_trace("c={};");
}
END_TEST

/* ---- what an agent may say ---------------------------------------------------- */

START_TEST(answer_is_garbage_next_one_is_well)
{
	static const char *const lines[] = {
		"{\"return\":\n",       "[1]\n",
		"{\"a\":1,\"a\":2}\n",  "{\"return\":{\"a\":\"\\u0000\"}}\n",
		"{\"nothing\":true}\n", "{\"error\":\"text\"}\n"
	};

	fake_agent_mute(fa, "guest-ping");
	ask("a");
	loop_sim_run(loop);
	say(lines[_i]);
	assert_trace("a=agent-error;");
	fake_agent_restart(fa);
	fake_agent_unmute(fa);
	ask("b");
	assert_trace("b={};");
}
END_TEST

/* A second answer to the same command is only a sign of life. */
START_TEST(answer_comes_twice_second_is_dropped)
{
	fake_agent_mute(fa, "guest-ping");
	ask("a");
	loop_sim_run(loop);
	say("{\"return\":{\"n\":1}}\n{\"return\":{\"n\":2}}\n");
	assert_trace("a={\"n\":1};");
	ck_assert_uint_eq(heard, 1);
	fake_agent_restart(fa);
	fake_agent_unmute(fa);
	ask("b");
	assert_trace("b={};");
}
END_TEST

/* A mark ends the line that was begun, wherever the mark comes. */
START_TEST(mark_in_the_middle_of_an_answer_begins_anew)
{
	fake_agent_mute(fa, "guest-ping");
	ask("a");
	loop_sim_run(loop);
	say("{\"return\":{\"n\":\xff\xff{\"return\":{\"n\":3}}\n");
	assert_trace("a={\"n\":3};");
}
END_TEST

/* A guest cannot make the daemon's memory grow. */
START_TEST(answer_is_huge_is_refused)
{
	size_t len = 3 * QGA_LINE_MAX_BYTES;
	CLEANUP(free_charp) char *text = xcalloc(1, len);

	memset(text, 'x', len);
	fake_agent_mute(fa, "guest-ping");
	ask("a");
	loop_sim_run(loop);
	fake_agent_say(fa, text, len);
	loop_sim_advance_ms(loop, 50); /* a socket full after another */
	assert_trace("a=agent-error;");
	ck_assert_ptr_nonnull(strstr(last_err.msg, "over 1048576 bytes"));
	loop_sim_advance_ms(loop, 3000); /* the rest is read at a bounded pace */
	fake_agent_restart(fa);
	fake_agent_unmute(fa);
	say("xxx\n");
	ask("b");
	assert_trace("b={};");
}
END_TEST

/* Unrequested output of a guest is left in its socket beyond a certain pace, and a caller is
 * answered all the same. */
START_TEST(flood_of_the_guest_is_read_at_a_bounded_pace)
{
	static char line[64 * 1024];
	unsigned heard_at_once;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 64; i++) /* 4 MiB */
		fake_agent_say(fa, line, sizeof(line));
	loop_sim_run(loop);
	heard_at_once = heard;
	loop_sim_run(loop);
	ck_assert_uint_eq(heard, heard_at_once);
	loop_sim_advance_ms(loop, 500);
	ck_assert_uint_gt(heard, heard_at_once);
	ask_for("a", "guest-ping", 10000);
	loop_sim_advance_ms(loop, 9000);
	assert_trace("a={};");
}
END_TEST

/* Even a few bytes could need much memory. */
START_TEST(answer_is_deep_or_wide_is_refused)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, "{\"return\":[");
	for (int i = 0; i < 100000; i++)
		strbuf_adds(&text, _i ? "[" : "0,");
	strbuf_adds(&text, "]}\n");
	fake_agent_mute(fa, "guest-ping");
	ask("a");
	loop_sim_run(loop);
	fake_agent_say(fa, text.data, text.len);
	assert_trace("a=agent-error;");
}
END_TEST

/* ---- commands that answer only if they fail ----------------------------------- */

START_TEST(silent_command_silence_is_success)
{
	ask_for("a", "guest-shutdown", DEADLINE_MS);
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, DEADLINE_MS);
	assert_trace("a=done;");
}
END_TEST

START_TEST(silent_command_end_of_the_channel_is_success)
{
	ask_for("a", "guest-shutdown", DEADLINE_MS);
	ask("b");
	loop_sim_run(loop);
	fake_agent_hang_up(fa);
	assert_trace("a=done;b=unavailable;closed;");
}
END_TEST

START_TEST(silent_command_never_sent_is_no_success)
{
	fake_agent_mute(fa, "");
	ask_for("a", "guest-shutdown", DEADLINE_MS);
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, DEADLINE_MS);
	assert_trace("a=timeout;");
}
END_TEST

START_TEST(silent_command_refused_is_told)
{
	fake_agent_on(fa, "guest-shutdown", "\"error\":{\"desc\":\"no such program\"}");
	ask_for("a", "guest-shutdown", DEADLINE_MS);
	assert_trace("a=agent-error;");
}
END_TEST

/* ---- waiting and the end ------------------------------------------------------ */

START_TEST(queue_deadline_names_who_is_in_the_way)
{
	fake_agent_mute(fa, "guest-fsfreeze-freeze");
	ask_for("a", "guest-fsfreeze-freeze", 60000);
	ask("b");
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, DEADLINE_MS);
	assert_trace("b=timeout;");
	ck_assert_ptr_nonnull(strstr(last_err.msg, "'guest-fsfreeze-freeze' for 1000 ms"));
	fake_agent_answer(fa, 0);
	assert_trace("a=2;");
	ck_assert_str_eq(fake_agent_heard(fa), "guest-fsfreeze-freeze;");
}
END_TEST

START_TEST(queue_is_full_one_more_is_refused)
{
	fake_agent_mute(fa, "");
	for (int i = 0; i < QGA_WAITING_MAX; i++)
		ask("a");
	ask("b");
	assert_trace("b=limit;");
}
END_TEST

START_TEST(hang_up_all_are_answered_before_it_is_told)
{
	fake_agent_mute(fa, "guest-ping");
	ask("a");
	ask("b");
	loop_sim_run(loop);
	fake_agent_hang_up(fa);
	assert_trace("a=unavailable;b=unavailable;closed;");
	ask("c");
	assert_trace("c=unavailable;");
}
END_TEST

START_TEST(free_all_are_answered_later)
{
	fake_agent_mute(fa, "");
	ask("a");
	ask("b");
	loop_sim_run(loop);
	qga_conn_free(conn);
	ck_assert_uint_eq(trace.len, 0);
	conn = NULL;
	assert_trace("a=unavailable;b=unavailable;");
}
END_TEST

START_TEST(open_nobody_listens_is_unavailable)
{
	const struct qga_callbacks cb = { on_heard, on_closed, NULL };
	struct err err;

	ck_assert_ptr_null(qga_conn_open(loop, scratch_path("other"), &cb, &err));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
}
END_TEST

static TCase *add_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(s, tc);
	return tc;
}

Suite *suite(void)
{
	Suite *s = suite_create("qga/conn");
	TCase *tc = add_case(s, "exchanges");

	tcase_add_test(tc, ask_agent_answers);
	tcase_add_test(tc, ask_three_at_once_each_gets_its_own);
	tcase_add_test(tc, ask_agent_refuses);
	tcase_add_loop_test(tc, ask_answer_in_pieces, 1, 40);
	tc = add_case(s, "an earlier life");
	tcase_add_test(tc, ask_old_answers_come_first_are_dropped);
	tcase_add_test(tc, late_answer_is_not_the_next_ones);
	tcase_add_test(tc, ask_agent_wakes_late_only_the_sync_was_sent);
	tcase_add_test(tc, agent_restarts_in_mid_exchange_next_one_is_well);
	tc = add_case(s, "what an agent may say");
	tcase_add_loop_test(tc, answer_is_garbage_next_one_is_well, 0, 6);
	tcase_add_test(tc, answer_comes_twice_second_is_dropped);
	tcase_add_test(tc, mark_in_the_middle_of_an_answer_begins_anew);
	tcase_add_test(tc, answer_is_huge_is_refused);
	tcase_add_test(tc, flood_of_the_guest_is_read_at_a_bounded_pace);
	tcase_add_loop_test(tc, answer_is_deep_or_wide_is_refused, 0, 2);
	tc = add_case(s, "commands that answer only if they fail");
	tcase_add_test(tc, silent_command_silence_is_success);
	tcase_add_test(tc, silent_command_end_of_the_channel_is_success);
	tcase_add_test(tc, silent_command_never_sent_is_no_success);
	tcase_add_test(tc, silent_command_refused_is_told);
	tc = add_case(s, "waiting and the end");
	tcase_add_test(tc, queue_deadline_names_who_is_in_the_way);
	tcase_add_test(tc, queue_is_full_one_more_is_refused);
	tcase_add_test(tc, hang_up_all_are_answered_before_it_is_told);
	tcase_add_test(tc, free_all_are_answered_later);
	tcase_add_test(tc, open_nobody_listens_is_unavailable);
	return s;
}
