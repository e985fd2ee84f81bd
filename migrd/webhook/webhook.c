/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The webhooks of this host: how they come, change and go. */
#include "webhook/webhook.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "tls/hmac.h"
#include "webhook/priv.h"

int64_t webhooks_now_ms(const struct webhooks *webhooks)
{
	return webhooks->env.now_ms ? webhooks->env.now_ms() : clock_wall_ms();
}

struct webhook *webhook_find(const struct webhooks *webhooks, const char *id)
{
	struct webhook *w;

	TAILQ_FOREACH(w, &webhooks->list, link)
	if (strcmp(w->row.id, id) == 0)
		return w;
	return NULL;
}

/* ---- one ------------------------------------------------------------------------------ */

static void set_filter(struct webhook *w)
{
	const struct webhook_wish *wish = &w->wish;
	CLEANUP(strbuf_fini) struct strbuf types = STRBUF_INIT;

	bus_filter_fini(&w->filter);
	for (size_t i = 0; i < wish->type_count; i++)
		strbuf_addf(&types, "%s%s", i ? "," : "", wish->types[i]);
	w->filter.types = wish->type_count ? strbuf_take(&types) : NULL;
	memcpy(w->filter.vm, wish->vm, sizeof(w->filter.vm));
	memcpy(w->filter.move, wish->move, sizeof(w->filter.move));
	memcpy(w->filter.host, wish->host, sizeof(w->filter.host));
}

/* A name with a blank, which no section of the configuration has. */
static void set_party(struct webhook *w)
{
	struct notify_party *party = &w->party;

	secret_wipe(party, sizeof(*party));
	snprintf(party->name, sizeof(party->name), "webhook %s", w->row.id);
	party->url = w->wish.url;
	party->timeout_ms = (uint32_t)w->wish.timeout_s * 1000;
	for (size_t i = 0; i < w->wish.secret_count; i++)
		if (!notify_party_add_key(party, w->wish.secrets[i]))
			log_error("webhook", "secret", "webhook=%s reason=%s", w->row.id,
				  "a secret of it is none: give it another");
}

static void set_wish(struct webhook *w, const struct webhook_wish *wish)
{
	w->wish = *wish;
	set_filter(w);
	set_party(w);
}

static struct webhook *webhook_new(struct webhooks *webhooks)
{
	struct webhook *w = xnew(struct webhook);

	w->webhooks = webhooks;
	TAILQ_INIT(&w->waiting);
	TAILQ_INIT(&w->dead);
	TAILQ_INIT(&w->unsaved);
	TAILQ_INIT(&w->waiters);
	w->timer = loop_timer_new(webhooks->env.loop, webhook_look, w);
	TAILQ_INSERT_TAIL(&webhooks->list, w, link);
	TAILQ_INSERT_TAIL(&webhooks->writing_order, w, writing_link);
	webhooks->count++;
	return w;
}

/* No record of it, nor of a delivery, is being written. */
static void webhook_free(struct webhook *w)
{
	const struct err gone = { ERR_UNAVAILABLE, "the webhook was removed meanwhile" };

	webhook_fail_waiters(w, &gone);
	while (!TAILQ_EMPTY(&w->unsaved))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		delivery_free(TAILQ_FIRST(&w->unsaved));
	while (!TAILQ_EMPTY(&w->waiting))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): likewise */
		delivery_free(TAILQ_FIRST(&w->waiting));
	while (!TAILQ_EMPTY(&w->dead))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): likewise */
		delivery_free(TAILQ_FIRST(&w->dead));
	TAILQ_REMOVE(&w->webhooks->list, w, link);
	TAILQ_REMOVE(&w->webhooks->writing_order, w, writing_link);
	w->webhooks->count--;
	loop_timer_free(w->timer);
	bus_filter_fini(&w->filter);
	store_webhook_fini(&w->row);
	secret_wipe(&w->party, sizeof(w->party));
	secret_wipe(&w->wish, sizeof(w->wish));
	free(w);
}

static char *definition_of(const struct webhook_wish *wish)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(webhook_request_fields, wish);

	return xstrdup(json_text(obj, NULL));
}

/* ---- who may vouch for receivers ---------------------------------------------------------- */

static void look_at_all(struct webhooks *webhooks)
{
	struct webhook *w;

	TAILQ_FOREACH(w, &webhooks->list, link)
	webhook_look_soon(w);
}

void webhooks_set_trust(struct webhooks *webhooks, struct tls_trust *trust)
{
	tls_trust_unref(webhooks->trust);
	webhooks->trust = trust ? tls_trust_ref(trust) : NULL;
	look_at_all(webhooks);
}

struct trust_reading {
	struct work work;
	struct webhooks *webhooks;
	struct tls_trust *trust;
	struct err err;
};

