/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/pump.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

/* QEMU writes its stream in pieces of up to IOV_MAX pages; larger reads than
 * this gain nothing measurable (tests/bench/bench_stream.c). */
#define READ_BYTES (256 * 1024)

struct pump {
	struct channel *channel;
	struct link *link;
	int qemu_fd;
	char *buf;
};

/* ---- QEMU to network ------------------------------------------------- */

/* False: the channel is broken. */
static bool send_record(struct pump *pump, const char *data, size_t len)
{
	ssize_t rc;

	do {
		errno = 0;
		rc = gnutls_record_send(pump->link->session, data, len);
	} while (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED);
	if (rc < 0) {
		channel_break(pump->channel, "cannot send to the other host: %s",
			      link_reason(pump->link, (int)rc));
		return false;
	}
	/* A blocking descriptor takes a record whole. */
	atomic_fetch_add(&pump->channel->bytes_out, (uint64_t)rc);
	return true;
}

static bool send_limited(struct pump *pump, const char *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		size_t piece = len - done < PUMP_RECORD_BYTES ? len - done : PUMP_RECORD_BYTES;

		piece = limiter_take(&pump->channel->all->limiter, piece,
				     &pump->channel->is_broken);
		if (piece == 0 || !send_record(pump, data + done, piece))
			return false;
		done += piece;
	}
	return true;
}

static void *run_out(void *arg)
{
	struct pump *pump = arg;
	ssize_t len;
	int rc;

	for (;;) {
		len = recv(pump->qemu_fd, pump->buf, READ_BYTES, 0);
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			break;
		if (!send_limited(pump, pump->buf, (size_t)len))
			return NULL;
	}
	if (len < 0) {
		channel_break(pump->channel, "QEMU's connection: %s", strerror(errno));
		return NULL;
	}
	if (atomic_load(&pump->channel->is_broken))
		return NULL;
	do {
		errno = 0;
		rc = gnutls_bye(pump->link->session, GNUTLS_SHUT_WR);
	} while (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED);
	if (rc < 0)
		channel_break(pump->channel, "cannot send to the other host: %s",
			      link_reason(pump->link, rc));
	return NULL;
}

/* ---- network to QEMU ------------------------------------------------- */

static bool write_qemu(struct pump *pump, const char *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t rc = send(pump->qemu_fd, data + done, len - done, MSG_NOSIGNAL);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0) {
			channel_break(pump->channel, "QEMU's connection: %s", strerror(errno));
			return false;
		}
		done += (size_t)rc;
	}
	return true;
}

static void run_in(struct pump *pump)
{
	char buf[PUMP_RECORD_BYTES];
	ssize_t len;

	for (;;) {
		errno = 0;
		len = gnutls_record_recv(pump->link->session, buf, sizeof(buf));
		if (len == GNUTLS_E_AGAIN || len == GNUTLS_E_INTERRUPTED)
			continue;
		if (len <= 0)
			break;
		atomic_fetch_add(&pump->channel->bytes_in, (uint64_t)len);
		if (!write_qemu(pump, buf, (size_t)len))
			return;
	}
	if (len < 0)
		channel_break(pump->channel, "the connection to the other host: %s",
			      link_reason(pump->link, (int)len));
	else
		/* A QEMU that has gone already needs no end of file. */
		(void)shutdown(pump->qemu_fd, SHUT_WR);
}

void pump_run(struct channel *channel, struct link *link, int qemu_fd, const void *first,
	      size_t first_len)
{
	CLEANUP(free_charp) char *buf = xcalloc(1, READ_BYTES);
	struct pump pump = { channel, link, qemu_fd, buf };
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
