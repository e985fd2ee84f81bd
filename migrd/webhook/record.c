/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is dirty goes to disk: a batch of one webhook at a time, its own row with it, so that the
 * number of its newest delivery is never older than that.  The next batch begins when the one
 * before has ended, so no other record of the store waits for more than one. */
#include <assert.h>

#include "base/log.h"
#include "base/mem.h"
#include "webhook/priv.h"

/* Events that come together are written together. */
#define GATHER_MS 20
#define RETRY_MS  2000

/* While others are in a hurry. */
#define WAIT_MS   20
#define WAITS_MAX 50

#define BATCH_MAX (STORE_TXN_MAX - 1)

struct batch {
	struct webhook *webhook; /* stays as long as the batch: see webhooks_remove() */
	struct delivery *list[BATCH_MAX];
	bool is_deletion[BATCH_MAX];
	size_t count;
};

void webhook_write_soon(struct webhooks *webhooks)
{
	if (!webhooks->batch && !webhooks->is_closing &&
	    !loop_timer_is_active(webhooks->write_timer))
		loop_timer_start(webhooks->write_timer, GATHER_MS);
}

/* ---- those who wait for it ---------------------------------------------------------- */

void webhook_wait_for_disk(struct webhook *w, webhook_done_fn *done, void *data)
{
	struct waiter *waiter = xnew(struct waiter);

	waiter->order = w->order;
	waiter->done = done;
	waiter->data = data;
	TAILQ_INSERT_TAIL(&w->waiters, waiter, link);
	w->is_dirty = true; /* so that a batch is written, whatever there is */
	webhook_write_soon(w->webhooks);
}

static void answer(struct webhook *w, struct waiter *waiter, const struct err *err)
{
	TAILQ_REMOVE(&w->waiters, waiter, link);
	waiter->done(waiter->data, err ? NULL : w, err);
	free(waiter);
}

void webhook_fail_waiters(struct webhook *w, const struct err *err)
{
	while (!TAILQ_EMPTY(&w->waiters))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		answer(w, TAILQ_FIRST(&w->waiters), err);
}

/* The oldest that is still to be written is the first of `unsaved'. */
static void answer_waiters(struct webhook *w)
{
	const struct delivery *oldest = TAILQ_FIRST(&w->unsaved);
	struct waiter *waiter;

	while ((waiter = TAILQ_FIRST(&w->waiters)) && (!oldest || oldest->order > waiter->order))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		answer(w, waiter, NULL);
}

/* ---- a batch ---------------------------------------------------------------------------- */

/* W was not looked at last: each gets its turn. */
static void move_to_end(struct webhook *w)
{
	TAILQ_REMOVE(&w->webhooks->writing_order, w, writing_link);
	TAILQ_INSERT_TAIL(&w->webhooks->writing_order, w, writing_link);
}

static bool wants_to_write(const struct webhook *w)
{
	return !w->is_new && !w->is_changing && (w->is_dirty || !TAILQ_EMPTY(&w->unsaved));
}

static struct webhook *next_to_write(const struct webhooks *webhooks)
{
	struct webhook *w;

	TAILQ_FOREACH(w, &webhooks->writing_order, writing_link)
	if (wants_to_write(w))
		return w;
	return NULL;
}

static void written(struct delivery *d, bool is_deletion, const struct err *err)
{
	d->is_writing = false;
	if (!err && is_deletion) {
		d->is_dirty = false;
		delivery_free(d);
		return;
	}
	if (!err)
		d->is_on_disk = true;
	else
		d->is_dirty = true;
	if (d->is_dirty)
		delivery_enqueue(d);
}

static void on_written(void *data, const struct err *err)
{
	struct batch *batch = data;
	struct webhook *w = batch->webhook;
	struct webhooks *webhooks = w->webhooks;

	/* Until all is noted nobody begins another one. */
	for (size_t i = 0; i < batch->count; i++)
		written(batch->list[i], batch->is_deletion[i], err);
	webhooks->batch = NULL;
	free(batch);
	if (err) {
		log_warning("webhook", "save", "webhook=%s error=%s", w->row.id, err->msg);
		w->is_dirty = true;
		webhook_fail_waiters(w, err);
	} else {
		answer_waiters(w);
		webhook_look_soon(w);
	}
	if (!webhooks->is_closing && next_to_write(webhooks))
		loop_timer_start(webhooks->write_timer, err ? RETRY_MS : 0);
}

static void take(struct batch *batch, struct delivery *d, struct store_txn *txn)
{
	TAILQ_REMOVE(&d->webhook->unsaved, d, unsaved);
	d->is_dirty = false;
	d->is_writing = d->may_be_on_disk = true;
	batch->is_deletion[batch->count] = d->is_gone;
	batch->list[batch->count++] = d;
	txn->list[batch->count] =
		d->is_gone ? store_delete_delivery(d->row.id) : store_put_delivery(&d->row);
}

static bool must_wait(struct webhooks *webhooks)
{
	const struct webhooks_env *env = &webhooks->env;

	if (!env->must_wait || webhooks->waits == WAITS_MAX || !env->must_wait(env->data)) {
		webhooks->waits = 0;
		return false;
	}
	webhooks->waits++;
	loop_timer_start(webhooks->write_timer, WAIT_MS);
	return true;
}

void webhooks_write(void *data)
{
	struct webhooks *webhooks = data;
	struct webhook *w = webhooks->batch ? NULL : next_to_write(webhooks);
	struct store_txn txn = { 0 };
	struct batch *batch;

	if (!w || must_wait(webhooks))
		return;
	batch = xnew(struct batch);
	batch->webhook = w;
	txn.list[0] = store_put_webhook(&w->row);
	w->is_dirty = false;
	while (batch->count < BATCH_MAX && !TAILQ_EMPTY(&w->unsaved))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		take(batch, TAILQ_FIRST(&w->unsaved), &txn);
	move_to_end(w);
	webhooks->batch = batch;
	store_commit(webhooks->env.store, &txn, on_written, batch);
}