static void read_trust(struct work *work)
{
	struct trust_reading *reading = CONTAINER_OF(work, struct trust_reading, work);

	reading->trust = tls_trust_read_blocking(NULL, &reading->err);
}

static void on_trust(struct work *work)
{
	struct trust_reading *reading = CONTAINER_OF(work, struct trust_reading, work);
	struct webhooks *webhooks = reading->webhooks;

	webhooks->is_reading_trust = false;
	if (!webhooks->trust)
		webhooks->trust = TAKE_PTR(reading->trust);
	tls_trust_unref(reading->trust);
	look_at_all(webhooks);
	free(reading);
}

bool webhooks_trust(struct webhooks *webhooks)
{
	struct trust_reading *reading;

	if (webhooks->trust || webhooks->is_reading_trust)
		return webhooks->trust;
	if (!webhooks->reader)
		webhooks->reader = worker_new(webhooks->env.loop, "webhook", 1);
	webhooks->is_reading_trust = true;
	reading = xnew(struct trust_reading);
	reading->work.run = read_trust;
	reading->work.done = on_trust;
	reading->webhooks = webhooks;
	worker_submit(webhooks->reader, &reading->work);
	return false;
}

/* ---- life --------------------------------------------------------------------------------- */

struct webhooks *webhooks_new(const struct webhooks_env *env)
{
	struct webhooks *webhooks = xnew(struct webhooks);

	webhooks->env = *env;
	if (!env->send)
		webhooks->env.send = notify_send;
	TAILQ_INIT(&webhooks->list);
	TAILQ_INIT(&webhooks->writing_order);
	webhooks->write_timer = loop_timer_new(env->loop, webhooks_write, webhooks);
	webhooks->listener = bus_listen(env->bus, NULL, webhooks_hear, webhooks);
	return webhooks;
}

void webhooks_end(struct webhooks *webhooks)
{
	struct webhook *w;
	const struct err stopping = { ERR_UNAVAILABLE, "the coordinator is stopping" };

	if (!webhooks || webhooks->is_closing)
		return;
	webhooks->is_closing = true;
	bus_unlisten(webhooks->listener);
	worker_free(webhooks->reader);
	loop_timer_stop(webhooks->write_timer);
	TAILQ_FOREACH(w, &webhooks->list, link)
	{
		loop_timer_stop(w->timer);
		webhook_fail_waiters(w, &stopping);
	}
}

void webhooks_free(struct webhooks *webhooks)
{
	if (!webhooks)
		return;
	webhooks_end(webhooks);
	while (!TAILQ_EMPTY(&webhooks->list))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		webhook_free(TAILQ_FIRST(&webhooks->list));
	loop_timer_free(webhooks->write_timer);
	tls_trust_unref(webhooks->trust);
	free(webhooks);
}

/* A member of a later version is left out, and stays on disk until the webhook is changed. */
void webhooks_add_row(struct webhooks *webhooks, struct store_webhook *row)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(row->definition);
	struct webhook_wish wish = { .timeout_s = WEBHOOK_TIMEOUT_S,
				     .retry_min_s = WEBHOOK_RETRY_MIN_S,
				     .retry_max_s = WEBHOOK_RETRY_MAX_S,
				     .expire_s = WEBHOOK_EXPIRE_S };
	struct webhook *w;
	struct err err = { 0 };

	w = webhook_new(webhooks);
	w->row = *row;
	if (!json_decode_object(obj, webhook_request_fields, &wish, JSON_IGNORE_UNKNOWN, &err)) {
		log_error("webhook", "record", "webhook=%s error=%s", row->id, err.msg);
		snprintf(w->row.disabled, sizeof(w->row.disabled),
			 "this version of migrd does not understand its record: change it");
	}
	set_wish(w, &wish);
	secret_wipe(&wish, sizeof(wish));
	webhook_note_loss(w, "restart", 0);
}

void webhooks_add_delivery_row(struct webhooks *webhooks, struct store_delivery *row)
{
	struct webhook *w = webhook_find(webhooks, row->webhook);

	if (w && delivery_restore(w, row))
		return;
	log_warning("webhook", "record", "delivery=%s state=%s error=%s", row->id, row->state,
		    "a later version of migrd wrote it: it is left alone");
	store_delivery_fini(row);
}

void webhooks_recover(struct webhooks *webhooks)
{
	struct webhook *w;

	TAILQ_FOREACH(w, &webhooks->list, link)
	webhook_tell_gap(w);
	look_at_all(webhooks);
}

/* ---- what users do -------------------------------------------------------------------------- */

/* An answer that waits for the loop's next turn. */
struct refusal {
	webhook_done_fn *done;
	void *data;
	struct err err;
};

static void on_refusal(void *data)
{
	struct refusal *refusal = data;

	refusal->done(refusal->data, NULL, &refusal->err);
	free(refusal);
}

