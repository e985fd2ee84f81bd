/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A source's migrd-stream whose coordinator is away looks at the guest (stream/control.c).  The
 * test is the coordinator, both QEMUs, and the monitor at which the stream asks. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/stream_rig.h"

#define GREETING  "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define DONE      "{\"return\": {}}\r\n"
#define STATUS(s) "{\"return\": {\"status\": \"" s "\"}}\r\n"

/* A QEMU's two monitors, each for one client after another. */
static struct monitor {
	char path[100];
	int listen_fd;
	atomic_bool is_deaf; /* nobody is greeted */
	pthread_t thread;
} spare, used;
static atomic_bool stands; /* the guest */
static atomic_bool waits;  /* QEMU, in pre-switchover */
static atomic_bool is_cancelled;
static atomic_bool is_over;
static atomic_uint looks; /* that were answered, or would have been */

static const char *answer_to(const char *command)
{
	if (strstr(command, "migrate_cancel"))
		atomic_store(&is_cancelled, true);
	if (strstr(command, "query-migrate"))
		return atomic_load(&waits) ? STATUS("pre-switchover") : STATUS("active");
	if (strstr(command, "query-status"))
		return atomic_load(&stands) ? STATUS("finish-migrate") : STATUS("running");
	return DONE;
}

static void say(int fd, const char *text)
{
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void serve_one(const struct monitor *monitor, int fd)
{
	char text[512];
	ssize_t got;

	if (!atomic_load(&monitor->is_deaf))
		say(fd, GREETING);
	while ((got = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		text[got] = '\0';
		say(fd, answer_to(text));
	}
	atomic_fetch_add(&looks, 1);
	close(fd);
}

static void *serve(void *arg)
{
	struct monitor *monitor = arg;
	struct pollfd pfd = { .fd = monitor->listen_fd, .events = POLLIN };

	while (!atomic_load(&is_over)) {
		if (poll(&pfd, 1, 50) == 1)
			serve_one(monitor, accept4(monitor->listen_fd, NULL, NULL, SOCK_CLOEXEC));
	}
	return NULL;
}

static void start_monitor(struct monitor *monitor, const char *name, char *ret_path, size_t size)
{
	struct err err;

	snprintf(monitor->path, sizeof(monitor->path), "%s/src/%s", dir, name);
	snprintf(ret_path, size, "%s", monitor->path);
	ck_assert_msg(unix_listen(monitor->path, SOCK_STREAM, &monitor->listen_fd, &err), "%s",
		      err.msg);
	ck_assert_int_eq(pthread_create(&monitor->thread, NULL, serve, monitor), 0);
}

static void end_monitor(struct monitor *monitor)
{
	pthread_join(monitor->thread, NULL);
	close(monitor->listen_fd);
}

/* A migrd-stream that soon ends the connection of a guest that stands still: not at the first look,
 * which a busy machine may spoil. */
static void write_program(char *ret_path, size_t size, const char *program)
{
	FILE *file;

	snprintf(ret_path, size, "%s/src/impatient", dir);
	file = fopen(ret_path, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "#!/bin/sh\nexec '%s' \"$@\" --stand-ms 2000\n", program);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(ret_path, 0700), 0);
}

static bool is_adopted; /* its QEMU has one monitor */

static void setup(void)
{
	char program[sizeof(src.config.program)];

	set_up();
	write_program(program, sizeof(program), src.config.program);
	memcpy(src.config.program, program, sizeof(program));
	start_monitor(&spare, "spare.sock", src.config.monitor, sizeof(src.config.monitor));
	start_monitor(&used, "used.sock", src.config.other_monitor,
		      sizeof(src.config.other_monitor));
	if (is_adopted)
		src.config.other_monitor[0] = '\0';
	start_well(&dst);
	start_well(&src);
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS));
	connect_src_qemu();
	send_bytes(src_qemu, "memory");
	ck_assert(run_until(is_open, &src, WAIT_MS));
	ck_assert(run_until(is_open, &dst, WAIT_MS));
	dst_qemu = accept_qemu(qemu_listen_fd);
}

static void setup_adopted(void)
{
	is_adopted = true;
	setup();
}

static void teardown(void)
{
	atomic_store(&is_over, true);
	end_monitor(&spare);
	end_monitor(&used);
	closep(&src_qemu);
	closep(&dst_qemu);
	tear_down();
}

