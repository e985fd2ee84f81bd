/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/loop.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop_ops.h"
#include "base/mem.h"

/* Callbacks that take longer are logged: a person would notice such a pause in a
 * guest.  A handler that needs longer belongs on a worker. */
#define SLOW_MS 50

struct loop_post {
	struct loop_post *next;
	uint64_t seq;
	loop_fn *fn;
	void *data;
};

/* ---- life ------------------------------------------------------------ */

void loop_init(struct loop *loop, const struct loop_ops *ops)
{
	loop->ops = ops;
	loop->thread = pthread_self();
	loop->posts_end = &loop->posts;
	atomic_init(&loop->is_stopping, false);
	pthread_mutex_init(&loop->lock, NULL);
}

void loop_fini(struct loop *loop)
{
	while (loop->posts) {
		struct loop_post *post = loop->posts;

		loop->posts = post->next;
		free(post);
	}
	pthread_mutex_destroy(&loop->lock);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop_assert_thread(loop);
	assert(loop->object_count == 0);
	loop->ops->destroy(loop);
}

void loop_run(struct loop *loop)
{
	loop_assert_thread(loop);
	loop->ops->run(loop);
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->is_stopping, true);
	loop->ops->wake(loop);
}

/* ---- calls ----------------------------------------------------------- */

/* `offset' can be given to addr2line(1), wherever the program was loaded. */
static void note_time(struct loop *loop, const char *kind, uintptr_t fn, uint64_t started_ns)
{
	/* From the linker.  NOLINTNEXTLINE(bugprone-reserved-identifier) */
	extern const char __executable_start[];
	uint64_t took_ns = clock_monotonic_ns() - started_ns;
	uint64_t took_ms = took_ns / 1000000;

	loop->busy_ns += took_ns;
	if (took_ms > SLOW_MS && !loop->ops->is_virtual)
		log_warning("loop", "slow", "kind=%s took_ms=%llu offset=0x%llx", kind,
			    (unsigned long long)took_ms,
			    (unsigned long long)(fn - (uintptr_t)__executable_start));
}

static void call(struct loop *loop, const char *kind, loop_fn *fn, void *data)
{
	uint64_t started_ns = clock_monotonic_ns();

	fn(data);
	note_time(loop, kind, (uintptr_t)fn, started_ns);
}

void loop_call_timer(struct loop_timer *timer)
{
	call(timer->loop, "timer", timer->fn, timer->data);
}

void loop_call_signal(struct loop_signal *signal)
{
	call(signal->loop, "signal", signal->fn, signal->data);
}

void loop_call_watch(struct loop_watch *watch, unsigned ready)
{
	struct loop *loop = watch->loop;
	loop_io_fn *fn = watch->fn;
	uint64_t started_ns = clock_monotonic_ns();

	fn(watch->data, ready);
	note_time(loop, "watch", (uintptr_t)fn, started_ns);
}

/* ---- turns ----------------------------------------------------------- */

const struct histogram_kind loop_turn_kind = {
	.bounds = { 0.0001, 0.00025, 0.001, 0.0025, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5 },
	.count = 11,
};

const struct histogram *loop_turns(const struct loop *loop)
{
	return &loop->turns;
}

void loop_end_turn(struct loop *loop)
{
	if (!loop->busy_ns)
		return;
	histogram_add(&loop->turns, &loop_turn_kind, (double)loop->busy_ns / 1e9);
	loop->busy_ns = 0;
}

/* ---- posts ----------------------------------------------------------- */

void loop_post(struct loop *loop, loop_fn *fn, void *data)
{
	struct loop_post *post = xnew(struct loop_post);

	post->fn = fn;
	post->data = data;
	pthread_mutex_lock(&loop->lock);
	post->seq = ++loop->post_seq;
	*loop->posts_end = post;
	loop->posts_end = &post->next;
	pthread_mutex_unlock(&loop->lock);
	loop->ops->wake(loop);
}

/* Takes the first post, unless it is newer than *LIMIT.  If *LIMIT is 0, sets it to
 * the newest post first. */
static struct loop_post *take_post(struct loop *loop, uint64_t *limit)
{
	struct loop_post *post;

