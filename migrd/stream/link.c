/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/link.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"

#define REFUSED_RETRY_MS 200

/* ---- waiting --------------------------------------------------------- */

static bool wait_ready(int fd, short events, uint64_t deadline_ms, struct err *err)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = clock_monotonic_ms();
		int left = now < deadline_ms ? (int)(deadline_ms - now) : 0;
		int rc = poll(&pfd, 1, left);

		if (rc > 0)
			return true;
		if (rc == 0)
			return err_set(err, ERR_TIMEOUT, "the other host did not answer in time");
		if (errno != EINTR)
			return err_errno(err, "cannot wait for the connection");
	}
}

/* ---- TCP ------------------------------------------------------------- */

static void set_int(int fd, int level, int option, int value)
{
	/* Errors are ignored: the connection works without this tuning. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

void link_set_timeout(int fd, uint32_t timeout_ms)
{
	/* An idle link has no unacknowledged data, so keepalive probes provide some.
	 * With a user timeout the kernel takes that, not KEEPCNT, as their limit
	 * (tcp(7)). */
	int idle_s = (int)(timeout_ms / 3000);

	if (idle_s < 1)
		idle_s = 1;
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, idle_s);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)timeout_ms);
}

void link_adopt(struct link *link, int fd, uint32_t timeout_ms)
{
	link->fd = fd;
	link->has_more = false;
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	link_set_timeout(fd, timeout_ms);
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void link_set_unsent(struct link *link, size_t bytes)
{
	set_int(link->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)bytes);
}

void link_set_more(struct link *link, bool more)
{
	if (more != link->has_more)
		set_int(link->fd, IPPROTO_TCP, TCP_CORK, more);
	link->has_more = more;
}

/* Returns 0 or an errno. */
static int finish_connect(int fd, uint64_t deadline_ms)
{
	socklen_t size = sizeof(int);
	struct err ignored;
	int error = 0;

	if (!wait_ready(fd, POLLOUT, deadline_ms, &ignored))
		return ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	return error;
}

static int connect_one(const struct addrinfo *ai, uint32_t timeout_ms, uint64_t deadline_ms,
		       struct link *link)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return errno;
	link_adopt(link, fd, timeout_ms);
	if (link->segment_bytes)
		set_int(fd, IPPROTO_TCP, TCP_MAXSEG, link->segment_bytes);
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		error = errno == EINPROGRESS ? finish_connect(fd, deadline_ms) : errno;
	if (error) {
		close(fd);
		link->fd = -1;
	}
	return error;
}

static void addrinfo_freep(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

bool link_connect(struct link *link, const char *address, uint32_t timeout_ms, uint64_t deadline_ms,
		  struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	CLEANUP(addrinfo_freep) struct addrinfo *list = NULL;
	struct stream_address parts;
	int error = 0, rc;

	if (!stream_address_parse(address, &parts, err))
		return false;
	rc = getaddrinfo(parts.host, parts.port, &hints, &list);
	if (rc != 0)
		return err_set(err, ERR_UNAVAILABLE, "cannot find '%s': %s", parts.host,
			       gai_strerror(rc));
	do {
		for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
			error = connect_one(ai, timeout_ms, deadline_ms, link);
			if (error == 0)
				return true;
		}
		if (error == ECONNREFUSED)
			poll(NULL, 0, REFUSED_RETRY_MS);
	} while (error == ECONNREFUSED && clock_monotonic_ms() < deadline_ms);
	return err_set(err, error == ETIMEDOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE,
		       "cannot connect to '%s': %s", address, strerror(error));
}

