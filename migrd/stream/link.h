/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/link.h -- one connection to the other host: TCP, then TLS 1.3, then
 * the token.
 *
 * The descriptor does not block.  After the token one thread may send and
 * another receive: GnuTLS allows exactly that on one session, with close_notify
 * sent by the sending one (GnuTLS manual, "Thread safety").
 *
 * GnuTLS hands the records to the kernel (kTLS) by itself where its system-wide
 * configuration says "[global] ktls = true" and the kernel has the tls module;
 * both are off unless an administrator turns them on (GnuTLS manual, "Enabling
 * kTLS"; gnutls_transport_is_ktls_enabled(3)).  It works only with GnuTLS's own
 * transport functions, which is why none are set here.  Not tried by us: under
 * kTLS keys are not updated on kernels before 6.14.
 *
 * Thread: one at a time, but see above.
 */
#ifndef MIGRD_STREAM_LINK_H
#define MIGRD_STREAM_LINK_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/preamble.h"
#include "stream/proto.h"
#include "tls/identity.h"

struct link {
	int fd;
	bool has_more; /* link_set_more() */
	int segment_bytes; /* set before link_connect(): the largest of either side; 0: as it comes
			    */
	gnutls_session_t session;
	char peer_dns_name[ID_NAME_SIZE + 16];
	gnutls_typed_vdata_st checks[2]; /* GnuTLS keeps the address */
};

#define LINK_INIT        \
	{                \
		.fd = -1 \
	}

/* Connects by TCP to "HOST:PORT".  A refusal is tried again until the deadline, since
 * the other coordinator may be restarting. */
bool link_connect(struct link *link, const char *address, uint32_t timeout_ms, uint64_t deadline_ms,
		  struct err *err);
/* Makes LINK of a connection of the data port. */
void link_adopt(struct link *link, int fd, uint32_t timeout_ms);
/* How long sent data may stay unacknowledged before the link counts as dead.  A peer
 * that acknowledges, but accepts no data for that time (window zero), counts as dead
 * too: the kernel treats TCP_USER_TIMEOUT so. */
void link_set_timeout(int fd, uint32_t timeout_ms);

/* What is to be sent waits here, and not in the kernel, while that has so much which is not on its
 * way yet (tcp(7), TCP_NOTSENT_LOWAT). */
void link_set_unsent(struct link *link, size_t bytes);
/* Whether more follows at once.  Until then what does not fill a segment is held back, so that the
 * other host is woken once for many records; the kernel does that for 200 ms at most (tcp(7),
 * TCP_CORK).  Asks the kernel only when that changes.  Thread: the one that sends. */
void link_set_more(struct link *link, bool more);

/* Sends the preamble unencrypted. */
bool link_send_preamble(struct link *link, const struct stream_preamble *preamble,
			uint64_t deadline_ms, struct err *err);
/* Does the handshake; the peer must be the host PEER_ID.  UNAUTHORIZED: one side does
 * not accept the other, and would not the next time; PEER, TIMEOUT: the connection
 * broke. */
bool link_handshake(struct link *link, enum stream_side side, gnutls_certificate_credentials_t cred,
		    const char *peer_id, uint64_t deadline_ms, struct err *err);
bool link_send(struct link *link, const void *data, size_t len, uint64_t deadline_ms,
	       struct err *err);
/* Receives exactly LEN bytes.  Errors as link_handshake()'s. */
bool link_recv(struct link *link, void *data, size_t len, uint64_t deadline_ms, struct err *err);
/* Why a call of GnuTLS failed, in words for users. */
const char *link_reason(struct link *link, int rc);
/* Closes the connection without close_notify: after an orderly end that was sent
 * before. */
void link_close(struct link *link);

#endif
