/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Over the network migrctl sends requests only to migrd hosts, and not a byte to any
 * other server. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "agents/lib/client.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test_pki.h"
#include "tls/identity.h"

/* A server for one connection, with any certificate. */
struct tls_server {
	gnutls_certificate_credentials_t cred;
	pthread_t thread;
	int listen_fd;
	uint16_t port;
	char request[4096]; /* what the client sent, "" if nothing */
};

static struct tls_server server;
static struct err err;

static const char *pem(const char *name)
{
	return scratch_path(name);
}

static void answer(gnutls_session_t session)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"id\":\"a\"}";
	ssize_t n = gnutls_record_recv(session, server.request, sizeof(server.request) - 1);

	if (n > 0)
		gnutls_record_send(session, reply, sizeof(reply) - 1);
	gnutls_bye(session, GNUTLS_SHUT_WR);
}

static void *serve(void *data)
{
	int fd = accept(server.listen_fd, NULL, NULL), rc;
	gnutls_session_t session;

	(void)data;
	if (fd < 0)
		return NULL;
	gnutls_init(&session, GNUTLS_SERVER);
	gnutls_priority_set_direct(session, TLS_PRIORITY, NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, server.cred);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_transport_set_int(session, fd);
	do
		rc = gnutls_handshake(session);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc == 0)
		answer(session);
	gnutls_deinit(session);
	close(fd);
	return NULL;
}

static void start(const char *ca, const char *cert, const char *key)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	ck_assert_msg(tls_credentials(pem(ca), pem(cert), pem(key), &server.cred, &err), "%s",
		      err.msg);
	server.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(server.listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(server.listen_fd, 1), 0);
	ck_assert_int_eq(getsockname(server.listen_fd, (struct sockaddr *)&addr, &len), 0);
	server.port = ntohs(addr.sin_port);
	ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop(void)
{
	shutdown(server.listen_fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listen_fd);
	gnutls_certificate_free_credentials(server.cred);
}

static void setup(void)
{
	scratch_setup();
	err.code = ERR_NONE;
	memset(&server, 0, sizeof(server));
	test_pki_make(scratch_dir);
}

/* Sends a GET with user's certificate; true when it was answered. */
static bool ask(const char *host_id)
{
	CLEANUP(free_charp) char *url = xasprintf("https://127.0.0.1:%u", server.port);
	CLEANUP(free_charp) char *ca = xstrdup(pem("ca.pem"));
	struct client_config config = {
		.host = url,
		.host_id = host_id,
		.ca_file = ca,
		.cert_file = pem("user.pem"),
		.key_file = pem("user-key.pem"),
	};
	struct client *client = client_new(&config, &err);
	struct json_object *reply = NULL;
	bool ok;

	ck_assert_msg(client, "%s", err.msg);
	ok = client_get(client, "/v1/host", &reply, &err);
	json_object_put(reply);
	client_free(client);
	stop();
	return ok;
}

START_TEST(any_host_of_the_ca_is_spoken_to)
{
	start("ca.pem", "a.pem", "a-key.pem");
	ck_assert_msg(ask(NULL), "%s", err.msg);
	ck_assert_ptr_nonnull(strstr(server.request, "GET /v1/host HTTP/1.1"));
}
END_TEST

START_TEST(wanted_host_is_spoken_to)
{
	start("ca.pem", "a.pem", "a-key.pem");
	ck_assert_msg(ask("a"), "%s", err.msg);
	ck_assert_ptr_nonnull(strstr(server.request, "Host: a.host.migrd"));
}
END_TEST

static void assert_refused_unheard(const char *host_id)
{
	ck_assert(!ask(host_id));
	ck_assert_msg(err.code == ERR_UNAUTHORIZED, "%s: %s", err_name(err.code), err.msg);
	ck_assert_str_eq(server.request, "");
}

/* A host that took over another's address must not get our requests. */
START_TEST(another_host_than_wanted_refused_unheard)
{
	start("ca.pem", "b.pem", "b-key.pem");
	assert_refused_unheard("a");
}
END_TEST

/* Users' certificates are handed out freely, so none may pass for a host's. */
START_TEST(user_posing_as_server_refused_unheard)
{
	start("ca.pem", "user.pem", "user-key.pem");
	assert_refused_unheard(NULL);
}
END_TEST

START_TEST(stranger_refused_unheard)
{
	start("stranger-ca.pem", "stranger-a.pem", "stranger-a-key.pem");
	assert_refused_unheard(NULL);
}
END_TEST

START_TEST(expired_host_refused_unheard)
{
	start("ca.pem", "expired-a.pem", "expired-a-key.pem");
	assert_refused_unheard("a");
}
END_TEST

/* A wrong file is found before a connection is made, and the message names the file. */
START_TEST(unusable_own_files_named)
{
	struct client_config config = { .host = "127.0.0.1:1",
					.ca_file = pem("ca.pem"),
					.cert_file = pem("a.pem"),
					.key_file = pem("b-key.pem") };

	ck_assert_ptr_null(client_new(&config, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "does not belong"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("client over TLS");
	TCase *tc = tcase_create("client over TLS");

	tcase_add_checked_fixture(tc, setup, scratch_teardown);
	tcase_add_test(tc, any_host_of_the_ca_is_spoken_to);
	tcase_add_test(tc, wanted_host_is_spoken_to);
	tcase_add_test(tc, another_host_than_wanted_refused_unheard);
	tcase_add_test(tc, user_posing_as_server_refused_unheard);
	tcase_add_test(tc, stranger_refused_unheard);
	tcase_add_test(tc, expired_host_refused_unheard);
	tcase_add_test(tc, unusable_own_files_named);
	suite_add_tcase(s, tc);
	return s;
}
