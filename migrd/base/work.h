/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/work.h -- work items: code that may wait runs off the loop thread.
 *
 * run() is called on a worker thread and sees only the item, which holds
 * copies; done() is called on the loop thread afterwards, exactly once, never
 * before worker_submit() has returned.  done() finds live objects by id, as they
 * may be gone, and frees the item.
 *
 * A worker of one thread runs its items in order; the store is such a worker.  On a
 * simulated loop items run at the next loop_sim_run(), in order.
 */
#ifndef MIGRD_BASE_WORK_H
#define MIGRD_BASE_WORK_H

#include "base/loop.h"

struct work {
	void (*run)(struct work *work);  /* worker thread */
	void (*done)(struct work *work); /* loop thread */
	struct work *next;               /* private */
	struct worker *worker;           /* private */
};

struct worker;

/* NAME is shown by ps and debuggers; at most 15 bytes. */
struct worker *worker_new(struct loop *loop, const char *name, unsigned threads);
void worker_submit(struct worker *worker, struct work *work); /* loop thread */
/* Finishes what was submitted, joins the threads, then runs the outstanding
 * done() calls.  Accepts NULL. */
void worker_free(struct worker *worker);

#endif
