/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http/shares.h -- who may have how many connections to the API.
 *
 * A connection counts as unverified until its certificate was checked, then for the
 * role in it; no share takes from another.  Within a share it counts for its party: the
 * network it comes from while it is unverified, then the name in the certificate.
 *
 * When a party has the most connections that it may have, its own oldest silent one gives way.
 * When the share is full, the oldest silent one of the party with the most connections does.
 * Unverified connections always count as silent, others between two requests.
 *
 * Thread: the library's; server->lock is held.
 */
#ifndef MIGRD_HTTP_SHARES_H
#define MIGRD_HTTP_SHARES_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/id.h"

enum http_share {
	HTTP_SHARE_UNVERIFIED,
	HTTP_SHARE_VIEWER,
	HTTP_SHARE_OPERATOR,
	HTTP_SHARE_ADMIN,
	HTTP_SHARE_PEER,
	HTTP_SHARE_LOCAL,
	HTTP_SHARE_COUNT,
};

struct http_share_def {
	const char *name;
	unsigned connections; /* at once */
	unsigned each_party;  /* of these, for one party */
	unsigned leaves;      /* descriptors that must stay free for the rest of the daemon */
};

extern const struct http_share_def http_shares[HTTP_SHARE_COUNT];

/* The most connections that there can be, of all shares. */
unsigned http_shares_total(void);

struct http_conn;
struct http_party;

struct http_shares {
	struct {
		TAILQ_HEAD(, http_conn) conns; /* in the order of arrival */
		TAILQ_HEAD(, http_party) parties;
		unsigned count;
	} of[HTTP_SHARE_COUNT];
};

void http_shares_init(struct http_shares *shares);
/* Counts a new connection in SHARE, or moves one to it.  False: there is no room; the
 * connection is not counted any more, and the caller closes it. */
bool http_share_enter(struct http_conn *conn, enum http_share share, const char *party);
void http_share_leave(struct http_conn *conn);

#endif
