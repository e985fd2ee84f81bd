/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is at the other end of a TLS connection. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/internal.h"
#include "tls/chain.h"
#include "tls/identity.h"

static const struct {
	enum http_role role;
	enum http_share share;
} kinds[] = {
	[TLS_KIND_HOST] = { HTTP_ROLE_PEER, HTTP_SHARE_PEER },
	[TLS_KIND_VIEWER] = { HTTP_ROLE_VIEWER, HTTP_SHARE_VIEWER },
	[TLS_KIND_OPERATOR] = { HTTP_ROLE_OPERATOR, HTTP_SHARE_OPERATOR },
	[TLS_KIND_ADMIN] = { HTTP_ROLE_ADMIN, HTTP_SHARE_ADMIN },
};

/* The library keeps the session's user pointer for itself; the pull function's
 * argument is ours. */
static struct http_conn *conn_of_session(gnutls_session_t session)
{
	gnutls_transport_ptr_t receive, send;

	gnutls_transport_get_ptr2(session, &receive, &send);
	return receive;
}

/* Closing a socket with unread data sends a reset, which would overtake the alert that was
 * sent.  So the rest of the client's handshake, and the request that it may have sent behind
 * it, are thrown away until the client closes, or its deadline ends. */
static ssize_t throw_away(const struct http_conn *conn, void *data, size_t size)
{
	ssize_t n = recv(conn->fd, data, size, 0);

	if (n <= 0)
		return n;
	errno = EAGAIN;
	return -1;
}

/* The library tells of a request only when its first line is complete.  Here
 * the first byte after an idle time is seen, so that a client which sends a
 * byte now and then cannot stay for ever. */
static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t size)
{
	struct http_conn *conn = ptr;
	ssize_t n;

	if (conn->is_refused)
		return throw_away(conn, data, size);
	n = recv(conn->fd, data, size, 0);
	if (n > 0 && conn->is_idle)
		http_conn_request_begins(conn);
	return n;
}

static gnutls_alert_description_t alert_for(unsigned status)
{
	if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED))
		return GNUTLS_A_CERTIFICATE_EXPIRED;
	if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
		return GNUTLS_A_UNKNOWN_CA;
	if (status & GNUTLS_CERT_REVOKED)
		return GNUTLS_A_CERTIFICATE_REVOKED;
	return GNUTLS_A_BAD_CERTIFICATE;
}

static void log_refused(const struct http_conn *conn, unsigned status)
{
	gnutls_datum_t text = { NULL, 0 };
	const char *reason;

	gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
	reason = text.data ? (const char *)text.data : "unknown";
	if (noise_note(conn->server->noise[HTTP_NOISE_CERTIFICATE], conn->host, reason))
		log_info("http", "certificate-refused", "address=%s reason=%s", conn->address,
			 reason);
	gnutls_free(text.data);
}

/* 0: chain, time and purpose of the other side's certificate are right. */
static unsigned status_of(gnutls_session_t session)
{
	static const char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st data = { .type = GNUTLS_DT_KEY_PURPOSE_OID };
	unsigned status = GNUTLS_CERT_INVALID;

	data.data = (unsigned char *)(uintptr_t)purpose;
	if (gnutls_certificate_verify_peers(session, &data, 1, &status) < 0 && status == 0)
		status = GNUTLS_CERT_INVALID;
	return status;
}

static void set_end(struct http_conn *conn, int64_t ends_s)
{
	pthread_mutex_lock(&conn->server->lock);
	conn->ends_s = ends_s;
	pthread_mutex_unlock(&conn->server->lock);
}

static bool has_ended(struct http_conn *conn)
{
	bool is_over;

	pthread_mutex_lock(&conn->server->lock);
	is_over = clock_wall_s() > conn->ends_s;
	pthread_mutex_unlock(&conn->server->lock);
	return is_over;
}

static void log_no_room(const struct http_conn *conn, const struct tls_identity *identity)
{
	const char *share = http_shares[kinds[identity->kind].share].name;

	if (noise_note(conn->server->noise[HTTP_NOISE_NO_ROOM], identity->name, share))
		log_info("http", "no-room", "address=%s caller=%s share=%s", conn->address,
			 identity->name, share);
}

