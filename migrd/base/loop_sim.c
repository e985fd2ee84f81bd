/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated loop: virtual time, real descriptors looked at without waiting.
 *
 * The order of a round is always the same: posted calls, signals, timers by
 * time and then by start, descriptors in the order of their watches.  Objects
 * are freed at once, so that AddressSanitizer sees who uses them afterwards.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/loop_ops.h"
#include "base/mem.h"

/* Start of the virtual clock: a value that no test mistakes for a duration. */
#define FIRST_NOW_MS 5000000
/* More rounds than this mean that a callback ignores its event: the loop never comes to rest. */
#define ROUNDS_MAX 100000

struct sim_timer {
	struct loop_timer base;
	struct sim_timer *next;
	bool is_active;
	uint64_t due_ms;
	uint64_t seq; /* number of its start */
};

struct sim_watch {
	struct loop_watch base;
	struct sim_watch *next;
	uint64_t id;
};

struct sim_signal {
	struct loop_signal base;
	struct sim_signal *next;
	uint64_t id;
	struct sigaction old;
};

struct sim_loop {
	struct loop base;
	uint64_t now_ms;
	uint64_t seq; /* timer starts, ids */
	struct sim_timer *timers;
	struct sim_watch *watches;  /* by id */
	struct sim_signal *signals; /* by id */
	struct pollfd *fds;         /* of the round, with their ids */
	uint64_t *fd_ids;
	size_t fd_count;
};

static volatile sig_atomic_t caught[NSIG];

static struct sim_loop *of(struct loop *loop)
{
	return CONTAINER_OF(loop, struct sim_loop, base);
}

/* ---- loop ------------------------------------------------------------ */

static const struct loop_ops ops; /* at the end */

struct loop *loop_new_sim(void)
{
	struct sim_loop *loop = xnew(struct sim_loop);

	loop_init(&loop->base, &ops);
	loop->now_ms = FIRST_NOW_MS;
	return &loop->base;
}

static void destroy(struct loop *base)
{
	struct sim_loop *loop = of(base);

	loop_fini(base);
	free(loop->fds);
	free(loop->fd_ids);
	free(loop);
}

static void wake(struct loop *base)
{
	(void)base; /* every round looks */
}

static uint64_t now_ms(const struct loop *base)
{
	return ((const struct sim_loop *)(const void *)base)->now_ms; /* its first member */
}

/* ---- timers ---------------------------------------------------------- */

static struct loop_timer *timer_new(struct loop *base)
{
	struct sim_loop *loop = of(base);
	struct sim_timer *timer = xnew(struct sim_timer);

	timer->next = loop->timers;
	loop->timers = timer;
	return &timer->base;
}

static void timer_start(struct loop_timer *base, uint64_t delay_ms)
{
	struct sim_timer *timer = CONTAINER_OF(base, struct sim_timer, base);
	struct sim_loop *loop = of(base->loop);

	timer->is_active = true;
	timer->due_ms = loop->now_ms + delay_ms;
	timer->seq = ++loop->seq;
}

static void timer_stop(struct loop_timer *base)
{
	CONTAINER_OF(base, struct sim_timer, base)->is_active = false;
}

static bool timer_is_active(const struct loop_timer *base)
{
	return ((const struct sim_timer *)(const void *)base)->is_active; /* its first member */
}

static void timer_free(struct loop_timer *base)
{
	struct sim_timer *timer = CONTAINER_OF(base, struct sim_timer, base);
	struct sim_timer **link = &of(base->loop)->timers;

	while (*link != timer)
		link = &(*link)->next;
	*link = timer->next;
	free(timer);
}

static bool is_before(const struct sim_timer *a, const struct sim_timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

/* The timer that fires next, NULL if none runs. */
static struct sim_timer *next_timer(const struct sim_loop *loop)
{
	struct sim_timer *first = NULL;

	for (struct sim_timer *timer = loop->timers; timer; timer = timer->next)
		if (timer->is_active && (!first || is_before(timer, first)))
			first = timer;
	return first;
}

/* Timers started meanwhile wait for the next round. */
static bool run_timers(struct sim_loop *loop)
{
	uint64_t limit = loop->seq;
	struct sim_timer *timer;
	bool did = false;

	while ((timer = next_timer(loop)) && timer->due_ms <= loop->now_ms && timer->seq <= limit) {
		timer->is_active = false;
		loop_call_timer(&timer->base);
		did = true;
	}
	return did;
}

/* ---- descriptors ----------------------------------------------------- */

static struct loop_watch *watch_new(struct loop *base, int fd)
{
	struct sim_loop *loop = of(base);
	struct sim_watch *watch = xnew(struct sim_watch);
	struct sim_watch **link = &loop->watches;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); /* as libuv does */
	watch->id = ++loop->seq;
	while (*link)
		link = &(*link)->next;
	*link = watch;
	return &watch->base;
}

/* Has nothing to start, as every round reads watch->events.  Asserts what libuv would refuse
 * too: two active watches of one descriptor. */
static void watch_set(struct loop_watch *base, unsigned events)
{
	for (struct sim_watch *watch = of(base->loop)->watches; watch; watch = watch->next)
		assert(&watch->base == base || watch->base.fd != base->fd || !watch->base.events ||
		       !events);
}

static void watch_free(struct loop_watch *base)
{
	struct sim_watch *watch = CONTAINER_OF(base, struct sim_watch, base);
	struct sim_watch **link = &of(base->loop)->watches;

	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	free(watch);
}

static struct sim_watch *find_watch(const struct sim_loop *loop, uint64_t id)
{
	for (struct sim_watch *watch = loop->watches; watch; watch = watch->next)
		if (watch->id == id)
			return watch;
	return NULL;
}

