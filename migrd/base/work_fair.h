/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/work_fair.h -- a worker that limits how many threads one owner takes.
 *
 * Each owner has a maximum of items that run at once; its other items wait, in order, and items
 * of other owners pass them.  So an owner whose items never end (storage that does not answer)
 * holds up only itself.
 *
 * Thread: loop.  run() and done() are called as those of base/work.h.
 */
#ifndef MIGRD_BASE_WORK_FAIR_H
#define MIGRD_BASE_WORK_FAIR_H

#include <sys/queue.h>

#include "base/id.h"
#include "base/work.h"

struct fair_worker;

struct fair_work {
	struct work work; /* private, as all members but run and done */
	void (*run)(struct fair_work *work);
	void (*done)(struct fair_work *work); /* frees the item */
	struct fair_worker *worker;
	char owner[ID_NAME_SIZE];
	bool is_running;
	TAILQ_ENTRY(fair_work) link;
};

/* A worker of THREADS threads, of which one owner takes EACH at most. */
struct fair_worker *fair_worker_new(struct loop *loop, const char *name, unsigned threads,
				    unsigned each);
void fair_worker_submit(struct fair_worker *worker, const char *owner, struct fair_work *work);
/* How many items of OWNER are not done yet. */
size_t fair_worker_count(const struct fair_worker *worker, const char *owner);
/* As worker_free(): what was submitted is finished first.  Accepts NULL. */
void fair_worker_free(struct fair_worker *worker);

#endif
