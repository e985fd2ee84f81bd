/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The deliveries of a webhook: those that wait, and those that are dead. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "webhook/priv.h"

/* What a delivery costs beside its body. */
#define DELIVERY_BYTES 256

/* They are stored. */
enum { DELIVERY_WAITING, DELIVERY_DEAD, DELIVERY_STATE_COUNT };
static const char *const delivery_states[DELIVERY_STATE_COUNT] = {
	[DELIVERY_WAITING] = "waiting",
	[DELIVERY_DEAD] = "dead",
};

static bool is_dead(const struct delivery *d)
{
	return strcmp(d->row.state, delivery_states[DELIVERY_DEAD]) == 0;
}

static size_t bytes_of(const struct delivery *d)
{
	return DELIVERY_BYTES + (d->row.body ? strlen(d->row.body) : 0);
}

static void set_state(struct delivery *d, int state)
{
	snprintf(d->row.state, sizeof(d->row.state), "%s", delivery_states[state]);
}

/* By the number: nearly always at the end. */
static void insert(struct delivery_list *list, struct delivery *d)
{
	struct delivery *before = TAILQ_LAST(list, delivery_list);

	while (before && before->row.number > d->row.number)
		before = TAILQ_PREV(before, delivery_list, link);
	if (before)
		TAILQ_INSERT_AFTER(list, before, d, link);
	else
		TAILQ_INSERT_HEAD(list, d, link);
}

static void enter(struct delivery *d)
{
	struct webhook *w = d->webhook;

	insert(is_dead(d) ? &w->dead : &w->waiting, d);
	if (is_dead(d)) {
		w->dead_count++;
		w->dead_bytes += bytes_of(d);
	} else {
		w->waiting_count++;
		w->waiting_bytes += bytes_of(d);
	}
}

static void leave(struct delivery *d)
{
	struct webhook *w = d->webhook;

	TAILQ_REMOVE(is_dead(d) ? &w->dead : &w->waiting, d, link);
	if (is_dead(d)) {
		w->dead_count--;
		w->dead_bytes -= bytes_of(d);
	} else {
		w->waiting_count--;
		w->waiting_bytes -= bytes_of(d);
	}
}

/* By its order: nearly always at the end. */
void delivery_enqueue(struct delivery *d)
{
	struct delivery_list *list = &d->webhook->unsaved;
	struct delivery *before = TAILQ_LAST(list, delivery_list);

	while (before && before->order > d->order)
		before = TAILQ_PREV(before, delivery_list, unsaved);
	if (before)
		TAILQ_INSERT_AFTER(list, before, d, unsaved);
	else
		TAILQ_INSERT_HEAD(list, d, unsaved);
	webhook_write_soon(d->webhook->webhooks);
}

void delivery_touch(struct delivery *d)
{
	if (d->is_dirty && !d->is_writing)
		TAILQ_REMOVE(&d->webhook->unsaved, d, unsaved);
	d->is_dirty = true;
	d->order = ++d->webhook->order;
	if (!d->is_writing) /* else when that is written */
		delivery_enqueue(d);
}

void delivery_set_body(struct delivery *d, char *body)
{
	leave(d);
	free(d->row.body);
	d->row.body = body;
	enter(d);
	delivery_touch(d);
}

bool delivery_has_room(const struct webhook *w)
{
	return w->waiting_count < WEBHOOK_PENDING_MAX && w->waiting_bytes < WEBHOOK_PENDING_BYTES;
}

struct delivery *delivery_add(struct webhook *w, const char *type, char *body)
{
	const int64_t now_ms = webhooks_now_ms(w->webhooks);
	struct delivery *d = xnew(struct delivery);
	struct store_delivery *row = &d->row;

	d->webhook = w;
	row->number = w->row.number;
	snprintf(row->id, sizeof(row->id), "%s-%" PRIu64, w->row.id, row->number);
	snprintf(row->webhook, sizeof(row->webhook), "%s", w->row.id);
	snprintf(row->type, sizeof(row->type), "%s", type);
	row->body = body;
	row->created_ms = now_ms;
	row->expires_ms = now_ms + (int64_t)w->wish.expire_s * 1000;
	set_state(d, DELIVERY_WAITING);
	enter(d);
	delivery_touch(d);
	return d;
}

bool delivery_restore(struct webhook *w, const struct store_delivery *row)
{
	struct delivery *d;

	if (strcmp(row->state, delivery_states[DELIVERY_WAITING]) != 0 &&
	    strcmp(row->state, delivery_states[DELIVERY_DEAD]) != 0)
		return false;
	d = xnew(struct delivery);
	d->webhook = w;
	d->row = *row;
	d->may_be_on_disk = d->is_on_disk = d->was_sent = true;
	enter(d);
	return true;
}

void delivery_bury(struct delivery *d)
{
	struct webhook *w = d->webhook;

	leave(d);
	set_state(d, DELIVERY_DEAD);
	enter(d);
	delivery_touch(d);
	w->webhooks->dead++;
	while (w->dead_count > WEBHOOK_DEAD_MAX || w->dead_bytes > WEBHOOK_DEAD_BYTES)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		delivery_remove(TAILQ_FIRST(&w->dead));
}

void delivery_revive(struct delivery *d)
{
	leave(d);
	set_state(d, DELIVERY_WAITING);
	d->row.tries = 0;
	d->row.retry_ms = 0;
	d->row.expires_ms =
		webhooks_now_ms(d->webhook->webhooks) + (int64_t)d->webhook->wish.expire_s * 1000;
	enter(d);
	delivery_touch(d);
}

void delivery_remove(struct delivery *d)
{
	leave(d);
	d->is_gone = true;
	if (!d->may_be_on_disk)
		delivery_free(d);
	else
		delivery_touch(d);
}

/* One that is gone, or whose webhook goes. */
void delivery_free(struct delivery *d)
{
	assert(!d->is_writing);
	if (!d->is_gone)
		leave(d);
	if (d->is_dirty)
		TAILQ_REMOVE(&d->webhook->unsaved, d, unsaved);
	store_delivery_fini(&d->row);
	free(d);
}

struct delivery *delivery_find(const struct delivery_list *list, uint64_t number)
{
	struct delivery *d;

	TAILQ_FOREACH(d, list, link)
	if (d->row.number >= number)
		break;
	return d && d->row.number == number ? d : NULL;
}