	pthread_mutex_lock(&loop->lock);
	if (*limit == 0)
		*limit = loop->post_seq;
	post = loop->posts;
	if (post && post->seq > *limit)
		post = NULL;
	if (post) {
		loop->posts = post->next;
		if (!loop->posts)
			loop->posts_end = &loop->posts;
	}
	pthread_mutex_unlock(&loop->lock);
	return post;
}

/* Calls posted meanwhile wait for the next round, so that a call which posts
 * itself again leaves timers and descriptors their turn. */
bool loop_run_posts(struct loop *loop)
{
	struct loop_post *post;
	uint64_t limit = 0;
	bool did = false;

	while ((post = take_post(loop, &limit))) {
		struct loop_post copy = *post;

		free(post);
		call(loop, "post", copy.fn, copy.data);
		did = true;
	}
	return did;
}

void loop_drain(struct loop *loop)
{
	unsigned rounds = 0;

	loop_assert_thread(loop);
	while (loop_run_posts(loop) && ++rounds < LOOP_DRAIN_ROUNDS)
		;
}

void loop_unpost(struct loop *loop, loop_fn *fn, const void *data)
{
	struct loop_post **link;

	pthread_mutex_lock(&loop->lock);
	link = &loop->posts;
	while (*link) {
		struct loop_post *post = *link;

		if (post->fn != fn || post->data != data) {
			link = &post->next;
			continue;
		}
		*link = post->next;
		free(post);
	}
	loop->posts_end = link;
	pthread_mutex_unlock(&loop->lock);
}

/* ---- thread and time ------------------------------------------------- */

uint64_t loop_now_ms(const struct loop *loop)
{
	return loop->ops->now_ms(loop);
}

static bool is_thread(const struct loop *loop)
{
	return pthread_equal(loop->thread, pthread_self());
}

void loop_assert_thread(const struct loop *loop)
{
	assert(is_thread(loop));
}

/* ---- timers ---------------------------------------------------------- */

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *data)
{
	struct loop_timer *timer;

	loop_assert_thread(loop);
	timer = loop->ops->timer_new(loop);
	timer->loop = loop;
	timer->fn = fn;
	timer->data = data;
	loop->object_count++;
	return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms)
{
	loop_assert_thread(timer->loop);
	timer->loop->ops->timer_start(timer, delay_ms);
}

void loop_timer_stop(struct loop_timer *timer)
{
	loop_assert_thread(timer->loop);
	timer->loop->ops->timer_stop(timer);
}

bool loop_timer_is_active(const struct loop_timer *timer)
{
	return timer->loop->ops->timer_is_active(timer);
}

void loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	loop_assert_thread(timer->loop);
	timer->loop->object_count--;
	timer->loop->ops->timer_free(timer);
}

/* ---- descriptors ----------------------------------------------------- */

struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_io_fn *fn, void *data)
{
	struct loop_watch *watch;

	loop_assert_thread(loop);
	watch = loop->ops->watch_new(loop, fd);
	watch->loop = loop;
	watch->fd = fd;
	watch->fn = fn;
	watch->data = data;
	loop->object_count++;
	return watch;
}

void loop_watch_set(struct loop_watch *watch, unsigned events)
{
	loop_assert_thread(watch->loop);
	assert((events & ~(unsigned)(LOOP_READ | LOOP_WRITE)) == 0);
	if (events == watch->events)
		return;
	watch->events = events;
	watch->loop->ops->watch_set(watch, events);
}

void loop_watch_free(struct loop_watch *watch)
{
	if (!watch)
		return;
	loop_assert_thread(watch->loop);
	watch->loop->object_count--;
	watch->loop->ops->watch_free(watch);
}

/* ---- signals --------------------------------------------------------- */

struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_fn *fn, void *data)
{
	struct loop_signal *signal;

	loop_assert_thread(loop);
	signal = loop->ops->signal_new(loop, signo);
	signal->loop = loop;
	signal->signo = signo;
	signal->fn = fn;
	signal->data = data;
	loop->object_count++;
	return signal;
}

void loop_signal_free(struct loop_signal *signal)
{
	if (!signal)
		return;
	loop_assert_thread(signal->loop);
	signal->loop->object_count--;
	signal->loop->ops->signal_free(signal);
}
