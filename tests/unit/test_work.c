/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"
#include "check_main.h"

static struct loop *loop;
static struct worker *worker;
static char trace[256]; /* what done() saw, in order */
static int done_count;
static int done_target; /* stops the loop */

struct item {
	struct work work;
	char letter;
	char run_as[16];
	pthread_t thread;
	bool is_signal_blocked;
	bool is_run;
	struct item *next; /* submitted by done() */
};

/* TAKE_PTR() would not do: done() may submit during worker_free(). */
static void free_worker(void)
{
	worker_free(worker);
	worker = NULL;
}

static void setup_uv(void)
{
	loop = loop_new();
	worker = worker_new(loop, "worker-name-15b", 1);
}

static void setup_sim(void)
{
	loop = loop_new_sim();
	worker = worker_new(loop, "worker-name-15b", 1);
}

static void teardown(void)
{
	worker_free(worker);
	loop_free(loop);
}

static void run(struct work *work)
{
	struct item *item = CONTAINER_OF(work, struct item, work);
	sigset_t set;

	pthread_getname_np(pthread_self(), item->run_as, sizeof(item->run_as));
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	item->is_signal_blocked = sigismember(&set, SIGTERM);
	item->thread = pthread_self();
	item->is_run = true;
}

static void done(struct work *work)
{
	struct item *item = CONTAINER_OF(work, struct item, work);

	loop_assert_thread(loop);
	ck_assert(item->is_run);
	if (strlen(trace) + 1 < sizeof(trace))
		trace[strlen(trace)] = item->letter;
	if (item->next)
		worker_submit(worker, &item->next->work);
	if (++done_count == done_target)
		loop_stop(loop);
}

static void init_items(struct item *items, int count)
{
	memset(items, 0, (size_t)count * sizeof(*items));
	for (int i = 0; i < count; i++) {
		items[i].work.run = run;
		items[i].work.done = done;
		items[i].letter = (char)('a' + i % 26);
	}
}

static void submit_all(struct item *items, int count)
{
	for (int i = 0; i < count; i++)
		worker_submit(worker, &items[i].work);
}

/* The store relies on one thread and one order. */
START_TEST(items_of_one_thread_are_done_in_order)
{
	struct item items[10];

	init_items(items, 10);
	submit_all(items, 10);
	done_target = 10;
	loop_run(loop);
	ck_assert_str_eq(trace, "abcdefghij");
}
END_TEST

/* A callback inside the call would find half-made state. */
START_TEST(item_is_never_done_inside_submit)
{
	struct item item;

	init_items(&item, 1);
	submit_all(&item, 1);
	ck_assert_str_eq(trace, "");
	done_target = 1;
	loop_run(loop);
	ck_assert_str_eq(trace, "a");
}
END_TEST

/* The end of the daemon must lose neither a write nor its item. */
START_TEST(free_finishes_what_was_submitted)
{
	struct item items[10];

	init_items(items, 10);
	submit_all(items, 10);
	free_worker();
	ck_assert_str_eq(trace, "abcdefghij");
}
END_TEST

/* The callback of a write may submit the next one, even at the end. */
START_TEST(free_finishes_what_done_submits)
{
	struct item items[3];

	init_items(items, 3);
	items[0].next = &items[1];
	items[1].next = &items[2];
	submit_all(items, 1);
	free_worker();
	ck_assert_str_eq(trace, "abc");
}
END_TEST

/* A callback that was posted to the loop must not run twice, nor after the end. */
START_TEST(free_leaves_nothing_behind_on_the_loop)
{
	struct item items[2];

	init_items(items, 2);
	items[1].next = NULL;
	submit_all(items, 2);
	free_worker();
	loop_stop(loop);
	loop_run(loop);
	ck_assert_int_eq(done_count, 2);
}
END_TEST

/* Blocking work must run on another thread, which has a name and does not take the loop's
 * signals. */
START_TEST(item_runs_on_a_named_thread_without_signals)
{
	struct item item;

	init_items(&item, 1);
	submit_all(&item, 1);
	done_target = 1;
	loop_run(loop);
	ck_assert(!pthread_equal(item.thread, pthread_self()));
	ck_assert_str_eq(item.run_as, "worker-name-15b");
	ck_assert(item.is_signal_blocked);
}
END_TEST

static pthread_barrier_t barrier;

static void run_together(struct work *work)
{
	run(work);
	pthread_barrier_wait(&barrier);
}

/* A name lookup that hangs must not hold up other lookups. */
START_TEST(items_of_several_threads_run_side_by_side)
{
	struct item items[3];

	worker_free(worker);
	worker = worker_new(loop, "pool", 3);
	pthread_barrier_init(&barrier, NULL, 3);
	init_items(items, 3);
	for (int i = 0; i < 3; i++)
		items[i].work.run = run_together;
	submit_all(items, 3);
	done_target = 3;
	loop_run(loop);
	pthread_barrier_destroy(&barrier);
}
END_TEST

/* Each item runs exactly once, under load, on more threads than CPUs. */
START_TEST(many_items_on_many_threads_are_each_done_once)
{
	enum { COUNT = 500 };
	static struct item items[COUNT];

	worker_free(worker);
	worker = worker_new(loop, "pool", 4);
	init_items(items, COUNT);
	for (int i = 0; i + COUNT / 2 < COUNT; i++)
		items[i].next = &items[i + COUNT / 2];
	submit_all(items, COUNT / 2);
	done_target = COUNT;
	loop_run(loop);
	ck_assert_int_eq(done_count, COUNT);
	for (int i = 0; i < COUNT; i++)
		ck_assert(items[i].is_run);
}
END_TEST

/* The simulated loop runs items on its one thread in one order, so that a test repeats
 * exactly. */
START_TEST(sim_items_run_here_at_the_next_step)
{
	struct item items[2];

	init_items(items, 2);
	submit_all(items, 2);
	ck_assert(!items[0].is_run);
	loop_sim_run(loop);
	ck_assert_str_eq(trace, "ab");
	ck_assert(pthread_equal(items[0].thread, pthread_self()));
}
END_TEST

static TCase *new_case(const char *name, SFun setup)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, items_of_one_thread_are_done_in_order);
	tcase_add_test(tc, item_is_never_done_inside_submit);
	tcase_add_test(tc, free_finishes_what_was_submitted);
	tcase_add_test(tc, free_finishes_what_done_submits);
	tcase_add_test(tc, free_leaves_nothing_behind_on_the_loop);
	return tc;
}

Suite *suite(void)
{
	Suite *s = suite_create("work");
	TCase *uv = new_case("uv", setup_uv);
	TCase *sim = new_case("sim", setup_sim);

	tcase_add_test(uv, item_runs_on_a_named_thread_without_signals);
	tcase_add_test(uv, items_of_several_threads_run_side_by_side);
	tcase_add_test(uv, many_items_on_many_threads_are_each_done_once);
	suite_add_tcase(s, uv);
	tcase_add_test(sim, sim_items_run_here_at_the_next_step);
	suite_add_tcase(s, sim);
	return s;
}
