/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Most tests run on both loops, because other tests rely on the simulated loop behaving
 * like the real one. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "base/mem.h"
#include "check_main.h"

static struct loop *loop;
static char trace[256]; /* what the callbacks wrote, in order */

static void setup_uv(void)
{
	loop = loop_new();
}

static void setup_sim(void)
{
	loop = loop_new_sim();
}

static void teardown(void)
{
	loop_free(TAKE_PTR(loop));
}

static void note(const char *text)
{
	size_t len = strlen(trace);

	snprintf(trace + len, sizeof(trace) - len, "%s", text);
}

/* A callback's data is the letter that it notes; 0: none. */
#define TAG(letter) ((void *)(uintptr_t)(letter))

static void on_note(void *data)
{
	char text[2] = { (char)(uintptr_t)data };

	note(text);
}

static void on_stop(void *data)
{
	on_note(data);
	loop_stop(loop);
}

/* ---- timers ---------------------------------------------------------- */

/* Several moves have deadlines at the same time. */
START_TEST(timers_started_in_any_order_fire_by_time)
{
	struct loop_timer *b = loop_timer_new(loop, on_note, TAG('b'));
	struct loop_timer *c = loop_timer_new(loop, on_stop, TAG('c'));
	struct loop_timer *a = loop_timer_new(loop, on_note, TAG('a'));
	uint64_t began_ms;

	/* Again if this process stood still between them. */
	do {
		began_ms = loop_now_ms(loop);
		loop_timer_start(b, 20);
		loop_timer_start(c, 40);
		loop_timer_start(a, 1);
	} while (loop_now_ms(loop) - began_ms > 10);
	ck_assert_str_eq(trace, "");
	loop_run(loop);
	ck_assert_str_eq(trace, "abc");
	ck_assert(!loop_timer_is_active(a));
	loop_timer_free(a);
	loop_timer_free(b);
	loop_timer_free(c);
}
END_TEST

/* Each sign of life of a peer moves a deadline; the old one must not fire. */
START_TEST(timer_started_again_fires_once_at_the_new_time)
{
	struct loop_timer *moved = loop_timer_new(loop, on_stop, TAG('m'));
	struct loop_timer *other = loop_timer_new(loop, on_note, TAG('o'));

	loop_timer_start(moved, 1);
	loop_timer_start(other, 10);
	loop_timer_start(moved, 30);
	ck_assert(loop_timer_is_active(moved));
	loop_run(loop);
	ck_assert_str_eq(trace, "om");
	loop_timer_free(moved);
	loop_timer_free(other);
}
END_TEST

static struct loop_timer *victim;

static void on_stop_victim(void *data)
{
	on_note(data);
	loop_timer_stop(victim);
}

static void on_free_victim(void *data)
{
	on_note(data);
	loop_timer_free(TAKE_PTR(victim));
}

/* The answer that ends a wait may come in the same round as the wait's deadline. */
START_TEST(timer_stopped_or_freed_by_an_earlier_one_never_fires)
{
	loop_fn *const killers[] = { on_stop_victim, on_free_victim };

	for (size_t i = 0; i < ARRAY_LEN(killers); i++) {
		struct loop_timer *killer = loop_timer_new(loop, killers[i], TAG('k'));
		struct loop_timer *end = loop_timer_new(loop, on_stop, TAG('e'));

		victim = loop_timer_new(loop, on_note, TAG('v'));
		loop_timer_start(killer, 5);
		loop_timer_start(victim, 5);
		loop_timer_start(end, 10);
		loop_run(loop);
		loop_timer_free(killer);
		loop_timer_free(victim);
		loop_timer_free(end);
	}
	ck_assert_str_eq(trace, "keke");
}
END_TEST

static void on_free_self(void *data)
{
	on_note(data);
	loop_timer_free(TAKE_PTR(victim));
	loop_stop(loop);
}

/* A job may end, and be freed, in the callback of its own timer. */
START_TEST(timer_freed_in_its_own_callback_is_fine)
{
	victim = loop_timer_new(loop, on_free_self, TAG('s'));
	loop_timer_start(victim, 0);
	loop_run(loop);
	ck_assert_str_eq(trace, "s");
	loop_timer_free(NULL);
}
END_TEST

