/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/conn.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "tests/lib/check_main.h"
#include "tests/lib/fake_monitor.h"
#include "tests/lib/recording.h"
#include "tests/lib/scratch.h"

#define OPEN_MS 2000
/* A reply's DATA: the name under which it is traced. */
#define NAME(s) ((void *)(uintptr_t)(s))

static struct loop *loop;
static struct fake_monitor *fm;
static struct qmp_conn *conn;
static struct strbuf trace; /* what happened, in order, each entry ended by ';' */
static unsigned ready_count, closed_count;
static struct err last_err;

/* ---- the rig ----------------------------------------------------------- */

static void on_ready(void *data, const struct err *err)
{
	(void)data;
	ready_count++;
	if (err)
		last_err = *err;
	strbuf_addf(&trace, "%s;", err ? err_name(err->code) : "ready");
}

static void on_event(void *data, const struct qmp_event *event)
{
	(void)data;
	strbuf_addf(&trace, "event %s;", event->name);
}

static void on_closed(void *data, const struct err *why)
{
	(void)data;
	closed_count++;
	last_err = *why;
	strbuf_addf(&trace, "closed %s;", err_name(why->code));
}

static void on_reply(void *data, struct json_object *result, const struct err *err)
{
	if (err)
		last_err = *err;
	strbuf_addf(&trace, "%s=%s;", (const char *)data,
		    err ? err_name(err->code)
			: json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
}

static const struct qmp_callbacks callbacks = { on_ready, on_event, on_closed, NULL };

static void setup(void)
{
	int fd;

	scratch_setup();
	loop = loop_new_sim();
	fm = fake_monitor_new(loop, &fd);
	conn = qmp_conn_open_fd(loop, fd, OPEN_MS, &callbacks);
}

static void teardown(void)
{
	qmp_conn_free(conn);
	loop_sim_run(loop);
	fake_monitor_free(fm);
	loop_free(loop);
	strbuf_fini(&trace);
	scratch_teardown();
}

static void greet_and_run(bool oob)
{
	fake_monitor_greet(fm, oob);
	loop_sim_run(loop);
	ck_assert_str_eq(strbuf_str(&trace), "ready;");
	strbuf_clear(&trace);
}

static void setup_ready(void)
{
	setup();
	greet_and_run(true);
}

static void ask(const char *command, uint32_t deadline_ms)
{
	qmp_command(conn, command, NULL, deadline_ms, on_reply, NAME(command));
}

#define assert_trace(text) ck_assert_str_eq(strbuf_str(&trace), text)

static void assert_says(const char *text)
{
	ck_assert_msg(strstr(last_err.msg, text) != NULL, "'%s' lacks '%s'", last_err.msg, text);
}

/* ---- opening ----------------------------------------------------------- */

/* A stranger must not be sent a byte: it might understand it. */
START_TEST(silent_peer_times_out_and_is_sent_nothing)
{
	loop_sim_advance_ms(loop, OPEN_MS - 1);
	assert_trace("");
	loop_sim_advance_ms(loop, 1);
	assert_trace("timeout;");
	assert_says("no QMP greeting");
	ck_assert_uint_eq(fake_monitor_heard(fm), 0);
	ck_assert(!fake_monitor_is_connected(fm));
	loop_sim_advance_ms(loop, 100000);
	ck_assert_uint_eq(ready_count, 1);
	ck_assert_uint_eq(closed_count, 0);
}
END_TEST

START_TEST(greeting_with_oob_negotiates_it)
{
	greet_and_run(true);
	ck_assert(qmp_conn_has_oob(conn));
	ck_assert_str_eq(json_object_to_json_string_ext(json_get_obj(fake_monitor_message(fm, 0),
								     "arguments"),
							JSON_C_TO_STRING_PLAIN),
			 "{\"enable\":[\"oob\"]}");
	ck_assert_int_eq(qmp_conn_version(conn)->major, 7);
	ck_assert_int_eq(qmp_conn_version(conn)->minor, 2);
	ck_assert_int_eq(qmp_conn_version(conn)->micro, 22);
	ck_assert_str_eq(qmp_conn_version(conn)->package, "Debian 1:7.2");
}
END_TEST

START_TEST(open_monitor_stays_open_beyond_the_opening_deadline)
{
	greet_and_run(true);
	loop_sim_advance_ms(loop, 10 * OPEN_MS);
	assert_trace("");
	ck_assert(fake_monitor_is_connected(fm));
}
END_TEST

START_TEST(greeting_without_oob_asks_for_none)
{
	greet_and_run(false);
	ck_assert(!qmp_conn_has_oob(conn));
	ck_assert_ptr_null(json_get_obj(fake_monitor_message(fm, 0), "arguments"));
	qmp_command_oob(conn, "yank", NULL, 100, on_reply, NAME("yank"));
	assert_trace("");
	loop_sim_run(loop);
	assert_trace("yank=unavailable;");
}
END_TEST

static const struct {
	const char *bytes, *code, *says;
} strangers[] = {
	{ "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "invalid;", "HTTP server" },
	{ "<html>", "invalid;", "HTTP server" },
	{ "QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ", "invalid;",
	  "mode=control" },
	{ "RFB 003.008\n", "invalid;", "VNC" },
	{ "SSH-2.0-OpenSSH_9.2\r\n", "invalid;", "SSH" },
	{ "NBDMAGICIHAVEOPT", "invalid;", "NBD" },
	{ "\x16\x03\x01", "invalid;", "it began with" },
	{ "{\"return\": {}}\n", "invalid;", "first line is not a greeting" }, /* a guest agent */
	{ "\xff{\"return\": 5}\n", "invalid;", "not a QMP monitor" },
	{ "{\"event\": \"STOP\"}\n", "invalid;", "first line is not a greeting" },
	{ "{\"QMP\": {}}\n", "invalid;", "lacks" },
	{ "{\"QMP\": {\"version\": {\"qemu\": {}}, \"capabilities\": []}}\n", "invalid;",
	  "not a version" },
	{ "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, \"minor\": 2, \"micro\": 1}}, "
	  "\"capabilities\": {}}}\n",
	  "invalid;", "lacks" },
	{ "{\"QMP\": }\n", "invalid;", "not JSON" },
};

/* The message says whom we met, and the stranger was sent nothing. */
START_TEST(stranger_is_refused_with_a_clear_word)
{
	fake_monitor_send(fm, strangers[_i].bytes);
	loop_sim_run(loop);
	assert_trace(strangers[_i].code);
	assert_says(strangers[_i].says);
	ck_assert_uint_eq(fake_monitor_heard(fm), 0);
}
END_TEST

START_TEST(endless_greeting_is_cut_off_early)
{
	static char noise[1 << 16];
	size_t sent_bytes = 0;

	memset(noise, ' ', sizeof(noise));
	noise[0] = '{';
	while (sent_bytes < (size_t)1 << 30 && fake_monitor_is_connected(fm)) {
		fake_monitor_send_bytes(fm, noise, sizeof(noise));
		sent_bytes += sizeof(noise);
		loop_sim_run(loop);
	}
	assert_trace("invalid;");
	ck_assert_uint_lt(sent_bytes, 4u << 20);
}
END_TEST

/* A byte now and then must not keep the opening alive. */
START_TEST(trickling_greeting_times_out)
{
	fake_monitor_send(fm, "{\"QMP\": ");
	for (unsigned i = 0; i < 30; i++) {
		if (fake_monitor_is_connected(fm))
			fake_monitor_send(fm, " ");
		loop_sim_advance_ms(loop, 100);
	}
	assert_trace("timeout;");
}
END_TEST

START_TEST(peer_closes_before_greeting_is_unavailable)
{
	fake_monitor_close(fm);
	loop_sim_run(loop);
	assert_trace("unavailable;");
	assert_says("before a QMP greeting");
}
END_TEST

START_TEST(negotiation_refused_gives_qemus_words)
{
	fake_monitor_on_error(fm, "qmp_capabilities", "no such thing");
	fake_monitor_greet(fm, true);
	loop_sim_run(loop);
	assert_trace("qemu-error;");
	assert_says("no such thing");
}
END_TEST

START_TEST(negotiation_unanswered_times_out)
{
	fake_monitor_on(fm, "qmp_capabilities", NULL);
	loop_sim_advance_ms(loop, 500);
	fake_monitor_greet(fm, true);
	loop_sim_advance_ms(loop, OPEN_MS - 501);
	assert_trace("");
	loop_sim_advance_ms(loop, 1);
	assert_trace("timeout;");
	assert_says("qmp_capabilities");
}
END_TEST

/* The greeting at the very end of the deadline: both timers of the opening. */
START_TEST(greeting_at_the_same_moment_as_the_deadline_opens_nothing_twice)
{
	fake_monitor_on(fm, "qmp_capabilities", NULL);
	fake_monitor_greet(fm, true);
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, 10 * OPEN_MS);
	assert_trace("timeout;");
	ck_assert_uint_eq(ready_count, 1);
}
END_TEST

/* QEMU emits an event between its two lines: it is no reply and no disaster. */
START_TEST(event_before_ready_is_left_out)
{
	fake_monitor_on(fm, "qmp_capabilities", NULL);
	fake_monitor_greet(fm, true);
	fake_monitor_event(fm, "RESUME", NULL);
	loop_sim_run(loop);
	assert_trace("");
	fake_monitor_reply(fm, "qmp_capabilities", "{}");
	fake_monitor_event(fm, "STOP", NULL);
	loop_sim_run(loop);
	assert_trace("ready;event STOP;");
}
END_TEST

/* The reply to what a predecessor asked arrives on our connection. */
START_TEST(predecessors_reply_before_ready_is_ignored)
{
	fake_monitor_on(fm, "qmp_capabilities", NULL);
	fake_monitor_greet(fm, true);
	fake_monitor_send(fm, "{\"return\": {}, \"id\": \"00000000-1\"}\r\n");
	fake_monitor_send(fm, "{\"return\": {}}\r\n");
	fake_monitor_send(fm, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}\r\n");
	loop_sim_run(loop);
	assert_trace("");
	fake_monitor_reply(fm, "qmp_capabilities", "{}");
	loop_sim_run(loop);
	assert_trace("ready;");
}
END_TEST

START_TEST(command_before_ready_is_refused_later)
{
	ask("cont", 100);
	fake_monitor_greet(fm, true);
	assert_trace("");
	loop_sim_run(loop);
	assert_trace("cont=unavailable;ready;");
	ck_assert_uint_eq(fake_monitor_heard_of(fm, "cont"), 0);
}
END_TEST

/* ---- addresses --------------------------------------------------------- */

static void reopen(const char *address)
{
	qmp_conn_free(conn);
	strbuf_clear(&trace);
	conn = qmp_conn_open(loop, address, OPEN_MS, &callbacks);
	assert_trace(""); /* never from inside the call */
	loop_sim_run(loop);
}

static const struct {
	const char *address, *code;
} bad_addresses[] = {
	{ "", "invalid;" },
	{ "/run/x", "invalid;" },
	{ "unix:", "invalid;" },
	{ "tcp:", "invalid;" },
	{ "tcp:127.0.0.1", "invalid;" },
	{ "tcp:127.0.0.1:", "invalid;" },
	{ "tcp::1", "invalid;" },
	{ "tcp:localhost:1", "invalid;" }, /* a name would have to be looked up */
	{ "tcp:127.0.0.1:http", "invalid;" },
	{ "tcp:[]:1", "invalid;" },
	{ "tcp:127.0.0.1:1", "unavailable;" },
	{ "tcp:[::1]:1", "unavailable;" },
	{ "unix:/nonexistent/monitor.sock", "unavailable;" },
};

START_TEST(bad_address_fails_by_ready)
{
	reopen(bad_addresses[_i].address);
	assert_trace(bad_addresses[_i].code);
	ask("stop", 10);
	loop_sim_run(loop);
	ck_assert_ptr_nonnull(strstr(strbuf_str(&trace), "stop=unavailable;"));
}
END_TEST

START_TEST(unix_address_is_opened)
{
	CLEANUP(free_charp) char *address = xasprintf("unix:%s", scratch_path("m.sock"));
	struct err err;
	int fd;

	ck_assert_msg(unix_listen(scratch_path("m.sock"), SOCK_STREAM, &fd, &err), "%s", err.msg);
	fake_monitor_free(fm);
	fm = fake_monitor_listen(loop, fd);
	reopen(address);
	assert_trace("ready;");
	reopen(address); /* the monitor serves the next client */
	assert_trace("ready;");
}
END_TEST

static int tcp_listen(const char *ip, char *ret_address, size_t size)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, ip, &in.sin_addr);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&in, &len);
	snprintf(ret_address, size, "tcp:%s:%u", ip, ntohs(in.sin_port));
	return fd;
}

