/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "scratch.h"

static struct err err;

static bool set_plan(const char *plan)
{
	setenv("MIGRD_FAULTS", plan, 1);
	return fault_init(&err);
}

/* Without a plan, a build with fault points behaves like one without them. */
START_TEST(fault_no_plan_nothing_fires)
{
	unsetenv("MIGRD_FAULTS");
	ck_assert(!fault_hit("store.save", &err));
	ck_assert(fault_init(&err));
	ck_assert(!fault_hit("store.save", &err));
	ck_assert(!fault_drop("peer.send"));
	ck_assert(!err_is_set(&err));
}
END_TEST

#ifdef ENABLE_FAULT_INJECTION

/* Passes a point ten times; which passages were hit, as text: "0100000000". */
static const char *walk(const char *point)
{
	static char hits[11];

	for (int i = 0; i < 10; i++)
		hits[i] = fault_hit(point, &err) ? '1' : '0';
	return hits;
}

struct walk_case {
	const char *plan;
	const char *hits; /* which of ten passages at store.save are hit */
};

static const struct walk_case walk_cases[] = {
	{ "store.save:error", "1000000000" },
	{ "store.save:error:after=3", "0010000000" },
	{ "store.save:after=3:error", "0010000000" },
	{ "store.save:error:after=3:times=2", "0011000000" },
	{ "store.save:error:times=0:after=9", "0000000011" },
	{ "store.*:error:after=2", "0100000000" },
	{ "*:error", "1000000000" },
	{ "any:error:after=10", "0000000001" },
	{ "store:error", "0000000000" },
	{ "store.save:drop", "0000000000" },
	{ "store.save:delay:ms=1", "0000000000" },
	{ "store.save:hold", "0000000000" },
	{ "store.save:error,any:error:after=4:times=2", "1001100000" },
};

/* A walk through all points relies on "fail exactly at the Nth passage". */
START_TEST(fault_plan_fires_where_it_says)
{
	const struct walk_case *c = &walk_cases[_i];

	ck_assert_msg(set_plan(c->plan), "%s", err.msg);
	ck_assert_msg(strcmp(walk("store.save"), c->hits) == 0, "%s", c->plan);
}
END_TEST

/* The text of the failure must name the fault point. */
START_TEST(fault_error_names_its_point)
{
	ck_assert(set_plan("store.save:error"));
	ck_assert(fault_hit("store.save", &err));
	ck_assert_int_eq(err.code, ERR_INTERNAL);
	ck_assert_str_eq(err.msg, "fault injected at 'store.save'");
}
END_TEST

/* The sender of a lost message sees no error. */
START_TEST(fault_drop_is_for_messages_only)
{
	ck_assert(set_plan("peer.send:drop:times=2,peer.send:error:times=0"));
	ck_assert(fault_drop("peer.send"));
	ck_assert(fault_drop("peer.send"));
	ck_assert(!fault_drop("peer.send"));
	ck_assert(!fault_drop("peer.receive"));
}
END_TEST

/* A message counts as one passage, whether it may fail or be dropped there. */
START_TEST(fault_message_is_one_passage)
{
	ck_assert(set_plan("peer.send:error:after=2,peer.send:drop:after=3,any:drop:after=5"));
	ck_assert_int_eq(fault_message("peer.send", &err), FAULT_NONE);
	ck_assert_int_eq(fault_message("peer.send", &err), FAULT_ERROR);
	ck_assert_str_eq(err.msg, "fault injected at 'peer.send'");
	ck_assert_int_eq(fault_message("peer.send", &err), FAULT_DROP);
	ck_assert_int_eq(fault_message("peer.send", &err), FAULT_NONE);
	ck_assert_int_eq(fault_message("peer.send", &err), FAULT_DROP);
}
END_TEST

/* An injected crash ends the process like SIGKILL: nothing is flushed or cleaned up. */
START_TEST(fault_crash_ends_the_process)
{
	scratch_teardown(); /* nobody does it after the end */
	ck_assert(set_plan("job.enter:crash:after=2"));
	ck_assert(!fault_hit("job.enter", &err));
	fault_hit("job.enter", &err);
	ck_abort_msg("still here");
}
END_TEST

