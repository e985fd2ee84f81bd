/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Channels that differ from RAM's: several connections, a destination that speaks first, a
 * connection that is made again. */
#include <poll.h>
#include <pthread.h>
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

static const struct transfer_channel unleased[] = {
	{ "disks", .connections = 1, .speaks_first = TRANSFER_DESTINATION, .without_lease = true },
	{ "disks", .connections = 1, .speaks_first = TRANSFER_DESTINATION, .without_lease = true,
	  .may_reconnect = true },
};

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

/* ---- without a lease --------------------------------------------------------- */

/* Disks are copied on while the peer, or the coordinator, is away; memory waits, or else QEMU
 * could come to the end of the transfer. */
START_TEST(channel_without_lease_flows_when_the_lease_is_over)
{
	int listen_fd, src_ram, dst_ram, src_disk, dst_disk;

	add_channel(&one);
	add_channel(&unleased[_i]);
	listen_fd = listen_as_qemu("disks");
	get_ready();
	src_disk = connect_qemu("disks");
	dst_disk = accept_qemu(listen_fd);
	src_ram = connect_qemu("ram");
	send_bytes(src_ram, "page");
	dst_ram = accept_qemu(qemu_listen_fd);
	expect_bytes(dst_ram, "page");
	stream_set_lease(src.stream, 0);
	settle(&src);
	send_bytes(src_ram, "held");
	send_bytes(src_disk, "block");
	expect_bytes(dst_disk, "block");
	send_bytes(dst_disk, "written");
	expect_bytes(src_disk, "written");
	ck_assert(!wait_for(dst_ram, POLLIN, 200));
	/* The coordinator goes. */
	stream_free(src.stream);
	src.stream = NULL;
	send_bytes(src_disk, "another block");
	expect_bytes(dst_disk, "another block");
	ck_assert(!wait_for(dst_ram, POLLIN, 100));
	close(src_disk);
	close(dst_disk);
	close(src_ram);
	close(dst_ram);
	close(listen_fd);
}
END_TEST

/* ---- again ------------------------------------------------------------------ */

static unsigned awaited_claims;

static bool has_claims(const struct side *side)
{
	(void)side;
	return claims >= awaited_claims;
}

static void await_claims(unsigned count)
{
	awaited_claims = count;
	ck_assert(run_until(has_claims, NULL, WAIT_MS));
}

/* Breaks the newest connection, and waits for the one that takes its place. */
static void cut_and_wait(void)
{
	cut_claim(claims - 1);
	await_claims(claims + 1);
}

/* The data port has to be served until the connection is there. */
static int accept_in_loop(void)
{
	for (int i = 0; i < 1000 && !wait_for(qemu_listen_fd, POLLIN, 0); i++)
		run_until(never, NULL, 10);
	return accept_qemu(qemu_listen_fd);
}

static void expect_both_ways(int i, const char *text)
{
	send_bytes(src_fds[i], text);
	expect_bytes(dst_fds[i], text);
	send_bytes(dst_fds[i], text);
	expect_bytes(src_fds[i], text);
}

static void expect_orderly_end(void)
{
	close_all();
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}

/* A lost page of post-copy cannot be sent again, so QEMU must not notice a lost link. */
START_TEST(lost_links_are_made_again_and_qemu_notices_nothing)
{
	keeps_claims = true;
	add_channel(&again);
	get_ready();
	connect_all();
	for (unsigned i = 0; i < 12; i++) {
		cut_and_wait();
		for (int k = 0; k < CONNECTIONS; k++)
			expect_both_ways(k, "page");
	}
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_OPEN);
	expect_orderly_end();
}
END_TEST

/* Which of QEMU's connections a link is for is told when QEMU has connected. */
START_TEST(link_that_is_lost_before_qemu_has_come_is_made_again_then)
{
	keeps_claims = true;
	add_channel(&again);
	get_ready();
	cut_claim(1);
	cut_claim(2);
	for (int i = 0; i < CONNECTIONS; i++)
		src_fds[i] = connect_qemu("ram");
	for (int i = 0; i < CONNECTIONS; i++)
		dst_fds[i] = accept_in_loop();
	for (int k = 0; k < CONNECTIONS; k++)
		expect_both_ways(k, "page");
	ck_assert_uint_ge(claims, CONNECTIONS + 2);
	expect_orderly_end();
}
END_TEST

