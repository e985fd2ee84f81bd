/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/loop_ops.h -- what a loop implementation provides.  Private to base/.
 *
 * loop.c keeps what both have in common: the posted calls, the stop flag, the
 * thread.  An implementation embeds these structs in its own.
 */
#ifndef MIGRD_BASE_LOOP_OPS_H
#define MIGRD_BASE_LOOP_OPS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

struct loop_timer {
	struct loop *loop;
	loop_fn *fn;
	void *data;
};

struct loop_watch {
	struct loop *loop;
	int fd;
	unsigned events; /* as set last */
	loop_io_fn *fn;
	void *data;
};

struct loop_signal {
	struct loop *loop;
	int signo;
	loop_fn *fn;
	void *data;
};

struct loop_ops {
	bool is_virtual; /* time is virtual: callbacks may take any time */

	void (*destroy)(struct loop *loop);
	void (*run)(struct loop *loop);
	/* Any thread: makes the loop look at its posted calls and stop flag. */
	void (*wake)(struct loop *loop);
	uint64_t (*now_ms)(const struct loop *loop);

	/* The `_new' return zeroed structs that are ready for use but for the
	 * members above; the callbacks are called through loop_call_*(). */
	struct loop_timer *(*timer_new)(struct loop *loop);
	void (*timer_start)(struct loop_timer *timer, uint64_t delay_ms);
	void (*timer_stop)(struct loop_timer *timer);
	bool (*timer_is_active)(const struct loop_timer *timer);
	void (*timer_free)(struct loop_timer *timer);

	struct loop_watch *(*watch_new)(struct loop *loop, int fd);
	void (*watch_set)(struct loop_watch *watch, unsigned events);
	void (*watch_free)(struct loop_watch *watch);

	struct loop_signal *(*signal_new)(struct loop *loop, int signo);
	void (*signal_free)(struct loop_signal *signal);
};

struct loop_post;

struct loop {
	const struct loop_ops *ops;
	pthread_t thread;
	size_t object_count; /* timers, watches and signals not yet freed */
	atomic_bool is_stopping;
	uint64_t busy_ns; /* in callbacks of this turn */
	struct histogram turns;

	pthread_mutex_t lock; /* guards what follows */
	struct loop_post *posts, **posts_end;
	uint64_t post_seq;
};

void loop_init(struct loop *loop, const struct loop_ops *ops);
void loop_fini(struct loop *loop);

/* A turn is over: counts it. */
void loop_end_turn(struct loop *loop);
/* Runs what was posted up to now; false when there was nothing. */
bool loop_run_posts(struct loop *loop);
/* Cancels posted calls of FN with DATA. */
void loop_unpost(struct loop *loop, loop_fn *fn, const void *data);

/* Call the user's function, which may free the object: they do not touch it afterwards. */
void loop_call_timer(struct loop_timer *timer);
void loop_call_watch(struct loop_watch *watch, unsigned ready);
void loop_call_signal(struct loop_signal *signal);

#endif
