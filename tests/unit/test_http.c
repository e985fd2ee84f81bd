/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server against real clients: libcurl, and plain TLS for broken ones. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/http_rig.h"
#include "tls/live.h"

/* Long enough for a handshake on a busy machine. */
#define HASTY_MS 1000

static struct http_pki pki;
static struct rig rig;

static void make_pki(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	http_pki_init(&pki);
	http_pki_issue(&pki, "a", "a.host.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "b", "b.host.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "vic", "vic.viewer.user.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "olga", "olga.operator.user.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "ada", "ada.admin.user.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "old", "old.admin.user.migrd", HTTP_PKI_EXPIRED);
	http_pki_issue(&pki, "other", "other.admin.user.migrd", HTTP_PKI_STRANGER);
	http_pki_issue(&pki, "server", "server.admin.user.migrd", HTTP_PKI_SERVER_ONLY);
	http_pki_issue(&pki, "nobody", "www.example.org", HTTP_PKI_GOOD);
}

static void remove_pki(void)
{
	http_pki_fini(&pki);
}

static void start_rig(void)
{
	rig = (struct rig){ 0 };
	rig_start(&rig, &pki);
}

static void start_impatient_rig(void)
{
	rig = (struct rig){ .deadline_ms = HASTY_MS, .heartbeat_ms = 50 };
	rig_start(&rig, &pki);
}

static void stop_rig(void)
{
	rig_stop(&rig);
}

static void expect(const char *cert, const char *method, const char *path, const char *body,
		   const char *header, long status, const char *code)
{
	struct reply reply = rig_ask(&rig, cert, method, path, body, header);

	ck_assert_msg(reply.code == CURLE_OK, "%s %s: %s", method, path,
		      curl_easy_strerror(reply.code));
	ck_assert_msg(reply.status == status, "%s %s: %ld, not %ld: %s", method, path, reply.status,
		      status, reply.body);
	ck_assert_str_eq(reply_code(&reply), code);
	ck_assert_str_eq(reply.cache, "no-store");
	if (status >= 400)
		ck_assert_str_eq(reply.type, "application/problem+json");
	reply_fini(&reply);
}

static void expect_refused(const char *cert)
{
	struct reply reply = rig_ask(&rig, cert, "GET", "/healthz", NULL, NULL);

	ck_assert_int_ne(reply.code, CURLE_OK);
	ck_assert_int_eq(reply.status, 0);
	reply_fini(&reply);
}

/* ---- routing ----------------------------------------------------------- */

/* A name may hold characters that a path may not: handlers get it decoded, once. */
START_TEST(path_with_escapes_reaches_handler_decoded)
{
	struct reply reply =
		rig_ask(&rig, "vic", "GET", "/v1/things/a%2Fb%25c/parts/%C3%A9?q=x+y%26z&limit=7",
			NULL, NULL);

	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "{\"name\":\"a/b%c\",\"part\":\"\xc3\xa9\",\"q\":\"x y&z\","
				     "\"caller\":\"vic\",\"role\":1}");
	ck_assert_str_eq(reply.type, "application/json");
	reply_fini(&reply);
}
END_TEST

/* Bytes that no name may hold must not reach a handler, a log or a file name. */
START_TEST(path_of_bad_bytes_is_refused)
{
	expect("vic", "GET", "/v1/things/%00", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/%0a", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/%zz", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/%ff", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?q=%c0%80", NULL, NULL, 400, "invalid");
}
END_TEST