static void list_fds(struct sim_loop *loop)
{
	size_t max = 0;

	for (struct sim_watch *watch = loop->watches; watch; watch = watch->next)
		max++;
	loop->fds = xrealloc(loop->fds, max * sizeof(*loop->fds));
	loop->fd_ids = xrealloc(loop->fd_ids, max * sizeof(*loop->fd_ids));
	loop->fd_count = 0;
	for (struct sim_watch *watch = loop->watches; watch; watch = watch->next) {
		struct pollfd *fd = &loop->fds[loop->fd_count];

		if (!watch->base.events)
			continue;
		*fd = (struct pollfd){ .fd = watch->base.fd };
		if (watch->base.events & LOOP_READ)
			fd->events |= POLLIN;
		if (watch->base.events & LOOP_WRITE)
			fd->events |= POLLOUT;
		loop->fd_ids[loop->fd_count++] = watch->id;
	}
}

/* Which of EVENTS are ready; an error or hang-up alone makes all of them ready. */
static unsigned ready_of(unsigned events, short revents)
{
	unsigned ready = 0;

	/* The descriptor was closed before its watch was freed: with libuv, its number could
	 * belong to another file by now. */
	assert(!(revents & POLLNVAL));
	if (revents & POLLIN)
		ready |= LOOP_READ;
	if (revents & POLLOUT)
		ready |= LOOP_WRITE;
	ready &= events;
	if (!ready && revents & (POLLERR | POLLHUP))
		ready = events;
	return ready;
}

static bool run_watches(struct sim_loop *loop)
{
	bool did = false;

	list_fds(loop);
	while (poll(loop->fds, loop->fd_count, 0) < 0)
		assert(errno == EINTR);
	for (size_t i = 0; i < loop->fd_count; i++) {
		struct sim_watch *watch = find_watch(loop, loop->fd_ids[i]);
		unsigned ready = watch ? ready_of(watch->base.events, loop->fds[i].revents) : 0;

		if (!ready)
			continue;
		loop_call_watch(&watch->base, ready);
		did = true;
	}
	return did;
}

/* ---- signals --------------------------------------------------------- */

static void on_signal(int signo)
{
	caught[signo] = 1;
}

static struct loop_signal *signal_new(struct loop *base, int signo)
{
	struct sim_loop *loop = of(base);
	struct sim_signal *signal = xnew(struct sim_signal);
	struct sim_signal **link = &loop->signals;
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	signal->id = ++loop->seq;
	if (sigaction(signo, &action, &signal->old) < 0)
		abort();
	while (*link)
		link = &(*link)->next;
	*link = signal;
	return &signal->base;
}

static void signal_free(struct loop_signal *base)
{
	struct sim_signal *signal = CONTAINER_OF(base, struct sim_signal, base);
	struct sim_signal **link = &of(base->loop)->signals;

	while (*link != signal)
		link = &(*link)->next;
	*link = signal->next;
	sigaction(base->signo, &signal->old, NULL);
	free(signal);
}

static struct sim_signal *next_handler(const struct sim_loop *loop, int signo, uint64_t after_id)
{
	for (struct sim_signal *signal = loop->signals; signal; signal = signal->next)
		if (signal->base.signo == signo && signal->id > after_id)
			return signal;
	return NULL;
}

static bool run_signals(struct sim_loop *loop)
{
	bool did = false;

	for (int signo = 1; signo < NSIG; signo++) {
		struct sim_signal *signal;
		uint64_t id = 0;

		if (!caught[signo])
			continue;
		caught[signo] = 0;
		while ((signal = next_handler(loop, signo, id))) {
			id = signal->id;
			loop_call_signal(&signal->base);
			did = true;
		}
	}
	return did;
}

/* ---- running --------------------------------------------------------- */

static bool run_round(struct sim_loop *loop)
{
	bool did = loop_run_posts(&loop->base);

	did |= run_signals(loop);
	did |= run_timers(loop);
	did |= run_watches(loop);
	return did;
}

static struct sim_loop *of_sim(struct loop *base)
{
	loop_assert_thread(base);
	assert(base->ops == &ops);
	return of(base);
}

void loop_sim_run(struct loop *base)
{
	struct sim_loop *loop = of_sim(base);
	unsigned rounds = 0;

	while (run_round(loop)) {
		if (++rounds < ROUNDS_MAX)
			continue;
		log_error("loop", "restless", "rounds=%u", rounds);
		abort();
	}
}

void loop_sim_advance_ms(struct loop *base, uint64_t ms)
{
	struct sim_loop *loop = of_sim(base);
	uint64_t end_ms = loop->now_ms + ms;
	struct sim_timer *timer;

	loop_sim_run(base);
	while ((timer = next_timer(loop)) && timer->due_ms <= end_ms) {
		loop->now_ms = timer->due_ms;
		loop_sim_run(base);
	}
	loop->now_ms = end_ms;
	loop_sim_run(base);
}

static void run(struct loop *base)
{
	struct sim_loop *loop = of(base);

	while (!atomic_exchange(&base->is_stopping, false)) {
		struct sim_timer *timer;

		if (run_round(loop))
			continue;
		timer = next_timer(loop);
		if (!timer)
			return;
		loop->now_ms = timer->due_ms;
	}
}

static const struct loop_ops ops = {
	.is_virtual = true,
	.destroy = destroy,
	.run = run,
	.wake = wake,
	.now_ms = now_ms,
	.timer_new = timer_new,
	.timer_start = timer_start,
	.timer_stop = timer_stop,
	.timer_is_active = timer_is_active,
	.timer_free = timer_free,
	.watch_new = watch_new,
	.watch_set = watch_set,
	.watch_free = watch_free,
	.signal_new = signal_new,
	.signal_free = signal_free,
};
