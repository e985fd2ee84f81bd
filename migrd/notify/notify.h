/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify/notify.h -- tells parties of moves: signed webhooks over HTTPS (libcurl on the loop).
 *
 * A notice is sent once; who wants another try calls again.  Redirects are not followed and
 * proxies not used.  NOTIFY_OF_A_PARTY_MAX notices to each party are under way at a time, others
 * wait, and their deadlines count meanwhile.
 *
 * Fault points: notify.send.TYPE, notify.reply.TYPE.
 * Thread: loop.
 */
#ifndef MIGRD_NOTIFY_NOTIFY_H
#define MIGRD_NOTIFY_NOTIFY_H

#include "base/loop.h"
#include "notify/parties.h"
#include "wire/notice.h"

#define NOTIFY_OF_A_PARTY_MAX 8
/* Parties with turns of their own: those of the configuration, and others (`to'). */
#define NOTIFY_OTHERS_MAX     32
#define NOTIFY_SHARES_MAX     (NOTICE_PARTIES_MAX + NOTIFY_OTHERS_MAX)
#define NOTIFY_AT_ONCE_MAX    ((size_t)NOTIFY_OF_A_PARTY_MAX * NOTIFY_SHARES_MAX)
#define NOTIFY_WAITING_MAX    4096 /* with those under way */

struct notify;

/* PARTIES is taken over, also if it fails: NULL and INTERNAL. */
struct notify *notify_new(struct loop *loop, struct notify_parties *parties, struct err *err);
/* Notices under way are answered with CANCELLED before it returns. */
void notify_free(struct notify *notify);
/* A reload: PARTIES is taken over.  Notices under way are those of the former ones. */
void notify_set_parties(struct notify *notify, struct notify_parties *parties);
/* Good until the callback returns. */
const struct notify_parties *notify_parties(const struct notify *notify);

/* What a party answered; STATUS is that of HTTP. */
struct notify_reply {
	long status;
	const char *body; /* borrowed; up to NOTIFY_ANSWER_MAX and a byte more: it was cut */
	size_t len;
	uint64_t retry_after_s; /* its header Retry-After, a date too; 0: it has none */
};
/* Called once, never from inside notify_send(): REPLY or ERR.  UNAVAILABLE, TIMEOUT, UNAUTHORIZED
 * (its certificate), NOT_FOUND (no such party is configured), LIMIT, CANCELLED. */
typedef void notify_done_fn(void *data, const struct notify_reply *reply, const struct err *err);

/* Called once at most, before notify_done_fn, with its DATA, never from inside notify_send(): the
 * request has been handed to a connection to the party, so it may have been heard, whatever comes.
 * Not called: nothing of it was sent. */
typedef void notify_sent_fn(void *data);

struct notify_message {
	const char *party;
	/* Of one that is in no configuration, with a name that no section can have; borrowed until
	 * notify_send() returns.  NULL: PARTY is one of the configuration. */
	const struct notify_party *to;
	const char *id;   /* `webhook-id': the same at each try; without '.' */
	const char *type; /* `before', `after', `hook' or `webhook': of its fault points */
	const char *body;
	/* Or NULL.  With it the connection is a new one, as libcurl sends a request again for which
	 * a connection of before gave no answer (Curl_retry_request() of its lib/transfer.c). */
	notify_sent_fn *sent;
};
void notify_send(struct notify *notify, const struct notify_message *message, notify_done_fn *done,
		 void *data);

#endif
