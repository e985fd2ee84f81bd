/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/work_fair.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct fair_worker {
	struct worker *worker;
	unsigned each;
	TAILQ_HEAD(, fair_work) items; /* in the order of submission */
};

static unsigned count_running(const struct fair_worker *worker, const char *owner)
{
	const struct fair_work *item;
	unsigned count = 0;

	TAILQ_FOREACH(item, &worker->items, link)
	count += item->is_running && strcmp(item->owner, owner) == 0;
	return count;
}

static void start(struct fair_work *item)
{
	item->is_running = true;
	worker_submit(item->worker->worker, &item->work);
}

/* An item of OWNER has ended: starts its next one that waits. */
static void start_next(struct fair_worker *worker, const char *owner)
{
	struct fair_work *item;

	TAILQ_FOREACH(item, &worker->items, link)
	{
		if (!item->is_running && strcmp(item->owner, owner) == 0) {
			start(item);
			return;
		}
	}
}

static void on_run(struct work *work)
{
	struct fair_work *item = CONTAINER_OF(work, struct fair_work, work);

	item->run(item);
}

static void on_done(struct work *work)
{
	struct fair_work *item = CONTAINER_OF(work, struct fair_work, work);
	struct fair_worker *worker = item->worker;

	TAILQ_REMOVE(&worker->items, item, link);
	start_next(worker, item->owner);
	item->done(item);
}

void fair_worker_submit(struct fair_worker *worker, const char *owner, struct fair_work *item)
{
	item->work = (struct work){ .run = on_run, .done = on_done };
	item->worker = worker;
	item->is_running = false;
	assert(strlen(owner) < sizeof(item->owner));
	memcpy(item->owner, owner, strlen(owner) + 1);
	TAILQ_INSERT_TAIL(&worker->items, item, link);
	if (count_running(worker, owner) < worker->each)
		start(item);
}

size_t fair_worker_count(const struct fair_worker *worker, const char *owner)
{
	const struct fair_work *item;
	size_t count = 0;

	TAILQ_FOREACH(item, &worker->items, link)
	count += strcmp(item->owner, owner) == 0;
	return count;
}

struct fair_worker *fair_worker_new(struct loop *loop, const char *name, unsigned threads,
				    unsigned each)
{
	struct fair_worker *worker = xnew(struct fair_worker);

	assert(each > 0 && each < threads);
	worker->each = each;
	worker->worker = worker_new(loop, name, threads);
	TAILQ_INIT(&worker->items);
	return worker;
}

void fair_worker_free(struct fair_worker *worker)
{
	if (!worker)
		return;
	worker_free(worker->worker);
	assert(TAILQ_EMPTY(&worker->items));
	free(worker);
}
