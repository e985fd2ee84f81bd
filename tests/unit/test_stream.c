/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data channel of a move, in good order and under all kinds of failures and attacks. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/port_kept.h"
#include "tests/lib/stream_rig.h"

/* ---- both directions ------------------------------------------------- */

/* As much data as a whole migration, and more on the return path than QEMU ever sends. */
START_TEST(much_data_both_ways_arrives_whole_and_closes_in_order)
{
	struct flow flows[] = {
		{ .fd = src_qemu, .seed = 1, .bytes = 64 * MIB },
		{ .fd = dst_qemu },
		{ .fd = dst_qemu, .seed = 2, .bytes = 64 * MIB },
		{ .fd = src_qemu },
	};
	pthread_t threads[ARRAY_LEN(flows)];

	for (size_t i = 0; i < ARRAY_LEN(flows); i++)
		pthread_create(&threads[i], NULL, i % 2 ? run_reader : run_writer, &flows[i]);
	for (size_t i = 0; i < ARRAY_LEN(flows); i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < ARRAY_LEN(flows); i += 2) {
		ck_assert(flows[i].is_whole && flows[i + 1].is_whole);
		ck_assert_uint_eq(flows[i + 1].bytes, 64 * MIB);
		ck_assert_uint_eq(flows[i].checksum, flows[i + 1].checksum);
	}
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
	ck_assert_uint_eq(src.status.bytes_out, 64 * MIB + 1);
	ck_assert_uint_eq(src.status.bytes_in, 64 * MIB + 1);
	ck_assert_uint_eq(dst.status.bytes_in, 64 * MIB + 1);
}
END_TEST

START_TEST(half_close_of_source_leaves_the_return_path)
{
	shutdown(src_qemu, SHUT_WR);
	ck_assert(sees_end(dst_qemu, WAIT_MS));
	send_bytes(dst_qemu, "late answer");
	expect_bytes(src_qemu, "late answer");
	close(dst_qemu);
	dst_qemu = -1;
	ck_assert(sees_end(src_qemu, WAIT_MS));
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

START_TEST(half_close_of_destination_leaves_the_way_forward)
{
	shutdown(dst_qemu, SHUT_WR);
	ck_assert(sees_end(src_qemu, WAIT_MS));
	send_bytes(src_qemu, "more pages");
	expect_bytes(dst_qemu, "more pages");
	shutdown(src_qemu, SHUT_WR);
	ck_assert(sees_end(dst_qemu, WAIT_MS));
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* ---- before the first byte ------------------------------------------- */

/* QEMU can load only once: a connection that carries nothing must not use up that chance. */
START_TEST(destination_qemu_is_left_alone_before_the_first_byte)
{
	connect_src_qemu();
	ck_assert(run_until(is_open, &src, WAIT_MS));
	run_until(never, NULL, 50);
	ck_assert(!wait_for(qemu_listen_fd, POLLIN, 0));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_READY);
}
END_TEST

START_TEST(source_socket_takes_one_qemu_and_is_gone)
{
	char path[128];
	struct err err;
	int fd;

	connect_src_qemu();
	ck_assert(run_until(is_open, &src, WAIT_MS));
	snprintf(path, sizeof(path), "%s/ram.sock", src.config.dir);
	ck_assert(!unix_connect(path, SOCK_STREAM, &fd, &err));
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(peer_lost_while_ready_fails_the_source)
{
	stop(&dst);
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
	ck_assert(src.status.error[0] != '\0');
}
END_TEST

/* ---- strangers ------------------------------------------------------- */

static const struct {
	const char *cert;
	bool has_wrong_token;
	bool dst_tells; /* false: the source itself refuses */
} wrong_sources[] = {
	{ "a", true, true },     /* wrong token */
	{ "c", false, true },    /* a host that is not part of this move */
	{ "user", false, true }, /* a person */
	{ "expired-a", false, true },
	{ "stranger-a", false, true }, /* another CA: the source refuses us, too */
};

/* Each wrong source is refused, and the right one still gets in. */
START_TEST(wrong_source_is_refused_and_the_right_one_still_gets_in)
{
	make_side(&other, STREAM_SRC, "other", wrong_sources[_i].cert, "b");
	if (wrong_sources[_i].has_wrong_token)
		id_token_new(other.config.token);
	start_well(&dst);
	start_well(&other);
	ck_assert(run_until(has_ended, &other, WAIT_MS));
	ck_assert_int_eq(other.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_uint_eq(other.status.bytes_out, 0);
	ck_assert(run_until(has_refused, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_IDLE);
	start_well(&src);
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS));
	ck_assert(run_until(is_channel_ready, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_READY);
	ck_assert_str_eq(dst.status.error, "");
}
END_TEST

static const char *const wrong_destinations[] = { "c", "user", "stranger-b" };

/* The source must not send a guest's memory to a wrong server. */
START_TEST(wrong_destination_gets_no_token_and_no_byte)
{
	make_side(&dst, STREAM_DST, "dst", wrong_destinations[_i], "a");
	start_well(&dst);
	start_well(&src);
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_uint_eq(src.status.bytes_out, 0);
	ck_assert(run_until(has_refused, &dst, WAIT_MS));
	ck_assert_ptr_null(strstr(dst.status.error, "token"));
}
END_TEST

static int connect_port(const char *line)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(stream_port_number(port)),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	send_bytes(fd, line);
	return fd;
}

/* Sends a line of the right form; the rig's claim looks only at the id. */
static int connect_as(const char *id)
{
	struct stream_preamble preamble = { .channel = "ram", .attempt = 1 };
	char line[STREAM_PREAMBLE_MAX];

	snprintf(preamble.move_id, sizeof(preamble.move_id), "%s", id);
	id_token_new(preamble.proof);
	stream_preamble_print(&preamble, line);
	return connect_port(line);
}

static int connect_move(void)
{
	return connect_as(move_id);
}

START_TEST(noise_behind_the_right_line_is_refused)
{
	char noise[4096];
	int fd;

	start_well(&dst);
	fd = connect_move();
	memset(noise, 'x', sizeof(noise));
	ck_assert_int_eq(send(fd, noise, sizeof(noise), MSG_NOSIGNAL), sizeof(noise));
	ck_assert(run_until(has_refused, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_IDLE);
	start_well(&src);
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS));
	close(fd);
}
END_TEST

/* A silent connection takes a place for the length of a handshake at most, and a right one is
 * served meanwhile. */
START_TEST(silent_connections_do_not_hold_the_right_one_up)
{
	int fds[4];

	start_well(&dst);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = connect_move();
	start_well(&src);
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS / 4));
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}
END_TEST

