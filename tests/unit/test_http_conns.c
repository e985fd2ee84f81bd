/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that are slow, silent, many or gone, and streams of events. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/http_case.h"

/* ---- time -------------------------------------------------------------- */

/* A client that sends a byte now and then must not hold a connection for ever. */
static void drip(struct raw *raw, const char *start)
{
	struct pollfd end = { .fd = raw->fd, .events = POLLRDHUP };
	struct strbuf got = STRBUF_INIT;

	/* On a busy machine it may be dropped before it has begun. */
	if (gnutls_record_send(raw->session, start, strlen(start)) > 0) {
		for (int i = 0; i < 500; i++) {
			if (gnutls_record_send(raw->session, "x", 1) < 0 || poll(&end, 1, 20) > 0)
				break;
		}
	}
	ck_assert(!raw_read_until(raw, NULL, &got));
	strbuf_fini(&got);
	raw_close(raw);
	check_alive();
}

START_TEST(header_slow_is_dropped)
{
	struct raw raw;

	raw_open(&raw, &rig, "vic");
	drip(&raw, "GET /healthz HTTP/1.1\r\nX: ");
}
END_TEST

START_TEST(body_slow_is_dropped)
{
	struct raw raw;

	raw_open(&raw, &rig, "olga");
	drip(&raw, "POST /v1/things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
		   "Content-Length: 1000\r\n\r\n");
}
END_TEST

