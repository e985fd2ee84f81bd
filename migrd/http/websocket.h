/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http/websocket.h -- WebSockets (RFC 6455), for what goes both ways: a guest's console,
 * its display.
 *
 * A GET asks for one; from then on the connection belongs to it.  Frames are made and read by
 * libwslay.  What is received comes in pieces of HTTP_WEBSOCKET_MESSAGE_MAX bytes at most, text and
 * binary alike.  A ping every 15 s finds dead clients; the certificate's end ends it.
 *
 * Ownership: it is its owner's until http_websocket_close(), or until closed() was called.
 * Thread: loop.
 */
#ifndef MIGRD_HTTP_WEBSOCKET_H
#define MIGRD_HTTP_WEBSOCKET_H

#include "http/http.h"

#define HTTP_WEBSOCKET_MESSAGE_MAX 65536u

/* RFC 6455 section 7.4.1. */
#define HTTP_WEBSOCKET_GOING_AWAY 1001
#define HTTP_WEBSOCKET_POLICY     1008

struct http_websocket;

struct http_websocket_callbacks {
	void (*received)(void *data, const void *bytes, size_t len);
	void (*sent)(void *data); /* nothing waits to be sent any more */
	/* Once: the client has gone, or the server is being freed. */
	void (*closed)(void *data);
};

/* The request asks for a WebSocket, of its own origin if it comes from a browser: INVALID,
 * FORBIDDEN; then it is still to be answered. */
bool http_websocket_is_asked(struct http_request *req, struct err *err);
/* Answers the request, which is a good one; of the subprotocols that it offers it gets `binary', or
 * none.  CB lives as long as the program.  For a request that
 * outlived its server it returns NULL and calls nothing. */
struct http_websocket *http_websocket_begin(struct http_request *req,
					    const struct http_websocket_callbacks *cb, void *data);
/* Sends a binary message; what cannot go at once waits, without a limit: see sent(). */
void http_websocket_send(struct http_websocket *ws, const void *bytes, size_t len);
/* Bytes that wait, with what each message costs beside its own. */
size_t http_websocket_unsent(const struct http_websocket *ws);
/* While PAUSED nothing is received. */
void http_websocket_pause(struct http_websocket *ws, bool paused);
/* Lets go of it: it is ended with a code and a reason of 123 bytes at most.  No callback follows.
 */
void http_websocket_close(struct http_websocket *ws, int code, const char *why);

#endif
