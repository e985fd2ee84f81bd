/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* webhook/webhook.h -- webhooks of this host's events, which administrators register.
 *
 * What passes the filter of a webhook becomes a *delivery*: it has the next number of that webhook,
 * and is sent when it is on disk, one at a time, in the order of the numbers; the next one when it
 * was answered with a status of 200 to 299, or is *dead*: it has expired.  So one that is not heard
 * keeps those behind it waiting, and nobody else.  The pause between two tries doubles.  A delivery
 * is removed when it was heard; a crash in between sends it again, under the same id.
 *
 * Whatever could not be told is told as a loss, in a delivery of the type `gap': events of a time
 * in which the coordinator was away (always, after a start), those for which there was no room
 * while the webhook was not heard, those that are dead, and those of a time in which it was
 * disabled.  A gap that is not told yet takes in what is lost after it.  No other event is put
 * behind a loss before its gap.
 *
 * An answer of 410 disables a webhook, as Standard Webhooks 1.0 says.
 *
 * Records are written in batches, one at a time, and none while a guest stands still, so that the
 * records of its move do not wait for them.  Thread: loop.
 */
#ifndef MIGRD_WEBHOOK_WEBHOOK_H
#define MIGRD_WEBHOOK_WEBHOOK_H

#include "base/bus.h"
#include "notify/notify.h"
#include "store/store.h"
#include "wire/webhook.h"

/* Of each webhook. */
#define WEBHOOK_PENDING_MAX   1000
#define WEBHOOK_PENDING_BYTES (2u << 20)
#define WEBHOOK_DEAD_MAX      100
#define WEBHOOK_DEAD_BYTES    (512u << 10)

struct webhooks;
struct webhook;

struct webhooks_env {
	struct loop *loop;
	struct store *store;
	struct bus *bus;
	struct notify *notify;
	const char *host_id;
	int64_t (*now_ms)(void); /* wall clock; NULL: the host's */
	/* Others are in a hurry to have records written: no batch begins, for a second at most.
	 * NULL: never. */
	bool (*must_wait)(void *data);
	void *data;
	/* In place of notify_send(), for tests; NULL: that. */
	void (*send)(struct notify *notify, const struct notify_message *message,
		     notify_done_fn *done, void *data);
};

struct webhooks *webhooks_new(const struct webhooks_env *env);
/* Hears no more events, and begins nothing. */
void webhooks_end(struct webhooks *webhooks);
/* To be called when the store is closed, so that no answer can come any more. */
void webhooks_free(struct webhooks *webhooks);
/* At the start: takes over what the rows own; the webhooks first. */
void webhooks_add_row(struct webhooks *webhooks, struct store_webhook *row);
void webhooks_add_delivery_row(struct webhooks *webhooks, struct store_delivery *row);
/* When all rows are there. */
void webhooks_recover(struct webhooks *webhooks);
/* Who may vouch for receivers: a reference is taken.  NULL: what the system trusts, which is read
 * by another thread before the first delivery. */
void webhooks_set_trust(struct webhooks *webhooks, struct tls_trust *trust);

/* ---- what users do; DONE is called once, never from inside the call ---------- */

/* ERR: nothing has changed.  WEBHOOK, borrowed, may be NULL of one that was removed. */
typedef void webhook_done_fn(void *data, const struct webhook *webhook, const struct err *err);

/* LIMIT: there are WEBHOOKS_MAX.  WISH has a secret. */
bool webhooks_may_add(const struct webhooks *webhooks, struct err *err);
void webhooks_add(struct webhooks *webhooks, const struct webhook_wish *wish, const char *by,
		  webhook_done_fn *done, void *data);
/* NOT_FOUND; BUSY: another change is being written. */
void webhooks_change(struct webhooks *webhooks, const char *id, const struct webhook_patch *patch,
		     const char *by, webhook_done_fn *done, void *data);
void webhooks_remove(struct webhooks *webhooks, const char *id, const char *by,
		     webhook_done_fn *done, void *data);

/* Dead deliveries: the one with NUMBER, or all (0).  They wait again, with their numbers, and
 * expire anew; or they are removed.  DONE is called when that is on disk.  NOT_FOUND. */
void webhooks_redeliver(struct webhooks *webhooks, const char *id, uint64_t number,
			webhook_done_fn *done, void *data);
void webhooks_drop_dead(struct webhooks *webhooks, const char *id, uint64_t number,
			webhook_done_fn *done, void *data);

/* Sends one message of the type `test' now, once, past the deliveries.  RESULT's texts are
 * borrowed.  NOT_FOUND; BUSY: another test of it is under way. */
typedef void webhook_tested_fn(void *data, const struct webhook_tested *result,
			       const struct err *err);
void webhooks_test(struct webhooks *webhooks, const char *id, webhook_tested_fn *done, void *data);

/* A secret of 32 random bytes. */
void webhook_secret_new(char ret[WEBHOOK_SECRET_SIZE]);

/* ---- what is shown ------------------------------------------------------------ */

/* In the order in which they were made; AFTER NULL: the first; NULL: no more. */
const struct webhook *webhooks_next(const struct webhooks *webhooks, const struct webhook *after);
const struct webhook *webhooks_find(const struct webhooks *webhooks, const char *id);
const struct webhook_wish *webhook_wish(const struct webhook *webhook);
/* Of its texts the list of types is RET_TYPES.  Secrets are left out. */
void webhook_show(const struct webhook *webhook, struct webhook_reply *ret,
		  const char *ret_types[EVENT_TYPE_COUNT]);
/* Dead deliveries, by their numbers; AFTER 0: the first.  NULL: no more. */
const struct store_delivery *webhook_next_dead(const struct webhook *webhook, uint64_t after);

struct webhooks_figures {
	uint64_t delivered, failed, dead, lost; /* since the start; `failed' counts tries */
	size_t enabled, disabled;
	size_t pending, kept_dead;
	int64_t oldest_pending_ms; /* of an enabled webhook; 0: nothing waits */
};
struct webhooks_figures webhooks_figures(const struct webhooks *webhooks);

#endif