/* With more silent connections than places, the oldest give way. */
START_TEST(flood_of_silent_connections_costs_the_oldest)
{
	int fds[12];

	start_well(&dst);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = connect_move();
	for (int i = 0; i < 1000 && claims < ARRAY_LEN(fds); i++)
		run_until(never, NULL, 10);
	ck_assert(sees_end(fds[0], WAIT_MS / 4));
	ck_assert(!wait_for(fds[ARRAY_LEN(fds) - 1], POLLIN, 0));
	start_well(&src);
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS / 4));
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}
END_TEST

/* An observer of the network can break a connection: the source connects again. */
START_TEST(connection_lost_before_its_proof_is_made_again)
{
	is_claim_lost = true;
	start_well(&dst);
	start_well(&src);
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS));
	ck_assert(!is_claim_lost);
}
END_TEST

/* The source must tell in time that it cannot connect. */
START_TEST(source_that_is_never_let_in_gives_up_at_its_deadline)
{
	src.config.connect_timeout_ms = 300;
	start_well(&src);
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
}
END_TEST

START_TEST(unknown_move_is_closed_at_once)
{
	char id[ID_UUID_SIZE];
	int fd;

	id_uuid_new(id);
	fd = connect_as(id);
	for (int i = 0; i < 1000 && !wait_for(fd, POLLIN, 0); i++)
		run_until(never, NULL, 10);
	ck_assert(sees_end(fd, 0));
	close(fd);
}
END_TEST

