/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may do what: certificates, roles, the local socket. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/lib/http_case.h"
#include "tls/live.h"

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

#define POST(header) "POST /v1/boxes HTTP/1.1\r\nHost: a:1\r\n" header "Content-Length: 0\r\n\r\n"
static const struct {
	const char *text, *status;
} origins[] = {
	{ POST(""), " 201 " },
	{ POST("Origin: https://a:1\r\n"), " 201 " },
	{ POST("Origin: https://A:1\r\n"), " 201 " },
	{ POST("Origin: http://a:1\r\n"), " 403 " },
	{ POST("Origin: https://a\r\n"), " 403 " },
	{ POST("Origin: https://elsewhere.example\r\n"), " 403 " },
	{ POST("Origin: null\r\n"), " 403 " },
	{ "GET /healthz HTTP/1.1\r\nHost: a:1\r\nOrigin: null\r\n\r\n", " 200 " },
};

/* Any page may have the user's browser send a POST without a body, with his certificate. */
START_TEST(page_of_another_origin_changes_nothing)
{
	struct raw raw;

	raw_open(&raw, &rig, "olga");
	expect_on(&raw, origins[_i].text, origins[_i].status);
	raw_close(&raw);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http_roles");
	TCase *plain = tcase_create("served");

	tcase_add_unchecked_fixture(plain, make_pki, remove_pki);
	tcase_add_checked_fixture(plain, start_rig, stop_rig);
	tcase_set_timeout(plain, 240);
	tcase_add_test(plain, role_too_low_is_forbidden);
	tcase_add_test(plain, peer_and_user_do_not_mix);
	tcase_add_test(plain, certificate_bad_is_refused_in_the_handshake);
	tcase_add_test(plain, refused_many_times_is_one_record_in_a_period);
	tcase_add_test(plain, certificate_without_our_name_is_unauthorized);
	tcase_add_test(plain, local_socket_is_admin);
	tcase_add_test(plain, certificate_ends_on_an_open_connection_next_request_is_refused);
	tcase_add_test(plain, authority_replaced_open_connection_is_refused);
	tcase_add_loop_test(plain, page_of_another_origin_changes_nothing, 0, ARRAY_LEN(origins));
	tcase_add_loop_test(plain, host_missing_or_doubled_is_refused, 0, ARRAY_LEN(hosts));
	suite_add_tcase(s, plain);
	return s;
}