/* A misspelt filter must not show everything: all faults are told, each with its key. */
START_TEST(query_that_the_route_does_not_take_is_refused)
{
	struct reply reply =
		rig_ask(&rig, "vic", "GET", "/v1/things/x?Q=1&limit=11&q=&colour=green&limit=3",
			NULL, NULL);

	ck_assert_int_eq(reply.status, 400);
	ck_assert_str_eq(reply_code(&reply), "invalid");
	ck_assert(strstr(reply.body, "{\"pointer\":\"?Q\",\"detail\":\"unknown; this path takes "
				     "'q', 'limit', 'colour'\"}"));
	ck_assert(strstr(reply.body, "\"?limit\",\"detail\":\"must be a number from 1 to 10\""));
	ck_assert(strstr(reply.body, "\"?limit\",\"detail\":\"stands twice\""));
	ck_assert(strstr(reply.body, "\"?q\",\"detail\":\"must not be empty\""));
	ck_assert(strstr(reply.body, "\"?colour\",\"detail\":\"must be 'red', 'blue'\""));
	reply_fini(&reply);
	expect("vic", "GET", "/v1/fail?x=1", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?limit=-1", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?limit=+1", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?limit=18446744073709551617", NULL, NULL, 400, "invalid");
}
END_TEST

/* A client tells by the status what it did wrong. */
START_TEST(path_unknown_is_not_found)
{
	expect("vic", "GET", "/v1/nothing", NULL, NULL, 404, "not-found");
	expect("vic", "GET", "/v1/things/", NULL, NULL, 404, "not-found");
	expect("vic", "GET", "/v1/things/x/", NULL, NULL, 404, "not-found");
	expect("vic", "GET", "//v1/things/x", NULL, NULL, 404, "not-found");
	expect("olga", "POST", "/v1/nothing", "{}", NULL, 404, "not-found");
}
END_TEST

/* RFC 9110 section 15.5.6: a 405 names the allowed methods. */
START_TEST(method_unknown_names_the_allowed)
{
	struct reply reply = rig_ask(&rig, "vic", "PUT", "/v1/things/x", NULL, NULL);

	ck_assert_int_eq(reply.status, 405);
	ck_assert_str_eq(reply.allow, "GET, DELETE");
	ck_assert_str_eq(reply_code(&reply), "method-not-allowed");
	reply_fini(&reply);
}
END_TEST

START_TEST(head_is_get_without_body)
{
	struct reply reply = rig_ask(&rig, "vic", "HEAD", "/v1/things/x", NULL, NULL);

	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "");
	reply_fini(&reply);
}
END_TEST

/* ---- roles ------------------------------------------------------------- */

/* A user may do no more than the role in the certificate allows. */
START_TEST(role_too_low_is_forbidden)
{
	expect("vic", "POST", "/v1/things", "{}", NULL, 403, "forbidden");
	expect("olga", "POST", "/v1/monitor", "{}", NULL, 403, "forbidden");
	expect("olga", "POST", "/v1/things", "{}", NULL, 201, "");
	expect("ada", "POST", "/v1/monitor", "{}", NULL, 201, "");
	expect("vic", "GET", "/v1/fail", NULL, NULL, 409, "busy");
}
END_TEST

/* A coordinator may not act as an operator, nor an administrator as a coordinator. */
START_TEST(peer_and_user_do_not_mix)
{
	expect("b", "GET", "/v1/things/x", NULL, NULL, 403, "forbidden");
	expect("ada", "POST", "/peer/v1/echo", "{}", "Migrd-Protocol: 1", 403, "forbidden");
	expect("b", "POST", "/peer/v1/echo", "{}", "Migrd-Protocol: 1", 201, "");
	expect("b", "GET", "/healthz", NULL, NULL, 200, "");
}
END_TEST

#define ATTEMPTS 20

/* Counts records in this process's log, which goes to a scratch file in place of stderr. */
static unsigned count_records(int fd, const char *area, const char *event)
{
	CLEANUP(free_charp) char *needle = xasprintf("area=%s event=%s ", area, event);
	char text[1 << 16];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	unsigned count = 0;

	text[len > 0 ? len : 0] = '\0';
	for (const char *at = text; (at = strstr(at, needle)); at += strlen(needle))
		count++;
	return count;
}

