/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/client_relay.h -- requests that are passed on to a migrd for somebody else, several at a
 * time, with the client's certificate; their answers are passed back as they come.
 *
 * Thread: main; nothing here blocks but client_relay_wait().
 */
#ifndef MIGRD_LIB_CLIENT_RELAY_H
#define MIGRD_LIB_CLIENT_RELAY_H

#include <poll.h>

#include "agents/lib/client.h"
#include "base/strbuf.h"

struct client_relay;
struct client_relay_call;

/* Where an answer goes.  Called from inside client_relay_wait() alone, body() from
 * client_relay_resume() too. */
struct client_relay_sink {
	/* The status and the headers, each with CR LF; those of the connection itself are left
	 * out.  HAS_LENGTH: Content-Length is among them; else end() alone tells whether the body
	 * is complete.  Once, before all else. */
	void (*head)(void *data, unsigned status, const char *headers, bool has_length);
	/* False: not now, the same again after client_relay_resume(). */
	bool (*body)(void *data, const char *bytes, size_t len);
	/* Once, as the last one, and the call is gone.  ERR NULL: that was all; else it came from
	 * the way there and not from the migrd, and head() may have been called or not. */
	void (*end)(void *data, const struct err *err);
};

struct client_relay_request {
	const char *method, *path;  /* with its query; as they are */
	const char *const *headers; /* "Name: value", ended by NULL */
	const char *body;           /* copied; may be NULL */
	size_t body_len;
};

/* CLIENT is borrowed, and used for nothing else meanwhile. */
struct client_relay *client_relay_new(struct client *client);
/* Every call has ended or was dropped. */
void client_relay_free(struct client_relay *relay);
struct client_relay_call *client_relay_begin(struct client_relay *relay,
					     const struct client_relay_request *request,
					     const struct client_relay_sink *sink, void *data);
void client_relay_resume(struct client_relay_call *call);
/* Nobody wants the answer any more: nothing of SINK is called. */
void client_relay_drop(struct client_relay_call *call);
/* Carries answers until something happens at FDS, whose `revents' are set, or at the calls, or for
 * TIMEOUT_MS. */
void client_relay_wait(struct client_relay *relay, struct pollfd *fds, size_t count,
		       int timeout_ms);

#endif