static void refuse(struct webhooks *webhooks, webhook_done_fn *done, void *data,
		   const struct err *err)
{
	struct refusal *refusal = xnew(struct refusal);

	refusal->done = done;
	refusal->data = data;
	refusal->err = *err;
	loop_post(webhooks->env.loop, on_refusal, refusal);
}

/* One that can be changed. */
static struct webhook *find(const struct webhooks *webhooks, const char *id, struct err *err)
{
	struct webhook *w = webhook_find(webhooks, id);

	if (!w || w->is_new) {
		err_set(err, ERR_NOT_FOUND, "there is no webhook '%.40s' on this host", id);
		return NULL;
	}
	if (!w->is_changing)
		return w;
	err_set(err, ERR_BUSY, "another change of it is being written: try again");
	return NULL;
}

/* A change of a webhook that is being written. */
struct change {
	struct webhook *webhook; /* stays while it is changing */
	struct webhook_wish wish;
	struct store_webhook row;
	char by[ID_NAME_SIZE];
	bool is_removal;
	webhook_done_fn *done;
	void *data;
};

static struct change *change_new(struct webhook *w, const char *by, webhook_done_fn *done,
				 void *data)
{
	struct change *change = xnew(struct change);

	change->webhook = w;
	snprintf(change->by, sizeof(change->by), "%s", by);
	change->done = done;
	change->data = data;
	w->is_changing = true;
	return change;
}

static void change_free(struct change *change)
{
	store_webhook_fini(&change->row);
	secret_wipe(&change->wish, sizeof(change->wish));
	free(change);
}

/* The number is that of the newest delivery, which may have come meanwhile. */
static void take_over(struct webhook *w, struct change *change)
{
	const uint64_t number = w->row.number;

	store_webhook_fini(&w->row);
	w->row = change->row;
	w->row.number = number;
	change->row.definition = NULL;
	set_wish(w, &change->wish);
	w->is_dirty = w->is_dirty || number != change->row.number;
	w->error[0] = '\0';
}

/* The scheme and the host of URL, as its path and its query may be secrets; the caller frees it. */
static char *host_of(const char *url)
{
	const char *host = strstr(url, "://");
	size_t len = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;

	return xasprintf("%.*s", (int)len, url);
}

static void on_changed(void *data, const struct err *err)
{
	struct change *change = data;
	struct webhook *w = change->webhook;

	w->is_changing = false;
	if (!err) {
		CLEANUP(free_charp) char *host = host_of(change->wish.url);

		log_info("webhook", w->is_new ? "added" : "changed", "webhook=%s by=%s to=%s",
			 w->row.id, change->by, host);
		w->is_new = false;
		take_over(w, change);
		webhook_tell_gap(w);
		webhook_look_soon(w);
	}
	webhook_write_soon(w->webhooks);
	change->done(change->data, err ? NULL : w, err);
	if (err && w->is_new)
		webhook_free(w);
	change_free(change);
}

static void write_change(struct webhook *w, struct change *change)
{
	const struct store_txn txn = { { change->is_removal ? store_delete_webhook(w->row.id)
							    : store_put_webhook(&change->row) } };

	store_commit(w->webhooks->env.store, &txn, on_changed, change);
}

bool webhooks_may_add(const struct webhooks *webhooks, struct err *err)
{
	return webhooks->count < WEBHOOKS_MAX ||
	       err_set(err, ERR_LIMIT,
		       "there are %d webhooks on this host, which are the most: remove one "
		       "(`migrctl webhook list' shows them)",
		       WEBHOOKS_MAX);
}

void webhooks_add(struct webhooks *webhooks, const struct webhook_wish *wish, const char *by,
		  webhook_done_fn *done, void *data)
{
	struct webhook *w;
	struct change *change;
	struct err err;

	if (!webhooks_may_add(webhooks, &err)) {
		refuse(webhooks, done, data, &err);
		return;
	}
	w = webhook_new(webhooks);
	w->is_new = true;
	id_uuid_new(w->row.id);
	change = change_new(w, by, done, data);
	change->wish = *wish;
	memcpy(change->row.id, w->row.id, sizeof(change->row.id));
	change->row.definition = definition_of(wish);
	snprintf(change->row.created_by, sizeof(change->row.created_by), "%s", by);
	change->row.created_ms = change->row.updated_ms = webhooks_now_ms(webhooks);
	write_change(w, change);
}

void webhooks_change(struct webhooks *webhooks, const char *id, const struct webhook_patch *patch,
		     const char *by, webhook_done_fn *done, void *data)
{
	struct err err;
	struct webhook *w = find(webhooks, id, &err);
	struct change *change;

	if (!w) {
		refuse(webhooks, done, data, &err);
		return;
	}
	change = change_new(w, by, done, data);
	change->wish = patch->wish;
	change->row = w->row;
	change->row.definition = definition_of(&patch->wish);
	change->row.updated_ms = webhooks_now_ms(webhooks);
	if (patch->has_enabled && patch->enabled)
		change->row.disabled[0] = '\0';
	else if (patch->has_enabled)
		snprintf(change->row.disabled, sizeof(change->row.disabled), "'%s' has disabled it",
			 by);
	write_change(w, change);
}

