/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/pump.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/depth.h"

#define BUF_BYTES DEPTH_MAX_BYTES

struct pump {
	struct channel *channel;
	struct link *link;
	int qemu_fd;
	bool is_deaf; /* QEMU reads no more; only of the thread that writes to it */
	size_t depth; /* so much is read ahead of the link; only of the thread that sends */
	char *out_buf, *in_buf;
};

/* A destination's QEMU that has completed closes its connections, also one to which bytes are
 * still on their way: seen with multifd on 7.2, once in some thousand moves; what they are is not
 * known.  A QEMU that fails closes all of them too, and the first, which has the return path,
 * tells the source. */
static bool may_close_early(const struct pump *pump)
{
	return pump->channel->row.connections > 1 && (errno == EPIPE || errno == ECONNRESET);
}

/* Waits for the link, without a deadline: a dead link ends the wait with an error.  The
 * descriptor does not block, so that run_in() can see when there is nothing more to
 * read. */
static void await_link(struct pump *pump, short events)
{
	struct pollfd pfd = { .fd = pump->link->fd, .events = events };

	(void)poll(&pfd, 1, -1);
}

/* ---- QEMU to network ------------------------------------------------- */

/* False: the channel is broken. */
static bool send_record(struct pump *pump, const char *data, size_t len)
{
	ssize_t rc;

	for (;;) {
		errno = 0;
		rc = gnutls_record_send(pump->link->session, data, len);
		if (rc == GNUTLS_E_AGAIN)
			await_link(pump, POLLOUT);
		else if (rc != GNUTLS_E_INTERRUPTED)
			break;
	}
	if (rc < 0) {
		channel_break(pump->channel, "cannot send to the other host: %s",
			      link_reason(pump->link, (int)rc));
		return false;
	}
	/* A record is sent whole or not at all. */
	atomic_fetch_add(&pump->channel->bytes_out, (uint64_t)rc);
	return true;
}

static bool send_limited(struct pump *pump, const char *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		size_t piece = len - done < PUMP_RECORD_BYTES ? len - done : PUMP_RECORD_BYTES;

		piece = channel_take(pump->channel, piece);
		if (piece == 0 || !send_record(pump, data + done, piece))
			return false;
		done += piece;
	}
	return true;
}

static void set_depth(struct pump *pump, size_t depth)
{
	if (depth != pump->depth)
		link_set_unsent(pump->link, depth);
	pump->depth = depth;
}

/* False: the channel is broken. */
static bool send_ahead(struct pump *pump, size_t len)
{
	uint64_t began_us = clock_monotonic_us();

	if (!send_limited(pump, pump->out_buf, len))
		return false;
	set_depth(pump, depth_next(pump->depth, len, clock_monotonic_us() - began_us));
	return true;
}

static void send_bye(struct pump *pump)
{
	int rc;

	for (;;) {
		errno = 0;
		rc = gnutls_bye(pump->link->session, GNUTLS_SHUT_WR);
		if (rc == GNUTLS_E_AGAIN)
			await_link(pump, POLLOUT);
		else if (rc != GNUTLS_E_INTERRUPTED)
			break;
	}
	if (rc < 0)
		channel_break(pump->channel, "cannot send to the other host: %s",
			      link_reason(pump->link, rc));
}

static void *run_out(void *arg)
{
	struct pump *pump = arg;
	ssize_t len;

	set_depth(pump, BUF_BYTES);
	for (;;) {
		len = recv(pump->qemu_fd, pump->out_buf, pump->depth, 0);
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			break;
		if (!send_ahead(pump, (size_t)len))
			return NULL;
	}
	if (len < 0 && !may_close_early(pump)) {
		channel_break(pump->channel, "QEMU's connection: %s", strerror(errno));
		return NULL;
	}
	if (atomic_load(&pump->channel->is_broken))
		return NULL;
	send_bye(pump);
	return NULL;
}

/* ---- network to QEMU ------------------------------------------------- */

static bool write_qemu(struct pump *pump, const char *data, size_t len)
{
	for (size_t done = 0; done < len && !pump->is_deaf;) {
		ssize_t rc = send(pump->qemu_fd, data + done, len - done, MSG_NOSIGNAL);

		if (rc >= 0) {
			done += (size_t)rc;
		} else if (may_close_early(pump)) {
			pump->is_deaf = true;
		} else if (errno != EINTR) {
			channel_break(pump->channel, "QEMU's connection: %s", strerror(errno));
			return false;
		}
	}
	return true;
}

/* Gathers records while more are there, and writes before it would have to wait for the
 * next: QEMU is woken once for many records, and none is held back. */
static void run_in(struct pump *pump)
{
	size_t held = 0;
	ssize_t len;

	for (;;) {
		errno = 0;
		len = gnutls_record_recv(pump->link->session, pump->in_buf + held,
					 PUMP_RECORD_BYTES);
		if (len > 0) {
			atomic_fetch_add(&pump->channel->bytes_in, (uint64_t)len);
			held += (size_t)len;
			if (held + PUMP_RECORD_BYTES <= BUF_BYTES)
				continue;
		}
		if (held > 0 && !write_qemu(pump, pump->in_buf, held))
			return;
		held = 0;
		if (len == GNUTLS_E_AGAIN)
			await_link(pump, POLLIN);
		else if (len <= 0 && len != GNUTLS_E_INTERRUPTED)
			break;
	}
	if (len < 0)
		channel_break(pump->channel, "the connection to the other host: %s",
			      link_reason(pump->link, (int)len));
	else
		/* Fails if QEMU is gone already, which then needs no end of file. */
		(void)shutdown(pump->qemu_fd, SHUT_WR);
}

void pump_run(struct channel *channel, struct link *link, int qemu_fd, const void *first,
	      size_t first_len)
{
	CLEANUP(free_charp) char *out_buf = xcalloc(1, BUF_BYTES);
	CLEANUP(free_charp) char *in_buf = xcalloc(1, BUF_BYTES);
	struct pump pump = { .channel = channel,
			     .link = link,
			     .qemu_fd = qemu_fd,
			     .out_buf = out_buf,
			     .in_buf = in_buf };
	pthread_t out;
	int rc = pthread_create(&out, NULL, run_out, &pump);

	if (rc != 0) {
		channel_break(channel, "cannot start a thread: %s", strerror(rc));
		return;
	}
	pthread_setname_np(out, "out");
	atomic_fetch_add(&channel->bytes_in, first_len);
	if (write_qemu(&pump, first, first_len))
		run_in(&pump);
	pthread_join(out, NULL);
}