static void coordinator_leaves(void)
{
	stream_free(src.stream);
	src.stream = NULL;
}

static void coordinator_comes_back(void)
{
	const struct stream_callbacks cb = callbacks_of(&src);

	src.is_ready = false;
	src.stream = stream_attach(loop, src.config.dir, src.id, &cb);
	ck_assert(run_until(is_ready, &src, WAIT_MS));
}

static void await_looks(unsigned count)
{
	count += atomic_load(&looks);
	for (int ms = 0; ms < WAIT_MS && atomic_load(&looks) < count; ms += 20)
		run_until(never, NULL, 20);
	ck_assert_uint_ge(atomic_load(&looks), count);
}

/* Memory waits for the coordinator: only a guest that stands still may not. */
START_TEST(guest_that_runs_is_left_and_one_that_stands_still_runs_on)
{
	coordinator_leaves();
	await_looks(1);
	ck_assert(!sees_end(src_qemu, 0));
	atomic_store(&stands, true);
	ck_assert(sees_end(src_qemu, WAIT_MS));
	coordinator_comes_back();
	if (stream_status(src.stream)->state != STREAM_CHANNEL_FAILED)
		ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_int_eq(stream_status(src.stream)->state, STREAM_CHANNEL_FAILED);
	ck_assert_str_eq(stream_status(src.stream)->error, STREAM_LET_GO);
}
END_TEST

/* In its last pass QEMU holds its main lock. */
START_TEST(qemu_that_does_not_answer_counts_as_one_whose_guest_stands_still)
{
	atomic_store(&spare.is_deaf, true);
	atomic_store(&used.is_deaf, true);
	coordinator_leaves();
	ck_assert(sees_end(src_qemu, WAIT_MS));
}
END_TEST

/* Nobody can tell then what its guest does: an attempt less, not a guest that stands still. */
START_TEST(only_monitor_at_which_somebody_else_is_counts)
{
	atomic_store(&spare.is_deaf, true);
	coordinator_leaves();
	ck_assert(sees_end(src_qemu, WAIT_MS));
}
END_TEST

START_TEST(monitor_at_which_somebody_else_is_does_not_count)
{
	atomic_store(&spare.is_deaf, true);
	coordinator_leaves();
	await_looks(2);
	ck_assert(!sees_end(src_qemu, 0));
	atomic_store(&stands, true);
	ck_assert(sees_end(src_qemu, WAIT_MS));
}
END_TEST

/* QEMU does not notice in pre-switchover that its connection has ended: the last bytes may have
 * gone into a socket that nobody reads any more. */
START_TEST(qemu_that_waits_for_its_coordinator_is_cancelled_when_its_connections_have_ended_too)
{
	stop(&dst);
	if (stream_status(src.stream)->state != STREAM_CHANNEL_FAILED)
		ck_assert(run_until(has_ended, &src, WAIT_MS));
	atomic_store(&waits, true);
	coordinator_leaves();
	for (int ms = 0; ms < WAIT_MS && !atomic_load(&is_cancelled); ms += 20)
		run_until(never, NULL, 20);
	ck_assert(atomic_load(&is_cancelled));
}
END_TEST

/* After the switch to post-copy the guest may be the other host's. */
START_TEST(connection_is_kept_when_post_copy_has_begun)
{
	stream_keep(src.stream);
	coordinator_leaves();
	atomic_store(&stands, true);
	await_looks(2);
	ck_assert(!sees_end(src_qemu, 0));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_away");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, guest_that_runs_is_left_and_one_that_stands_still_runs_on);
	tcase_add_test(tc, qemu_that_does_not_answer_counts_as_one_whose_guest_stands_still);
	tcase_add_test(tc, monitor_at_which_somebody_else_is_does_not_count);
	tcase_add_test(
		tc,
		qemu_that_waits_for_its_coordinator_is_cancelled_when_its_connections_have_ended_too);
	tcase_add_test(tc, connection_is_kept_when_post_copy_has_begun);
	suite_add_tcase(s, tc);
	tc = tcase_create("adopted");
	tcase_add_checked_fixture(tc, setup_adopted, teardown);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, only_monitor_at_which_somebody_else_is_counts);
	suite_add_tcase(s, tc);
	return s;
}