/* A slow request is dropped even after a quick one on the same connection. */
START_TEST(second_request_slow_is_dropped)
{
	struct strbuf got = STRBUF_INIT;
	struct raw raw;

	raw_open(&raw, &rig, "vic");
	raw_send(&raw, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	ck_assert(raw_read_until(&raw, "ok\n", &got));
	strbuf_fini(&got);
	drip(&raw, "GE");
}
END_TEST

START_TEST(client_silent_is_dropped)
{
	struct strbuf got = STRBUF_INIT;
	int fd = rig_connect_tcp(&rig);
	struct raw raw;
	char byte;

	raw_open(&raw, &rig, "vic");
	ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
	ck_assert(!raw_read_until(&raw, NULL, &got));
	close(fd);
	raw_close(&raw);
	check_alive();
}
END_TEST

/* A peer keeps its connection open for later, so an idle connection is not dropped. */
START_TEST(connection_idle_is_kept)
{
	struct pollfd end = { .events = POLLIN };
	struct strbuf got = STRBUF_INIT;
	struct raw raw;

	raw_open(&raw, &rig, "vic");
	raw_send(&raw, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	ck_assert(raw_read_until(&raw, "ok\n", &got));
	end.fd = raw.fd;
	ck_assert_int_eq(poll(&end, 1, 2 * HASTY_MS), 0);
	strbuf_clear(&got);
	raw_send(&raw, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	ck_assert(raw_read_until(&raw, "ok\n", &got));
	strbuf_fini(&got);
	raw_close(&raw);
}
END_TEST

START_TEST(noise_is_survived)
{
	unsigned char noise[64 << 10];
	int fd = rig_connect_tcp(&rig);
	struct raw raw;
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (unsigned char)(x >> 24);
	}
	(void)!send(fd, noise, sizeof(noise), MSG_NOSIGNAL);
	close(fd);
	raw_open(&raw, &rig, "vic");
	gnutls_record_send(raw.session, noise, 16384);
	raw_close(&raw);
	check_alive();
}
END_TEST

/* ---- connections ------------------------------------------------------- */

/* Requests that arrive in one piece are answered one after the other. */
START_TEST(requests_pipelined_are_answered_in_order)
{
	struct strbuf got = STRBUF_INIT;
	struct raw raw;
	const char *first, *second;

	raw_open(&raw, &rig, "vic");
	raw_send(&raw, "GET /v1/things/one HTTP/1.1\r\nHost: a\r\n\r\n"
		       "GET /v1/things/two HTTP/1.1\r\nHost: a\r\n\r\n"
		       "GET /v1/things/three HTTP/1.1\r\nHost: a\r\n\r\n");
	ck_assert(raw_read_until(&raw, "\"name\":\"three\"", &got));
	first = strstr(got.data, "\"name\":\"one\"");
	second = strstr(got.data, "\"name\":\"two\"");
	ck_assert(first && second && first < second);
	strbuf_fini(&got);
	raw_close(&raw);
}
END_TEST

/* Unverified connections of one network have a small share, in which the oldest gives way. */
START_TEST(unverified_connections_are_limited_and_admins_get_in)
{
	int fds[33];
	struct reply reply;
	char byte;

	ck_assert_uint_eq(ARRAY_LEN(fds), http_shares[HTTP_SHARE_UNVERIFIED].each_party + 1);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = rig_connect_tcp(&rig);
	ck_assert_int_le(recv(fds[0], &byte, 1, 0), 0);
	reply = rig_ask(&rig, "ada", "GET", "/v1/things/one", NULL, NULL);
	ck_assert_int_eq(reply.status, 200);
	reply_fini(&reply);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}
END_TEST

static void use_up_credit(struct rig *r)
{
	pthread_mutex_lock(&r->server->lock);
	http_inbox_begin_turn(&r->server->inbox, loop_now_ms(r->loop));
	http_inbox_charge(&r->server->inbox, HTTP_CLASS_OPERATOR, 1 << 30);
	pthread_mutex_unlock(&r->server->lock);
}

static void give_credit(struct rig *r)
{
	pthread_mutex_lock(&r->server->lock);
	r->server->inbox.classes[HTTP_CLASS_OPERATOR].credit += 1 << 30;
	pthread_mutex_unlock(&r->server->lock);
	http_wake(r->server);
}

static bool is_waiting;

static void look_at_inbox(struct rig *r)
{
	const struct http_request *first;

	pthread_mutex_lock(&r->server->lock);
	first = TAILQ_FIRST(&r->server->inbox.classes[HTTP_CLASS_OPERATOR].waiting);
	is_waiting = first && first->is_refused;
	pthread_mutex_unlock(&r->server->lock);
}

/* Even a request that will be refused waits for its turn, because it costs as much as a good
 * one. */
START_TEST(request_refused_waits_for_its_turn_too)
{
	struct strbuf got = STRBUF_INIT;
	struct raw raw;

	rig_call(&rig, use_up_credit);
	raw_open(&raw, &rig, "olga");
	raw_send(&raw, "POST /v1/things HTTP/1.1\r\nHost: a\r\n"
		       "Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{");
	for (is_waiting = false; !is_waiting;)
		rig_call(&rig, look_at_inbox);
	check_alive(); /* others are served */
	rig_call(&rig, look_at_inbox);
	ck_assert(is_waiting);
	rig_call(&rig, give_credit);
	ck_assert(raw_read_until(&raw, "400 Bad Request", &got));
	strbuf_fini(&got);
	raw_close(&raw);
}
END_TEST

static void release_held(struct rig *r)
{
	while (r->held_count)
		http_reply(r->held[--r->held_count], 204, NULL);
}

/* A handler may answer later than it returns. */
START_TEST(request_held_is_answered_later)
{
	struct strbuf got = STRBUF_INIT;
	struct raw raw;

	raw_open(&raw, &rig, "vic");
	raw_send(&raw, "GET /v1/hold HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_wait(&rig.held_added);
	check_alive();
	rig_call(&rig, release_held);
	ck_assert(raw_read_until(&raw, "204 No Content", &got));
	strbuf_fini(&got);
	raw_close(&raw);
}
END_TEST

/* A client may be gone by the time of its answer. */
START_TEST(request_held_client_gone_is_survived)
{
	struct raw raw;

	raw_open(&raw, &rig, "vic");
	raw_send(&raw, "GET /v1/hold HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_wait(&rig.held_added);
	raw_close(&raw);
	rig_call(&rig, release_held);
	check_alive();
}
END_TEST

/* A daemon that stops answers the waiting clients, and a handler that answers too late does no
 * harm (rig_stop answers what is held after the server is freed). */
START_TEST(server_freed_answers_outstanding)
{
	struct strbuf got = STRBUF_INIT;
	struct raw raw[3];

	start_rig();
	for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
		raw_open(&raw[i], &rig, "vic");
		raw_send(&raw[i], "GET /v1/hold HTTP/1.1\r\nHost: a\r\n\r\n");
		rig_wait(&rig.held_added);
	}
	stop_rig();
	for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
		strbuf_clear(&got);
		ck_assert(raw_read_until(&raw[i], "the daemon is stopping", &got));
		ck_assert(strstr(got.data, "HTTP/1.1 503"));
		raw_close(&raw[i]);
	}
	strbuf_fini(&got);
}
END_TEST

/* ---- streams ----------------------------------------------------------- */

static void send_event(struct rig *r)
{
	for (size_t i = 0; i < r->stream_count; i++)
		http_stream_event(r->streams[i], "7", "vm", "{\"n\":1}");
}

static void open_stream(struct raw *raw, struct strbuf *got)
{
	raw_open(raw, &rig, "vic");
	raw_send(raw, "GET /v1/events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 6\r\n\r\n");
	rig_wait(&rig.stream_added);
	ck_assert(raw_read_until(raw, "\r\n\r\n", got));
	ck_assert(strstr(got->data, "text/event-stream"));
	strbuf_clear(got);
}

START_TEST(event_reaches_all_watchers)
{
	struct strbuf got = STRBUF_INIT;
	struct raw raw[2];

	open_stream(&raw[0], &got);
	open_stream(&raw[1], &got);
	rig_call(&rig, send_event);
	for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
		strbuf_clear(&got);
		ck_assert(raw_read_until(&raw[i], "id: 7\nevent: vm\ndata: {\"n\":1}\n\n", &got));
		raw_close(&raw[i]);
	}
	strbuf_fini(&got);
}
END_TEST

/* The heartbeat finds a dead watcher; the others go on. */
START_TEST(watcher_dead_is_closed_once)
{
	struct strbuf got = STRBUF_INIT;
	struct raw dead, alive;
	int value;

	open_stream(&dead, &got);
	open_stream(&alive, &got);
	raw_close(&dead);
	rig_wait(&rig.stream_closed);
	rig.streams[0] = rig.streams[--rig.stream_count];
	rig_call(&rig, send_event);
	ck_assert(raw_read_until(&alive, "data: {\"n\":1}", &got));
	sem_getvalue(&rig.stream_closed, &value);
	ck_assert_int_eq(value, 0);
	raw_close(&alive);
	strbuf_fini(&got);
}
END_TEST

static void flood(struct rig *r)
{
	char *text = big_json(64 << 10);

	for (int i = 0; i < 400; i++)
		http_stream_event(r->streams[0], NULL, "vm", text);
	free(text);
}

/* A watcher that does not read must not use up the daemon's memory. */
START_TEST(watcher_too_slow_is_cut)
{
	struct strbuf got = STRBUF_INIT;
	struct raw raw;

	open_stream(&raw, &got);
	rig_call(&rig, flood);
	rig_wait(&rig.stream_closed);
	raw_close(&raw);
	strbuf_fini(&got);
	check_alive();
}
END_TEST

START_TEST(server_freed_ends_streams)
{
	struct strbuf got = STRBUF_INIT;
	struct raw raw;
	int value;

	start_rig();
	open_stream(&raw, &got);
	stop_rig();
	ck_assert(raw_read_until(&raw, "0\r\n\r\n", &got));
	sem_getvalue(&rig.stream_closed, &value);
	ck_assert_int_eq(value, 1);
	raw_close(&raw);
	strbuf_fini(&got);
}
END_TEST

/* ---- WebSockets ----------------------------------------------------------- */

/* A WebSocket by the UNIX socket, whose writes do not block. */
static int open_socket(void)
{
	static const char request[] = "GET /v1/socket HTTP/1.1\r\nHost: migrd\r\n"
				      "Connection: Upgrade\r\nUpgrade: websocket\r\n"
				      "Sec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	char answer[512] = "";
	size_t len = 0;
	struct err err;
	int fd;

	ck_assert_msg(unix_connect(rig.socket_path, SOCK_STREAM, &fd, &err), "%s", err.msg);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	ck_assert_int_eq(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
	while (!strstr(answer, "\r\n\r\n")) {
		ssize_t n = read(fd, answer + len, sizeof(answer) - 1 - len);

		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 101 "));
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

#define PING       "\x89\x80mask"
#define PING_BYTES (sizeof(PING) - 1)
#define FLOOD_MAX  (8u << 20)

/* Each ping makes an answer: a client that reads none must not fill the daemon's memory. */
START_TEST(websocket_pinged_by_one_who_reads_nothing_is_not_read)
{
	int fd = open_socket();
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	char pings[100 * PING_BYTES];
	size_t sent = 0;

	for (size_t i = 0; i < sizeof(pings); i++)
		pings[i] = PING[i % PING_BYTES];
	while (sent < FLOOD_MAX && poll(&room, 1, 500) > 0) {
		size_t at = sent % sizeof(pings);
		ssize_t n = write(fd, pings + at, sizeof(pings) - at);

		ck_assert_int_gt(n, 0);
		sent += (size_t)n;
	}
	ck_assert_uint_lt(sent, FLOOD_MAX);
	/* It goes on when the answers are taken. */
	while (poll(&room, 1, 0) == 0) {
		struct pollfd answers = { .fd = fd, .events = POLLIN };

		ck_assert_int_gt(poll(&answers, 1, 10000), 0);
		ck_assert_int_gt(read(fd, pings, sizeof(pings)), 0);
	}
	close(fd);
	rig_wait(&rig.stream_closed);
}
END_TEST

static void *open_and_close(void *data)
{
	(void)data;
	for (int i = 0; i < 500; i++)
		close(open_socket());
	return NULL;
}

static void *ask_much(void *data)
{
	static const char request[] = "GET /v1/things/x HTTP/1.1\r\nHost: migrd\r\n\r\n";
	char answer[1024];
	struct err err;
	int fd;

	(void)data;
	ck_assert_msg(unix_connect(rig.socket_path, SOCK_STREAM, &fd, &err), "%s", err.msg);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	for (int i = 0; i < 3000; i++) {
		ck_assert_int_eq(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
		ck_assert_int_gt(read(fd, answer, sizeof(answer)), 0);
	}
	close(fd);
	return NULL;
}

/* The library's thread lets go of WebSockets while the loop answers others. */
START_TEST(websockets_end_beside_requests)
{
	pthread_t threads[12];

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *(*fn)(void *data) = i % 2 ? open_and_close : ask_much;

		ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	check_alive();
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http_conns");
	TCase *plain = tcase_create("served");
	TCase *hasty = tcase_create("short times");
	TCase *own = tcase_create("life");

	tcase_add_unchecked_fixture(plain, make_pki, remove_pki);
	tcase_add_checked_fixture(plain, start_rig, stop_rig);
	tcase_set_timeout(plain, 240);
	tcase_add_test(plain, noise_is_survived);
	tcase_add_test(plain, requests_pipelined_are_answered_in_order);
	tcase_add_test(plain, unverified_connections_are_limited_and_admins_get_in);
	tcase_add_test(plain, request_held_is_answered_later);
	tcase_add_test(plain, request_refused_waits_for_its_turn_too);
	tcase_add_test(plain, request_held_client_gone_is_survived);
	tcase_add_test(plain, event_reaches_all_watchers);
	tcase_add_test(plain, watcher_too_slow_is_cut);
	tcase_add_test(plain, websocket_pinged_by_one_who_reads_nothing_is_not_read);
	tcase_add_test(plain, websockets_end_beside_requests);
	suite_add_tcase(s, plain);

	tcase_add_unchecked_fixture(hasty, make_pki, remove_pki);
	tcase_add_checked_fixture(hasty, start_impatient_rig, stop_rig);
	tcase_set_timeout(hasty, 240);
	tcase_add_test(hasty, header_slow_is_dropped);
	tcase_add_test(hasty, body_slow_is_dropped);
	tcase_add_test(hasty, second_request_slow_is_dropped);
	tcase_add_test(hasty, client_silent_is_dropped);
	tcase_add_test(hasty, connection_idle_is_kept);
	tcase_add_test(hasty, watcher_dead_is_closed_once);
	suite_add_tcase(s, hasty);

	tcase_add_unchecked_fixture(own, make_pki, remove_pki);
	tcase_set_timeout(own, 240);
	tcase_add_test(own, server_freed_answers_outstanding);
	tcase_add_test(own, server_freed_ends_streams);
	suite_add_tcase(s, own);
	return s;
}