struct transfer {
	struct flow in, out;
	pthread_t writer, reader;
};

static void begin_transfer(struct transfer *transfer, int from, int to, uint64_t bytes)
{
	*transfer = (struct transfer){ .in = { .fd = from, .seed = (uint64_t)from, .bytes = bytes },
				       .out = { .fd = to } };
	ck_assert_int_eq(pthread_create(&transfer->writer, NULL, run_writer, &transfer->in), 0);
}

static void let_read(struct transfer *transfer)
{
	ck_assert_int_eq(pthread_create(&transfer->reader, NULL, run_reader, &transfer->out), 0);
}

static void expect_whole(struct transfer *transfer)
{
	pthread_join(transfer->writer, NULL);
	pthread_join(transfer->reader, NULL);
	ck_assert(transfer->in.is_whole && transfer->out.is_whole);
	ck_assert_uint_eq(transfer->in.bytes, transfer->out.bytes);
	ck_assert_uint_eq(transfer->in.checksum, transfer->out.checksum);
}

/* Links are lost while much is under way in both directions: each byte comes once, in order. */
START_TEST(bytes_come_once_and_in_order_over_links_that_are_lost)
{
	struct transfer forth[CONNECTIONS], back[CONNECTIONS];

	keeps_claims = true;
	add_channel(&again);
	get_ready();
	connect_all();
	for (int i = 0; i < CONNECTIONS; i++) {
		begin_transfer(&forth[i], src_fds[i], dst_fds[i], 24 * MIB);
		begin_transfer(&back[i], dst_fds[i], src_fds[i], 24 * MIB);
		let_read(&forth[i]);
		let_read(&back[i]);
	}
	for (unsigned i = 0; i < 20; i++)
		cut_and_wait();
	ck_assert(run_until(has_ended, &src, 30000));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_str_eq(src.status.error, "");
	ck_assert_str_eq(dst.status.error, "");
	for (int i = 0; i < CONNECTIONS; i++) {
		expect_whole(&forth[i]);
		expect_whole(&back[i]);
	}
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
	close_all();
}
END_TEST

/* What the other host's QEMU has not taken is kept, up to a limit: then QEMU waits. */
START_TEST(qemu_waits_when_too_much_is_kept)
{
	struct transfer transfer;

	add_channel(&again);
	get_ready();
	connect_all();
	begin_transfer(&transfer, src_fds[0], dst_fds[0], 64 * MIB);
	ck_assert(!run_until(never, NULL, 300));
	stream_refresh(src.stream);
	ck_assert(!run_until(never, NULL, 100));
	ck_assert_uint_lt(src.status.bytes_out, 32 * MIB);
	let_read(&transfer);
	expect_whole(&transfer);
	close_all();
}
END_TEST

/* A QEMU that ends closes its sockets, with a reset if it has not read all. */
START_TEST(end_of_a_qemu_reaches_the_other)
{
	keeps_claims = true;
	add_channel(&again);
	get_ready();
	connect_all();
	send_bytes(src_fds[0], "not read by the QEMU that ends");
	for (int i = 0; i < CONNECTIONS; i++)
		close(dst_fds[i]);
	for (int i = 0; i < CONNECTIONS; i++) {
		ck_assert(sees_end(src_fds[i], WAIT_MS));
		close(src_fds[i]);
	}
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* Each side hears of the other's end, over whichever link (tests/unit/test_stream_end.c loses each
 * message of it). */