/* A client that is refused again and again must not fill the log. */
START_TEST(refused_many_times_is_one_record_in_a_period)
{
	int saved = dup(STDERR_FILENO);
	int fd = open(pki.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	dup2(fd, STDERR_FILENO);
	log_set_level(LOG_LEVEL_INFO);
	for (int i = 0; i < ATTEMPTS; i++) {
		expect_refused("other");
		expect("vic", "POST", "/v1/things", "{}", NULL, 403, "forbidden");
	}
	log_set_level(LOG_LEVEL_ERROR);
	dup2(saved, STDERR_FILENO);
	close(saved);
	/* A slow machine may need more than one period, of two records each. */
	ck_assert_uint_ge(count_records(fd, "http", "certificate-refused"), 1);
	ck_assert_uint_lt(count_records(fd, "http", "certificate-refused"), ATTEMPTS);
	ck_assert_uint_ge(count_records(fd, "api", "forbidden"), 1);
	ck_assert_uint_lt(count_records(fd, "api", "forbidden"), ATTEMPTS);
	close(fd);
}
END_TEST

/* A certificate of another CA, out of its time, or not for clients is refused, whatever name
 * is in it. */
START_TEST(certificate_bad_is_refused_in_the_handshake)
{
	expect_refused(NULL);
	expect_refused("other");
	expect_refused("old");
	expect_refused("server");
}
END_TEST

/* Our CA may have signed a certificate that has no name of a host or a user. */
START_TEST(certificate_without_our_name_is_unauthorized)
{
	expect("nobody", "GET", "/healthz", NULL, NULL, 401, "unauthorized");
}
END_TEST

START_TEST(local_socket_is_admin)
{
	struct reply reply = rig_ask(&rig, "local", "GET", "/v1/things/x", NULL, NULL);

	ck_assert_int_eq(reply.status, 200);
	ck_assert(strstr(reply.body, "\"caller\":\"local\",\"role\":3"));
	reply_fini(&reply);
	expect("local", "POST", "/v1/monitor", "{\"a\":1}", NULL, 201, "");
	expect("local", "POST", "/peer/v1/echo", "{}", "Migrd-Protocol: 1", 403, "forbidden");
}
END_TEST

/* Sends TEXT on an open connection; the answer must begin with STATUS. */
static void expect_on(struct raw *raw, const char *text, const char *status)
{
	struct strbuf got = STRBUF_INIT;

	raw_send(raw, text);
	ck_assert(raw_read_until(raw, "\r\n\r\n", &got));
	ck_assert_msg(strstr(got.data, status) != NULL, "%s", got.data);
	strbuf_fini(&got);
}

static const char healthz[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

static void end_certificate(struct rig *r)
{
	struct http_conn *conn;

	pthread_mutex_lock(&r->server->lock);
	conn = TAILQ_FIRST(&r->server->shares.of[HTTP_SHARE_VIEWER].conns);
	ck_assert_ptr_nonnull(conn);
	conn->ends_s = 1;
	pthread_mutex_unlock(&r->server->lock);
}

/* An open connection ends with the validity of its certificate. */
START_TEST(certificate_ends_on_an_open_connection_next_request_is_refused)
{
	struct raw raw;

	raw_open(&raw, &rig, "vic");
	expect_on(&raw, healthz, " 200 ");
	rig_call(&rig, end_certificate);
	expect_on(&raw, healthz, " 401 ");
	raw_close(&raw);
}
END_TEST

static void trust_others(struct rig *r)
{
	char ca_file[96];
	struct err err;
	struct tls_live *tls;

	snprintf(ca_file, sizeof(ca_file), "%s/stranger-ca.pem", pki.dir);
	tls = tls_live_load_blocking(ca_file, http_pki_cert(&pki, "stranger-a"),
				     http_pki_key(&pki, "stranger-a"), &err);
	ck_assert_msg(tls != NULL, "%s", err.msg);
	http_server_set_tls(r->server, tls);
	tls_live_unref(tls);
}

/* An open connection ends when the authority of its certificate is replaced. */
START_TEST(authority_replaced_open_connection_is_refused)
{
	struct raw raw;

	http_pki_issue(&pki, "stranger-a", "a.host.migrd", HTTP_PKI_STRANGER);
	raw_open(&raw, &rig, "vic");
	expect_on(&raw, healthz, " 200 ");
	rig_call(&rig, trust_others);
	expect_on(&raw, healthz, " 401 ");
	raw_close(&raw);
	expect_refused("vic");
}
END_TEST

static const struct {
	const char *text, *status;
} hosts[] = {
	{ "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", " 200 " },
	{ "GET /healthz HTTP/1.1\r\n\r\n", " 400 " },
	{ "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", " 400 " },
	{ "GET /healthz HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", " 400 " },
	{ "GET /healthz HTTP/1.0\r\n\r\n", " 200 " },
};

/* RFC 9112, 3.2: a request has exactly one Host header. */
START_TEST(host_missing_or_doubled_is_refused)
{
	struct raw raw;

	raw_open(&raw, &rig, "vic");
	expect_on(&raw, hosts[_i].text, hosts[_i].status);
	raw_close(&raw);
}
END_TEST

/* ---- bodies ------------------------------------------------------------ */

START_TEST(body_not_json_is_refused)
{
	expect("olga", "POST", "/v1/things", "a=b", "Content-Type: text/plain", 415, "media-type");
	expect("olga", "POST", "/v1/things", "{", NULL, 400, "invalid");
	expect("olga", "POST", "/v1/things", "{}x", NULL, 400, "invalid");
	expect("olga", "POST", "/v1/things", "{\"a\":\"\xff\"}", NULL, 400, "invalid");
	expect("olga", "POST", "/v1/things",
	       "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", NULL, 400,
	       "invalid");
}
END_TEST

/* A client that sends a key where none is taken believes that the key has an effect. */
START_TEST(body_where_none_is_taken_is_refused)
{
	expect("b", "POST", "/peer/v1/fail", "{\"force\":true}", "Migrd-Protocol: 1", 400,
	       "invalid");
	expect("b", "POST", "/peer/v1/fail", "[]", "Migrd-Protocol: 1", 400, "invalid");
	expect("b", "POST", "/peer/v1/fail", "{}", "Migrd-Protocol: 1", 409, "busy");
	expect("b", "POST", "/peer/v1/fail", NULL, "Migrd-Protocol: 1", 409, "busy");
}
END_TEST

/* All faults are told at once, each with its place. */
START_TEST(body_with_duplicate_keys_names_them)
{
	struct reply reply = rig_ask(&rig, "olga", "POST", "/v1/things",
				     "{\"a\":1,\"a\":2,\"b\":1,\"b\":2}", NULL);

	ck_assert_int_eq(reply.status, 400);
	ck_assert(strstr(reply.body, "\"errors\":["));
	ck_assert(strstr(reply.body, "\"/a\""));
	ck_assert(strstr(reply.body, "\"/b\""));
	reply_fini(&reply);
}
END_TEST

static char *big_json(size_t len)
{
	char *text = xcalloc(1, len + 1);

	memset(text, 'x', len);
	memcpy(text, "[\"", 2);
	memcpy(text + len - 2, "\"]", 2);
	return text;
}

/* The size of a body is limited, and the client is told so. */
START_TEST(body_too_large_is_refused)
{
	char *just_right = big_json(HTTP_BODY_MAX);
	char *too_large = big_json(HTTP_BODY_MAX + 1);

	expect("olga", "POST", "/v1/things", just_right, NULL, 201, "");
	expect("olga", "POST", "/v1/things", too_large, NULL, 413, "too-large");
	expect("olga", "POST", "/v1/things", too_large, "Transfer-Encoding: chunked", 413,
	       "too-large");
	expect("olga", "POST", "/v1/things", too_large, "Expect: 100-continue", 413, "too-large");
	free(just_right);
	free(too_large);
}
END_TEST

START_TEST(header_too_large_is_refused)
{
	char *header = xcalloc(1, HTTP_HEADER_MAX + 1);

	memset(header, 'x', HTTP_HEADER_MAX);
	memcpy(header, "X: ", 3);
	expect("vic", "GET", "/healthz", NULL, header, 431, "too-large");
	free(header);
}
END_TEST

/* ---- versions ---------------------------------------------------------- */

/* Requests of a coordinator with another protocol version must not be half understood. */
START_TEST(peer_version_missing_or_foreign_is_refused)
{
	expect("b", "POST", "/peer/v1/echo", "{", NULL, 426, "protocol-mismatch");
	expect("b", "POST", "/peer/v1/echo", "{", "Migrd-Protocol: 0", 426, "protocol-mismatch");
	expect("b", "POST", "/peer/v1/echo", "{", "Migrd-Protocol: 2", 426, "protocol-mismatch");
	expect("b", "POST", "/peer/v1/echo", "{", "Migrd-Protocol: 1x", 426, "protocol-mismatch");
}
END_TEST

START_TEST(hello_agrees_or_refuses)
{
	expect("b", "POST", "/peer/v1/hello",
	       "{\"host\":\"b\",\"protocol\":{\"min\":1,\"max\":9},\"new\":1}", NULL, 200, "");
	expect("b", "POST", "/peer/v1/hello", "{\"host\":\"b\",\"protocol\":{\"min\":7,\"max\":9}}",
	       NULL, 426, "protocol-mismatch");
	expect("b", "POST", "/peer/v1/hello", "{\"host\":\"c\",\"protocol\":{\"min\":1,\"max\":1}}",
	       NULL, 403, "forbidden");
	expect("b", "POST", "/peer/v1/hello", NULL, NULL, 400, "invalid");
}
END_TEST

/* ---- time -------------------------------------------------------------- */

static void be_patient(struct rig *r)
{
	http_server_set_times(r->server, HTTP_REQUEST_DEADLINE_MS, 0);
}

/* The server still answers other clients. */
static void check_alive(void)
{
	rig_call(&rig, be_patient);
	expect("vic", "GET", "/healthz", NULL, NULL, 200, "");
}

/* A client that sends a byte now and then must not hold a connection for ever. */
static void drip(struct raw *raw, const char *start)
{
	struct pollfd end = { .fd = raw->fd, .events = POLLRDHUP };
	struct strbuf got = STRBUF_INIT;

	raw_send(raw, start);
	for (int i = 0; i < 500; i++) {
		if (gnutls_record_send(raw->session, "x", 1) < 0 || poll(&end, 1, 20) > 0)
			break;
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

/* ---- set-up ------------------------------------------------------------ */

static void expect_new_fails(struct http_config config, const char *text)
{
	struct loop *loop = loop_new();
	struct err err = { 0 };

	ck_assert_ptr_null(http_server_new(loop, &config, &err));
	ck_assert_msg(strstr(err.msg, text), "'%s' in '%s'", text, err.msg);
	loop_free(loop);
}

/* A server with a wrong configuration is not made, and the error says why. */
START_TEST(server_with_bad_configuration_is_refused)
{
	static const struct http_route none[] = { { 0 } };
	struct http_config good = { .listen = "127.0.0.1:0",
				    .ca_file = pki.ca_file,
				    .cert_file = http_pki_cert(&pki, "a"),
				    .key_file = http_pki_key(&pki, "a"),
				    .routes = none };
	struct http_config config = good;

	config.listen = "localhost:1";
	expect_new_fails(config, "numeric");
	config = good;
	config.listen = "192.0.2.1:1";
	expect_new_fails(config, "cannot listen");
	config = good;
	config.key_file = http_pki_key(&pki, "b");
	expect_new_fails(config, "key");
	config = good;
	config.socket_path = "/nonexistent/api.sock";
	expect_new_fails(config, "/nonexistent");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http");
	TCase *plain = tcase_create("served");
	TCase *hasty = tcase_create("short times");
	TCase *own = tcase_create("life");

	tcase_add_unchecked_fixture(plain, make_pki, remove_pki);
	tcase_add_checked_fixture(plain, start_rig, stop_rig);
	tcase_set_timeout(plain, 60);
	tcase_add_test(plain, path_with_escapes_reaches_handler_decoded);
	tcase_add_test(plain, path_of_bad_bytes_is_refused);
	tcase_add_test(plain, query_that_the_route_does_not_take_is_refused);
	tcase_add_test(plain, path_unknown_is_not_found);
	tcase_add_test(plain, method_unknown_names_the_allowed);
	tcase_add_test(plain, head_is_get_without_body);
	tcase_add_test(plain, role_too_low_is_forbidden);
	tcase_add_test(plain, peer_and_user_do_not_mix);
	tcase_add_test(plain, certificate_bad_is_refused_in_the_handshake);
	tcase_add_test(plain, refused_many_times_is_one_record_in_a_period);
	tcase_add_test(plain, certificate_without_our_name_is_unauthorized);
	tcase_add_test(plain, local_socket_is_admin);
	tcase_add_test(plain, certificate_ends_on_an_open_connection_next_request_is_refused);
	tcase_add_test(plain, authority_replaced_open_connection_is_refused);
	tcase_add_loop_test(plain, host_missing_or_doubled_is_refused, 0, ARRAY_LEN(hosts));
	tcase_add_test(plain, body_not_json_is_refused);
	tcase_add_test(plain, body_where_none_is_taken_is_refused);
	tcase_add_test(plain, body_with_duplicate_keys_names_them);
	tcase_add_test(plain, body_too_large_is_refused);
	tcase_add_test(plain, header_too_large_is_refused);
	tcase_add_test(plain, peer_version_missing_or_foreign_is_refused);
	tcase_add_test(plain, hello_agrees_or_refuses);
	tcase_add_test(plain, noise_is_survived);
	tcase_add_test(plain, requests_pipelined_are_answered_in_order);
	tcase_add_test(plain, unverified_connections_are_limited_and_admins_get_in);
	tcase_add_test(plain, request_held_is_answered_later);
	tcase_add_test(plain, request_refused_waits_for_its_turn_too);
	tcase_add_test(plain, request_held_client_gone_is_survived);
	tcase_add_test(plain, event_reaches_all_watchers);
	tcase_add_test(plain, watcher_too_slow_is_cut);
	suite_add_tcase(s, plain);

	tcase_add_unchecked_fixture(hasty, make_pki, remove_pki);
	tcase_add_checked_fixture(hasty, start_impatient_rig, stop_rig);
	tcase_set_timeout(hasty, 60);
	tcase_add_test(hasty, header_slow_is_dropped);
	tcase_add_test(hasty, body_slow_is_dropped);
	tcase_add_test(hasty, second_request_slow_is_dropped);
	tcase_add_test(hasty, client_silent_is_dropped);
	tcase_add_test(hasty, connection_idle_is_kept);
	tcase_add_test(hasty, watcher_dead_is_closed_once);
	suite_add_tcase(s, hasty);

	tcase_add_unchecked_fixture(own, make_pki, remove_pki);
	tcase_set_timeout(own, 60);
	tcase_add_test(own, server_freed_answers_outstanding);
	tcase_add_test(own, server_freed_ends_streams);
	tcase_add_test(own, server_with_bad_configuration_is_refused);
	suite_add_tcase(s, own);
	return s;
}