/* From here on the connection counts for its role.  If its certificate has no name of ours, it
 * stays unverified and is refused at its first request. */
static bool change_share(struct http_conn *conn, gnutls_session_t session)
{
	struct tls_identity identity;
	struct err err;
	bool is_in;

	if (!tls_peer_identity(session, &identity, &err))
		return true;
	pthread_mutex_lock(&conn->server->lock);
	/* No party: it had to give way in the middle of its handshake. */
	is_in = conn->party && http_share_enter(conn, kinds[identity.kind].share, identity.name);
	pthread_mutex_unlock(&conn->server->lock);
	if (!is_in)
		log_no_room(conn, &identity);
	return is_in;
}

/* Judged by the authorities of its handshake, which may be older than those that are set now. */
static void keep_chain(struct http_conn *conn, gnutls_session_t session)
{
	struct tls_chain *chain = tls_chain_of_peer(session);

	pthread_mutex_lock(&conn->server->lock);
	conn->chain = chain;
	conn->judged_no = conn->tls == conn->server->tls ? conn->server->tls_no : 0;
	pthread_mutex_unlock(&conn->server->lock);
}

/* A function of our own instead of gnutls_session_set_verify_cert(), because the
 * library closes after a failed handshake without a word: the alert lets the
 * other side say what was wrong with its certificate.  The handshake of a refused
 * client does not fail, but it gets no further, since nothing more is pulled. */
static int verify(gnutls_session_t session)
{
	struct http_conn *conn = conn_of_session(session);
	unsigned status = status_of(session);

	if (status == 0) {
		conn->is_verified = true;
		set_end(conn, tls_peer_ends_s(session));
		keep_chain(conn, session);
		return change_share(conn, session) ? 0 : GNUTLS_E_USER_ERROR;
	}
	log_refused(conn, status);
	gnutls_alert_send(session, GNUTLS_AL_FATAL, alert_for(status));
	conn->is_refused = true;
	return 0;
}

void http_tls_prepare(struct http_conn *conn, gnutls_session_t session)
{
	struct http_server *server = conn->server;

	pthread_mutex_lock(&server->lock);
	conn->tls = tls_live_ref(server->tls);
	pthread_mutex_unlock(&server->lock);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, conn->tls->cred);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(session, verify);
	gnutls_transport_set_ptr2(session, conn, (gnutls_transport_ptr_t)(intptr_t)conn->fd);
	gnutls_transport_set_pull_function(session, pull);
}

/* A session is verified by the credentials that are set now; those of its handshake are not
 * needed any more. */
static bool adopt_new_tls(struct http_conn *conn, gnutls_session_t session)
{
	struct http_server *server = conn->server;
	struct tls_live *old = NULL;

	pthread_mutex_lock(&server->lock);
	if (conn->tls != server->tls) {
		old = conn->tls;
		conn->tls = tls_live_ref(server->tls);
	}
	pthread_mutex_unlock(&server->lock);
	if (!old)
		return false;
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, conn->tls->cred);
	tls_live_unref(old);
	return true;
}

bool http_tls_is_still_good(struct http_conn *conn, gnutls_session_t session, struct err *err)
{
	if (has_ended(conn))
		return err_set(err, ERR_UNAUTHORIZED,
			       "the certificate of this connection has expired: connect again with "
			       "a new one");
	if (!adopt_new_tls(conn, session) || status_of(session) == 0)
		return true;
	set_end(conn, 0); /* for good */
	return err_set(err, ERR_UNAUTHORIZED,
		       "the certificate of this connection is not trusted any more");
}

bool http_tls_identify(struct http_conn *conn, gnutls_session_t session, struct err *err)
{
	struct tls_identity identity;

	if (!conn->is_verified)
		return err_set(err, ERR_UNAUTHORIZED, "no verified client certificate");
	if (!tls_peer_identity(session, &identity, err))
		return false;
	conn->role = kinds[identity.kind].role;
	snprintf(conn->name, sizeof(conn->name), "%s", identity.name);
	return true;
}
