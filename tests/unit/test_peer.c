/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client for other coordinators, against the real server on a thread of its own. */
#include <arpa/inet.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "peer/client.h"
#include "tests/lib/check_main.h"
#include "tests/lib/http_rig.h"
#include "tests/lib/port_kept.h"
#include "wire/transfer_plan.h"

#define PATIENCE_MS 30000

static struct http_pki pki;
static struct rig rig;
static struct loop *loop;
static struct peer_clients *clients;

/* The last answer, and how many came. */
static struct {
	unsigned count, wanted;
	struct err err;
	char json[256];
	bool is_problem; /* the peer says so itself */
	bool is_free_wanted, is_again_wanted;
} answers;

static void make_pki(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	http_pki_init(&pki);
	http_pki_issue(&pki, "a", "a.host.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "b", "b.host.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "other", "b.host.migrd", HTTP_PKI_STRANGER);
}

static void remove_pki(void)
{
	http_pki_fini(&pki);
}

static struct peer_clients *new_clients(const char *cert)
{
	struct peer_config config = { .host_id = "b",
				      .ca_file = pki.ca_file,
				      .cert_file = http_pki_cert(&pki, cert),
				      .key_file = http_pki_key(&pki, cert) };
	struct err err = { 0 };
	struct peer_clients *c = peer_clients_new(loop, &config, &err);

	ck_assert_msg(c, "%s", err.msg);
	return c;
}

static void set_address(const char *id, unsigned port)
{
	char *address = xasprintf("127.0.0.1:%u", port);

	peer_clients_set(clients, id, address);
	ck_assert_str_eq(peer_clients_address(clients, id), address);
	free(address);
}

static void start_both(void)
{
	memset(&answers, 0, sizeof(answers));
	rig = (struct rig){ 0 };
	rig_start(&rig, &pki);
	loop = loop_new();
	clients = new_clients("b");
	set_address("a", rig.port);
}

static void stop_both(void)
{
	peer_clients_free(clients);
	rig_stop(&rig);
	loop_free(loop);
}

static void on_answer(void *data, struct json_object *reply, const struct err *err)
{
	(void)data;
	answers.count++;
	answers.err = err ? *err : (struct err){ 0 };
	answers.is_problem = reply && err;
	snprintf(answers.json, sizeof(answers.json), "%s",
		 reply && !err ? json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN)
			       : "");
	if (answers.is_free_wanted) {
		answers.is_free_wanted = false;
		peer_clients_free(clients);
		clients = NULL;
	}
	if (answers.is_again_wanted) {
		answers.is_again_wanted = false;
		peer_request(clients, "a", "POST", "/peer/v1/echo", NULL, PATIENCE_MS, on_answer,
			     NULL);
	}
	if (answers.count == answers.wanted)
		loop_stop(loop);
}

static void on_patience_lost(void *data)
{
	(void)data;
	ck_abort_msg("nothing came");
}

static void wait_for(unsigned count)
{
	struct loop_timer *timer = loop_timer_new(loop, on_patience_lost, NULL);

	answers.wanted = count;
	loop_timer_start(timer, 2 * PATIENCE_MS);
	if (answers.count < count)
		loop_run(loop);
	loop_timer_free(timer);
	ck_assert_uint_eq(answers.count, count);
}

static void post_to(const char *id, const char *path, const char *body, uint32_t deadline_ms)
{
	unsigned before = answers.count;

	peer_request(clients, id, "POST", path, body ? json_tokener_parse(body) : NULL, deadline_ms,
		     on_answer, NULL);
	ck_assert_uint_eq(answers.count, before); /* not called from inside the call */
}

static void get(const char *path)
{
	peer_request(clients, "a", "GET", path, NULL, PATIENCE_MS, on_answer, NULL);
}

static void echo(unsigned n)
{
	post_to("a", "/peer/v1/echo", "{\"n\":1}", PATIENCE_MS);
	wait_for(n);
	ck_assert_msg(!err_is_set(&answers.err), "%s", answers.err.msg);
	ck_assert_str_eq(answers.json, "{\"n\":1}");
}

static void expect_err(unsigned n, enum err_code code, const char *text)
{
	wait_for(n);
	ck_assert_msg(answers.err.code == code, "%s: %s", err_name(answers.err.code),
		      answers.err.msg);
	ck_assert_msg(strstr(answers.err.msg, text), "'%s' in '%s'", text, answers.err.msg);
	ck_assert_str_eq(answers.json, "");
}

