/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/file.h"
#include "tests/lib/check_main.h"
#include "tests/lib/qmp_rig.h"

/* ---- opening ----------------------------------------------------------- */

/* Nothing is sent before the greeting: the peer may be no QEMU, and might act on what it gets. */
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

/* The message tells what answered, and nothing was sent to it. */
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

/* A byte now and then must not keep the opening from its deadline. */
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

/* The greeting comes at the deadline, when both timers of the opening are due. */
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

/* QEMU may send an event before the reply to qmp_capabilities: it is not taken for the reply. */
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

/* The reply to a predecessor's command arrives on our connection. */
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
	assert_trace(""); /* not called from inside the call */
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

/* The server does not accept: the kernel drops connections beyond a full queue. */
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
	tc = cases(s, "addresses", setup);
	tcase_add_loop_test(tc, bad_address_fails_by_ready, 0, (int)ARRAY_LEN(bad_addresses));
	tcase_add_test(tc, unix_address_is_opened);
	tcase_add_test(tc, tcp_address_is_opened);
	tcase_add_test(tc, tcp_connect_unanswered_times_out);
}

Suite *suite(void)
{
	Suite *s = suite_create("qmp_conn_open");

	add_opening(s);
	return s;
}
