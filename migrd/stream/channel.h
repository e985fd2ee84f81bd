/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/channel.h -- the channels of one move, inside migrd-stream.
 *
 * A channel has as many connections as its row says, each with a thread of its own,
 * which connects or accepts, then carries one direction; a second thread carries the
 * other.  The control thread only starts them, asks for their state, and changes
 * settings.
 *
 *   src: IDLE --connect, TLS, token--> READY --QEMU connects--> OPEN
 *   dst: IDLE --TLS, token-----------> READY --first byte-----> OPEN
 *   OPEN --both directions ended--> CLOSED;  anything broken --> FAILED
 *
 * A channel is READY or CLOSED when all its connections are, and OPEN when all are
 * ready and one is open.  A connection that breaks breaks its channel.  One of a channel
 * that may reconnect outlives a lost link once it was READY: when QEMU has connected, the
 * source connects again for as long as it takes, and QEMU notices nothing but a pause
 * (stream/carry.h); meanwhile the state stays, and the channel's error says what happened.
 * When both QEMUs have ended, that is given up after the configuration's link_timeout_ms.
 *
 * On the destination a connection that does not prove itself ends alone; the channel
 * stays IDLE and belongs to the first connections that do.
 */
#ifndef MIGRD_STREAM_CHANNEL_H
#define MIGRD_STREAM_CHANNEL_H

#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "stream/limiter.h"
#include "stream/link.h"
#include "stream/proto.h"

struct channels;
struct channel;
struct attempt;

/* For changing settings and for breaking; guarded by the channel's lock. */
struct connection {
	struct channel *channel;
	int net_fd;  /* -1 before the connection has proved itself, and at its end */
	int qemu_fd; /* -1 when there is none */
	/* Of a channel that may reconnect, on the destination: */
	struct attempt *next; /* proved itself, to take the place of a lost link */
	bool is_numbered;     /* this is connection NUMBER of QEMU's */
	bool is_lost;         /* its link, and it waits for NEXT */
	bool is_over;         /* nobody takes NEXT any more */
	uint8_t number;
	uint64_t delivered; /* to QEMU, when it is over */
	uint64_t turn; /* of its newest link, of `accepted' */
};

struct channel {
	struct channels *all;
	struct transfer_channel row;
	char socket_path[144]; /* DIR/NAME.sock, towards QEMU */
	int listen_fd;         /* src: where QEMU connects; closed by the last that waits */

	pthread_mutex_t lock; /* guards what follows, up to the atomics */
	enum stream_channel_state state;
	bool is_changed; /* not reported yet */
	char error[256];
	unsigned refused; /* dst: connections that did not prove themselves */
	uint64_t accepted; /* dst: links that came, in their order */
	struct connection connections[TRANSFER_CONNECTION_MAX];
	/* Numbers of connections, since the channel was last IDLE: */
	size_t started; /* src: that connect; dst: that have shown the token */
	size_t waiting; /* src: to which QEMU has not come yet */
	size_t proved, opened, ended;
	size_t numbered; /* src: that QEMU has made; dst: made to QEMU, in the same order */
	pthread_cond_t is_next; /* dst, monotonic clock: `numbered' has grown, a connection has
				 * another link, its QEMU has ended, or the channel is broken */
	bool is_given_up; /* src: connecting has failed for good */

	atomic_bool is_broken; /* set with the lock held */
	_Atomic uint64_t bytes_out, bytes_in;
};

struct channels {
	struct stream_config config; /* constant, but for the token */
	gnutls_certificate_credentials_t cred;
	struct limiter limiter;
	int wake_fd; /* eventfd: a channel has changed */
	_Atomic uint32_t link_timeout_ms;
	_Atomic uint32_t attempt;   /* src: the number in the last preamble */
	pthread_mutex_t token_lock; /* config.token, unclaimed */
	size_t unclaimed;           /* dst: connections for which the token is still good */
	pthread_mutex_t attempts_lock;
	TAILQ_HEAD(, attempt) attempts; /* dst: those not proved yet, the oldest first */
	size_t attempt_count, attempt_max;
	struct channel list[TRANSFER_CHANNEL_MAX];
	size_t count;
};

/* Loads the certificates, makes the channels and, on the source, starts to
 * connect.  WAKE_FD stays the caller's.  Nothing ever frees it: threads may
 * use it until the process ends. */
struct channels *channels_start(const struct stream_config *config, int wake_fd, struct err *err);
/* dst: takes a connection of the data port; FD is closed on an error too. */
bool channels_accept(struct channels *all, const char *name, int fd, struct err *err);
void channels_set_bandwidth(struct channels *all, uint64_t bytes_per_s);
void channels_set_link_timeout(struct channels *all, uint32_t timeout_ms);
/* STREAM_LEASE_FOREVER: without end. */
void channels_set_lease(struct channels *all, uint32_t ms);
/* At most STREAM_WAY_MAX_MS; 0: it goes on. */
void channels_give_way(struct channels *all, uint32_t ms);
/* Ends the lease; does nothing if there is none, or one without end. */
void channels_end_lease(struct channels *all);

/* Breaks all channels; WHY stays in their reports. */
void channels_break(struct channels *all, const char *why);

/* True if the channel has changed since it was last reported. */
bool channel_report(struct channel *channel, struct stream_report *ret);
/* The report could not be sent: the channel counts as changed again. */
void channel_report_again(struct channel *channel);
enum stream_channel_state channel_state(struct channel *channel);

/* For stream/pump.c and stream/carry.c. */
/* As limiter_take(), by the channel's row; 0: the channel is broken. */
size_t channel_take(struct channel *channel, size_t wanted);
/* Breaks the channel; the first reason stays.  All connections are shut down, which
 * wakes the threads that wait on them. */
void channel_break(struct channel *channel, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
