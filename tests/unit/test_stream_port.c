/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data port: anybody may connect to it, but only a connection with a right first line
 * is handed on.  Virtual time, real sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "stream/port.h"
#include "tests/lib/check_main.h"

#define MOVE  "01934c5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"
#define PROOF "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define LINE  "MIGRD2 " MOVE " ram 1 " PROOF "\n"

static struct loop *loop;
static struct stream_port *port;

static struct {
	int count;
	bool is_wanted;
	char move_id[64], channel[32];
	int fd;
} claimed;

static bool claim(void *data, const struct stream_preamble *preamble, int fd)
{
	(void)data;
	claimed.count++;
	snprintf(claimed.move_id, sizeof(claimed.move_id), "%s", preamble->move_id);
	snprintf(claimed.channel, sizeof(claimed.channel), "%s", preamble->channel);
	if (!claimed.is_wanted)
		return false;
	claimed.fd = fd;
	return true;
}

static void set_up(void)
{
	struct err err;

	memset(&claimed, 0, sizeof(claimed));
	claimed.fd = -1;
	claimed.is_wanted = true;
	loop = loop_new_sim();
	port = stream_port_new(loop, "127.0.0.1:0", claim, NULL, &err);
	ck_assert_msg(port != NULL, "%s", err.msg);
}

static void tear_down(void)
{
	if (claimed.fd >= 0)
		close(claimed.fd);
	stream_port_free(port);
	loop_free(loop);
}

/* Connects from LAST of 127.0.LAST.1, and waits until the port has accepted. */
static int caller_from(unsigned last)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr = { htonl(INADDR_LOOPBACK | last << 8) } };
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(stream_port_number(port)),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	loop_sim_run(loop);
	return fd;
}

static int caller_new(void)
{
	return caller_from(0);
}

