/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Channels that differ from RAM's: several connections, a destination that speaks first, a
 * connection that is made again. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/stream_rig.h"

#define CONNECTIONS 4

static const struct transfer_channel many = { "ram", .connections = CONNECTIONS };
static const struct transfer_channel one = { "ram", .connections = 1 };
static const struct transfer_channel disks = { "disks", .connections = 1,
					       .speaks_first = TRANSFER_DESTINATION };
static const struct transfer_channel again = { "ram", .connections = CONNECTIONS,
					       .may_reconnect = true };

static int src_fds[CONNECTIONS], dst_fds[CONNECTIONS];

static void add_channel(const struct transfer_channel *row)
{
	struct side *const sides[] = { &src, &dst, &other };

	for (size_t i = 0; i < ARRAY_LEN(sides); i++)
		sides[i]->config.channels[sides[i]->config.channel_count++] = *row;
}

static void get_ready(void)
{
	start_well(&dst);
	start_well(&src);
	ck_assert_msg(run_until(is_channel_ready, &src, WAIT_MS), "%s", src.status.error);
	ck_assert_msg(run_until(is_channel_ready, &dst, WAIT_MS), "%s", dst.status.error);
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_READY);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_READY);
}

static int listen_as_qemu(const char *channel)
{
	char path[160];
	struct err err;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.sock", dst.config.dir, channel);
	ck_assert_msg(unix_listen(path, SOCK_STREAM, &fd, &err), "%s", err.msg);
	return fd;
}

/* Connects the source's QEMU; the destination's gets the connections in the same order,
 * each with its byte. */
static void connect_all(void)
{
	int fds[CONNECTIONS];
	char byte;

	for (int i = 0; i < CONNECTIONS; i++) {
		src_fds[i] = connect_qemu("ram");
		send_bytes(src_fds[i], (const char[]){ (char)('a' + i), '\0' });
	}
	for (int i = 0; i < CONNECTIONS; i++)
		fds[i] = accept_qemu(qemu_listen_fd);
	for (int i = 0; i < CONNECTIONS; i++) {
		ck_assert(wait_for(fds[i], POLLIN, WAIT_MS));
		ck_assert_int_eq(recv(fds[i], &byte, 1, 0), 1);
		/* QEMU 7.2 takes the first for that of the device state. */
		ck_assert_msg(byte == 'a' + i, "connection %d came as number %d", byte - 'a', i);
		dst_fds[i] = fds[i];
	}
	ck_assert(run_until(is_open, &src, WAIT_MS));
	ck_assert(run_until(is_open, &dst, WAIT_MS));
}

static void close_all(void)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		close(src_fds[i]);
		close(dst_fds[i]);
	}
}

/* ---- several connections ----------------------------------------------- */

START_TEST(connections_of_a_channel_carry_each_its_own)
{
	add_channel(&many);
	get_ready();
	ck_assert_uint_eq(claims, CONNECTIONS);
	connect_all();
	for (int i = CONNECTIONS - 1; i >= 0; i--) {
		char text[] = "answer 0";

		text[7] = (char)('0' + i);
		send_bytes(dst_fds[i], text);
		expect_bytes(src_fds[i], text);
	}
	close_all();
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
	ck_assert_uint_eq(src.status.bytes_out, CONNECTIONS);
	ck_assert_uint_eq(src.status.bytes_in, CONNECTIONS * strlen("answer 0"));
}
END_TEST

/* A channel ends only with its last connection. */
START_TEST(channel_ends_with_its_last_connection)
{
	add_channel(&many);
	get_ready();
	connect_all();
	for (int i = 1; i < CONNECTIONS; i++) {
		close(src_fds[i]);
		close(dst_fds[i]);
	}
	ck_assert(!run_until(has_ended, &src, 100));
	send_bytes(src_fds[0], "still there");
	expect_bytes(dst_fds[0], "still there");
	close(src_fds[0]);
	close(dst_fds[0]);
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* Half a channel is of no use to QEMU, so it is broken as a whole. */
START_TEST(connection_that_breaks_breaks_its_channel)
{
	keeps_claims = true;
	add_channel(&many);
	get_ready();
	connect_all();
	cut_claim(2);
	for (int i = 0; i < CONNECTIONS; i++)
		ck_assert(sees_end(src_fds[i], WAIT_MS));
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_FAILED);
}
END_TEST

/* The destination's QEMU has all, and closes a connection on which something is on its way: the
 * last answer on another must reach the source. */