START_TEST(links_that_are_lost_while_both_qemus_end_do_not_keep_the_channel)
{
	unsigned first;

	keeps_claims = true;
	add_channel(&again);
	get_ready();
	connect_all();
	first = claims;
	close_all();
	for (unsigned i = 0; i < first; i++)
		cut_claim(i);
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* An NBD server for several disks: its client has not sent a byte when the greeting comes. */
START_TEST(greetings_come_in_order_over_links_that_are_lost)
{
	static const struct transfer_channel row = { "ram", .connections = CONNECTIONS,
						     .speaks_first = TRANSFER_DESTINATION,
						     .may_reconnect = true };

	keeps_claims = true;
	add_channel(&row);
	get_ready();
	for (int i = 0; i < CONNECTIONS; i++) {
		src_fds[i] = connect_qemu("ram");
		dst_fds[i] = accept_qemu(qemu_listen_fd);
	}
	for (int i = 0; i < CONNECTIONS; i++) {
		char greeting[] = "greeting 0";

		greeting[9] = (char)('0' + i);
		cut_claim(claims - 1);
		awaited_claims = claims + 1;
		send_bytes(dst_fds[i], greeting);
		ck_assert(run_until(has_claims, NULL, WAIT_MS));
		expect_bytes(src_fds[i], greeting);
		expect_both_ways(i, "block");
	}
	expect_orderly_end();
}
END_TEST

static bool is_lost(const struct side *side)
{
	return side->status.error[0] != '\0';
}

/* The coordinators decide what becomes of the move. */
START_TEST(channel_whose_other_stream_has_ended_waits_and_says_so)
{
	add_channel(&again);
	get_ready();
	connect_all();
	stop(&dst);
	ck_assert(run_until(is_lost, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_OPEN);
	ck_assert(!run_until(has_ended, &src, 500));
	ck_assert(!wait_for(src_fds[0], POLLIN, 0));
	close_all();
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

/* In post-copy a page that the guest waits for goes behind all that was read before. */
START_TEST(channel_that_may_reconnect_reads_little_ahead_of_a_slow_link)
{
	static const struct transfer_channel row = { "ram", .connections = 1,
						     .may_reconnect = true };
	static const char block[65536];
	size_t taken = 0;
	ssize_t rc = 0;

	add_channel(&row);
	src.config.bandwidth_bytes_per_s = 1000;
	get_ready();
	connect_src_qemu();
	while (rc >= 0 && wait_for(src_qemu, POLLOUT, 200)) {
		rc = send(src_qemu, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
		taken += rc > 0 ? (size_t)rc : 0;
	}
	ck_assert_uint_ge(taken, 256 * 1024);
	ck_assert_uint_lt(taken, MIB);
	close(src_qemu);
	src_qemu = -1;
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_channels");
	TCase *tc = tcase_create("channels");

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, connections_of_a_channel_carry_each_its_own);
	tcase_add_test(tc, channel_ends_with_its_last_connection);
	tcase_add_test(tc, connection_that_breaks_breaks_its_channel);
	tcase_add_test(tc, qemu_may_close_a_connection_before_it_has_read_all);
	tcase_add_test(
		tc, connection_lost_before_its_proof_holds_the_channel_back_until_it_is_made_again);
	tcase_add_test(tc, connection_beyond_those_of_the_plan_is_refused);
	tcase_add_test(tc, channels_go_to_sockets_of_their_own_and_are_told_as_one);
	tcase_add_test(tc, destination_that_speaks_first_is_connected_when_the_source_is);
	tcase_add_loop_test(tc, channel_without_lease_flows_when_the_lease_is_over, 0,
			    (int)ARRAY_LEN(unleased));
	tcase_add_test(tc, lost_links_are_made_again_and_qemu_notices_nothing);
	tcase_add_test(tc, link_that_is_lost_before_qemu_has_come_is_made_again_then);
	tcase_add_test(tc, bytes_come_once_and_in_order_over_links_that_are_lost);
	tcase_add_test(tc, qemu_waits_when_too_much_is_kept);
	tcase_add_test(tc, greetings_come_in_order_over_links_that_are_lost);
	tcase_add_test(tc, end_of_a_qemu_reaches_the_other);
	tcase_add_loop_test(tc, links_that_are_lost_while_both_qemus_end_do_not_keep_the_channel, 0,
			    5);
	tcase_add_test(tc, channel_whose_other_stream_has_ended_waits_and_says_so);
	tcase_add_test(tc, source_that_connects_again_ends_its_former_connections);
	tcase_add_test(tc, channel_that_may_reconnect_reads_little_ahead_of_a_slow_link);
	tcase_add_test(tc, wrong_token_does_not_end_a_channel_that_may_reconnect);
	suite_add_tcase(s, tc);
	return s;
}
