/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A probe over loopback by two real migrd-stream processes, and against what may be at the other
 * end instead. */
#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/port.h"
#include "stream/probe.h"
#include "tests/lib/check_main.h"
#include "tests/lib/port_kept.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test_pki.h"

static struct loop *loop;
static struct stream_port *port;
static struct stream_probe_wish src_wish, dst_wish;
static unsigned claims;
static bool is_claimed; /* the port takes connections */
static int stop_fd = -1, deaf_fd = -1;

static bool on_claim(void *data, const struct stream_preamble *preamble, int fd)
{
	char key[STREAM_PROOF_SIZE];
	struct err err;

	(void)data;
	ck_assert_str_eq(preamble->channel, STREAM_PROBE_CHANNEL);
	stream_preamble_key(src_wish.config.token, key);
	ck_assert(stream_preamble_is_proved(preamble, key));
	if (!is_claimed)
		return false;
	claims++;
	ck_assert_msg(stream_probe_serve(&dst_wish, fd, &err), "%s", err.msg);
	return true;
}

static void make_wish(struct stream_probe_wish *wish, enum stream_side side, const char *cert,
		      const char *peer)
{
	struct stream_config *config = &wish->config;

	*wish = (struct stream_probe_wish){ .bytes = UINT64_C(16) << 20, .ms = 300 };
	config->side = side;
	config->link_timeout_ms = 20000;
	snprintf(config->program, sizeof(config->program), "%s/bin/migrd-stream",
		 getenv("builddir") ? getenv("builddir") : ".");
	snprintf(config->ca_file, sizeof(config->ca_file), "%s/ca.pem", scratch_dir);
	snprintf(config->cert_file, sizeof(config->cert_file), "%s/%s.pem", scratch_dir, cert);
	snprintf(config->key_file, sizeof(config->key_file), "%s/%s-key.pem", scratch_dir, cert);
	snprintf(config->peer_id, sizeof(config->peer_id), "%s", peer);
	snprintf(config->move_id, sizeof(config->move_id), "%s",
		 "018f0000-0000-7000-8000-0000000000bb");
}

static void point_at(uint16_t number)
{
	snprintf(src_wish.config.data_address, sizeof(src_wish.config.data_address), "127.0.0.1:%u",
		 number);
}

static void set_up(void)
{
	struct err err;

	scratch_setup();
	test_pki_make(scratch_dir);
	loop = loop_new();
	port = stream_port_new(loop, "127.0.0.1:0", on_claim, NULL, &err);
	ck_assert_ptr_nonnull(port);
	make_wish(&src_wish, STREAM_SRC, "a", "b");
	make_wish(&dst_wish, STREAM_DST, "b", "a");
	id_token_new(src_wish.config.token);
	memcpy(dst_wish.config.token, src_wish.config.token, ID_TOKEN_SIZE);
	point_at(stream_port_number(port));
	claims = 0;
	is_claimed = true;
	stop_fd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(stop_fd, 0);
}

static void tear_down(void)
{
	stream_port_free(port);
	loop_free(loop);
	close(stop_fd);
	if (deaf_fd >= 0)
		close(deaf_fd);
	deaf_fd = -1;
	scratch_teardown();
}

#define TRIES_MAX 8 /* of what a busy machine may spoil */

/* ---- a probe, in a thread as in a worker --------------------------------- */

static struct {
	bool ok;
	struct stream_probe_result result;
	struct err err;
} got;

static void stop_loop(void *data)
{
	(void)data;
	loop_stop(loop);
}

static void *run(void *arg)
{
	(void)arg;
	got.ok = stream_probe_blocking(&src_wish, stop_fd, &got.result, &got.err);
	loop_post(loop, stop_loop, NULL);
	return NULL;
}

static void probe(void)
{
	pthread_t thread;

	memset(&got, 0, sizeof(got));
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
}

static void assert_end(enum stream_probe_end end)
{
	ck_assert_msg(got.ok, "%s", got.err.msg);
	ck_assert_msg(got.result.end == (int)end, "%d: %s", got.result.end, got.result.error);
}

static unsigned tries;

/* Probes until one is right: a busy machine may spoil some. */
static void probe_until(bool (*is_right)(void))
{
	for (tries = 1; tries < TRIES_MAX; tries++) {
		probe();
		if (got.ok && got.result.end == STREAM_PROBE_DONE && is_right())
			return;
	}
	probe();
	assert_end(STREAM_PROBE_DONE);
}

static bool has_much(void)
{
	return got.result.report.bytes > 1 << 20 && got.result.report.bytes_per_s > 1 << 20;
}

static bool is_short(void)
{
	return got.result.report.us <= 400000;
}

static bool is_half(void)
{
	return got.result.report.bytes < STREAM_PROBE_BYTES_MAX / 2;
}

static bool is_slow(void)
{
	return got.result.report.bytes_per_s < UINT64_C(26) << 20;
}

START_TEST(data_comes_and_is_counted_by_the_receiver)
{
	probe_until(has_much);
	ck_assert_uint_gt(got.result.report.bytes, 1 << 20);
	ck_assert_uint_le(got.result.report.bytes, src_wish.bytes);
	ck_assert_uint_gt(got.result.report.bytes_per_s, 1 << 20);
	ck_assert_uint_gt(got.result.mtu_bytes, 1000);
	ck_assert_uint_gt(got.result.round_trip_us, 0);
	ck_assert(claims >= 1 && claims <= tries);
}
END_TEST

/* The receiver's time is the bound, whatever the sender has.  On a busy machine it may go on late.
 */