START_TEST(qemu_may_close_a_connection_before_it_has_read_all)
{
	static char block[65536];
	size_t sent = 0;

	add_channel(&many);
	get_ready();
	connect_all();
	send_bytes(src_fds[2], "not read");
	ck_assert(wait_for(dst_fds[2], POLLIN, WAIT_MS));
	close(dst_fds[2]);
	ck_assert(wait_for(src_fds[2], POLLIN, WAIT_MS)); /* its end has come */
	while (sent < 4 * MIB) {
		ssize_t rc = send(src_fds[2], block, sizeof(block), MSG_NOSIGNAL);

		ck_assert_int_gt(rc, 0);
		sent += (size_t)rc;
	}
	send_bytes(dst_fds[0], "all is loaded");
	expect_bytes(src_fds[0], "all is loaded");
	dst_fds[2] = -1;
	close_all();
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* One connection that never gets in keeps its channel from being ready, but breaks nothing. */
START_TEST(connection_lost_before_its_proof_holds_the_channel_back_until_it_is_made_again)
{
	add_channel(&many);
	is_claim_lost = true;
	get_ready();
	ck_assert(!is_claim_lost);
	connect_all();
	close_all();
}
END_TEST

START_TEST(connection_beyond_those_of_the_plan_is_refused)
{
	add_channel(&many);
	get_ready();
	start_well(&other);
	ck_assert(run_until(has_ended, &other, WAIT_MS));
	ck_assert_int_eq(other.status.state, STREAM_CHANNEL_FAILED);
	connect_all();
	close_all();
}
END_TEST

/* ---- several channels ----------------------------------------------------- */

START_TEST(channels_go_to_sockets_of_their_own_and_are_told_as_one)
{
	int listen_fd, src_disk, dst_disk, src_ram, dst_ram;

	add_channel(&one);
	add_channel(&disks);
	listen_fd = listen_as_qemu("disks");
	get_ready();
	src_disk = connect_qemu("disks");
	dst_disk = accept_qemu(listen_fd);
	src_ram = connect_qemu("ram");
	send_bytes(src_ram, "pages");
	dst_ram = accept_qemu(qemu_listen_fd);
	expect_bytes(dst_ram, "pages");
	send_bytes(src_disk, "blocks");
	expect_bytes(dst_disk, "blocks");
	close(src_ram);
	close(dst_ram);
	ck_assert(!run_until(has_ended, &src, 100));
	close(src_disk);
	close(dst_disk);
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
	/* The message that QEMU has connected does not count. */
	ck_assert_uint_eq(src.status.bytes_out, strlen("pages") + strlen("blocks"));
	close(listen_fd);
}
END_TEST

/* ---- the destination speaks first ------------------------------------------ */

/* An NBD server greets first, and soon gives up a silent client: it must see the connection
 * when its client is there, neither earlier nor later. */
START_TEST(destination_that_speaks_first_is_connected_when_the_source_is)
{
	int listen_fd, src_fd, dst_fd;

	add_channel(&disks);
	listen_fd = listen_as_qemu("disks");
	get_ready();
	run_until(never, NULL, 50);
	ck_assert(!wait_for(listen_fd, POLLIN, 0));
	src_fd = connect_qemu("disks");
	dst_fd = accept_qemu(listen_fd);
	send_bytes(dst_fd, "greeting");
	expect_bytes(src_fd, "greeting");
	send_bytes(src_fd, "answer");
	expect_bytes(dst_fd, "answer");
	close(src_fd);
	close(dst_fd);
	close(listen_fd);
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* ---- again ------------------------------------------------------------------ */

static bool is_back(const struct side *side)
{
	return side->status.state == STREAM_CHANNEL_READY;
}

/* QEMU's post-copy pauses when its connections break, and recovers over new ones. */
START_TEST(channel_that_may_reconnect_is_made_again_after_it_was_lost)
{
	keeps_claims = true;
	add_channel(&again);
	get_ready();
	for (int i = 0; i < 3; i++) {
		connect_all();
		cut_claim(claims - 1);
		for (int k = 0; k < CONNECTIONS; k++)
			ck_assert(sees_end(src_fds[k], WAIT_MS));
		ck_assert(run_until(is_back, &src, WAIT_MS));
		ck_assert(run_until(is_back, &dst, WAIT_MS));
		close_all();
	}
	connect_all();
	close_all();
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* The destination has not noticed yet that the network failed: the right source is let in all
 * the same. */
START_TEST(source_that_connects_again_ends_its_former_connections)
{
	add_channel(&again);
	get_ready();
	start_well(&other);
	ck_assert_msg(run_until(is_channel_ready, &other, WAIT_MS), "%s", other.status.error);
	ck_assert_int_eq(other.status.state, STREAM_CHANNEL_READY);
}
END_TEST

/* A connection with a wrong token is refused even if the channel may reconnect. */
START_TEST(wrong_token_does_not_end_a_channel_that_may_reconnect)
{
	add_channel(&again);
	get_ready();
	id_token_new(other.config.token);
	start_well(&other);
	ck_assert(run_until(has_ended, &other, WAIT_MS));
	ck_assert_int_eq(other.status.state, STREAM_CHANNEL_FAILED);
	connect_all();
	close_all();
}
END_TEST

START_TEST(channel_whose_other_host_is_gone_gives_up_at_its_deadline)
{
	add_channel(&again);
	src.config.connect_timeout_ms = 500;
	get_ready();
	stream_port_free(TAKE_PTR(port));
	stop(&dst);
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_channels");
	TCase *tc = tcase_create("channels");

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, connections_of_a_channel_carry_each_its_own);
	tcase_add_test(tc, channel_ends_with_its_last_connection);
	tcase_add_test(tc, connection_that_breaks_breaks_its_channel);
	tcase_add_test(tc, qemu_may_close_a_connection_before_it_has_read_all);
	tcase_add_test(
		tc, connection_lost_before_its_proof_holds_the_channel_back_until_it_is_made_again);
	tcase_add_test(tc, connection_beyond_those_of_the_plan_is_refused);
	tcase_add_test(tc, channels_go_to_sockets_of_their_own_and_are_told_as_one);
	tcase_add_test(tc, destination_that_speaks_first_is_connected_when_the_source_is);
	tcase_add_test(tc, channel_that_may_reconnect_is_made_again_after_it_was_lost);
	tcase_add_test(tc, source_that_connects_again_ends_its_former_connections);
	tcase_add_test(tc, wrong_token_does_not_end_a_channel_that_may_reconnect);
	tcase_add_test(tc, channel_whose_other_host_is_gone_gives_up_at_its_deadline);
	suite_add_tcase(s, tc);
	return s;
}
