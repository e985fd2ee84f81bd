/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deliveries go out, one at a time of each webhook. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "webhook/priv.h"

/* The clock of the wall may be set, so nothing is waited for longer. */
#define LOOK_MAX_MS 60000
/* So many expire in a turn of the loop. */
#define EXPIRE_AT_ONCE 32

/* Seconds until the next try, after TRIES have failed. */
static uint64_t pause_s_after(const struct webhook_wish *wish, uint64_t tries)
{
	uint64_t pause_s = wish->retry_min_s;

	for (uint64_t i = 1; i < tries && pause_s < wish->retry_max_s; i++)
		pause_s *= 2;
	return pause_s < wish->retry_max_s ? pause_s : wish->retry_max_s;
}

void webhook_look_soon(struct webhook *w)
{
	if (!w->webhooks->is_closing)
		loop_timer_start(w->timer, 0);
}

static void look_at(struct webhook *w, int64_t when_ms)
{
	int64_t wait_ms = when_ms - webhooks_now_ms(w->webhooks);

	if (wait_ms > LOOK_MAX_MS)
		wait_ms = LOOK_MAX_MS;
	loop_timer_start(w->timer, wait_ms > 0 ? (uint64_t)wait_ms : 0);
}

/* ---- the answer ------------------------------------------------------------------------ */

/* What is asynchronous finds its delivery again by this. */
struct ref {
	struct webhooks *webhooks;
	char id[ID_UUID_SIZE];
	uint64_t number;
};

static void disable_gone(struct webhook *w)
{
	snprintf(w->row.disabled, sizeof(w->row.disabled),
		 "it has answered 410 (gone), as a receiver does that wants no more");
	w->is_dirty = true;
	webhook_write_soon(w->webhooks);
	log_warning("webhook", "disabled", "webhook=%s reason=%s", w->row.id, w->row.disabled);
}

static void note_failure(struct webhook *w, struct delivery *d, const struct notify_reply *reply,
			 const struct err *err)
{
	const int64_t now_ms = webhooks_now_ms(w->webhooks);
	uint64_t pause_s = pause_s_after(&w->wish, ++d->row.tries);

	w->failed++;
	w->webhooks->failed++;
	d->row.status = reply ? reply->status : 0;
	if (reply)
		snprintf(d->row.error, sizeof(d->row.error), "it answered with HTTP status %ld",
			 reply->status);
	else
		snprintf(d->row.error, sizeof(d->row.error), "%s", err->msg);
	memcpy(w->error, d->row.error, sizeof(w->error));
	if (reply && reply->retry_after_s > pause_s)
		pause_s = reply->retry_after_s < w->wish.expire_s ? reply->retry_after_s
								  : w->wish.expire_s;
	d->row.tried_ms = now_ms;
	d->row.retry_ms = now_ms + (int64_t)pause_s * 1000;
	if (reply && reply->status == 410)
		disable_gone(w);
	delivery_touch(d);
	log_info("webhook", "failed", "webhook=%s number=%llu tries=%llu error=%s", w->row.id,
		 (unsigned long long)d->row.number, (unsigned long long)d->row.tries, d->row.error);
}

static void note_delivery(struct webhook *w, struct delivery *d)
{
	w->delivered++;
	w->webhooks->delivered++;
	w->delivered_ms = webhooks_now_ms(w->webhooks);
	w->error[0] = '\0';
	delivery_remove(d);
	webhook_tell_gap(w);
}

static void on_answer(void *data, const struct notify_reply *reply, const struct err *err)
{
	struct ref *ref = data;
	struct webhook *w = ref->webhooks->is_closing ? NULL : webhook_find(ref->webhooks, ref->id);
	struct delivery *d =
		w && w->sending == ref->number ? delivery_find(&w->waiting, ref->number) : NULL;

	free(ref);
	if (!w)
		return;
	w->sending = 0;
	if (d && reply && reply->status >= 200 && reply->status < 300)
		note_delivery(w, d);
	else if (d)
		note_failure(w, d, reply, err);
	webhook_look_soon(w);
}

/* ---- going out ------------------------------------------------------------------------- */

static void send_out(struct webhook *w, struct delivery *d)
{
	struct webhooks *webhooks = w->webhooks;
	struct ref *ref = xnew(struct ref);

	ref->webhooks = webhooks;
	memcpy(ref->id, w->row.id, sizeof(ref->id));
	ref->number = w->sending = d->row.number;
	d->was_sent = true;
	w->party.trust = webhooks->trust;
	webhooks->env.send(webhooks->env.notify,
			   &(struct notify_message){ .party = w->party.name,
						     .to = &w->party,
						     .id = d->row.id,
						     .type = "webhook",
						     .body = d->row.body },
			   on_answer, ref);
}