bool link_send_preamble(struct link *link, const struct stream_preamble *preamble,
			uint64_t deadline_ms, struct err *err)
{
	char line[STREAM_PREAMBLE_MAX];
	size_t len = stream_preamble_print(preamble, line);

	/* The first bytes of a new connection always fit its buffer. */
	if (!wait_ready(link->fd, POLLOUT, deadline_ms, err))
		return false;
	if (send(link->fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
		return err_set(err, ERR_PEER, "cannot send to the other host: %s", strerror(errno));
	return true;
}

/* ---- TLS ------------------------------------------------------------- */

const char *link_reason(struct link *link, int rc)
{
	if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED) {
		const char *name = gnutls_alert_get_name(gnutls_alert_get(link->session));

		return name ? name : "an unknown alert";
	}
	if (rc == GNUTLS_E_PREMATURE_TERMINATION)
		return "it broke off without saying goodbye";
	/* GnuTLS reports a failed system call as "Error in the pull (push)
	 * function" and leaves errno as the call had set it. */
	if ((rc == GNUTLS_E_PULL_ERROR || rc == GNUTLS_E_PUSH_ERROR) && errno != 0)
		return strerror(errno);
	return gnutls_strerror(rc);
}

/* An alert comes from the other side itself; any other error may come from the network. */
static enum err_code code_of(int rc)
{
	return rc == GNUTLS_E_FATAL_ALERT_RECEIVED ? ERR_UNAUTHORIZED : ERR_PEER;
}

static bool wait_session(struct link *link, int rc, uint64_t deadline_ms, struct err *err)
{
	bool is_sending = gnutls_record_get_direction(link->session) == 1;

	if (rc == GNUTLS_E_INTERRUPTED)
		return true;
	return wait_ready(link->fd, is_sending ? POLLOUT : POLLIN, deadline_ms, err);
}

/* Chain, name and purpose are checked inside the handshake, so that we send no data to
 * the wrong peer. */
static void set_checks(struct link *link, enum stream_side side, const char *peer_id)
{
	const char *purpose =
		side == STREAM_SRC ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;

	tls_host_dns_name(peer_id, link->peer_dns_name, sizeof(link->peer_dns_name));
	link->checks[0].type = GNUTLS_DT_DNS_HOSTNAME;
	link->checks[0].data = (unsigned char *)link->peer_dns_name;
	link->checks[0].size = 0;
	link->checks[1].type = GNUTLS_DT_KEY_PURPOSE_OID;
	link->checks[1].data = (unsigned char *)(uintptr_t)purpose;
	link->checks[1].size = 0;
	gnutls_session_set_verify_cert2(link->session, link->checks, ARRAY_LEN(link->checks), 0);
}

static int make_session(struct link *link, enum stream_side side,
			gnutls_certificate_credentials_t cred)
{
	/* No tickets: they would serve a second connection, and there is none. */
	unsigned flags = GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS | GNUTLS_NONBLOCK |
			 (side == STREAM_SRC ? GNUTLS_CLIENT : GNUTLS_SERVER);
	int rc = gnutls_init(&link->session, flags);

	if (rc < 0)
		return rc;
	rc = gnutls_priority_set_direct(link->session, TLS_PRIORITY, NULL);
	if (rc >= 0)
		rc = gnutls_credentials_set(link->session, GNUTLS_CRD_CERTIFICATE, cred);
	if (side == STREAM_DST)
		gnutls_certificate_server_set_request(link->session, GNUTLS_CERT_REQUIRE);
	gnutls_transport_set_int(link->session, link->fd);
	return rc;
}

static bool handshake_failed(struct link *link, int rc, const char *peer_id, struct err *err)
{
	gnutls_datum_t text = { NULL, 0 };
	unsigned status = gnutls_session_get_verify_cert_status(link->session);

	if (rc != GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		return err_set(err, code_of(rc), "TLS with host '%s': %s", peer_id,
			       link_reason(link, rc));
	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
		text.data = NULL;
	err_set(err, ERR_UNAUTHORIZED, "the certificate of the other side is not host '%s': %s",
		peer_id, text.data ? (const char *)text.data : "it does not verify");
	gnutls_free(text.data);
	return false;
}

static bool check_identity(struct link *link, const char *peer_id, struct err *err)
{
	struct tls_identity identity;

	if (!tls_peer_identity(link->session, &identity, err))
		return false;
	if (identity.kind != TLS_KIND_HOST || strcmp(identity.name, peer_id) != 0)
		return err_set(err, ERR_UNAUTHORIZED, "the other side is '%s', not host '%s'",
			       identity.name, peer_id);
	return true;
}

bool link_handshake(struct link *link, enum stream_side side, gnutls_certificate_credentials_t cred,
		    const char *peer_id, uint64_t deadline_ms, struct err *err)
{
	int rc = make_session(link, side, cred);

	if (rc < 0)
		return err_set(err, ERR_INTERNAL, "cannot prepare TLS: %s", gnutls_strerror(rc));
	set_checks(link, side, peer_id);
	for (;;) {
		errno = 0;
		rc = gnutls_handshake(link->session);
		if (rc == 0)
			break;
		if (gnutls_error_is_fatal(rc)) {
			handshake_failed(link, rc, peer_id, err);
			/* Best effort: the other side can then log the reason. */
			gnutls_alert_send_appropriate(link->session, rc);
			return false;
		}
		if (!wait_session(link, rc, deadline_ms, err))
			return err_wrap(err, "TLS with host '%s'", peer_id);
	}
	return check_identity(link, peer_id, err);
}

bool link_send(struct link *link, const void *data, size_t len, uint64_t deadline_ms,
	       struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t rc =
			gnutls_record_send(link->session, (const char *)data + done, len - done);

		if (rc >= 0)
			done += (size_t)rc;
		else if (gnutls_error_is_fatal((int)rc))
			return err_set(err, ERR_PEER, "cannot send to the other host: %s",
				       link_reason(link, (int)rc));
		else if (!wait_session(link, (int)rc, deadline_ms, err))
			return false;
	}
	return true;
}

bool link_recv(struct link *link, void *data, size_t len, uint64_t deadline_ms, struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t rc = gnutls_record_recv(link->session, (char *)data + done, len - done);

		if (rc > 0)
			done += (size_t)rc;
		else if (rc == 0)
			return err_set(err, ERR_PEER, "the other host closed the connection");
		else if (gnutls_error_is_fatal((int)rc))
			return err_set(err, code_of((int)rc), "the other host: %s",
				       link_reason(link, (int)rc));
		else if (!wait_session(link, (int)rc, deadline_ms, err))
			return false;
	}
	return true;
}

void link_close(struct link *link)
{
	if (link->session)
		gnutls_deinit(link->session);
	if (link->fd >= 0)
		close(link->fd);
	link->session = NULL;
	link->fd = -1;
}