START_TEST(tcp_address_is_opened)
{
	char address[64];

	fake_monitor_free(fm);
	fm = fake_monitor_listen(loop, tcp_listen("127.0.0.1", address, sizeof(address)));
	reopen(address);
	assert_trace("ready;");
	fake_monitor_on(fm, "query-status", "{\"status\":\"running\"}");
	ask("query-status", 100);
	loop_sim_run(loop);
	assert_trace("ready;query-status={\"status\":\"running\"};");
}
END_TEST

/* Nobody accepts: the kernel drops what would come after a full queue. */
START_TEST(tcp_connect_unanswered_times_out)
{
	char address[64];
	struct qmp_conn *fillers[4];
	int fd = tcp_listen("127.0.0.1", address, sizeof(address));

	ck_assert_int_eq(listen(fd, 0), 0);
	for (unsigned i = 0; i < ARRAY_LEN(fillers); i++)
		fillers[i] = qmp_conn_open(loop, address, 10 * OPEN_MS, &callbacks);
	reopen(address);
	assert_trace("");
	loop_sim_advance_ms(loop, OPEN_MS);
	assert_trace("timeout;");
	assert_says("no connection");
	for (unsigned i = 0; i < ARRAY_LEN(fillers); i++)
		qmp_conn_free(fillers[i]);
	close(fd);
}
END_TEST

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

