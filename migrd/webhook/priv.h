/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* webhook/priv.h -- shared by the files of migrd/webhook. */
#ifndef MIGRD_WEBHOOK_PRIV_H
#define MIGRD_WEBHOOK_PRIV_H

#include <sys/queue.h>

#include "base/bus_filter.h"
#include "base/work.h"
#include "webhook/webhook.h"

/* Why events were not told. */
struct webhook_gap {
	const char *reason; /* a constant; of the first of them; NULL: nothing was lost */
	bool is_uncounted;
	uint64_t lost;
};

struct delivery {
	TAILQ_ENTRY(delivery) link;    /* of `waiting' or `dead' */
	TAILQ_ENTRY(delivery) unsaved; /* of `unsaved' */
	struct webhook *webhook;       /* which lives longer */
	struct store_delivery row;
	struct webhook_gap gap; /* of a gap of this run */
	uint64_t order;         /* of `unsaved' */
	bool may_be_on_disk;    /* a record of it was written, or was to be */
	bool is_on_disk;        /* as some record of it said */
	bool is_dirty;          /* the next record is to be written */
	bool is_writing;
	bool is_gone; /* in neither list: its record is to be deleted */
	bool was_sent;
};
TAILQ_HEAD(delivery_list, delivery);

/* Somebody waits until what is dirty now is on disk. */
struct waiter {
	TAILQ_ENTRY(waiter) link;
	uint64_t order;
	webhook_done_fn *done;
	void *data;
};
TAILQ_HEAD(waiter_list, waiter);

struct webhook {
	TAILQ_ENTRY(webhook) link;
	TAILQ_ENTRY(webhook) writing_link;
	struct webhooks *webhooks;
	struct store_webhook row;
	struct webhook_wish wish;
	struct bus_filter filter;
	struct notify_party party;
	struct delivery_list waiting, dead;  /* by number */
	struct delivery_list unsaved;        /* dirty ones that are not being written, by order */
	size_t waiting_count, waiting_bytes; /* of `waiting' */
	size_t dead_count, dead_bytes;       /* of `dead' */
	uint64_t order;                      /* the newest */
	struct waiter_list waiters;          /* by order */
	struct webhook_gap gap;              /* that no delivery tells yet */
	struct loop_timer *timer;            /* a look at the first that waits */
	uint64_t sending;         /* number of the delivery that is being sent; 0: none */
	char error[ERR_MSG_SIZE]; /* of the last try; "": it was good */
	int64_t delivered_ms;
	uint64_t delivered, failed, lost;
	bool is_new;      /* its first record is being written: it does not count yet */
	bool is_changing; /* a record of a change by a user is being written */
	bool is_dirty;    /* its own record is to be written */
	bool is_testing;
};
TAILQ_HEAD(webhook_list, webhook);

struct batch;
struct webhooks {
	struct webhooks_env env;
	struct webhook_list list;          /* the oldest first */
	struct webhook_list writing_order; /* who is to write next */
	size_t count;
	struct bus_listener *listener;
	struct tls_trust *trust; /* NULL: not read yet */
	bool is_reading_trust;
	struct worker *reader; /* NULL: nothing was read yet */
	struct loop_timer *write_timer;
	struct batch *batch; /* that is being written */
	unsigned waits;      /* how often the next one was put off */
	uint64_t delivered, failed, dead, lost;
	bool is_closing;
};

int64_t webhooks_now_ms(const struct webhooks *webhooks);
/* Also one that is new. */
struct webhook *webhook_find(const struct webhooks *webhooks, const char *id);
/* It is known who may vouch for receivers; false: that is being read, and a look follows. */
bool webhooks_trust(struct webhooks *webhooks);

/* ---- list.c: deliveries of a webhook ---------------------------------------------- */

/* A new one, the last of those that wait; takes BODY over. */
struct delivery *delivery_add(struct webhook *w, const char *type, char *body);
/* Takes the row over, into the list that its state says; false: no version of migrd has written
 * that, and ROW is the caller's. */
bool delivery_restore(struct webhook *w, const struct store_delivery *row);
bool delivery_has_room(const struct webhook *w);
/* It is not tried any more; the oldest dead ones go when there are too many. */
void delivery_bury(struct delivery *d);
/* A dead one waits again. */
void delivery_revive(struct delivery *d);
/* It is in no list any more, and goes when its record has. */
void delivery_remove(struct delivery *d);
void delivery_free(struct delivery *d);
struct delivery *delivery_find(const struct delivery_list *list, uint64_t number);
/* Its row has changed. */
void delivery_touch(struct delivery *d);
/* It is dirty and not being written, and in no list of those. */
void delivery_enqueue(struct delivery *d);
/* Takes BODY over. */
void delivery_set_body(struct delivery *d, char *body);

/* ---- record.c: what is dirty goes to disk ------------------------------------------- */

/* Something of W is dirty. */
void webhook_write_soon(struct webhooks *webhooks);
/* DONE is called when all that is dirty now is on disk, or could not be written. */
void webhook_wait_for_disk(struct webhook *w, webhook_done_fn *done, void *data);
/* The waiters of W get ERR. */
void webhook_fail_waiters(struct webhook *w, const struct err *err);
void webhooks_write(void *data); /* of the timer */

/* ---- feed.c: events become deliveries ------------------------------------------------- */

void webhooks_hear(void *data, const struct bus_event *event); /* of the bus */
/* LOST: so many; 0: it is not known. */
void webhook_note_loss(struct webhook *w, const char *reason, uint64_t lost);
/* False: there is no room yet, or W is disabled. */
bool webhook_tell_gap(struct webhook *w);

/* ---- send.c ------------------------------------------------------------------------------ */

/* Looks at the first that waits: whether it has expired, or is to be sent. */
void webhook_look(void *data); /* of the timer */
void webhook_look_soon(struct webhook *w);
void webhook_send_test(struct webhook *w, webhook_tested_fn *done, void *data);

#endif
