/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections: socket options, identity, and the time limit for requests.
 *
 * The library's own time-out counts from the last byte, so that one byte a
 * second would hold a connection for ever.  Ours counts from the first byte to
 * the last of a request (from the accept for the first one: the handshake is
 * included).  Connections with a request incomplete are in a list, the earliest
 * deadline first; the timer runs only while there are some. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net_prefix.h"
#include "http/internal.h"
#include "tls/chain.h"

/* A dead host's idle connections go after about a minute and a half. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_COUNT      3
#define UNSENT_TIMEOUT_MS    30000

/* ---- the time limit ---------------------------------------------------- */

void http_conn_request_begins(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	bool is_wake_needed = false;

	conn->is_idle = false;
	pthread_mutex_lock(&server->lock);
	if (!conn->is_incomplete) {
		conn->is_incomplete = true;
		conn->deadline_ms = clock_monotonic_ms() + server->deadline_ms;
		TAILQ_INSERT_TAIL(&server->incomplete, conn, link);
		is_wake_needed = !server->is_reaper_armed;
		server->is_reaper_armed = true;
		server->is_reaper_wanted |= is_wake_needed;
	}
	pthread_mutex_unlock(&server->lock);
	if (is_wake_needed)
		http_wake(server);
}

void http_conn_request_complete(struct http_conn *conn)
{
	struct http_server *server = conn->server;

	pthread_mutex_lock(&server->lock);
	if (conn->is_incomplete)
		TAILQ_REMOVE(&server->incomplete, conn, link);
	conn->is_incomplete = false;
	pthread_mutex_unlock(&server->lock);
}

void http_reaper_arm(struct http_server *server)
{
	bool is_wanted;

	pthread_mutex_lock(&server->lock);
	is_wanted = server->is_reaper_wanted;
	server->is_reaper_wanted = false;
	pthread_mutex_unlock(&server->lock);
	if (is_wanted)
		loop_timer_start(server->reaper, server->deadline_ms);
}

/* shutdown() makes the library's thread see the end of the connection; the library
 * closes the socket. */
static void drop(struct http_server *server, struct http_conn *conn)
{
	if (noise_note(server->noise[HTTP_NOISE_REQUEST_SLOW], conn->host, "too slow"))
		log_info("http", "request-too-slow", "address=%s", conn->address);
	shutdown(conn->fd, SHUT_RDWR);
	TAILQ_REMOVE(&server->incomplete, conn, link);
	conn->is_incomplete = false;
}

void http_reaper_run(void *data)
{
	struct http_server *server = data;
	uint64_t now = clock_monotonic_ms();
	struct http_conn *conn;

	pthread_mutex_lock(&server->lock);
	while ((conn = TAILQ_FIRST(&server->incomplete)) && conn->deadline_ms <= now)
		drop(server, conn);
	server->is_reaper_armed = conn != NULL;
	if (conn)
		loop_timer_start(server->reaper, conn->deadline_ms - now);
	pthread_mutex_unlock(&server->lock);
}

/* ---- connections ------------------------------------------------------- */

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_tcp_options(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNSENT_TIMEOUT_MS);
}

static void name_address(struct http_conn *conn, char ret_network[NET_PREFIX_SIZE])
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	char port[8] = "?";

	snprintf(conn->host, sizeof(conn->host), "?");
	if (getpeername(conn->fd, (struct sockaddr *)&address, &len) == 0)
		getnameinfo((struct sockaddr *)&address, len, conn->host, sizeof(conn->host), port,
			    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(conn->address, sizeof(conn->address), "%s:%s", conn->host, port);
	net_prefix_name(&address, ret_network);
}

/* The socket's mode keeps strangers out already, but the mode may be changed, and a
 * descriptor handed on. */
static void check_local_peer(struct http_conn *conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	conn->is_local = true;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		conn->uid = cred.uid;
		conn->is_verified = cred.uid == 0 || cred.uid == geteuid();
	}
	snprintf(conn->host, sizeof(conn->host), "local");
	snprintf(conn->address, sizeof(conn->address), "local");
}

/* A connection that finds no room is ended at once, without an answer. */
static void take_place(struct http_conn *conn, enum http_share share, const char *party)
{
	bool is_in;

	pthread_mutex_lock(&conn->server->lock);
	is_in = http_share_enter(conn, share, party);
	pthread_mutex_unlock(&conn->server->lock);
	if (!is_in)
		(void)shutdown(conn->fd, SHUT_RDWR);
}

static struct http_conn *conn_new(struct http_server *server, struct MHD_Connection *connection)
{
	struct http_conn *conn = xnew(struct http_conn);
	char network[NET_PREFIX_SIZE];
	const union MHD_ConnectionInfo *info;

	conn->server = server;
	conn->uid = -1;
	pthread_mutex_lock(&server->lock);
	server->accepted_count++;
	pthread_mutex_unlock(&server->lock);
	conn->fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info && info->tls_session) {
		set_tcp_options(conn->fd);
		name_address(conn, network);
		http_tls_prepare(conn, info->tls_session);
		take_place(conn, HTTP_SHARE_UNVERIFIED, network);
	} else {
		check_local_peer(conn);
		take_place(conn, HTTP_SHARE_LOCAL, conn->address);
	}
	http_conn_request_begins(conn);
	return conn;
}

static void leave_place(struct http_conn *conn)
{
	pthread_mutex_lock(&conn->server->lock);
	http_share_leave(conn);
	pthread_mutex_unlock(&conn->server->lock);
}

/* The loop thread runs before the library's, whose amount of work clients choose.  The difference
 * is small, because what a peer asks at the end of a move passes through here as well. */
#define NICE 2

static void give_way(void)
{
	static _Thread_local bool is_done;

	if (!is_done)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	is_done = true;
}

void http_conn_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
		      enum MHD_ConnectionNotificationCode code)
{
	struct http_conn *conn = *socket_context;

	switch (code) {
	case MHD_CONNECTION_NOTIFY_STARTED:
		give_way();
		*socket_context = conn_new(cls, connection);
		return;
	case MHD_CONNECTION_NOTIFY_CLOSED:
		*socket_context = NULL;
		if (conn) {
			http_conn_request_complete(conn);
			leave_place(conn);
			tls_live_unref(conn->tls);
			tls_chain_free(conn->chain);
		}
		free(conn);
		return;
	}
}

struct http_conn *http_conn_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

static bool identify_local(struct http_conn *conn, struct err *err)
{
	if (!conn->is_verified)
		return err_set(err, ERR_FORBIDDEN,
			       "the local socket is for the daemon's own user and root only");
	conn->role = HTTP_ROLE_ADMIN;
	snprintf(conn->name, sizeof(conn->name), "local");
	return true;
}

static bool identify_tls(struct http_conn *conn, struct MHD_Connection *connection, struct err *err)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	if (!info || !info->tls_session)
		return err_set(err, ERR_UNAUTHORIZED, "no TLS session");
	if (!http_tls_is_still_good(conn, info->tls_session, err))
		return false;
	return conn->is_identified || http_tls_identify(conn, info->tls_session, err);
}

bool http_conn_identify(struct http_conn *conn, struct MHD_Connection *connection, struct err *err)
{
	conn->is_identified =
		conn->is_local ? identify_local(conn, err) : identify_tls(conn, connection, err);
	return conn->is_identified;
}