/* The old reply must not be taken for the new one. */
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
	fake_monitor_reply(fm, "a", "6"); /* not B's, though B is the only one that waits */
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

/* A reply with the id of a command that has not been sent is a forgery. */
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

/* QEMU stops reading at eight commands: then no out-of-band one gets through. */
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

/* A command that timed out before it was sent will never run: `cont' above all. */
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

/* QEMU still holds what has timed out: it keeps its place until it is answered. */
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

/* A socket that takes no more must lose and mix nothing. */
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

/* QEMU's last words (SHUTDOWN) come with the end: they count. */
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
	"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n", /* somebody else's monitor */
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

static void open_with(const struct qmp_callbacks *cb)
{
	int fd;

	qmp_conn_free(conn);
	fake_monitor_free(fm);
	fm = fake_monitor_new(loop, &fd);
	conn = qmp_conn_open_fd(loop, fd, OPEN_MS, cb);
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

/* The command that opens is ours: its answer must not reach for us when we are gone. */
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

/* Asking from inside an answer is how jobs go on. */
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

/* What QEMU said in answer to line I of REC, with our id in place of its. */
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
	say_next(rec, &i); /* the greeting; qmp_capabilities is our own affair */
	for (i++; i < rec->count;) {
		say_next(rec, &i);
		for (; i < rec->count && rec->lines[i].is_command; i++)
			give_command(rec->lines[i].text);
	}
	return xstrdup(strbuf_str(&trace));
}