/* Loopback delivers before send() returns, so one run of the loop suffices. */
static void say(int fd, const void *data, size_t len)
{
	ck_assert_int_eq(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
	loop_sim_run(loop);
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t rc = recv(fd, &byte, 1, MSG_DONTWAIT);

	ck_assert_msg(rc <= 0, "the port talks to strangers");
	return rc == 0 || errno != EAGAIN;
}

START_TEST(right_line_hands_over_the_next_byte)
{
	int fd = caller_new();
	char rest[8] = "";

	say(fd, LINE "TLS...", strlen(LINE) + 6);
	ck_assert_int_eq(claimed.count, 1);
	ck_assert_str_eq(claimed.move_id, MOVE);
	ck_assert_str_eq(claimed.channel, "ram");
	ck_assert_int_eq(recv(claimed.fd, rest, sizeof(rest), MSG_DONTWAIT), 6);
	ck_assert_mem_eq(rest, "TLS...", 6);
	close(fd);
}
END_TEST

/* TCP may cut a line anywhere. */
START_TEST(line_in_single_bytes_is_understood)
{
	int fd = caller_new();

	for (size_t i = 0; i < strlen(LINE); i++) {
		ck_assert_int_eq(claimed.count, 0);
		say(fd, &LINE[i], 1);
	}
	ck_assert_int_eq(claimed.count, 1);
	close(fd);
}
END_TEST

START_TEST(unclaimed_connection_is_closed_in_silence)
{
	int fd = caller_new();

	claimed.is_wanted = false;
	say(fd, LINE, strlen(LINE));
	ck_assert_int_eq(claimed.count, 1);
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

START_TEST(silent_caller_is_closed_at_the_deadline)
{
	int fd = caller_new();

	loop_sim_advance_ms(loop, STREAM_PREAMBLE_DEADLINE_MS - 1);
	ck_assert(!is_closed(fd));
	loop_sim_advance_ms(loop, 1);
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

/* A line must be complete in time: bytes that come in time do not prolong its deadline. */
START_TEST(slow_talker_is_closed_at_the_deadline)
{
	int fd = caller_new();

	for (size_t i = 0; i < 10; i++) {
		say(fd, &LINE[i], 1);
		loop_sim_advance_ms(loop, STREAM_PREAMBLE_DEADLINE_MS / 10);
	}
	ck_assert(is_closed(fd));
	ck_assert_int_eq(claimed.count, 0);
	close(fd);
}
END_TEST

static const char *const wrong_lines[] = {
	"\n",
	"GET / HTTP/1.1\r\n",
	"MIGRD1 " MOVE " ram\n",
	"MIGRD9 " MOVE " ram 1 " PROOF "\n",
	"MIGRD2 " MOVE " ../ram 1 " PROOF "\n",
	"MIGRD2 not-a-move-id-but-36-characters-long ram 1 " PROOF "\n",
	"an endless line an endless line an endless line an endless line an endless line an endless"
	" line an endless line an endless line an endless line an endless line an endless line an "
	"e",
};

START_TEST(wrong_line_is_closed_at_once)
{
	int fd = caller_new();

	say(fd, wrong_lines[_i], strlen(wrong_lines[_i]));
	ck_assert(is_closed(fd));
	ck_assert_int_eq(claimed.count, 0);
	close(fd);
}
END_TEST

START_TEST(noise_is_closed_at_once)
{
	int fd = caller_new();
	unsigned char noise[65536];
	uint32_t x = 88172645;

	for (size_t i = 0; i < sizeof(noise); i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		noise[i] = (unsigned char)x;
	}
	say(fd, noise, sizeof(noise));
	ck_assert(is_closed(fd));
	ck_assert_int_eq(claimed.count, 0);
	close(fd);
}
END_TEST

START_TEST(caller_that_leaves_is_forgotten)
{
	int fd = caller_new();

	close(fd);
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, STREAM_PREAMBLE_DEADLINE_MS);
	ck_assert_int_eq(claimed.count, 0);
}
END_TEST

/* Silent connections that fill the port must not keep a move out. */
START_TEST(flood_costs_the_oldest_and_a_move_gets_through)
{
	int fds[80], mine;

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = caller_new();
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		ck_assert_int_eq(is_closed(fds[i]), i < ARRAY_LEN(fds) - 64);
	mine = caller_new();
	say(mine, LINE, strlen(LINE));
	ck_assert_int_eq(claimed.count, 1);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	close(mine);
}
END_TEST

/* A slow but honest connection of another network is not the one to be closed. */
START_TEST(flood_from_one_network_leaves_the_others_alone)
{
	int mine = caller_from(7), fds[200];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = caller_new();
	ck_assert(!is_closed(mine));
	say(mine, LINE, strlen(LINE));
	ck_assert_int_eq(claimed.count, 1);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	close(mine);
}
END_TEST

/* Without free descriptors the loop must not spin, and the port must work again later. */
START_TEST(descriptors_exhausted_port_recovers)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(stream_port_number(port)),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct rlimit old, none;
	int probe;

	getrlimit(RLIMIT_NOFILE, &old);
	probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
	none = (struct rlimit){ (rlim_t)probe, old.rlim_max };
	close(probe);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	loop_sim_run(loop);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(send(fd, LINE, strlen(LINE), MSG_NOSIGNAL), (ssize_t)strlen(LINE));
	loop_sim_run(loop);
	ck_assert_int_eq(claimed.count, 0);
	loop_sim_advance_ms(loop, 100);
	loop_sim_run(loop);
	ck_assert_int_eq(claimed.count, 1);
	close(fd);
}
END_TEST

START_TEST(ipv6_is_served)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stream_port *port6;
	struct err err;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		fprintf(stderr, "no IPv6 on this machine: skipped\n");
		return;
	}
	close(fd);
	port6 = stream_port_new(loop, "[::1]:0", claim, NULL, &err);
	ck_assert_msg(port6 != NULL, "%s", err.msg);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	addr.sin6_port = htons(stream_port_number(port6));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	say(fd, LINE, strlen(LINE));
	ck_assert_int_eq(claimed.count, 1);
	stream_port_free(port6);
	close(fd);
}
END_TEST

static const char *const bad_addresses[] = { "localhost:0", "127.0.0.1", "[::1", "192.0.2.1:1" };

START_TEST(bad_address_is_an_error)
{
	struct err err = { .code = ERR_NONE };

	ck_assert_ptr_null(stream_port_new(loop, bad_addresses[_i], claim, NULL, &err));
	ck_assert(err_is_set(&err));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_port");
	TCase *tc = tcase_create("port");

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, right_line_hands_over_the_next_byte);
	tcase_add_test(tc, line_in_single_bytes_is_understood);
	tcase_add_test(tc, unclaimed_connection_is_closed_in_silence);
	tcase_add_test(tc, silent_caller_is_closed_at_the_deadline);
	tcase_add_test(tc, slow_talker_is_closed_at_the_deadline);
	tcase_add_loop_test(tc, wrong_line_is_closed_at_once, 0, (int)ARRAY_LEN(wrong_lines));
	tcase_add_test(tc, noise_is_closed_at_once);
	tcase_add_test(tc, caller_that_leaves_is_forgotten);
	tcase_add_test(tc, flood_costs_the_oldest_and_a_move_gets_through);
	tcase_add_test(tc, flood_from_one_network_leaves_the_others_alone);
	tcase_add_test(tc, descriptors_exhausted_port_recovers);
	tcase_add_test(tc, ipv6_is_served);
	tcase_add_loop_test(tc, bad_address_is_an_error, 0, (int)ARRAY_LEN(bad_addresses));
	suite_add_tcase(s, tc);
	return s;
}
