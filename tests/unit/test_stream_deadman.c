/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"
#include "stream/deadman.h"
#include "tests/lib/check_main.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define DONE     "{\"return\": {}}\r\n"
#define EVENT    "{\"timestamp\": {}, \"event\": \"STOP\"}\r\n"
#define TIMEOUT_MS 300   /* for one who does not answer */
#define PATIENT_MS 10000 /* for one who does, as soon as he gets to it */

/* A monitor that says what it is told to, one text when somebody comes and one for each line. */
static struct monitor {
	char path[64];
	int listen_fd;
	const char *says[5];
	char heard[512];
} monitor;

static struct deadman deadman;

static void say(int fd, const char *text)
{
	if (text)
		(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void *serve(void *unused)
{
	struct pollfd pfd = { .fd = monitor.listen_fd, .events = POLLIN };
	size_t answers = 0, len = 0;
	ssize_t got;
	int fd;

	(void)unused;
	poll(&pfd, 1, 5000);
	fd = accept(monitor.listen_fd, NULL, NULL);
	say(fd, monitor.says[answers++]);
	while ((got = recv(fd, monitor.heard + len, sizeof(monitor.heard) - 1 - len, 0)) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (monitor.heard[len + (size_t)i] == '\n' && answers < 5)
				say(fd, monitor.says[answers++]);
		}
		len += (size_t)got;
	}
	close(fd);
	return NULL;
}

static void setup(void)
{
	struct err err;

	memset(&monitor, 0, sizeof(monitor));
	deadman_init(&deadman);
	snprintf(monitor.path, sizeof(monitor.path), "/tmp/test-deadman-%d.sock", (int)getpid());
	ck_assert_msg(unix_listen(monitor.path, SOCK_STREAM, &monitor.listen_fd, &err), "%s",
		      err.msg);
}

static void teardown(void)
{
	deadman_close(&deadman);
	close(monitor.listen_fd);
	(void)unlink(monitor.path);
}

static bool look_for(uint32_t ms, enum deadman_sight *ret, struct err *err)
{
	pthread_t thread;
	bool ok;

	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	ok = deadman_look(&deadman, monitor.path, ms, ret, err);
	deadman_close(&deadman); /* ends the thread */
	pthread_join(thread, NULL);
	return ok;
}

static bool look(enum deadman_sight *ret, struct err *err)
{
	return look_for(PATIENT_MS, ret, err);
}

static bool was_told(const char *command)
{
	return strstr(monitor.heard, command) != NULL;
}

/* ---- what QEMU does ------------------------------------------------------------------ */

START_TEST(guest_that_waits_for_its_coordinator_is_let_go)
{
	struct err err;
	enum deadman_sight sight;

	monitor.says[0] = GREETING;
	monitor.says[1] = EVENT DONE;
	monitor.says[2] = EVENT "{\"return\": {\"status\": \"pre-switchover\", \"ram\": {}}}\r\n";
	monitor.says[3] = EVENT DONE;
	ck_assert_msg(look(&sight, &err), "%s", err.msg);
	ck_assert_int_eq(sight, DEADMAN_CANCELLED);
	ck_assert(was_told("\"migrate_cancel\""));
}
END_TEST

#define STATUS(name) "{\"return\": {\"status\": \"" name "\"}}\r\n"

/* A guest that runs, or that its user has paused, goes on when the coordinator is back; after
 * `completed' it may be the other host's, and so it may in post-copy. */
START_TEST(only_a_guest_that_qemu_has_stopped_to_send_the_rest_stands_still)
{
	static const struct {
		const char *migration, *run;
		enum deadman_sight sight;
	} rows[] = {
		{ "{\"return\": {}}\r\n", STATUS("running"), DEADMAN_LEFT },
		{ STATUS("active"), STATUS("running"), DEADMAN_LEFT },
		{ STATUS("active"), STATUS("paused"), DEADMAN_LEFT },
		{ STATUS("active"), STATUS("finish-migrate"), DEADMAN_STANDS },
		{ STATUS("device"), EVENT STATUS("finish-migrate"), DEADMAN_STANDS },
		{ STATUS("postcopy-active"), STATUS("finish-migrate"), DEADMAN_LEFT },
		{ STATUS("completed"), STATUS("postmigrate"), DEADMAN_LEFT },
		{ STATUS("failed"), STATUS("finish-migrate"), DEADMAN_LEFT },
	};
	enum deadman_sight sight;
	struct err err;

	monitor.says[0] = GREETING;
	monitor.says[1] = DONE;
	monitor.says[2] = rows[_i].migration;
	monitor.says[3] = rows[_i].run;
	ck_assert_msg(look(&sight, &err), "%s", err.msg);
	ck_assert_int_eq(sight, rows[_i].sight);
	ck_assert(!was_told("migrate_cancel"));
}
END_TEST

/* ---- what is no monitor, or does not answer -------------------------------------------- */

START_TEST(what_does_not_answer_as_qemu_does_is_an_error)
{
	static const struct {
		const char *says[3];
		enum err_code code;
	} cases[] = {
		{ { NULL }, ERR_TIMEOUT },
		{ { "220 mail ready\r\n" }, ERR_INVALID },
		{ { GREETING, "{\"error\": {\"class\": \"GenericError\"}}\r\n" }, ERR_INVALID },
		{ { GREETING, DONE }, ERR_TIMEOUT },
		{ { GREETING, DONE, "{\"return\": {\"status\": \"pre-swi" }, ERR_TIMEOUT },
	};
	struct err err;
	enum deadman_sight sight = DEADMAN_STANDS;

	memcpy(monitor.says, cases[_i].says, sizeof(cases[_i].says));
	ck_assert(!look_for(cases[_i].code == ERR_TIMEOUT ? TIMEOUT_MS : PATIENT_MS, &sight, &err));
	ck_assert_int_eq(err.code, cases[_i].code);
	ck_assert_int_eq(sight, DEADMAN_LEFT);
}
END_TEST

/* Many looks at a QEMU that takes nobody are one connection; what it says in the end is the answer.
 */
START_TEST(qemu_that_does_not_answer_keeps_one_connection)
{
	enum deadman_sight sight;
	struct pollfd pfd = { .fd = monitor.listen_fd, .events = POLLIN };
	struct err err;
	char text[256];
	int fd;

	for (int i = 0; i < 3; i++) {
		ck_assert(!deadman_look(&deadman, monitor.path, 10, &sight, &err));
		ck_assert_int_eq(err.code, ERR_TIMEOUT);
	}
	fd = accept(monitor.listen_fd, NULL, NULL);
	ck_assert_int_eq(poll(&pfd, 1, 0), 0);
	say(fd, GREETING);
	ck_assert(!deadman_look(&deadman, monitor.path, TIMEOUT_MS, &sight, &err));
	ck_assert_int_eq(err.code, ERR_TIMEOUT);
	say(fd, DONE);
	ck_assert(!deadman_look(&deadman, monitor.path, TIMEOUT_MS, &sight, &err));
	/* The late answer is not that to the question which this look asks. */
	say(fd, STATUS("setup") STATUS("active") STATUS("finish-migrate"));
	ck_assert_msg(deadman_look(&deadman, monitor.path, PATIENT_MS, &sight, &err), "%s",
		      err.msg);
	ck_assert_int_eq(sight, DEADMAN_STANDS);
	ck_assert_int_gt(recv(fd, text, sizeof(text), 0), 0);
	close(fd);
}
END_TEST

/* QEMU's own queue has few places. */
START_TEST(queue_that_is_full_is_a_qemu_that_does_not_answer)
{
	enum deadman_sight sight;
	struct err err;
	int fds[2];

	ck_assert_int_eq(listen(monitor.listen_fd, 0), 0);
	ck_assert(unix_connect(monitor.path, SOCK_STREAM, &fds[0], &err));
	ck_assert(!unix_connect(monitor.path, SOCK_STREAM, &fds[1], &err));
	ck_assert(!deadman_look(&deadman, monitor.path, TIMEOUT_MS, &sight, &err));
	ck_assert_int_eq(err.code, ERR_TIMEOUT);
	close(fds[0]);
}
END_TEST

START_TEST(nobody_listens)
{
	struct err err;
	enum deadman_sight sight;

	ck_assert(!deadman_look(&deadman, "/tmp/test-deadman-none.sock", TIMEOUT_MS, &sight, &err));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_deadman");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, guest_that_waits_for_its_coordinator_is_let_go);
	tcase_add_loop_test(tc, only_a_guest_that_qemu_has_stopped_to_send_the_rest_stands_still, 0,
			    8);
	tcase_add_loop_test(tc, what_does_not_answer_as_qemu_does_is_an_error, 0, 5);
	tcase_add_test(tc, qemu_that_does_not_answer_keeps_one_connection);
	tcase_add_test(tc, queue_that_is_full_is_a_qemu_that_does_not_answer);
	tcase_add_test(tc, nobody_listens);
	suite_add_tcase(s, tc);
	return s;
}