/* A real QEMU's words, cut anywhere, come out as the same answers and events. */
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

/* ---- suite ------------------------------------------------------------- */

static TCase *cases(Suite *s, const char *name, SFun with)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, with, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(s, tc);
	return tc;
}

static void add_opening(Suite *s)
{
	TCase *tc = cases(s, "opening", setup);

	tcase_add_test(tc, silent_peer_times_out_and_is_sent_nothing);
	tcase_add_test(tc, greeting_with_oob_negotiates_it);
	tcase_add_test(tc, open_monitor_stays_open_beyond_the_opening_deadline);
	tcase_add_test(tc, greeting_without_oob_asks_for_none);
	tcase_add_loop_test(tc, stranger_is_refused_with_a_clear_word, 0,
			    (int)ARRAY_LEN(strangers));
	tcase_add_test(tc, endless_greeting_is_cut_off_early);
	tcase_add_test(tc, trickling_greeting_times_out);
	tcase_add_test(tc, peer_closes_before_greeting_is_unavailable);
	tcase_add_test(tc, negotiation_refused_gives_qemus_words);
	tcase_add_test(tc, negotiation_unanswered_times_out);
	tcase_add_test(tc, greeting_at_the_same_moment_as_the_deadline_opens_nothing_twice);
	tcase_add_test(tc, event_before_ready_is_left_out);
	tcase_add_test(tc, predecessors_reply_before_ready_is_ignored);
	tcase_add_test(tc, command_before_ready_is_refused_later);
	tcase_add_test(tc, monitor_without_oob_gets_one_at_a_time);
	tc = cases(s, "addresses", setup);
	tcase_add_loop_test(tc, bad_address_fails_by_ready, 0, (int)ARRAY_LEN(bad_addresses));
	tcase_add_test(tc, unix_address_is_opened);
	tcase_add_test(tc, tcp_address_is_opened);
	tcase_add_test(tc, tcp_connect_unanswered_times_out);
}

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
}

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
	Suite *s = suite_create("qmp conn");

	add_opening(s);
	add_commands(s);
	add_endings(s);
	add_faults(s);
	return s;
}
