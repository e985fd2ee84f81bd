/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls/websocket.h -- the proof that a server has read a client's request for a WebSocket.
 * Thread: any. */
#ifndef MIGRD_TLS_WEBSOCKET_H
#define MIGRD_TLS_WEBSOCKET_H

/* Of a key: 16 bytes, in base64. */
#define TLS_WEBSOCKET_KEY_CHARS 24

/* The header Sec-WebSocket-Accept for the header Sec-WebSocket-Key; the caller frees it.
 * Source: RFC 6455 section 4.2.2. */
char *tls_websocket_accept(const char *key);

#endif