/* Even with a stolen token and certificate a second connection is refused. */
START_TEST(second_claim_with_the_right_token_is_refused_and_disturbs_nothing)
{
	start_well(&other);
	ck_assert(run_until(has_ended, &other, WAIT_MS));
	ck_assert_int_eq(other.status.state, STREAM_CHANNEL_FAILED);
	send_bytes(src_qemu, "undisturbed");
	expect_bytes(dst_qemu, "undisturbed");
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_OPEN);
}
END_TEST

START_TEST(token_is_no_good_after_the_end)
{
	stop(&src);
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	start_well(&other);
	ck_assert(run_until(has_ended, &other, WAIT_MS));
	ck_assert_int_eq(other.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_FAILED);
}
END_TEST

/* ---- loss ------------------------------------------------------------ */

START_TEST(killed_source_process_is_seen_by_both_qemus)
{
	stop(&src);
	ck_assert(sees_end(src_qemu, WAIT_MS));
	ck_assert(sees_end(dst_qemu, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_FAILED);
	ck_assert(dst.status.error[0] != '\0');
}
END_TEST

START_TEST(killed_destination_process_is_seen_by_both_qemus)
{
	stop(&dst);
	ck_assert(sees_end(src_qemu, WAIT_MS));
	ck_assert(sees_end(dst_qemu, WAIT_MS));
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
}
END_TEST

/* The kernel of a stopped process still acknowledges: only its closed window shows that it
 * hangs. */
START_TEST(stopped_destination_process_is_given_up_after_the_link_timeout)
{
	struct flow flow = { .fd = src_qemu, .seed = 3, .bytes = 256 * MIB };
	pthread_t thread;

	stream_set_link_timeout(src.stream, 1000);
	ck_assert_int_eq(kill(dst.id.pid, SIGSTOP), 0);
	pthread_create(&thread, NULL, run_writer, &flow);
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
	pthread_join(thread, NULL);
	ck_assert(!flow.is_whole);
}
END_TEST

START_TEST(destination_qemu_that_dies_breaks_the_source)
{
	struct flow flow = { .fd = src_qemu, .seed = 4, .bytes = 256 * MIB };
	pthread_t thread;

	pthread_create(&thread, NULL, run_writer, &flow);
	ck_assert(wait_for(dst_qemu, POLLIN, WAIT_MS));
	close(dst_qemu);
	dst_qemu = -1;
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	pthread_join(thread, NULL);
	ck_assert(!flow.is_whole);
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
}
END_TEST

START_TEST(destination_qemu_that_never_listens_breaks_the_source)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/ram.sock", dst.config.dir);
	ck_assert_int_eq(unlink(path), 0);
	connect_src_qemu();
	send_bytes(src_qemu, "Q");
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_ptr_nonnull(strstr(dst.status.error, "ram.sock"));
	ck_assert(sees_end(src_qemu, WAIT_MS));
}
END_TEST

/* ---- limits ---------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Moves BYTES from source to destination and returns the time it took. */
static uint64_t time_flow(uint64_t bytes)
{
	struct flow in = { .fd = src_qemu, .seed = 5, .bytes = bytes };
	struct flow out = { .fd = dst_qemu };
	uint64_t began = now_ms();
	pthread_t writer, reader;

	pthread_create(&writer, NULL, run_writer, &in);
	pthread_create(&reader, NULL, run_reader, &out);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	ck_assert_uint_eq(out.bytes, bytes);
	return now_ms() - began;
}

/* A busy machine may take longer, but never less. */
START_TEST(bandwidth_limit_is_kept_within_a_fifth)
{
	uint64_t took_ms;

	stream_set_bandwidth(src.stream, 4 * MIB);
	settle(&src);
	took_ms = time_flow(4 * MIB);
	ck_assert_uint_ge(took_ms, 800);
	ck_assert_uint_le(took_ms, WAIT_MS);
}
END_TEST

/* A transfer that a low limit holds must go on at once when the limit is lifted. */
START_TEST(limit_lifted_while_waiting_lets_go_at_once)
{
	struct flow in = { .fd = src_qemu, .seed = 6, .bytes = 8 * MIB };
	struct flow out = { .fd = dst_qemu };
	pthread_t writer, reader;
	uint64_t began;

	stream_set_bandwidth(src.stream, 100);
	settle(&src);
	pthread_create(&writer, NULL, run_writer, &in);
	pthread_create(&reader, NULL, run_reader, &out);
	run_until(never, NULL, 100);
	settle(&src);
	ck_assert_uint_lt(src.status.bytes_out, 1000);
	began = now_ms();
	stream_set_bandwidth(src.stream, 0);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	ck_assert_uint_eq(out.bytes, 8 * MIB);
	ck_assert_uint_lt(now_ms() - began, 2 * WAIT_MS); /* with the limit it were 80000 s */
}
END_TEST

