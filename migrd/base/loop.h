/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/loop.h -- the event loop, in two implementations.
 *
 * loop_new() runs on libuv.  loop_new_sim() is its simulated twin for tests:
 * time is virtual and advances only when a test says so, descriptors are
 * polled without waiting, and work items run in order on the calling thread.
 *
 * One thread, the loop thread, owns the loop and every object that lives on
 * it.  Only loop_post() and loop_stop() may be called from elsewhere.  No
 * callback is ever called from inside the call that registers it.  An idle loop
 * makes no system calls.
 *
 * Ownership: a `_new' is undone by its `_free', which accepts NULL, may be
 * called from the object's own callback, and promises that no callback follows.
 */
#ifndef MIGRD_BASE_LOOP_H
#define MIGRD_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"

struct loop;
struct loop_timer;
struct loop_watch;
struct loop_signal;

typedef void loop_fn(void *data);

/* The thread that creates the loop is its loop thread. */
struct loop *loop_new(void);
struct loop *loop_new_sim(void);
/* Every timer, watch and signal must be freed before. Posted calls that have
 * not run yet are dropped. */
void loop_free(struct loop *loop);

/* Runs until loop_stop(), which lets the round under way finish; a stop that came
 * before ends the next run.  Logs every callback that takes over 50 ms.  The
 * simulated loop jumps from timer to timer, and also returns when nothing is left
 * that could happen. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);                        /* any thread */
/* Runs posted calls, and those that they post, until none is left, or LOOP_DRAIN_ROUNDS times.
 * Timers and descriptors wait.  For the end: whoever has a command under way is answered by a
 * post, and may ask on. */
#define LOOP_DRAIN_ROUNDS 1000
void loop_drain(struct loop *loop);
/* How long its callbacks took in each turn, from one look at the descriptors to the next, in
 * seconds; turns without a callback do not count.  The simulated loop has no turns. */
extern const struct histogram_kind loop_turn_kind;
const struct histogram *loop_turns(const struct loop *loop);
/* Calls FN(DATA) on the loop thread, in the order of the posts. */
void loop_post(struct loop *loop, loop_fn *fn, void *data); /* any thread */

/* Monotonic milliseconds; virtual in the simulated loop. */
uint64_t loop_now_ms(const struct loop *loop);
/* Aborts when called from any thread but the loop's. */
void loop_assert_thread(const struct loop *loop);

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *data);
/* One shot; starting a running timer moves it.  A timer that fires far too late (the
 * process was stopped) waits once until descriptors that are ready have been handled. */
void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_active(const struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

enum loop_io { LOOP_READ = 1, LOOP_WRITE = 2 };

/* READY: a mask of enum loop_io.  Errors and hang-ups are reported as READ or
 * WRITE, whichever is watched: the next read or write tells. */
typedef void loop_io_fn(void *data, unsigned ready);

/* FD is anything but a regular file; it becomes non-blocking, stays the caller's,
 * and may have one active watch.  Free the watch before closing it.  Watches
 * nothing until loop_watch_set(). */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_io_fn *fn, void *data);
void loop_watch_set(struct loop_watch *watch, unsigned events);
void loop_watch_free(struct loop_watch *watch);

struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_fn *fn, void *data);
void loop_signal_free(struct loop_signal *signal);

/* The simulated loop only. */
/* Runs everything that is ready now, also what that makes ready. */
void loop_sim_run(struct loop *loop);
/* Advances the virtual clock, running timers at their times. */
void loop_sim_advance_ms(struct loop *loop, uint64_t ms);

#endif
