/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/channel_priv.h -- what the two sides of a channel share: channel_src.c connects and
 * waits for QEMU, channel_dst.c takes connections and goes to QEMU, channel.c keeps the state. */
#ifndef MIGRD_STREAM_CHANNEL_PRIV_H
#define MIGRD_STREAM_CHANNEL_PRIV_H

#include "stream/channel.h"

/* Deadline for a TLS handshake and the answer to the token, on both sides. */
#define CHANNEL_HANDSHAKE_TIMEOUT_MS 10000

/* Each connection begins with a byte from the source; see stream/proto.h, STREAM_OPEN. */
bool channel_says_open(const struct channel *channel);
/* The connection has proved itself; LINK stays the caller's. */
void channel_ready(struct connection *connection, const struct link *link);
void channel_open(struct connection *connection, int qemu_fd);
/* The link of an open connection is lost, and will be closed by the caller; another took its
 * place. */
void channel_lost(struct connection *connection);
void channel_relinked(struct connection *connection, const struct link *link);
/* dst: what a connection waits for with `is_next' may be there. */
void channel_look_again(struct channel *channel);
/* Closes both descriptors. */
void channel_end(struct connection *connection, struct link *link, int qemu_fd);
/* Call with the lock held: there is something to report. */
void channel_wake_control(struct channel *channel);
void channel_set_error(struct channel *channel, const char *text);

/* Starts a detached thread. */
bool channel_start_thread(void *(*fn)(void *), void *arg, const char *name, struct err *err);

/* Listens for QEMU. */
bool channel_src_listen(struct channel *channel, struct err *err);
/* Starts the threads of all its connections.  If one cannot be started, the channel
 * fails. */
void channel_src_start(struct channel *channel);
/* Takes a connection of the data port; takes FD. */
bool channel_dst_accept(struct channel *channel, int fd, struct err *err);

#endif