/* Without its coordinators a guest must not come to its handover. */
START_TEST(lease_that_runs_out_holds_the_data_until_the_next)
{
	stream_set_lease(src.stream, 0);
	settle(&src);
	send_bytes(src_qemu, "held");
	ck_assert(!wait_for(dst_qemu, POLLIN, 200));
	stream_set_lease(src.stream, STREAM_LEASE_FOREVER);
	expect_bytes(dst_qemu, "held");
	stream_set_lease(src.stream, 60000);
	settle(&src);
	send_bytes(src_qemu, "flows");
	expect_bytes(dst_qemu, "flows");
	stream_set_lease(src.stream, 300);
	settle(&src);
	run_until(never, NULL, 400);
	send_bytes(src_qemu, "held again");
	ck_assert(!wait_for(dst_qemu, POLLIN, 200));
	/* Data on the way back needs no lease. */
	send_bytes(dst_qemu, "back");
	expect_bytes(src_qemu, "back");
}
END_TEST

/* ---- coordinators come and go ---------------------------------------- */

static void attach(struct side *side)
{
	const struct stream_callbacks cb = callbacks_of(side);

	side->is_ready = side->is_refused = side->is_exited = false;
	side->stream = stream_attach(loop, side->config.dir, side->id, &cb);
	ck_assert(!side->is_ready);
	ck_assert(run_until(is_ready, side, WAIT_MS));
}

static bool has_counted(const struct side *side)
{
	return side->status.bytes_out == 19;
}

START_TEST(coordinator_that_returns_finds_the_stream_at_work)
{
	stream_free(src.stream);
	src.stream = NULL;
	send_bytes(src_qemu, "while nobody looks");
	expect_bytes(dst_qemu, "while nobody looks");
	attach(&src);
	ck_assert_msg(!src.is_refused, "%s", src.ready_err.msg);
	ck_assert_int_eq(stream_status(src.stream)->state, STREAM_CHANNEL_OPEN);
	/* A byte is counted after it was sent, so it may arrive before. */
	for (int i = 0; i < 500 && !run_until(has_counted, &src, 20); i++)
		stream_refresh(src.stream);
	ck_assert_uint_eq(src.status.bytes_out, 19);
	stream_set_bandwidth(src.stream, 16 * MIB);
	close(src_qemu);
	close(dst_qemu);
	src_qemu = dst_qemu = -1;
	ck_assert(run_until(has_ended, &src, WAIT_MS));
}
END_TEST

/* A coordinator's lease ends with its connection, and the next coordinator gives a new one. */
START_TEST(coordinator_that_goes_takes_its_lease_along)
{
	stream_set_lease(src.stream, 60000);
	stream_free(src.stream);
	src.stream = NULL;
	attach(&src); /* it has seen the other one go */
	send_bytes(src_qemu, "held");
	ck_assert(!wait_for(dst_qemu, POLLIN, 200));
	stream_set_lease(src.stream, STREAM_LEASE_FOREVER);
	expect_bytes(dst_qemu, "held");
}
END_TEST

/* The end of the transfer is reported to a coordinator that returns later. */
START_TEST(coordinator_that_returns_late_still_gets_the_end)
{
	stream_free(src.stream);
	src.stream = NULL;
	close(src_qemu);
	close(dst_qemu);
	src_qemu = dst_qemu = -1;
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	attach(&src);
	ck_assert(!src.is_refused);
	ck_assert(stream_status(src.stream)->state == STREAM_CHANNEL_CLOSED ||
		  run_until(has_ended, &src, WAIT_MS));
}
END_TEST