/* ---- hello ------------------------------------------------------------- */

/* A move's plan needs to know what the peer's QEMU offers now, not at the first hello. */
START_TEST(hello_tells_each_time_what_the_peers_qemu_offers)
{
	static const struct transfer_features features = { .capabilities = { "multifd" },
							   .capability_count = 1 };

	peer_hello(clients, "a", PATIENCE_MS, on_answer, NULL);
	wait_for(1);
	ck_assert_ptr_null(strstr(answers.json, "migration"));
	rig.hello_features = &features;
	peer_hello(clients, "a", PATIENCE_MS, on_answer, NULL);
	wait_for(2);
	ck_assert_ptr_nonnull(
		strstr(answers.json, "\"migration\":{\"capabilities\":[\"multifd\"]"));
}
END_TEST

/* ---- connections ------------------------------------------------------- */

/* A request during a move's blackout costs one round trip, because the connection is already
 * open. */
START_TEST(requests_in_a_row_share_one_connection)
{
	for (unsigned i = 1; i <= 20; i++)
		echo(i);
	ck_assert_uint_eq(rig_accepted(&rig), 1);
}
END_TEST

static void wait_until_warm(void)
{
	struct loop_timer *timer = loop_timer_new(loop, (loop_fn *)loop_stop, loop);

	for (int i = 0; i < PATIENCE_MS && !rig_accepted(&rig); i++) {
		loop_timer_start(timer, 1);
		loop_run(loop);
	}
	loop_timer_free(timer);
}

START_TEST(peer_warmed_needs_no_further_connection)
{
	peer_warm(clients, "a");
	wait_until_warm();
	ck_assert_uint_eq(rig_accepted(&rig), 1);
	echo(1);
	peer_warm(clients, "a");
	echo(2);
	ck_assert_uint_le(rig_accepted(&rig), 2);
}
END_TEST

/* Many requests at once are all answered, over a bounded number of connections. */
START_TEST(requests_a_hundred_are_all_answered)
{
	for (int i = 0; i < 100; i++)
		post_to("a", "/peer/v1/echo", "{\"n\":1}", PATIENCE_MS);
	wait_for(100);
	ck_assert_msg(!err_is_set(&answers.err), "%s", answers.err.msg);
	ck_assert_uint_le(rig_accepted(&rig), 8);
}
END_TEST

/* A request that waits for long must not hold up the one that ends a blackout. */
static void release_held(struct rig *r)
{
	while (r->held_count)
		http_reply(r->held[--r->held_count], 204, NULL);
}

START_TEST(request_slow_does_not_hold_up_others)
{
	post_to("a", "/peer/v1/hold", NULL, PATIENCE_MS);
	echo(1);
	rig_wait(&rig.held_added);
	rig_call(&rig, release_held);
	wait_for(2);
	ck_assert(!err_is_set(&answers.err));
	ck_assert_str_eq(answers.json, "");
}
END_TEST

static void tell_truth(struct rig *r)
{
	r->hello_version = 0;
}

static struct peer_figures figures_of(const char *id)
{
	struct peer_figures figures;

	ck_assert(peer_clients_figures(clients, id, &figures));
	return figures;
}

/* An error that the peer itself tells is an answer, too. */
START_TEST(last_answer_and_clock_are_known)
{
	struct peer_figures figures = figures_of("a");

	ck_assert(!figures.was_asked);
	echo(1);
	figures = figures_of("a");
	ck_assert(figures.has_answered && figures.has_clock);
	ck_assert_int_gt(figures.answered_ms, 0);
	ck_assert_double_le(fabs(figures.clock_ahead_s), 10);
	post_to("a", "/peer/v1/hold", NULL, 300);
	expect_err(2, ERR_TIMEOUT, "within 300 ms");
	ck_assert(figures_of("a").was_asked && !figures_of("a").has_answered);
	ck_assert_int_eq(figures_of("a").answered_ms, figures.answered_ms);
	ck_assert_int_ge(figures_of("a").asked_ms, figures.answered_ms + 200);
	get("/peer/v1/text");
	expect_err(3, ERR_PEER, "");
	ck_assert(figures_of("a").has_answered);
	ck_assert(!peer_clients_figures(clients, "x", &figures));
}
END_TEST

