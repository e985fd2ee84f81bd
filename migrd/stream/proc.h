/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/proc.h -- the coordinator's side of one migrd-stream process.
 *
 * migrd-stream(8) carries the channels of one move on one host between QEMU's
 * UNIX sockets and TLS connections to the peer.  It outlives the coordinator,
 * which finds it again by its control socket.  See stream/proto.h for the
 * messages.  Thread: loop.
 */
#ifndef MIGRD_STREAM_PROC_H
#define MIGRD_STREAM_PROC_H

#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/loop.h"
#include "base/proc.h"
#include "stream/proto.h"

struct stream;

struct stream_callbacks {
	/* Once: the process runs and takes commands, or ERR. */
	void (*ready)(void *data, const struct err *err);
	/* A channel has changed; STATUS is that of all channels, as from
	 * stream_status(). */
	void (*status)(void *data, const struct stream_status *status);
	/* At most once: the process has ended.  Not called after stream_free(), nor
	 * after a ready() that got ERR. */
	void (*exited)(void *data);
	void *data;
};

/* Starts the process.  ret_id is set at once, so that it can be recorded. */
struct stream *stream_start(struct loop *loop, const struct stream_config *config,
			    const struct stream_callbacks *cb, struct proc_id *ret_id,
			    struct err *err);
/* Finds a running process again after a restart of the coordinator; ready() says
 * UNAVAILABLE when there is none. */
struct stream *stream_attach(struct loop *loop, const char *dir, struct proc_id id,
			     const struct stream_callbacks *cb);
/* Hands over an accepted connection of the data port (dst); takes FD. */
void stream_accept(struct stream *stream, int fd, const char *channel);
void stream_set_bandwidth(struct stream *stream, uint64_t bytes_per_s);
void stream_set_link_timeout(struct stream *stream, uint32_t ms);
/* Data goes out for MS from now, but no longer than we stay connected.
 * STREAM_LEASE_FOREVER (as at the start) lets it go on without us. */
void stream_set_lease(struct stream *stream, uint32_t ms);
/* No data goes out for MS, at most STREAM_WAY_MAX_MS, so that another move's may; 0: it goes on. */
void stream_give_way(struct stream *stream, uint32_t ms);
/* Post-copy begins: from now on nothing but the end of the process ends QEMU's connection. */
void stream_keep(struct stream *stream);
/* The status of all channels together, as they were reported last; stream_refresh()
 * asks for a new report.  The state is FAILED when one has failed, then IDLE when one
 * is, OPEN when one is, READY; CLOSED when all are.  The bytes are sums, the error is
 * the first. */
const struct stream_status *stream_status(const struct stream *stream);
void stream_refresh(struct stream *stream);
/* Ends the process: QEMU sees its connection close. */
void stream_kill(struct stream *stream);
/* Ends a process that an earlier run of the coordinator started.  If ID is empty (a
 * crash between start and record), the process is told to quit on its control socket. */
void stream_end_lost(struct loop *loop, const char *dir, struct proc_id id);
/* Lets go of the process, which runs on. */
void stream_free(struct stream *stream);

#endif
