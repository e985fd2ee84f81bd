/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process has left running in its session is found and ended, and nothing else. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/session.h"
#include "check_main.h"

#define MARK "MIGRD_TEST_SESSION=1"

static char dir[] = "/tmp/migrd-session-XXXXXX";
static struct loop *loop;

static void set_up(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	signal(SIGCHLD, SIG_IGN); /* as the daemon has it */
	loop = loop_new();
}

static void tear_down(void)
{
	struct err err;

	loop_free(loop);
	ck_assert_msg(dir_remove(dir, &err), "%s", err.msg);
}

/* It has printed a line to the file `ready' when this returns. */
static struct proc_id spawn(const char *script, const char *mark)
{
	CLEANUP(free_charp) char *ready = xasprintf("%s/ready", dir);
	CLEANUP(free_charp) char *text = xasprintf("cd %s; %s", dir, script);
	const char *argv[] = { "env", mark, "sh", "-c", text, NULL };
	struct proc_id id;
	struct err err;

	unlink(ready);
	ck_assert_msg(proc_spawn(&(struct proc_args){ .argv = argv }, &id, &err), "%s", err.msg);
	while (access(ready, F_OK) != 0)
		;
	return id;
}

static void on_ended(void *data, int status)
{
	(void)status;
	*(bool *)data = true;
	loop_stop(loop);
}

static void kill_and_wait(struct proc_id id)
{
	bool has_ended = false;
	struct err err;
	struct proc *proc = proc_watch(loop, id, on_ended, &has_ended, &err);

	ck_assert_ptr_nonnull(proc);
	proc_kill(proc, SIGKILL);
	while (!has_ended)
		loop_run(loop);
	proc_free(proc);
}

static pid_t pid_in(const char *name)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, name);
	CLEANUP(free_charp) char *text = NULL;
	struct err err;
	size_t len;

	ck_assert_msg(file_read(path, 64, &text, &len, &err), "%s", err.msg);
	return (pid_t)strtol(text, NULL, 10);
}

static bool is_there(pid_t pid)
{
	struct proc_id id;
	struct err gone;

	return proc_identify(pid, &id, &gone);
}

static size_t count(struct proc_id leader, const char *mark)
{
	struct err err;
	size_t ret;

	ck_assert(session_count_blocking(leader, mark, &ret, &err));
	return ret;
}

static size_t end(struct proc_id leader, const char *mark)
{
	struct err err;
	size_t ret;

	ck_assert(session_end_blocking(leader, mark, 100, &ret, &err));
	return ret;
}

/* In groups of their own too, and one that does not end by SIGTERM. */
START_TEST(what_a_dead_leader_has_left_is_ended)
{
	const struct proc_id leader = spawn("set -m; sh -c 'trap \"\" TERM; echo $$ >stubborn; "
					    "while :; do sleep 1000; done' & "
					    "sleep 1000 & echo $! >meek; "
					    "until test -s stubborn; do :; done; >ready; wait",
					    MARK);

	ck_assert_uint_ge(count(leader, MARK), 3);
	kill_and_wait(leader);
	ck_assert_uint_ge(count(leader, MARK), 2);
	ck_assert_uint_eq(end(leader, MARK), 0);
	ck_assert(!is_there(pid_in("stubborn")));
	ck_assert(!is_there(pid_in("meek")));
	ck_assert_uint_eq(count(leader, MARK), 0);
}
END_TEST

/* Whose number is another one's now: of another leader, or without the mark. */
START_TEST(other_session_of_the_same_number_is_left_alone)
{
	struct proc_id leader = spawn("sleep 1000 & echo $! >meek; >ready; wait", MARK);
	const struct proc_id before = { .pid = leader.pid, .start_time = leader.start_time - 1 };

	ck_assert_uint_eq(count(before, MARK), 0);
	ck_assert_uint_eq(end(before, MARK), 0);
	ck_assert_uint_eq(end(leader, MARK "2"), 0);
	ck_assert(is_there(leader.pid));
	ck_assert(is_there(pid_in("meek")));
	ck_assert_uint_eq(end(leader, MARK), 0);
	ck_assert(!is_there(leader.pid));
	ck_assert(!is_there(pid_in("meek")));
}
END_TEST

static void allow(rlim_t descriptors)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = descriptors;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* None for /proc; none for a process's file; none to hold a process by; none for a second one. */
START_TEST(nothing_is_said_to_have_ended_for_want_of_descriptors)
{
	const struct proc_id leader = spawn("sleep 1000 & echo $! >meek; >ready; wait", MARK);
	const pid_t meek = pid_in("meek");
	const int next = dup(STDIN_FILENO);
	struct proc_id found;
	struct err err;
	size_t ret = 7;

	ck_assert_int_ge(next, 0);
	close(next);
	allow((rlim_t)next + (rlim_t)_i);
	ck_assert(!session_count_blocking(leader, MARK, &ret, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
	ck_assert(!session_end_blocking(leader, MARK, 100, &ret, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
	ck_assert_uint_eq(ret, 7);
	ck_assert(_i > 0 || (!proc_identify(meek, &found, &err) && err.code != ERR_NOT_FOUND));
	allow((rlim_t)next + 100);
	end(leader, MARK);
	ck_assert_uint_eq(count(leader, MARK), 0);
	ck_assert(!is_there(meek));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, what_a_dead_leader_has_left_is_ended);
	tcase_add_test(tc, other_session_of_the_same_number_is_left_alone);
	tcase_add_loop_test(tc, nothing_is_said_to_have_ended_for_want_of_descriptors, 0, 4);
	return s;
}