static struct loop_timer *repeating;
static int pipe_fds[2];

static void on_repeat(void *data)
{
	(void)data;
	loop_timer_start(repeating, 0);
	if (strlen(trace) == 0 && write(pipe_fds[1], "x", 1) == 1)
		note("w");
}

static void on_readable_stop(void *data, unsigned ready)
{
	(void)ready;
	if (strlen(trace) < 2) /* a stop lets the round finish */
		on_stop(data);
}

/* A job that works in small pieces by a timer of 0 must not keep the monitors waiting. */
START_TEST(timer_that_restarts_itself_at_0_does_not_starve_descriptors)
{
	struct loop_watch *watch;

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	watch = loop_watch_new(loop, pipe_fds[0], on_readable_stop, TAG('r'));
	loop_watch_set(watch, LOOP_READ);
	repeating = loop_timer_new(loop, on_repeat, NULL);
	loop_timer_start(repeating, 0);
	loop_run(loop);
	ck_assert_str_eq(trace, "wr");
	loop_timer_free(repeating);
	loop_watch_free(watch);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

/* ---- posts ----------------------------------------------------------- */

static void on_post_more(void *data)
{
	loop_post(loop, on_stop, TAG('2'));
	on_note(data);
}

/* Callers rely on "never called from inside the call": they settle their state first. */
START_TEST(posts_run_later_and_in_order)
{
	loop_post(loop, on_note, TAG('0'));
	loop_post(loop, on_post_more, TAG('1'));
	ck_assert_str_eq(trace, "");
	loop_run(loop);
	ck_assert_str_eq(trace, "012");
}
END_TEST

static void on_post_again(void *data)
{
	loop_post(loop, on_post_again, data);
}

/* A chain of posts must not delay a timer, either. */
START_TEST(post_that_posts_itself_does_not_starve_timers)
{
	struct loop_timer *timer = loop_timer_new(loop, on_stop, TAG('t'));

	loop_timer_start(timer, 0);
	loop_post(loop, on_post_again, NULL);
	loop_run(loop);
	ck_assert_str_eq(trace, "t");
	loop_timer_free(timer);
}
END_TEST

static void on_post_twice(void *data)
{
	loop_post(loop, on_post_more, data);
	on_note(TAG('>'));
}

/* Whoever is told at the end that a command failed may ask for the next one, and is told again. */
START_TEST(drain_runs_what_posts_post)
{
	struct loop_timer *timer = loop_timer_new(loop, on_note, TAG('t'));

	loop_timer_start(timer, 0);
	loop_post(loop, on_post_twice, TAG('1'));
	loop_drain(loop);
	ck_assert_str_eq(trace, ">12");
	loop_timer_free(timer);
}
END_TEST

START_TEST(drain_of_an_endless_chain_ends)
{
	loop_post(loop, on_post_again, NULL);
	loop_drain(loop);
}
END_TEST

/* Requests may still be under way when the daemon ends. */
START_TEST(posts_not_run_are_dropped_with_the_loop)
{
	loop_post(loop, on_note, TAG('x'));
	loop_free(TAKE_PTR(loop));
	ck_assert_str_eq(trace, "");
}
END_TEST

/* A stop that comes before the run must not be lost, and must end only one run. */
START_TEST(stop_before_run_ends_that_run_only)
{
	loop_stop(loop);
	loop_run(loop);
	loop_post(loop, on_stop, TAG('x'));
	loop_run(loop);
	ck_assert_str_eq(trace, "x");
}
END_TEST

/* ---- descriptors ----------------------------------------------------- */

static int pair[2];
static struct loop_watch *watches[2];

static void open_pair(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
}

static void close_pair(void)
{
	for (int i = 0; i < 2; i++) {
		loop_watch_free(TAKE_PTR(watches[i]));
		if (pair[i] >= 0)
			close(pair[i]);
	}
}

static void note_ready(unsigned ready)
{
	note(ready & LOOP_READ ? "r" : "-");
	note(ready & LOOP_WRITE ? "w" : "-");
}

/* Notes what is ready, and stops watching. */
static void on_ready_once(void *data, unsigned ready)
{
	struct loop_watch **watch = data;

	note_ready(ready);
	loop_watch_set(*watch, 0);
	loop_stop(loop);
}

static void watch_once(int i, unsigned events)
{
	if (!watches[i])
		watches[i] = loop_watch_new(loop, pair[i], on_ready_once, &watches[i]);
	loop_watch_set(watches[i], events);
}

/* A connection is told only about the readiness that it asked for. */
START_TEST(watch_reports_what_is_watched_and_ready)
{
	open_pair();
	watch_once(0, LOOP_READ | LOOP_WRITE);
	loop_run(loop);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	watch_once(0, LOOP_READ);
	loop_run(loop);
	watch_once(0, LOOP_READ | LOOP_WRITE);
	loop_run(loop);
	ck_assert_str_eq(trace, "-wr-rw");
	close_pair();
}
END_TEST

/* A hang-up is reported as readiness of what is watched, so that the next read or write sees
 * it. */
START_TEST(watch_hang_up_is_reported_as_what_is_watched)
{
	open_pair();
	close(TAKE_FD(pair[1]));
	watch_once(0, LOOP_READ);
	loop_run(loop);
	watch_once(0, LOOP_WRITE);
	loop_run(loop);
	ck_assert_str_eq(trace, "r--w");
	close_pair();
}
END_TEST

/* Two active watches of one descriptor are a mistake that must show at once. */
START_TEST(watch_active_twice_on_a_descriptor_aborts)
{
	open_pair();
	pair[1] = pair[0];
	watch_once(0, LOOP_READ);
	watch_once(1, 0);
	loop_watch_set(watches[1], LOOP_READ);
}
END_TEST

/* A read with nothing to read must not block the daemon. */
START_TEST(watch_makes_its_descriptor_non_blocking)
{
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	loop_watch_free(loop_watch_new(loop, pipe_fds[0], on_ready_once, NULL));
	ck_assert_int_ne(fcntl(pipe_fds[0], F_GETFL) & O_NONBLOCK, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

static void on_ready_thrice(void *data, unsigned ready)
{
	(void)data;
	if (strlen(trace) < 6)
		note_ready(ready);
	if (strlen(trace) == 6)
		loop_stop(loop);
}

/* A pipe without a reader is in error, and the writer is told until it acts. */
START_TEST(watch_error_is_reported_until_it_is_seen)
{
	struct loop_watch *watch;

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(pipe_fds[1], trace, sizeof(trace)) > 0)
		;
	close(pipe_fds[0]);
	watch = loop_watch_new(loop, pipe_fds[1], on_ready_thrice, NULL);
	loop_watch_set(watch, LOOP_WRITE);
	loop_run(loop);
	ck_assert_str_eq(trace, "-w-w-w");
	loop_watch_free(watch);
	close(pipe_fds[1]);
}
END_TEST

static void on_reopen(void *data, unsigned ready)
{
	int old_fd = pair[0];

	(void)data;
	note_ready(ready);
	close_pair();
	open_pair();
	ck_assert_int_eq(pair[0], old_fd);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	watch_once(0, LOOP_READ);
}

/* A new connection often gets the descriptor number of the one that it replaces. */
START_TEST(watch_on_a_reused_descriptor_sees_the_new_one)
{
	open_pair();
	watches[0] = loop_watch_new(loop, pair[0], on_reopen, NULL);
	loop_watch_set(watches[0], LOOP_WRITE);
	loop_run(loop);
	ck_assert_str_eq(trace, "-wr-");
	close_pair();
}
END_TEST

static void on_free_both(void *data, unsigned ready)
{
	(void)data;
	note_ready(ready);
	close_pair();
	pair[0] = pair[1] = -1;
	loop_post(loop, on_stop, TAG('e'));
}

/* Both sockets of a VM may be ready at once, and the first callback may end the VM. */
START_TEST(watch_freed_by_another_in_the_same_round_is_not_called)
{
	open_pair();
	for (int i = 0; i < 2; i++) {
		watches[i] = loop_watch_new(loop, pair[i], on_free_both, NULL);
		loop_watch_set(watches[i], LOOP_WRITE);
	}
	loop_run(loop);
	ck_assert_str_eq(trace, "-we");
}
END_TEST

/* ---- signals --------------------------------------------------------- */

/* SIGTERM ends the daemon in order, by a callback on the loop. */
START_TEST(signal_caught_is_called_on_the_loop)
{
	struct loop_signal *signals[] = { loop_signal_new(loop, SIGUSR1, on_note, TAG('1')),
					  loop_signal_new(loop, SIGUSR2, on_stop, TAG('2')) };

	raise(SIGUSR1);
	raise(SIGUSR2);
	ck_assert_str_eq(trace, "");
	loop_run(loop);
	ck_assert_str_eq(trace, "12");
	loop_signal_free(signals[0]);
	loop_signal_free(signals[1]);
	loop_signal_free(NULL);
}
END_TEST

/* ---- threads --------------------------------------------------------- */

static void *post_many(void *data)
{
	(void)data;
	for (int i = 0; i < 100; i++)
		loop_post(loop, on_note, TAG('p'));
	loop_post(loop, on_stop, TAG('e'));
	return NULL;
}

/* Threads of the HTTP server post requests to the loop. */
START_TEST(posts_from_a_thread_all_run_here)
{
	pthread_t thread;

	loop_assert_thread(loop);
	pthread_create(&thread, NULL, post_many, NULL);
	loop_run(loop);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(strlen(trace), 101);
	ck_assert_int_eq(trace[100], 'e');
}
END_TEST

static void *stop_it(void *data)
{
	(void)data;
	loop_stop(loop);
	return NULL;
}

/* An idle loop waits for nothing but the stop. */
START_TEST(stop_from_a_thread_ends_the_run)
{
	pthread_t thread;

	pthread_create(&thread, NULL, stop_it, NULL);
	loop_run(loop);
	pthread_join(thread, NULL);
}
END_TEST

static void *assert_here(void *data)
{
	(void)data;
	loop_assert_thread(loop);
	return NULL;
}

/* An object that the wrong thread touches is a race that may show once a year. */
START_TEST(assert_thread_elsewhere_aborts)
{
	pthread_t thread;

	loop_assert_thread(loop);
	pthread_create(&thread, NULL, assert_here, NULL);
	pthread_join(thread, NULL);
}
END_TEST

/* ---- real time ------------------------------------------------------- */

static uint64_t started_ms;

static void burn_ms(uint64_t ms)
{
	uint64_t begin_ms = loop_now_ms(loop);

	while (loop_now_ms(loop) - begin_ms < ms)
		;
}

static void on_burn_and_start(void *data)
{
	(void)data;
	burn_ms(15);
	started_ms = loop_now_ms(loop);
	loop_timer_start(victim, 10);
}

/* A deadline counts from the call that starts it, however busy the loop was before. */
START_TEST(timer_started_in_a_slow_callback_is_not_early)
{
	victim = loop_timer_new(loop, on_stop, TAG(0));
	loop_post(loop, on_burn_and_start, NULL);
	loop_run(loop);
	ck_assert_uint_ge(loop_now_ms(loop) - started_ms, 10);
	loop_timer_free(victim);
}
END_TEST

static void on_readable_once(void *data, unsigned ready)
{
	char byte;

	(void)ready;
	if (read(pipe_fds[0], &byte, 1) == 1)
		on_note(data);
}

static void on_burn_and_write(void *data)
{
	(void)data;
	burn_ms(300);
	ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
}

/* A coordinator that was stopped for a while must read the answers that came before it counts
 * a question's deadline. */
START_TEST(timer_far_too_late_lets_descriptors_go_first)
{
	struct loop_watch *watch;

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	watch = loop_watch_new(loop, pipe_fds[0], on_readable_once, TAG('r'));
	loop_watch_set(watch, LOOP_READ);
	victim = loop_timer_new(loop, on_stop, TAG('t'));
	loop_timer_start(victim, 10);
	loop_post(loop, on_burn_and_write, NULL);
	loop_run(loop);
	ck_assert_str_eq(trace, "rt");
	loop_timer_free(victim);
	loop_watch_free(watch);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

static void on_burn_and_stop(void *data)
{
	(void)data;
	burn_ms(61); /* the clock counts whole milliseconds */
	loop_stop(loop);
}

/* A callback that blocks the loop is logged. */
START_TEST(callback_over_50_ms_is_logged)
{
	static const char expected[] = "event=slow kind=post took_ms=";
	char text[1024] = "";
	const char *found;
	int saved = dup(STDERR_FILENO);

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	loop_post(loop, on_burn_and_stop, NULL);
	loop_run(loop);
	dup2(saved, STDERR_FILENO);
	ck_assert_int_gt(read(pipe_fds[0], text, sizeof(text) - 1), 0);
	found = strstr(text, expected);
	ck_assert_ptr_nonnull(found);
	ck_assert_int_ge(strtol(found + strlen(expected), NULL, 10), 60);
	close(saved);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

static void on_burn(void *data)
{
	(void)data;
	burn_ms(30);
}

/* Two callbacks of one turn are one time; what the loop waits is none. */
START_TEST(turn_counts_all_its_callbacks_and_no_wait)
{
	const struct histogram *turns = loop_turns(loop);
	struct loop_timer *timer = loop_timer_new(loop, on_stop, TAG('t'));

	loop_post(loop, on_burn, NULL);
	loop_post(loop, on_burn, NULL);
	loop_timer_start(timer, 1500);
	loop_run(loop);
	ck_assert_uint_ge(turns->count, 1);
	ck_assert_uint_le(turns->count, 2); /* the last one has not looked at descriptors again */
	ck_assert_double_ge(turns->sum, 0.058); /* burn_ms() counts whole milliseconds */
	ck_assert_double_lt(turns->sum, 1.5);
	ck_assert_uint_lt(turns->buckets[0] + turns->buckets[1] + turns->buckets[2], turns->count);
	loop_timer_free(timer);
}
END_TEST

/* ---- virtual time ---------------------------------------------------- */

static void on_note_time(void *data)
{
	char text[32];

	(void)data;
	snprintf(text, sizeof(text), "%u ", (unsigned)(loop_now_ms(loop) - started_ms));
	note(text);
	loop_timer_start(victim, 1000);
}

/* Timers fire at their times, to the millisecond, without a real wait. */
START_TEST(sim_advance_runs_timers_at_their_times)
{
	victim = loop_timer_new(loop, on_note_time, NULL);
	started_ms = loop_now_ms(loop);
	loop_timer_start(victim, 500);
	loop_sim_run(loop);
	ck_assert_uint_eq(loop_now_ms(loop), started_ms);
	loop_sim_advance_ms(loop, 499);
	ck_assert_str_eq(trace, "");
	loop_sim_advance_ms(loop, 1);
	ck_assert_str_eq(trace, "500 ");
	loop_sim_advance_ms(loop, 2500);
	ck_assert_str_eq(trace, "500 1500 2500 ");
	ck_assert_uint_eq(loop_now_ms(loop) - started_ms, 3000);
	loop_timer_free(victim);
}
END_TEST

/* Equal deadlines fire in the order of their start, so that a failure repeats. */
START_TEST(sim_equal_times_fire_in_the_order_of_start)
{
	struct loop_timer *b = loop_timer_new(loop, on_note, TAG('b'));
	struct loop_timer *a = loop_timer_new(loop, on_note, TAG('a'));

	loop_timer_start(b, 10);
	loop_timer_start(a, 10);
	loop_timer_start(b, 10);
	loop_sim_advance_ms(loop, 10);
	ck_assert_str_eq(trace, "ab");
	loop_timer_free(a);
	loop_timer_free(b);
}
END_TEST

/* A whole daemon may run on the simulated loop: time jumps from deadline to deadline, and the
 * run returns when none is left. */
START_TEST(sim_run_with_nothing_left_returns)
{
	struct loop_timer *timer = loop_timer_new(loop, on_note, TAG('t'));

	started_ms = loop_now_ms(loop);
	loop_timer_start(timer, 86400000);
	loop_run(loop);
	ck_assert_str_eq(trace, "t");
	ck_assert_uint_eq(loop_now_ms(loop) - started_ms, 86400000);
	loop_timer_free(timer);
}
END_TEST

static void on_ignore(void *data, unsigned ready)
{
	(void)data;
	(void)ready;
}

/* A callback that never handles its event would burn a CPU in production. */
START_TEST(sim_event_ignored_forever_aborts)
{
	open_pair();
	watches[0] = loop_watch_new(loop, pair[0], on_ignore, NULL);
	loop_watch_set(watches[0], LOOP_WRITE);
	loop_sim_run(loop);
}
END_TEST

/* ---------------------------------------------------------------------- */

static void add_common_tests(TCase *tc)
{
	tcase_add_test(tc, timers_started_in_any_order_fire_by_time);
	tcase_add_test(tc, timer_started_again_fires_once_at_the_new_time);
	tcase_add_test(tc, timer_stopped_or_freed_by_an_earlier_one_never_fires);
	tcase_add_test(tc, timer_freed_in_its_own_callback_is_fine);
	tcase_add_test(tc, timer_that_restarts_itself_at_0_does_not_starve_descriptors);
	tcase_add_test(tc, posts_run_later_and_in_order);
	tcase_add_test(tc, post_that_posts_itself_does_not_starve_timers);
	tcase_add_test(tc, drain_runs_what_posts_post);
	tcase_add_test(tc, drain_of_an_endless_chain_ends);
	tcase_add_test(tc, posts_not_run_are_dropped_with_the_loop);
	tcase_add_test(tc, stop_before_run_ends_that_run_only);
	tcase_add_test(tc, watch_reports_what_is_watched_and_ready);
	tcase_add_test(tc, watch_hang_up_is_reported_as_what_is_watched);
	tcase_add_test_raise_signal(tc, watch_active_twice_on_a_descriptor_aborts, SIGABRT);
	tcase_add_test(tc, watch_makes_its_descriptor_non_blocking);
	tcase_add_test(tc, watch_error_is_reported_until_it_is_seen);
	tcase_add_test(tc, watch_on_a_reused_descriptor_sees_the_new_one);
	tcase_add_test(tc, watch_freed_by_another_in_the_same_round_is_not_called);
	tcase_add_test(tc, signal_caught_is_called_on_the_loop);
	tcase_add_test_raise_signal(tc, assert_thread_elsewhere_aborts, SIGABRT);
}

static TCase *new_case(const char *name, SFun setup)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	return tc;
}

Suite *suite(void)
{
	Suite *s = suite_create("loop");
	TCase *uv = new_case("uv", setup_uv);
	TCase *sim = new_case("sim", setup_sim);

	add_common_tests(uv);
	tcase_add_test(uv, posts_from_a_thread_all_run_here);
	tcase_add_test(uv, stop_from_a_thread_ends_the_run);
	tcase_add_test(uv, timer_started_in_a_slow_callback_is_not_early);
	tcase_add_test(uv, timer_far_too_late_lets_descriptors_go_first);
	tcase_add_test(uv, callback_over_50_ms_is_logged);
	tcase_add_test(uv, turn_counts_all_its_callbacks_and_no_wait);
	suite_add_tcase(s, uv);

	add_common_tests(sim);
	tcase_add_test(sim, sim_advance_runs_timers_at_their_times);
	tcase_add_test(sim, sim_equal_times_fire_in_the_order_of_start);
	tcase_add_test(sim, sim_run_with_nothing_left_returns);
	tcase_add_test_raise_signal(sim, sim_event_ignored_forever_aborts, SIGABRT);
	suite_add_tcase(s, sim);
	return s;
}
