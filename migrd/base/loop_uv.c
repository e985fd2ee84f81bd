/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop on libuv; the only file that sees it.
 *
 * The memory of a libuv handle belongs to libuv until its close callback, one
 * round later.  uv_close() itself ends all other callbacks, which is what the
 * contract of our `_free' asks for.
 */
#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/loop_ops.h"
#include "base/mem.h"

/* A timer that fires this much too late was not delayed by the loop's own work
 * (base/loop.c logs callbacks over 50 ms). */
#define LATE_MS 200

struct uv_loop {
	struct loop base;
	uv_loop_t uv;
	uv_async_t async;
	uv_prepare_t turn; /* before each look at the descriptors */
};

struct uv_timer {
	struct loop_timer base;
	uv_timer_t handle;
	uint64_t due_ms;
	bool is_excused; /* it was late, and has let descriptors go first */
};

struct uv_watch {
	struct loop_watch base;
	uv_poll_t handle;
};

struct uv_signal {
	struct loop_signal base;
	uv_signal_t handle;
};

/* Aborts on a failure: it means wrong use, such as a descriptor watched twice, or
 * that the process cannot get its first few descriptors. */
static void must(int rc, const char *what)
{
	if (rc == 0)
		return;
	log_error("loop", "broken", "call=%s reason=%s", what, uv_strerror(rc));
	abort();
}

static struct uv_loop *of(struct loop *loop)
{
	return CONTAINER_OF(loop, struct uv_loop, base);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data); /* the struct that embeds it */
}

/* ---- loop ------------------------------------------------------------ */

static void on_async(uv_async_t *async)
{
	struct uv_loop *loop = CONTAINER_OF(async, struct uv_loop, async);

	loop_run_posts(&loop->base);
	if (atomic_exchange(&loop->base.is_stopping, false))
		uv_stop(&loop->uv);
}

static void on_turn(uv_prepare_t *turn)
{
	loop_end_turn(&CONTAINER_OF(turn, struct uv_loop, turn)->base);
}

static const struct loop_ops ops; /* at the end */

struct loop *loop_new(void)
{
	struct uv_loop *loop = xnew(struct uv_loop);

	loop_init(&loop->base, &ops);
	must(uv_loop_init(&loop->uv), "uv_loop_init");
	must(uv_async_init(&loop->uv, &loop->async, on_async), "uv_async_init");
	must(uv_prepare_init(&loop->uv, &loop->turn), "uv_prepare_init");
	must(uv_prepare_start(&loop->turn, on_turn), "uv_prepare_start");
	return &loop->base;
}

static void destroy(struct loop *base)
{
	struct uv_loop *loop = of(base);

	uv_close((uv_handle_t *)&loop->async, NULL);
	uv_close((uv_handle_t *)&loop->turn, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	must(uv_loop_close(&loop->uv), "uv_loop_close");
	loop_fini(base);
	free(loop);
}

static void run(struct loop *base)
{
	uv_run(&of(base)->uv, UV_RUN_DEFAULT);
}

static void wake(struct loop *base)
{
	must(uv_async_send(&of(base)->async), "uv_async_send");
}

/* Not uv_now(), which stands still during a callback. */
static uint64_t now_ms(const struct loop *base)
{
	(void)base;
	return uv_hrtime() / 1000000;
}

/* ---- timers ---------------------------------------------------------- */

static struct loop_timer *timer_new(struct loop *base)
{
	struct uv_timer *timer = xnew(struct uv_timer);

	must(uv_timer_init(&of(base)->uv, &timer->handle), "uv_timer_init");
	timer->handle.data = timer;
	return &timer->base;
}

/* A process that was stopped for a while, or had no processor, finds answers and
 * their deadlines due at the same time, although the answers came first.  So a late
 * timer waits one round: descriptors are handled between two rounds of timers. */
static void on_timer(uv_timer_t *handle)
{
	struct uv_timer *timer = handle->data;

	if (!timer->is_excused && now_ms(timer->base.loop) > timer->due_ms + LATE_MS) {
		timer->is_excused = true;
		must(uv_timer_start(handle, on_timer, 1, 0), "uv_timer_start"); /* next round */
		return;
	}
	loop_call_timer(&timer->base);
}

/* libuv counts a timer from its cached time, so it would fire early by as long as
 * the callback has already run; adding the lag corrects that.  As the cache stands
 * still while timers run, it also keeps a timer of delay 0 that starts itself again
 * from starving the descriptors for longer than a millisecond. */
static void timer_start(struct loop_timer *base, uint64_t delay_ms)
{
	struct uv_timer *timer = CONTAINER_OF(base, struct uv_timer, base);
	uint64_t cached_ms = uv_now(timer->handle.loop);
	uint64_t lag_ms = now_ms(base->loop) - cached_ms;

	timer->due_ms = now_ms(base->loop) + delay_ms;
	timer->is_excused = false;
	must(uv_timer_start(&timer->handle, on_timer, delay_ms + lag_ms, 0), "uv_timer_start");
}

static void timer_stop(struct loop_timer *base)
{
	uv_timer_stop(&CONTAINER_OF(base, struct uv_timer, base)->handle);
}

static bool timer_is_active(const struct loop_timer *base)
{
	const struct uv_timer *timer = (const void *)base; /* its first member */

	return uv_is_active((const uv_handle_t *)&timer->handle);
}

static void timer_free(struct loop_timer *base)
{
	uv_close((uv_handle_t *)&CONTAINER_OF(base, struct uv_timer, base)->handle, on_closed);
}

/* ---- descriptors ----------------------------------------------------- */

static struct loop_watch *watch_new(struct loop *base, int fd)
{
	struct uv_watch *watch = xnew(struct uv_watch);

	must(uv_poll_init(&of(base)->uv, &watch->handle, fd), "uv_poll_init");
	watch->handle.data = watch;
	return &watch->base;
}

static void on_io(uv_poll_t *handle, int status, int events)
{
	struct uv_watch *watch = handle->data;
	unsigned ready = 0;

	if (status < 0) {
		/* POLLERR: libuv has stopped the handle.  It is started again, so that the owner
		 * learns of the error by reading or writing, and is called until it does. */
		ready = watch->base.events;
		watch->base.events = 0;
		loop_watch_set(&watch->base, ready);
	}
	if (events & UV_READABLE)
		ready |= LOOP_READ;
	if (events & UV_WRITABLE)
		ready |= LOOP_WRITE;
	loop_call_watch(&watch->base, ready);
}

static void watch_set(struct loop_watch *base, unsigned events)
{
	struct uv_watch *watch = CONTAINER_OF(base, struct uv_watch, base);
	int wanted = 0;

	if (events & LOOP_READ)
		wanted |= UV_READABLE;
	if (events & LOOP_WRITE)
		wanted |= UV_WRITABLE;
	must(wanted ? uv_poll_start(&watch->handle, wanted, on_io) : uv_poll_stop(&watch->handle),
	     "uv_poll");
}

static void watch_free(struct loop_watch *base)
{
	uv_close((uv_handle_t *)&CONTAINER_OF(base, struct uv_watch, base)->handle, on_closed);
}

/* ---- signals --------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int signo)
{
	struct uv_signal *signal = handle->data;

	(void)signo;
	loop_call_signal(&signal->base);
}

static struct loop_signal *signal_new(struct loop *base, int signo)
{
	struct uv_signal *signal = xnew(struct uv_signal);

	must(uv_signal_init(&of(base)->uv, &signal->handle), "uv_signal_init");
	signal->handle.data = signal;
	must(uv_signal_start(&signal->handle, on_signal, signo), "uv_signal_start");
	return &signal->base;
}

static void signal_free(struct loop_signal *base)
{
	uv_close((uv_handle_t *)&CONTAINER_OF(base, struct uv_signal, base)->handle, on_closed);
}

static const struct loop_ops ops = {
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