/* A daemon that hangs must not lock out its successor. */
START_TEST(new_controller_replaces_the_old)
{
	struct side first = src;

	attach(&src);
	ck_assert(!src.is_refused);
	stream_refresh(src.stream);
	send_bytes(src_qemu, "still there");
	expect_bytes(dst_qemu, "still there");
	stream_free(first.stream);
}
END_TEST

START_TEST(process_that_is_gone_is_unavailable)
{
	stop(&src);
	attach(&src);
	ck_assert(src.is_refused);
	ck_assert_int_eq(src.ready_err.code, ERR_UNAVAILABLE);
}
END_TEST

/* ---- start and end --------------------------------------------------- */

START_TEST(unusable_certificates_are_told_at_ready)
{
	snprintf(src.config.key_file, sizeof(src.config.key_file), "%s/pki/nosuch.pem", dir);
	start(&src);
	ck_assert(src.is_refused);
	ck_assert_ptr_nonnull(strstr(src.ready_err.msg, "nosuch.pem"));
}
END_TEST

START_TEST(program_that_is_no_stream_is_told_at_ready)
{
	const struct stream_callbacks cb = callbacks_of(&src);
	struct err err;

	snprintf(src.config.program, sizeof(src.config.program), "/bin/false");
	src.stream = stream_start(loop, &src.config, &cb, &src.id, &err);
	if (!src.stream)
		return;
	ck_assert(run_until(is_ready, &src, WAIT_MS));
	ck_assert(src.is_refused);
	ck_assert_int_eq(src.ready_err.code, ERR_UNAVAILABLE);
}
END_TEST

/* The other coordinator may just be restarting when the source connects. */
START_TEST(refused_connection_is_tried_again)
{
	uint16_t number;
	char address[32];
	struct err err;
	int kept;

	start_well(&dst);
	number = stream_port_number(port);
	stream_port_free(port);
	kept = port_keep(number);
	start_well(&src);
	run_until(never, NULL, 300);
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_IDLE);
	snprintf(address, sizeof(address), "127.0.0.1:%u", number);
	port = stream_port_new(loop, address, on_claim, NULL, &err);
	ck_assert_msg(port != NULL, "%s", err.msg);
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_READY);
	close(kept);
}
END_TEST

/* Starts the side's program with shorter times than usual. */
static void shorten(struct side *side, const char *options)
{
	char text[512], path[128];
	struct err err;

	snprintf(text, sizeof(text), "#!/bin/sh\nexec '%s' %s \"$@\"\n", side->config.program,
		 options);
	snprintf(path, sizeof(path), "%s/program", side->config.dir);
	ck_assert(file_write(path, text, strlen(text), 0700, &err));
	snprintf(side->config.program, sizeof(side->config.program), "%s", path);
}

/* A process that no coordinator uses must not stay for ever. */
START_TEST(process_that_nobody_needs_ends_by_itself)
{
	shorten(&dst, "--startup-ms 3000");
	start_well(&dst);
	ck_assert(run_until(is_exited, &dst, WAIT_MS));
}
END_TEST

START_TEST(process_whose_channel_has_ended_lingers_then_ends)
{
	shorten(&dst, "--startup-ms 20000 --linger-ms 1500");
	start_well(&dst);
	start_well(&src);
	ck_assert(run_until(is_channel_ready, &dst, WAIT_MS));
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS));
	stop(&src);
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert(!dst.is_exited);
	ck_assert(run_until(is_exited, &dst, WAIT_MS));
}
END_TEST

/* The link is ready, and the coordinator that was to begin never comes back. */
START_TEST(process_ready_whose_coordinator_is_gone_ends)
{
	shorten(&src, "--alone-ms 300");
	start_well(&dst);
	start_well(&src);
	ck_assert(run_until(is_channel_ready, &dst, WAIT_MS));
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS));
	ck_assert(!run_until(has_ended, &dst, 600)); /* not while its coordinator is there */
	stream_free(TAKE_PTR(src.stream));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
}
END_TEST

