/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a reload, connections that make no further request at which their certificate would be
 * looked at (http/tls.c): streams of events and WebSockets.  A few in each turn of the loop, as
 * each takes some tenths of a millisecond. */
#include "http/internal.h"
#include "tls/chain.h"

#define TURN_CHECKS 4
#define NEXT_MS     1

static bool is_due(const struct http_conn *conn)
{
	return !conn->is_local && conn->chain && conn->ends_s != 0 &&
	       conn->judged_no != conn->server->tls_no;
}

/* One that is not good any more ends at the next heartbeat, as one that has expired. */
static void judge(struct http_conn *conn)
{
	conn->judged_no = conn->server->tls_no;
	if (!tls_chain_is_good(conn->chain, conn->server->tls))
		conn->ends_s = 0;
}

/* True: it was one of those that could be judged in this turn, or did not have to be. */
static bool pass(struct http_conn *conn, unsigned *left)
{
	if (!is_due(conn))
		return true;
	if (*left == 0)
		return false;
	(*left)--;
	judge(conn);
	return true;
}

void http_judge_new(const struct http_conn *conn)
{
	if (is_due(conn))
		loop_timer_start(conn->server->judge, 0);
}

void http_judge_run(void *data)
{
	struct http_server *server = data;
	struct http_websocket *ws = NULL;
	struct http_stream *stream;
	struct http_conn *conn;
	unsigned left = TURN_CHECKS;
	bool is_done = true;

	pthread_mutex_lock(&server->lock);
	while (is_done && (conn = http_websocket_next_conn(server, &ws)))
		is_done = pass(conn, &left);
	TAILQ_FOREACH(stream, &server->streams, link)
	{
		is_done = is_done && pass(stream->conn, &left);
	}
	pthread_mutex_unlock(&server->lock);
	if (is_done)
		http_heartbeat_run(server);
	else
		loop_timer_start(server->judge, NEXT_MS);
}
