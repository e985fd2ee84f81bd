/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a browser gets of answers whose length a migrd does not say. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/migrctl/vnc_listen.h"
#include "agents/migrctl/web_serve.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"
#include "tests/lib/script_server.h"

#define COOKIE "ffeeddccbbaa99887766554433221100"
#define CHUNKED \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
/* After the answer, until the server under test has ended. */
#define IDLE_MS 100

static struct vnc_listen listener;
static struct web_gate gate;
static struct client *client;
static struct script_server *migrd;
static struct faults *faults;
static pthread_t thread;

static void *serve(void *data)
{
	(void)data;
	web_serve(listener.fd, &gate, client, IDLE_MS);
	return NULL;
}

static void start(const struct script_step *step)
{
	const struct client_config config = { .socket_path = scratch_path("s"), .faults = faults };
	struct err err;

	migrd = script_server_new(scratch_path("s"), step, 1);
	client = client_new(&config, &err);
	ck_assert_msg(client, "%s", err.msg);
	ck_assert_msg(vnc_listen_port(0, &listener, &err), "%s", err.msg);
	gate = (struct web_gate){ .port = vnc_listen_port_of(&listener), .cookie = COOKIE };
}

static void set_up(void)
{
	scratch_setup();
	faults = faults_new();
}

static void tear_down(void)
{
	vnc_listen_fini(&listener);
	client_free(client);
	script_server_free(migrd);
	faults_free(faults);
	scratch_teardown();
}

/* The connection waits at the listener until the thread takes it. */
static int ask(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	CLEANUP(free_charp)
	char *head = xasprintf("GET /v1/vms HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
			       "Cookie: migrctl-%u=" COOKIE "\r\n\r\n",
			       gate.port, gate.port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons(gate.port);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(write(fd, head, strlen(head)), (ssize_t)strlen(head));
	return fd;
}

/* All that the browser gets until its connection is closed. */
static char *answer(const struct script_step *step)
{
	struct strbuf all = STRBUF_INIT;
	char bytes[4096];
	ssize_t n;
	int fd;

	start(step);
	fd = ask();
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		strbuf_add(&all, bytes, (size_t)n);
	close(fd);
	pthread_join(thread, NULL);
	return strbuf_take(&all);
}

static bool ends_with(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

START_TEST(whole_answer_without_a_length_has_an_end)
{
	static const struct script_step step = { .pieces = { CHUNKED, "7\r\n{\"a\":1}\r\n",
							     "0\r\n\r\n", NULL } };
	CLEANUP(free_charp) char *got = answer(&step);

	ck_assert_msg(strstr(got, "\r\nTransfer-Encoding: chunked\r\n"), "%s", got);
	ck_assert_msg(ends_with(got, "\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n\r\n"), "%s", got);
}
END_TEST

/* Else a browser would take it for complete. */
START_TEST(answer_that_was_cut_has_none)
{
	static const struct script_step step = { .pieces = { CHUNKED, "7\r\n{\"a\":1}\r\n",
							     NULL } };
	CLEANUP(free_charp) char *got = answer(&step);

	ck_assert_msg(ends_with(got, "\r\n\r\n7\r\n{\"a\":1}\r\n"), "%s", got);
}
END_TEST

START_TEST(answer_with_a_length_keeps_it)
{
	static const struct script_step step = {
		.pieces = { "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}", NULL }
	};
	CLEANUP(free_charp) char *got = answer(&step);

	ck_assert_msg(strstr(got, "\r\nContent-Length: 7\r\n"), "%s", got);
	ck_assert_msg(!strstr(got, "Transfer-Encoding"), "%s", got);
	ck_assert_msg(ends_with(got, "\r\n\r\n{\"a\":1}"), "%s", got);
}
END_TEST

START_TEST(answer_without_a_body_has_no_pieces)
{
	static const struct script_step step = { .pieces = { "HTTP/1.1 204 No Content\r\n\r\n",
							     NULL } };
	CLEANUP(free_charp) char *got = answer(&step);

	ck_assert_msg(!strstr(got, "Transfer-Encoding"), "%s", got);
	ck_assert_msg(ends_with(got, "\r\n\r\n"), "%s", got);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("web_serve");
	TCase *tcase = tcase_create("web_serve");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, whole_answer_without_a_length_has_an_end);
	tcase_add_test(tcase, answer_that_was_cut_has_none);
	tcase_add_test(tcase, answer_with_a_length_keeps_it);
	tcase_add_test(tcase, answer_without_a_body_has_no_pieces);
	suite_add_tcase(suite, tcase);
	return suite;
}