/* An idle process uses no processor time at all. */
START_TEST(idle_processes_use_no_processor)
{
	CLEANUP(free_charp) char *before = NULL;
	CLEANUP(free_charp) char *after = NULL;
	char path[64];
	struct err err;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)src.id.pid);
	ck_assert(file_read(path, 256, &before, &len, &err));
	/* On a busy machine its start may take some seconds. */
	for (int i = 0; i < 20 && (!after || strcmp(before, after) != 0); i++) {
		if (after) {
			free(before);
			before = TAKE_PTR(after);
		}
		run_until(never, NULL, 1000);
		ck_assert(file_read(path, 256, &after, &len, &err));
	}
	ck_assert_str_eq(before, after);
}
END_TEST

/* ---- suite ----------------------------------------------------------- */

static TCase *add_case(Suite *s, const char *name, SFun before, SFun after)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, before, after);
	suite_add_tcase(s, tc);
	return tc;
}

static void add_open(TCase *tc)
{
	tcase_add_test(tc, much_data_both_ways_arrives_whole_and_closes_in_order);
	tcase_add_test(tc, half_close_of_source_leaves_the_return_path);
	tcase_add_test(tc, half_close_of_destination_leaves_the_way_forward);
	tcase_add_test(tc, second_claim_with_the_right_token_is_refused_and_disturbs_nothing);
	tcase_add_test(tc, token_is_no_good_after_the_end);
	tcase_add_test(tc, killed_source_process_is_seen_by_both_qemus);
	tcase_add_test(tc, killed_destination_process_is_seen_by_both_qemus);
	tcase_add_test(tc, stopped_destination_process_is_given_up_after_the_link_timeout);
	tcase_add_test(tc, destination_qemu_that_dies_breaks_the_source);
	tcase_add_test(tc, bandwidth_limit_is_kept_within_a_fifth);
	tcase_add_test(tc, lease_that_runs_out_holds_the_data_until_the_next);
	tcase_add_test(tc, limit_lifted_while_waiting_lets_go_at_once);
	tcase_add_test(tc, coordinator_that_returns_finds_the_stream_at_work);
	tcase_add_test(tc, coordinator_that_goes_takes_its_lease_along);
	tcase_add_test(tc, coordinator_that_returns_late_still_gets_the_end);
	tcase_add_test(tc, new_controller_replaces_the_old);
	tcase_add_test(tc, process_that_is_gone_is_unavailable);
	tcase_add_test(tc, idle_processes_use_no_processor);
}

static void add_own(TCase *tc)
{
	tcase_add_loop_test(tc, wrong_source_is_refused_and_the_right_one_still_gets_in, 0,
			    (int)ARRAY_LEN(wrong_sources));
	tcase_add_loop_test(tc, wrong_destination_gets_no_token_and_no_byte, 0,
			    (int)ARRAY_LEN(wrong_destinations));
	tcase_add_test(tc, noise_behind_the_right_line_is_refused);
	tcase_add_test(tc, silent_connections_do_not_hold_the_right_one_up);
	tcase_add_test(tc, flood_of_silent_connections_costs_the_oldest);
	tcase_add_test(tc, connection_lost_before_its_proof_is_made_again);
	tcase_add_test(tc, source_that_is_never_let_in_gives_up_at_its_deadline);
	tcase_add_test(tc, unknown_move_is_closed_at_once);
	tcase_add_test(tc, unusable_certificates_are_told_at_ready);
	tcase_add_test(tc, program_that_is_no_stream_is_told_at_ready);
	tcase_add_test(tc, refused_connection_is_tried_again);
	tcase_add_test(tc, process_that_nobody_needs_ends_by_itself);
	tcase_add_test(tc, process_whose_channel_has_ended_lingers_then_ends);
	tcase_add_test(tc, process_ready_whose_coordinator_is_gone_ends);
}

Suite *suite(void)
{
	Suite *s = suite_create("stream");
	TCase *ready = add_case(s, "ready", set_up_ready, tear_down_open);

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_test(ready, destination_qemu_is_left_alone_before_the_first_byte);
	tcase_add_test(ready, source_socket_takes_one_qemu_and_is_gone);
	tcase_add_test(ready, peer_lost_while_ready_fails_the_source);
	tcase_add_test(ready, destination_qemu_that_never_listens_breaks_the_source);
	add_open(add_case(s, "open", set_up_open, tear_down_open));
	add_own(add_case(s, "own", set_up, tear_down));
	return s;
}
