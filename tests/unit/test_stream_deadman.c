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
#define TIMEOUT_MS 300

/* A monitor that says what it is told to, one text when somebody comes and one for each line. */
static struct monitor {
	char path[64];
	int listen_fd;
	const char *says[5];
	char heard[512];
} monitor;

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
	snprintf(monitor.path, sizeof(monitor.path), "/tmp/test-deadman-%d.sock", (int)getpid());
	ck_assert_msg(unix_listen(monitor.path, SOCK_STREAM, &monitor.listen_fd, &err), "%s",
		      err.msg);
}

static void teardown(void)
{
	close(monitor.listen_fd);
	(void)unlink(monitor.path);
}

static bool look(bool *ret_cancelled, struct err *err)
{
	pthread_t thread;
	bool ok;

	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	ok = deadman_look(monitor.path, TIMEOUT_MS, ret_cancelled, err);
	pthread_join(thread, NULL);
	return ok;
}

static bool was_told(const char *command)
{
	return strstr(monitor.heard, command) != NULL;
}

/* ---- what QEMU does ------------------------------------------------------------------ */

START_TEST(guest_that_waits_for_its_coordinator_is_let_go)
{
	struct err err;
	bool is_cancelled;

	monitor.says[0] = GREETING;
	monitor.says[1] = EVENT DONE;
	monitor.says[2] = EVENT "{\"return\": {\"status\": \"pre-switchover\", \"ram\": {}}}\r\n";
	monitor.says[3] = EVENT DONE;
	ck_assert_msg(look(&is_cancelled, &err), "%s", err.msg);
	ck_assert(is_cancelled);
	ck_assert(was_told("\"migrate_cancel\""));
}
END_TEST

/* Memory that is being sent goes on when the coordinator is back, and after `completed' the guest
 * may be the other host's. */
START_TEST(any_other_migration_is_left_alone)
{
	static const char *const infos[] = {
		"{\"return\": {}}\r\n",
		"{\"return\": {\"status\": \"active\"}}\r\n",
		"{\"return\": {\"status\": \"device\"}}\r\n",
		"{\"return\": {\"status\": \"completed\"}}\r\n",
	};
	struct err err;
	bool is_cancelled;

	monitor.says[0] = GREETING;
	monitor.says[1] = DONE;
	monitor.says[2] = infos[_i];
	monitor.says[3] = DONE;
	ck_assert_msg(look(&is_cancelled, &err), "%s", err.msg);
	ck_assert(!is_cancelled);
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
	bool is_cancelled = true;

	memcpy(monitor.says, cases[_i].says, sizeof(cases[_i].says));
	ck_assert(!look(&is_cancelled, &err));
	ck_assert_int_eq(err.code, cases[_i].code);
	ck_assert(!is_cancelled);
}
END_TEST

START_TEST(nobody_listens)
{
	struct err err;
	bool is_cancelled;

	ck_assert(!deadman_look("/tmp/test-deadman-none.sock", TIMEOUT_MS, &is_cancelled, &err));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_deadman");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, guest_that_waits_for_its_coordinator_is_let_go);
	tcase_add_loop_test(tc, any_other_migration_is_left_alone, 0, 4);
	tcase_add_loop_test(tc, what_does_not_answer_as_qemu_does_is_an_error, 0, 5);
	tcase_add_test(tc, nobody_listens);
	suite_add_tcase(s, tc);
	return s;
}