/* ---- the look ---------------------------------------------------------------------------- */

static void expire(struct webhook *w, struct delivery *d)
{
	if (!d->row.error[0])
		snprintf(d->row.error, sizeof(d->row.error), "%s",
			 w->row.disabled[0] ? "it expired while the webhook was disabled"
					    : "it expired before its turn, as those before it were "
					      "not heard");
	log_warning("webhook", "dead", "webhook=%s number=%llu tries=%llu error=%s", w->row.id,
		    (unsigned long long)d->row.number, (unsigned long long)d->row.tries,
		    d->row.error);
	delivery_bury(d);
	webhook_note_loss(w, "expired", 1);
}

/* The first one that waits and has not expired; NULL: there is none, or enough for one turn. */
static struct delivery *first_in_time(struct webhook *w)
{
	const int64_t now_ms = webhooks_now_ms(w->webhooks);
	struct delivery *d;
	unsigned expired = 0;

	while ((d = TAILQ_FIRST(&w->waiting)) && d->row.expires_ms <= now_ms &&
	       expired < EXPIRE_AT_ONCE) {
		expire(w, d);
		expired++;
	}
	if (expired)
		webhook_tell_gap(w);
	if (expired < EXPIRE_AT_ONCE)
		return TAILQ_FIRST(&w->waiting);
	webhook_look_soon(w);
	return NULL;
}

void webhook_look(void *data)
{
	struct webhook *w = data;
	struct webhooks *webhooks = w->webhooks;
	struct delivery *d;

	if (webhooks->is_closing || w->is_new || w->sending)
		return;
	d = first_in_time(w);
	if (!d)
		return;
	if (w->row.disabled[0])
		look_at(w, d->row.expires_ms);
	else if (!d->is_on_disk)
		return; /* when it is */
	else if (d->row.retry_ms > webhooks_now_ms(webhooks))
		look_at(w,
			d->row.retry_ms < d->row.expires_ms ? d->row.retry_ms : d->row.expires_ms);
	else if (webhooks_trust(webhooks))
		send_out(w, d);
}

/* ---- a test ----------------------------------------------------------------------------- */

struct test {
	struct webhooks *webhooks;
	char id[ID_UUID_SIZE];
	uint64_t began_ms;
	webhook_tested_fn *done;
	void *data;
};

static void on_tested(void *data, const struct notify_reply *reply, const struct err *err)
{
	struct test *test = data;
	struct webhook *w = webhook_find(test->webhooks, test->id);
	struct webhook_tested result = {
		.delivered = reply && reply->status >= 200 && reply->status < 300,
		.status = reply ? reply->status : 0,
		.took_ms = loop_now_ms(test->webhooks->env.loop) - test->began_ms,
	};
	char words[64];

	if (w)
		w->is_testing = false;
	if (reply) {
		snprintf(words, sizeof(words), "it answered with HTTP status %ld", reply->status);
		result.error = result.delivered ? NULL : words;
	} else {
		result.error = err->msg;
	}
	test->done(test->data, &result, NULL);
	free(test);
}

void webhook_send_test(struct webhook *w, webhook_tested_fn *done, void *data)
{
	struct webhooks *webhooks = w->webhooks;
	const struct webhook_test content = { "a test of this webhook: nothing has happened" };
	CLEANUP(json_putp)
	struct json_object *obj = json_encode(webhook_test_fields, &content);
	const struct webhook_message message = { .type = WEBHOOK_TYPE_TEST,
						 .timestamp = webhooks_now_ms(webhooks),
						 .host = webhooks->env.host_id,
						 .webhook = w->row.id };
	CLEANUP(free_charp) char *body = webhook_message_text(&message, json_text(obj, NULL));
	struct test *test = xnew(struct test);
	char id[ID_UUID_SIZE];

	test->webhooks = webhooks;
	memcpy(test->id, w->row.id, sizeof(test->id));
	test->began_ms = loop_now_ms(webhooks->env.loop);
	test->done = done;
	test->data = data;
	w->is_testing = true;
	w->party.trust = webhooks->trust;
	id_uuid_new(id);
	webhooks->env.send(webhooks->env.notify,
			   &(struct notify_message){ .party = w->party.name,
						     .to = &w->party,
						     .id = id,
						     .type = "webhook",
						     .body = body },
			   on_tested, test);
}
