/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* peer/client.h -- requests to other coordinators (libcurl multi on the loop).
 *
 * A peer is known by its host id, which its certificate must carry as DNS name
 * "<id>.host.migrd"; the address is only where to find it.  The first request
 * to a peer is preceded by POST /peer/v1/hello, which agrees on a protocol
 * version; a peer of another version is refused with PROTOCOL, in words.  The
 * connection is kept open and used again, so that a request in the handover
 * costs one round trip.
 *
 * Thread: loop.  Errors: UNAVAILABLE (no connection), TIMEOUT, UNAUTHORIZED (the
 * certificate is not that host's, or ours was refused), PROTOCOL, and the code
 * of the peer's problem document.
 */
#ifndef MIGRD_PEER_CLIENT_H
#define MIGRD_PEER_CLIENT_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

struct peer_clients;

struct peer_config {
	const char *host_id; /* ours */
	const char *ca_file, *cert_file, *key_file;
};

struct peer_clients *peer_clients_new(struct loop *loop, const struct peer_config *config,
				      struct err *err);
/* ADDRESS is "HOST:PORT"; a known id changes its address. */
void peer_clients_set(struct peer_clients *clients, const char *id, const char *address);
const char *peer_clients_address(const struct peer_clients *clients, const char *id); /* or NULL */
/* No new request finds the peer; a request under way goes on. */
void peer_clients_remove(struct peer_clients *clients, const char *id);
/* ID in memory that lasts as long as CLIENTS; NULL: unknown. */
const char *peer_clients_id(const struct peer_clients *clients, const char *id);
/* What its last answers have shown.  Nobody asks a peer for this alone: of one with which this host
 * has nothing to do it is old, or nothing. */
struct peer_figures {
	bool was_asked;      /* false: the rest means nothing */
	bool has_answered;   /* the last request, whatever the answer was */
	int64_t asked_ms;    /* when that was over, wall clock */
	int64_t answered_ms; /* when it did last, wall clock; 0: never */
	bool has_clock;
	/* By the header Date of its last answer, which has whole seconds: right to a second, half
	 * of it to either side, and to what the answer was on its way. */
	double clock_ahead_s;
};
/* False: the peer is unknown. */
bool peer_clients_figures(const struct peer_clients *clients, const char *id,
			  struct peer_figures *ret);
/* The certificates were replaced: connections from before are closed instead of used
 * again. */
void peer_clients_renew(struct peer_clients *clients);
/* Requests under way are answered with CANCELLED before it returns. */
void peer_clients_free(struct peer_clients *clients);

/* Called exactly once, never from inside peer_request(): REPLY (borrowed, NULL for an empty
 * body, and for plain text of a route that is not only for peers) or ERR.  With ERR, a REPLY is the
 * problem document in which the peer says so itself: a TIMEOUT without one is a peer that did not
 * answer. */
typedef void peer_reply_fn(void *data, struct json_object *reply, const struct err *err);

/* METHOD PATH with BODY (reference taken over, may be NULL).  DEADLINE_MS
 * counts from now, connect and hello included. */
void peer_request(struct peer_clients *clients, const char *id, const char *method,
		  const char *path, struct json_object *body, uint32_t deadline_ms,
		  peer_reply_fn *fn, void *data);
/* Asks the peer what it is and offers now; REPLY is a peer_hello_reply (wire/peer_msg.h). */
void peer_hello(struct peer_clients *clients, const char *id, uint32_t deadline_ms,
		peer_reply_fn *fn, void *data);
/* Opens the connection now if there is none, so that the next request needs no
 * handshake. */
void peer_warm(struct peer_clients *clients, const char *id);

#endif
