/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/work.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/loop_ops.h"
#include "base/mem.h"

struct queue {
	struct work *first, **end;
};

/* One call is posted to the loop for each finished item (on a simulated loop:
 * for each submitted one); it takes the first item of the list.  So the loop
 * sees one done() at a time, in order. */
struct worker {
	struct loop *loop;
	char name[16]; /* pthread_setname_np(3) */
	pthread_t *threads;
	unsigned thread_count;
	bool is_in_done;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct queue waiting, finished;
	bool is_closing;
};

/* ---- queues ---------------------------------------------------------- */

static void put(struct queue *queue, struct work *work)
{
	work->next = NULL;
	*queue->end = work;
	queue->end = &work->next;
}

static struct work *take(struct queue *queue)
{
	struct work *work = queue->first;

	if (!work)
		return NULL;
	queue->first = work->next;
	if (!queue->first)
		queue->end = &queue->first;
	return work;
}

static struct work *take_locked(struct worker *worker, struct queue *queue)
{
	struct work *work;

	pthread_mutex_lock(&worker->lock);
	work = take(queue);
	pthread_mutex_unlock(&worker->lock);
	return work;
}

/* ---- loop thread ----------------------------------------------------- */

static void call_done(struct worker *worker, struct work *work)
{
	worker->is_in_done = true;
	work->done(work);
	worker->is_in_done = false;
}

static void on_finished(void *data)
{
	struct worker *worker = data;
	struct work *work = take_locked(worker, &worker->finished);

	assert(work);
	call_done(worker, work);
}

static void run_inline(void *data)
{
	struct worker *worker = data;
	struct work *work = take_locked(worker, &worker->waiting);

	assert(work);
	work->run(work);
	call_done(worker, work);
}

void worker_submit(struct worker *worker, struct work *work)
{
	loop_assert_thread(worker->loop);
	work->worker = worker;
	pthread_mutex_lock(&worker->lock);
	put(&worker->waiting, work);
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	if (worker->loop->ops->is_virtual)
		loop_post(worker->loop, run_inline, worker);
}

/* ---- worker threads -------------------------------------------------- */

static struct work *wait_for_work(struct worker *worker)
{
	struct work *work;

	pthread_mutex_lock(&worker->lock);
	while (!(work = take(&worker->waiting)) && !worker->is_closing)
		pthread_cond_wait(&worker->wake, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
	return work;
}

static void *thread_main(void *data)
{
	struct worker *worker = data;
	struct work *work;

	pthread_setname_np(pthread_self(), worker->name);
	while ((work = wait_for_work(worker))) {
		work->run(work);
		pthread_mutex_lock(&worker->lock);
		put(&worker->finished, work);
		pthread_mutex_unlock(&worker->lock);
		loop_post(worker->loop, on_finished, worker);
	}
	return NULL;
}

/* Worker threads block all signals: the loop handles them, and none shall interrupt a worker's
 * write. */
static void start_threads(struct worker *worker, unsigned count)
{
	sigset_t all, old;

	worker->threads = xcalloc(count, sizeof(*worker->threads));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (; worker->thread_count < count; worker->thread_count++) {
		pthread_t *thread = &worker->threads[worker->thread_count];

		if (pthread_create(thread, NULL, thread_main, worker) != 0) {
			log_error("work", "no-thread", "worker=%s", worker->name);
			abort();
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* ---- life ------------------------------------------------------------ */

struct worker *worker_new(struct loop *loop, const char *name, unsigned threads)
{
	struct worker *worker = xnew(struct worker);

	assert(threads > 0 && strlen(name) < sizeof(worker->name));
	loop_assert_thread(loop);
	worker->loop = loop;
	memcpy(worker->name, name, strlen(name));
	worker->waiting.end = &worker->waiting.first;
	worker->finished.end = &worker->finished.first;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->wake, NULL);
	if (!loop->ops->is_virtual)
		start_threads(worker, threads);
	return worker;
}

static void join_threads(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->is_closing = true;
	pthread_cond_broadcast(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	for (unsigned i = 0; i < worker->thread_count; i++)
		pthread_join(worker->threads[i], NULL);
}

/* A done() may submit another item; as the threads are gone, it runs here. */
static void finish_all(struct worker *worker)
{
	struct work *work;

	for (;;) {
		while ((work = take_locked(worker, &worker->finished)))
			call_done(worker, work);
		work = take_locked(worker, &worker->waiting);
		if (!work)
			return;
		work->run(work);
		call_done(worker, work);
	}
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	loop_assert_thread(worker->loop);
	assert(!worker->is_in_done);
	join_threads(worker);
	finish_all(worker);
	loop_unpost(worker->loop, on_finished, worker);
	loop_unpost(worker->loop, run_inline, worker);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	free(worker->threads);
	free(worker);
}