START_TEST(time_ends_it)
{
	src_wish.config.bandwidth_bytes_per_s = UINT64_C(10) << 20;
	probe_until(is_short);
	ck_assert_uint_le(got.result.report.us, 400000);
	ck_assert_uint_lt(got.result.report.bytes, UINT64_C(5) << 20);
}
END_TEST

START_TEST(time_ends_it_for_a_sender_that_never_pauses)
{
	src_wish.bytes = dst_wish.bytes = STREAM_PROBE_BYTES_MAX;
	dst_wish.ms = 1;
	probe_until(is_half);
	ck_assert_uint_lt(got.result.report.bytes, STREAM_PROBE_BYTES_MAX / 2);
}
END_TEST

START_TEST(limit_of_the_bandwidth_holds)
{
	src_wish.config.bandwidth_bytes_per_s = UINT64_C(20) << 20;
	probe_until(is_slow);
	ck_assert_uint_lt(got.result.report.bytes_per_s, UINT64_C(26) << 20);
}
END_TEST

START_TEST(closed_port_is_not_reached)
{
	const uint16_t number = stream_port_number(port);
	int kept;

	stream_port_free(TAKE_PTR(port));
	kept = port_keep(number);
	probe();
	close(kept);
	assert_end(STREAM_PROBE_UNREACHED);
	ck_assert_msg(strstr(got.result.error, "refused") != NULL, "%s", got.result.error);
}
END_TEST

START_TEST(port_that_knows_no_such_probe_refuses)
{
	is_claimed = false;
	probe();
	assert_end(STREAM_PROBE_REFUSED);
}
END_TEST

START_TEST(wrong_token_is_refused)
{
	id_token_new(dst_wish.config.token);
	probe();
	assert_end(STREAM_PROBE_REFUSED);
	ck_assert_uint_eq(claims, 1);
}
END_TEST

START_TEST(another_host_is_refused)
{
	make_wish(&dst_wish, STREAM_DST, "c", "a");
	memcpy(dst_wish.config.token, src_wish.config.token, ID_TOKEN_SIZE);
	probe();
	assert_end(STREAM_PROBE_REFUSED);
	ck_assert_msg(strstr(got.result.error, "not host 'b'") != NULL, "%s", got.result.error);
}
END_TEST

START_TEST(source_without_the_right_certificate_is_refused)
{
	make_wish(&dst_wish, STREAM_DST, "b", "c");
	memcpy(dst_wish.config.token, src_wish.config.token, ID_TOKEN_SIZE);
	probe();
	assert_end(STREAM_PROBE_REFUSED);
}
END_TEST

/* Takes connections, and says nothing. */
static void listen_deaf(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t size = sizeof(in);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	deaf_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(deaf_fd, (struct sockaddr *)&in, size), 0);
	ck_assert_int_eq(listen(deaf_fd, 8), 0);
	ck_assert_int_eq(getsockname(deaf_fd, (struct sockaddr *)&in, &size), 0);
	point_at(ntohs(in.sin_port));
}

START_TEST(silence_is_told_as_such)
{
	listen_deaf();
	probe();
	assert_end(STREAM_PROBE_STALLED);
}
END_TEST

START_TEST(stop_ends_the_wait)
{
	listen_deaf();
	ck_assert_int_eq(eventfd_write(stop_fd, 1), 0);
	probe();
	ck_assert(!got.ok);
	ck_assert_int_eq(got.err.code, ERR_UNAVAILABLE);
}
END_TEST

START_TEST(program_that_is_missing_is_told)
{
	snprintf(src_wish.config.program, sizeof(src_wish.config.program), "%s/none", scratch_dir);
	probe();
	ck_assert(!got.ok);
}
END_TEST

START_TEST(result_is_read_back)
{
	const struct stream_probe_result result = {
		.end = STREAM_PROBE_SMALL_ONLY,
		.report = { 1, 2, 3, true },
		.mtu_bytes = 9000,
		.round_trip_us = 40,
		.error = "why",
	};
	struct stream_probe_result again;
	char msg[STREAM_MSG_MAX];
	struct err err;
	size_t len;

	ck_assert(stream_probe_result_print(&result, msg, &len, &err));
	ck_assert(stream_probe_result_parse(msg, len, &again, &err));
	ck_assert_int_eq(again.end, result.end);
	ck_assert_uint_eq(again.report.bytes_per_s, 3);
	ck_assert(again.report.is_growing);
	ck_assert_uint_eq(again.mtu_bytes, 9000);
	ck_assert_str_eq(again.error, "why");
	ck_assert(!stream_probe_result_parse("{\"end\":\"else\"}", 14, &again, &err));
	ck_assert(!stream_probe_result_parse("{", 1, &again, &err));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_probe");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 240);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, data_comes_and_is_counted_by_the_receiver);
	tcase_add_test(tc, time_ends_it);
	tcase_add_test(tc, time_ends_it_for_a_sender_that_never_pauses);
	tcase_add_test(tc, limit_of_the_bandwidth_holds);
	tcase_add_test(tc, closed_port_is_not_reached);
	tcase_add_test(tc, port_that_knows_no_such_probe_refuses);
	tcase_add_test(tc, wrong_token_is_refused);
	tcase_add_test(tc, another_host_is_refused);
	tcase_add_test(tc, source_without_the_right_certificate_is_refused);
	tcase_add_test(tc, silence_is_told_as_such);
	tcase_add_test(tc, stop_ends_the_wait);
	tcase_add_test(tc, program_that_is_missing_is_told);
	tcase_add_test(tc, result_is_read_back);
	suite_add_tcase(s, tc);
	return s;
}
