/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/client_websocket.h -- a WebSocket of a migrd (libcurl and libwslay inside).
 *
 * Its caller waits with poll(2) for what it wants, and then calls client_websocket_run().
 *
 * Thread: any, one at a time; opening blocks.
 */
#ifndef MIGRD_LIB_CLIENT_WEBSOCKET_H
#define MIGRD_LIB_CLIENT_WEBSOCKET_H

#include "agents/lib/client.h"

struct client_websocket;

/* Bytes of a message, borrowed. */
typedef void client_websocket_fn(void *data, const void *bytes, size_t len);

/* NULL: the errors of client.h, also those of a problem document. */
struct client_websocket *client_websocket_open(struct client *client, const char *path,
					       client_websocket_fn *received, void *data,
					       struct err *err);
/* Accepts NULL.  The server sees the end of the connection. */
void client_websocket_free(struct client_websocket *ws);

int client_websocket_fd(const struct client_websocket *ws);
/* POLLIN and POLLOUT. */
short client_websocket_events(const struct client_websocket *ws);
/* While PAUSED nothing more is received than the message that has begun to come; may be called
 * within the callback. */
void client_websocket_pause(struct client_websocket *ws, bool paused);
void client_websocket_send(struct client_websocket *ws, const void *bytes, size_t len);
/* Sends and receives what can be at once.  False: it has ended; *err tells why: CANCELLED with the
 * server's words, if it has said goodbye, else UNAVAILABLE. */
bool client_websocket_run(struct client_websocket *ws, struct err *err);

#endif