/* After a restart of the server the client sends hello first, again. */
START_TEST(server_restarted_is_greeted_again)
{
	uint16_t port = rig.port;
	int kept;

	echo(1);
	rig_stop(&rig);
	kept = port_keep(port);
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	expect_err(2, ERR_UNAVAILABLE, "connection refused");
	rig = (struct rig){ .listen_port = port, .hello_version = 9 };
	rig_start(&rig, &pki);
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	expect_err(3, ERR_PROTOCOL, "version 9");
	rig_call(&rig, tell_truth);
	echo(4);
	close(kept);
}
END_TEST

/* ---- what can go wrong ------------------------------------------------- */

START_TEST(peer_refusing_connections_is_unavailable)
{
	set_address("a", 1);
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	expect_err(1, ERR_UNAVAILABLE, "host a at 127.0.0.1:1: connection refused");
	ck_assert(figures_of("a").was_asked && !figures_of("a").has_answered);
}
END_TEST

START_TEST(peer_unknown_is_not_found)
{
	post_to("x", "/peer/v1/echo", NULL, PATIENCE_MS);
	expect_err(1, ERR_NOT_FOUND, "no such peer");
	ck_assert_ptr_null(peer_clients_address(clients, "x"));
}
END_TEST

/* The server at an address must prove to be the intended host. */
START_TEST(peer_of_another_name_is_unauthorized)
{
	set_address("c", rig.port);
	post_to("c", "/peer/v1/echo", NULL, PATIENCE_MS);
	expect_err(1, ERR_UNAUTHORIZED, "not that of host 'c'");
}
END_TEST

/* The message tells the operator which of the two certificates is the wrong one. */
START_TEST(certificate_of_ours_refused_is_unauthorized)
{
	peer_clients_free(clients);
	clients = new_clients("other");
	set_address("a", rig.port);
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	expect_err(1, ERR_UNAUTHORIZED, "refused our certificate");
}
END_TEST

/* A peer that accepts and never answers costs no more than the deadline. */
START_TEST(peer_silent_times_out)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	set_address("a", ntohs(address.sin_port));
	post_to("a", "/peer/v1/echo", NULL, 200);
	expect_err(1, ERR_TIMEOUT, "no answer to /peer/v1/echo within 200 ms");
	close(fd);
}
END_TEST

START_TEST(request_unanswered_times_out)
{
	post_to("a", "/peer/v1/hold", NULL, 500);
	expect_err(1, ERR_TIMEOUT, "within 500 ms");
	ck_assert(!answers.is_problem);
	echo(2);
}
END_TEST

START_TEST(server_dying_is_unavailable)
{
	post_to("a", "/peer/v1/die", NULL, PATIENCE_MS);
	expect_err(1, ERR_UNAVAILABLE, "host a");
	echo(2);
	get("/peer/v1/half");
	expect_err(3, ERR_UNAVAILABLE, "host a");
	echo(4);
}
END_TEST

START_TEST(answer_unusable_is_a_peer_error)
{
	get("/peer/v1/big");
	expect_err(1, ERR_PEER, "over 1048576 bytes");
	get("/peer/v1/text");
	expect_err(2, ERR_PEER, "not JSON");
}
END_TEST

/* The code of the peer's problem document is the code of the error. */
START_TEST(problem_document_keeps_its_code)
{
	post_to("a", "/peer/v1/fail", NULL, PATIENCE_MS);
	expect_err(1, ERR_BUSY, "host a: a job holds it");
	ck_assert(answers.is_problem);
	post_to("a", "/peer/v1/nothing", NULL, PATIENCE_MS);
	expect_err(2, ERR_NOT_FOUND, "there is no such path");
	post_to("a", "/peer/v1/none", NULL, PATIENCE_MS);
	expect_err(3, ERR_PEER, "HTTP status 500");
}
END_TEST

/* ---- the end ----------------------------------------------------------- */

START_TEST(clients_freed_cancels_outstanding)
{
	for (int i = 0; i < 3; i++)
		post_to("a", "/peer/v1/hold", NULL, PATIENCE_MS);
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	wait_for(1);
	peer_clients_free(clients);
	clients = NULL;
	ck_assert_uint_eq(answers.count, 4);
	ck_assert_int_eq(answers.err.code, ERR_CANCELLED);
}
END_TEST