static void on_removed(void *data, const struct err *err)
{
	struct change *change = data;
	struct webhook *w = change->webhook;

	w->is_changing = false;
	if (!err) {
		log_info("webhook", "removed", "webhook=%s by=%s", w->row.id, change->by);
		change->done(change->data, NULL, NULL);
		webhook_free(w);
	} else {
		webhook_write_soon(w->webhooks);
		change->done(change->data, NULL, err);
	}
	change_free(change);
}

/* While it is changing no batch of it begins, and one that has begun is written before this. */
void webhooks_remove(struct webhooks *webhooks, const char *id, const char *by,
		     webhook_done_fn *done, void *data)
{
	struct err err;
	struct webhook *w = find(webhooks, id, &err);
	struct change *change;

	if (!w) {
		refuse(webhooks, done, data, &err);
		return;
	}
	change = change_new(w, by, done, data);
	change->is_removal = true;
	store_commit(webhooks->env.store,
		     &(struct store_txn){ { store_delete_webhook(w->row.id) } }, on_removed,
		     change);
}

/* ---- dead deliveries --------------------------------------------------------------------- */

/* Calls FN for those with NUMBER, or all (0). */
static void change_dead(struct webhooks *webhooks, const char *id, uint64_t number,
			void (*fn)(struct delivery *d), webhook_done_fn *done, void *data)
{
	struct err err;
	struct webhook *w = find(webhooks, id, &err);
	struct delivery *d = w && number ? delivery_find(&w->dead, number) : NULL, *next;

	if (w && number && !d)
		err_set(&err, ERR_NOT_FOUND,
			"webhook %s has no dead delivery with the number %llu: it was delivered, "
			"removed, or is tried again",
			id, (unsigned long long)number);
	if (!w || (number && !d)) {
		refuse(webhooks, done, data, &err);
		return;
	}
	if (d)
		fn(d);
	for (d = number ? NULL : TAILQ_FIRST(&w->dead); d; d = next) {
		next = TAILQ_NEXT(d, link);
		fn(d);
	}
	webhook_wait_for_disk(w, done, data);
	webhook_look_soon(w);
}

void webhooks_redeliver(struct webhooks *webhooks, const char *id, uint64_t number,
			webhook_done_fn *done, void *data)
{
	change_dead(webhooks, id, number, delivery_revive, done, data);
}

void webhooks_drop_dead(struct webhooks *webhooks, const char *id, uint64_t number,
			webhook_done_fn *done, void *data)
{
	change_dead(webhooks, id, number, delivery_remove, done, data);
}

/* ---- a test --------------------------------------------------------------------------------- */

struct refused_test {
	webhook_tested_fn *done;
	void *data;
	struct err err;
};

static void on_refused_test(void *data)
{
	struct refused_test *refused = data;

	refused->done(refused->data, NULL, &refused->err);
	free(refused);
}

static bool may_test(struct webhooks *webhooks, const struct webhook *w, struct err *err)
{
	if (w->is_testing)
		return err_set(err, ERR_BUSY, "another test of it is under way: try again");
	return webhooks_trust(webhooks) ||
	       err_set(err, ERR_BUSY,
		       "the authorities of the system are being read for the first time: try "
		       "again");
}

void webhooks_test(struct webhooks *webhooks, const char *id, webhook_tested_fn *done, void *data)
{
	struct err err;
	struct webhook *w = find(webhooks, id, &err);
	struct refused_test *refused;

	if (w && may_test(webhooks, w, &err)) {
		webhook_send_test(w, done, data);
		return;
	}
	refused = xnew(struct refused_test);
	refused->done = done;
	refused->data = data;
	refused->err = err;
	loop_post(webhooks->env.loop, on_refused_test, refused);
}

void webhook_secret_new(char ret[WEBHOOK_SECRET_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char token[ID_TOKEN_SIZE];
	unsigned char bytes[(ID_TOKEN_SIZE - 1) / 2];
	CLEANUP(free_charp) char *text = NULL;

	id_token_new(token);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)((strchr(digits, token[2 * i]) - digits) << 4 |
					   (strchr(digits, token[2 * i + 1]) - digits));
	text = base64_text(bytes, sizeof(bytes));
	if (!text)
		abort(); /* out of memory */
	snprintf(ret, WEBHOOK_SECRET_SIZE, "whsec_%s", text);
	secret_wipe(token, sizeof(token));
	secret_wipe(bytes, sizeof(bytes));
	secret_wipe(text, strlen(text));
}