/* An injected delay plays a slow disk. */
START_TEST(fault_delay_waits)
{
	struct timespec before, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	ck_assert(set_plan("any:delay:ms=20"));
	ck_assert(!fault_hit("x", &err));
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_ge((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
				 before.tv_nsec,
			 20000000);
}
END_TEST

/* Removes the held file when the log says that the point is reached. */
static void *release(void *path)
{
	CLEANUP(free_charp) char *log_path = xstrdup(getenv("MIGRD_FAULT_LOG"));
	struct stat st;

	while (stat(log_path, &st) != 0 || st.st_size == 0)
		sched_yield();
	unlink(path);
	return NULL;
}

/* A test acts while a daemon stands still, and lets it go on. */
START_TEST(fault_hold_waits_until_released)
{
	CLEANUP(free_charp) char *held = xstrdup(scratch_path("held"));
	pthread_t thread;

	setenv("MIGRD_FAULT_HOLD", held, 1);
	setenv("MIGRD_FAULT_LOG", scratch_path("log"), 1);
	ck_assert(file_write(held, "", 0, 0600, &err));
	ck_assert(set_plan("any:hold"));
	ck_assert_int_eq(pthread_create(&thread, NULL, release, held), 0);
	ck_assert(!fault_hit("x", &err));
	ck_assert_int_eq(access(held, F_OK), -1);
	pthread_join(thread, NULL);
	ck_assert(file_write(held, "", 0, 0600, &err));
	ck_assert(!fault_hit("x", &err)); /* once only */
	unsetenv("MIGRD_FAULT_LOG");
	unsetenv("MIGRD_FAULT_HOLD");
}
END_TEST

/* All requests are lost until a test has acted. */
START_TEST(fault_while_held_ends_with_the_file)
{
	CLEANUP(free_charp) char *held = xstrdup(scratch_path("held"));

	setenv("MIGRD_FAULT_HOLD", held, 1);
	ck_assert(file_write(held, "", 0, 0600, &err));
	ck_assert(set_plan("peer.send:drop:times=0:held"));
	ck_assert(fault_drop("peer.send"));
	ck_assert(fault_drop("peer.send"));
	unlink(held);
	ck_assert(!fault_drop("peer.send"));
	unsetenv("MIGRD_FAULT_HOLD");
}
END_TEST

/* A walk gets its list of points from the log of a run without faults, which may span restarts
 * of the daemon. */
START_TEST(fault_log_lists_every_passage)
{
	CLEANUP(free_charp) char *text = NULL;
	size_t len;

	setenv("MIGRD_FAULT_LOG", scratch_path("log"), 1);
	ck_assert(set_plan(""));
	fault_hit("a", &err);
	fault_drop("b");
	ck_assert(set_plan(""));
	fault_hit("a", &err);
	ck_assert(file_read(scratch_path("log"), 1000, &text, &len, &err));
	ck_assert_str_eq(text, "1 a\n2 b\n1 a\n");
}
END_TEST

static const char *const bad_plans[] = {
	"x",
	":error",
	"x:",
	"x:explode",
	"x:error:drop",
	"x:error:",
	"x:error:after=",
	"x:error:after=0",
	"x:error:after=-1",
	"x:error:times=1x",
	"x:error,",
	",x:error",
	"x:error:ms=99999999999999999999",
};

/* A plan with a mistake would test nothing and look like success. */
START_TEST(fault_bad_plan_is_refused)
{
	ck_assert_msg(!set_plan(bad_plans[_i]), "%s", bad_plans[_i]);
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "MIGRD_FAULTS"));
	ck_assert(!fault_hit("x", &err));
}
END_TEST

static void add_injection_tests(TCase *tc)
{
	tcase_add_loop_test(tc, fault_plan_fires_where_it_says, 0, ARRAY_LEN(walk_cases));
	tcase_add_test(tc, fault_error_names_its_point);
	tcase_add_test(tc, fault_drop_is_for_messages_only);
	tcase_add_test(tc, fault_message_is_one_passage);
	tcase_add_exit_test(tc, fault_crash_ends_the_process, 99);
	tcase_add_test(tc, fault_delay_waits);
	tcase_add_test(tc, fault_hold_waits_until_released);
	tcase_add_test(tc, fault_while_held_ends_with_the_file);
	tcase_add_test(tc, fault_log_lists_every_passage);
	tcase_add_loop_test(tc, fault_bad_plan_is_refused, 0, ARRAY_LEN(bad_plans));
}

#else

/* A production build ignores the plan, so that no switch can be left on. */
START_TEST(fault_plan_without_injection_is_ignored)
{
	ck_assert(set_plan("any:crash"));
	ck_assert(!fault_hit("x", &err));
	ck_assert(!fault_drop("x"));
}
END_TEST

static void add_injection_tests(TCase *tc)
{
	tcase_add_test(tc, fault_plan_without_injection_is_ignored);
}

#endif

Suite *suite(void)
{
	Suite *s = suite_create("fault");
	TCase *tc = tcase_create("fault");

	tcase_add_checked_fixture(tc, scratch_setup, scratch_teardown);
	tcase_add_test(tc, fault_no_plan_nothing_fires);
	add_injection_tests(tc);
	suite_add_tcase(s, tc);
	return s;
}