START_TEST(clients_freed_before_hello_cancels)
{
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	peer_clients_free(clients);
	clients = NULL;
	ck_assert_uint_eq(answers.count, 1);
	ck_assert_int_eq(answers.err.code, ERR_CANCELLED);
}
END_TEST

START_TEST(clients_freed_from_an_answer_cancels_the_rest)
{
	answers.is_free_wanted = true;
	for (int i = 0; i < 5; i++)
		post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	wait_for(5);
}
END_TEST

START_TEST(request_from_an_answer_is_answered)
{
	answers.is_again_wanted = true;
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	wait_for(2);
	ck_assert(!err_is_set(&answers.err));
}
END_TEST

/* ---- injected faults --------------------------------------------------- */

#ifdef ENABLE_FAULT_INJECTION
static void plan(const char *text)
{
	struct err err = { 0 };

	setenv("MIGRD_FAULTS", text, 1);
	ck_assert(fault_init(&err));
}

/* The walk through all faults relies on these fault points. */
START_TEST(fault_lost_request_and_answer_time_out)
{
	echo(1); /* the connection is there, however long that took */
	plan("peer.send.echo:drop,peer.reply.hold:drop,peer.send.fail:error");
	post_to("a", "/peer/v1/echo", NULL, 300);
	expect_err(2, ERR_TIMEOUT, "within 300 ms");
	post_to("a", "/peer/v1/hold", NULL, 2500);
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	wait_for(3);
	rig_wait(&rig.held_added);
	rig_call(&rig, release_held);
	expect_err(4, ERR_TIMEOUT, "within 2500 ms");
	post_to("a", "/peer/v1/fail", NULL, PATIENCE_MS);
	expect_err(5, ERR_INTERNAL, "fault injected");
	echo(6);
}
END_TEST

/* A guest may stand still meanwhile: a request behind a lost hello does not fail, and does not
 * wait for long. */
START_TEST(fault_hello_lost_is_asked_again)
{
	plan("peer.send.hello:drop");
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	wait_for(1);
	ck_assert_msg(!err_is_set(&answers.err), "%s", answers.err.msg);
	echo(2);
}
END_TEST

START_TEST(fault_refused_hello_fails_what_waits)
{
	plan("peer.send.hello:error");
	post_to("a", "/peer/v1/echo", NULL, PATIENCE_MS);
	expect_err(1, ERR_INTERNAL, "fault injected");
	echo(2);
}
END_TEST
#endif

Suite *suite(void)
{
	Suite *s = suite_create("peer");
	TCase *tc = tcase_create("client");

	tcase_add_unchecked_fixture(tc, make_pki, remove_pki);
	tcase_add_checked_fixture(tc, start_both, stop_both);
	tcase_add_test(tc, hello_tells_each_time_what_the_peers_qemu_offers);
	tcase_add_test(tc, requests_in_a_row_share_one_connection);
	tcase_add_test(tc, peer_warmed_needs_no_further_connection);
	tcase_add_test(tc, requests_a_hundred_are_all_answered);
	tcase_add_test(tc, request_slow_does_not_hold_up_others);
	tcase_add_test(tc, server_restarted_is_greeted_again);
	tcase_add_test(tc, last_answer_and_clock_are_known);
	tcase_add_test(tc, peer_refusing_connections_is_unavailable);
	tcase_add_test(tc, peer_unknown_is_not_found);
	tcase_add_test(tc, peer_of_another_name_is_unauthorized);
	tcase_add_test(tc, certificate_of_ours_refused_is_unauthorized);
	tcase_add_test(tc, peer_silent_times_out);
	tcase_add_test(tc, request_unanswered_times_out);
	tcase_add_test(tc, server_dying_is_unavailable);
	tcase_add_test(tc, answer_unusable_is_a_peer_error);
	tcase_add_test(tc, problem_document_keeps_its_code);
	tcase_add_test(tc, clients_freed_cancels_outstanding);
	tcase_add_test(tc, clients_freed_before_hello_cancels);
	tcase_add_test(tc, clients_freed_from_an_answer_cancels_the_rest);
	tcase_add_test(tc, request_from_an_answer_is_answered);
#ifdef ENABLE_FAULT_INJECTION
	tcase_add_test(tc, fault_lost_request_and_answer_time_out);
	tcase_add_test(tc, fault_hello_lost_is_asked_again);
	tcase_add_test(tc, fault_refused_hello_fails_what_waits);
#endif
	suite_add_tcase(s, tc);
	return s;
}
