/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A WebSocket has two holders, the loop and the library's exchange, like a stream (http/stream.c).
 * The library's thread answers the request and then hands its socket to the loop, or the other
 * end of a pair, if it has TLS to do. */
#include "http/websocket.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"
#include "tls/websocket.h"

#define REASON_MAX 123u
/* How long the other end may take to say goodbye. */
#define GOODBYE_MS 2000
/* What is read in one turn of the loop. */
#define TURN_BYTES HTTP_WEBSOCKET_MESSAGE_MAX
/* Memory that a message takes beside its bytes, roughly: a guest may write them one by one. */
#define MESSAGE_COST 128
/* Each ping makes an answer, which its sender need not read: with more of them to be sent nothing
 * is read. */
#define ANSWERS_MAX 64

struct http_websocket {
	struct http_server *server;
	const struct http_websocket_callbacks *cb; /* NULL: it was let go */
	void *data;
	wslay_event_context_ptr frames;
	struct loop_watch *watch; /* NULL: not open yet */
	struct loop_timer *goodbye;
	bool is_paused, is_in_use, is_over;
	size_t read_bytes; /* in this turn */
	size_t answers;    /* to pings, that wait to be sent */
	/* under server->lock */
	struct http_exchange *exchange; /* NULL: it has ended */
	struct http_conn *conn;
	struct MHD_UpgradeResponseHandle *handle; /* NULL: not handed over yet */
	int fd;                                   /* of it; the library closes it */
	struct strbuf early;                      /* came with the request */
	TAILQ_ENTRY(http_websocket) link;
};

/* ---- the request -------------------------------------------------- */

static bool has_word(const char *header, const char *word)
{
	return header && strcasestr(header, word);
}

bool http_websocket_is_asked(struct http_request *req, struct err *err)
{
	const char *key = http_header(req, "Sec-WebSocket-Key");
	const char *version = http_header(req, "Sec-WebSocket-Version");

	if (strcmp(req->method, "GET") != 0 ||
	    !has_word(http_header(req, "Upgrade"), "websocket") ||
	    !has_word(http_header(req, "Connection"), "upgrade"))
		return err_set(err, ERR_INVALID,
			       "this path is a WebSocket: ask for it with `Connection: Upgrade' "
			       "and "
			       "`Upgrade: websocket', or use migrctl");
	if (!version || strcmp(version, "13") != 0 || !key ||
	    strlen(key) != TLS_WEBSOCKET_KEY_CHARS)
		return err_set(err, ERR_INVALID,
			       "a WebSocket needs `Sec-WebSocket-Version: 13' and a "
			       "`Sec-WebSocket-Key' of %d characters",
			       TLS_WEBSOCKET_KEY_CHARS);
	if (!http_is_own_origin(req))
		return err_set(err, ERR_FORBIDDEN,
			       "a page of another origin may not open this WebSocket");
	return true;
}

/* What noVNC and websockify call bytes as they are. */
#define SUBPROTOCOL "binary"

/* A browser that has offered some ends a WebSocket whose answer names none of them. */
static bool is_offered(const char *header, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = header; at && *at; at += strcspn(at, ","), at += *at == ',') {
		at += strspn(at, " \t");
		if (strcspn(at, ", \t") == len && strncmp(at, name, len) == 0)
			return true;
	}
	return false;
}

/* ---- the library's side ----------------------------------------------- */

/* The lock is held. */
static void let_go(struct http_exchange *ex)
{
	if (ex->websocket)
		ex->websocket->exchange = NULL;
	ex->websocket = NULL;
}

/* Nothing is handed over to a server that ends. */
static void on_upgraded(void *cls, struct MHD_Connection *connection, void *con_cls,
			const char *extra_in, size_t extra_in_size, MHD_socket sock,
			struct MHD_UpgradeResponseHandle *handle)
{
	struct http_exchange *ex = con_cls;
	struct http_websocket *ws = cls;
	struct http_server *server = ex->conn->server;
	bool is_taken;

	(void)connection;
	ex->is_upgraded = true;
	pthread_mutex_lock(&server->lock);
	is_taken = ex->websocket && !server->is_stopping;
	if (is_taken) {
		ws->fd = sock;
		ws->handle = handle;
		strbuf_add(&ws->early, extra_in, extra_in_size);
	} else {
		let_go(ex);
	}
	pthread_mutex_unlock(&server->lock);
	if (is_taken)
		http_wake(server);
	else
		MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

void http_websocket_exchange_ended(struct http_exchange *ex)
{
	struct http_server *server = ex->conn->server;

	pthread_mutex_lock(&server->lock);
	let_go(ex);
	pthread_mutex_unlock(&server->lock);
	http_wake(server);
}

/* ---- frames ----------------------------------------------------------- */

static ssize_t take_early(struct http_websocket *ws, uint8_t *buf, size_t len)
{
	size_t n = ws->early.len < len ? ws->early.len : len;

	memcpy(buf, ws->early.data, n);
	strbuf_consume(&ws->early, n);
	return (ssize_t)n;
}

static ssize_t failed(wslay_event_context_ptr frames)
{
	wslay_event_set_error(frames,
			      errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* What is there already is read to its end: a turn has at most 4 KiB of it. */
static bool has_enough(const struct http_websocket *ws)
{
	return ws->read_bytes >= TURN_BYTES || ws->answers > ANSWERS_MAX;
}

static ssize_t on_recv(wslay_event_context_ptr frames, uint8_t *buf, size_t len, int flags,
		       void *data)
{
	struct http_websocket *ws = data;
	ssize_t n;

	(void)flags;
	if (ws->early.len)
		return take_early(ws, buf, len);
	n = has_enough(ws) ? (ssize_t)-1 : recv(ws->fd, buf, len, 0);
	if (has_enough(ws))
		errno = EAGAIN;
	else if (n == 0)
		errno = ECONNRESET;
	if (n <= 0)
		return failed(frames);
	ws->read_bytes += (size_t)n;
	return n;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t len, int flags,
		       void *data)
{
	struct http_websocket *ws = data;
	ssize_t n = send(ws->fd, bytes, len, MSG_NOSIGNAL);

	(void)flags;
	return n >= 0 ? n : failed(frames);
}

static void on_message(wslay_event_context_ptr frames,
		       const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
	struct http_websocket *ws = data;

	(void)frames;
	if (arg->opcode == WSLAY_PING)
		ws->answers++;
	if (ws->cb && !wslay_is_ctrl_frame(arg->opcode))
		ws->cb->received(ws->data, arg->msg, arg->msg_length);
}

static wslay_event_context_ptr frames_new(struct http_websocket *ws)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.on_msg_recv_callback = on_message,
	};
	wslay_event_context_ptr ret;

	if (wslay_event_context_server_init(&ret, &callbacks, ws) != 0)
		abort(); /* out of memory */
	wslay_event_config_set_max_recv_msg_length(ret, HTTP_WEBSOCKET_MESSAGE_MAX);
	return ret;
}

/* ---- its life on the loop --------------------------------------------- */

static void ws_free(struct http_websocket *ws)
{
	struct http_server *server = ws->server;
	struct MHD_UpgradeResponseHandle *handle;

	pthread_mutex_lock(&server->lock);
	TAILQ_REMOVE(&server->websockets, ws, link);
	if (ws->exchange)
		ws->exchange->websocket = NULL;
	handle = ws->handle;
	pthread_mutex_unlock(&server->lock);
	loop_watch_free(ws->watch);
	loop_timer_free(ws->goodbye);
	wslay_event_context_free(ws->frames);
	strbuf_fini(&ws->early);
	if (handle)
		MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
	free(ws);
}

static void tell_closed(struct http_websocket *ws)
{
	const struct http_websocket_callbacks *cb = TAKE_PTR(ws->cb);

	if (cb)
		cb->closed(ws->data);
}

static void end(struct http_websocket *ws)
{
	ws->is_over = true;
	if (ws->is_in_use)
		return;
	tell_closed(ws);
	ws_free(ws);
}

static bool is_done(const struct http_websocket *ws)
{
	return ws->is_over ||
	       (!wslay_event_want_read(ws->frames) && !wslay_event_want_write(ws->frames));
}

static void watch(struct http_websocket *ws)
{
	unsigned events = 0;

	if (wslay_event_want_read(ws->frames) && !ws->is_paused && ws->answers <= ANSWERS_MAX)
		events |= LOOP_READ;
	if (wslay_event_want_write(ws->frames))
		events |= LOOP_WRITE;
	loop_watch_set(ws->watch, events);
}

/* Answers to pings go before all but what is half sent. */
static bool send_some(struct http_websocket *ws)
{
	size_t before = wslay_event_get_queued_msg_count(ws->frames), sent;
	bool ok = wslay_event_send(ws->frames) == 0;

	sent = before - wslay_event_get_queued_msg_count(ws->frames);
	ws->answers -= sent < ws->answers ? sent : ws->answers;
	return ok;
}

/* Callbacks may close it, so it is freed at the end only. */
static void on_io(void *data, unsigned ready)
{
	struct http_websocket *ws = data;
	bool had_more = wslay_event_want_write(ws->frames);

	ws->is_in_use = true;
	ws->read_bytes = 0;
	if ((ready & LOOP_READ) && wslay_event_recv(ws->frames) != 0)
		ws->is_over = true;
	if (!ws->is_over && wslay_event_want_write(ws->frames) && !send_some(ws))
		ws->is_over = true;
	if (!ws->is_over && ws->cb && had_more && !wslay_event_want_write(ws->frames))
		ws->cb->sent(ws->data);
	ws->is_in_use = false;
	if (is_done(ws))
		end(ws);
	else
		watch(ws);
}

static void on_goodbye(void *data)
{
	end(data);
}

struct http_websocket *http_websocket_begin(struct http_request *req,
					    const struct http_websocket_callbacks *cb, void *data)
{
	struct http_server *server = req->server;
	CLEANUP(free_charp)
	char *accept = tls_websocket_accept(http_header(req, "Sec-WebSocket-Key"));
	struct http_websocket *ws;
	struct http_content content = { 0 };

	if (!server) {
		http_request_free(req);
		return NULL;
	}
	ws = xnew(struct http_websocket);
	ws->server = server;
	ws->cb = cb;
	ws->data = data;
	ws->fd = -1;
	ws->frames = frames_new(ws);
	ws->goodbye = loop_timer_new(server->loop, on_goodbye, ws);
	content.response = MHD_create_response_for_upgrade(on_upgraded, ws);
	if (!content.response)
		abort(); /* out of memory */
	MHD_add_response_header(content.response, MHD_HTTP_HEADER_UPGRADE, "websocket");
	MHD_add_response_header(content.response, "Sec-WebSocket-Accept", accept);
	if (is_offered(http_header(req, "Sec-WebSocket-Protocol"), SUBPROTOCOL))
		MHD_add_response_header(content.response, "Sec-WebSocket-Protocol", SUBPROTOCOL);
	pthread_mutex_lock(&server->lock);
	TAILQ_INSERT_TAIL(&server->websockets, ws, link);
	ws->exchange = req->exchange;
	ws->conn = req->exchange->conn;
	req->exchange->websocket = ws;
	pthread_mutex_unlock(&server->lock);
	if (!loop_timer_is_active(server->heartbeat))
		loop_timer_start(server->heartbeat, server->heartbeat_ms);
	http_answer(req, MHD_HTTP_SWITCHING_PROTOCOLS, content, NULL);
	return ws;
}

static void queue(struct http_websocket *ws, uint8_t opcode, const void *bytes, size_t len)
{
	const struct wslay_event_msg message = { .opcode = opcode,
						 .msg = bytes,
						 .msg_length = len };

	wslay_event_queue_msg(ws->frames, &message); /* fails only when it is closing */
	if (ws->watch && !ws->is_in_use)
		watch(ws);
}

void http_websocket_send(struct http_websocket *ws, const void *bytes, size_t len)
{
	assert(ws->cb); /* it was not let go */
	queue(ws, WSLAY_BINARY_FRAME, bytes, len);
}

size_t http_websocket_unsent(const struct http_websocket *ws)
{
	return wslay_event_get_queued_msg_length(ws->frames) +
	       wslay_event_get_queued_msg_count(ws->frames) * MESSAGE_COST;
}

void http_websocket_pause(struct http_websocket *ws, bool paused)
{
	ws->is_paused = paused;
	if (ws->watch && !ws->is_in_use)
		watch(ws);
}

void http_websocket_close(struct http_websocket *ws, int code, const char *why)
{
	size_t len = strlen(why);

	ws->cb = NULL;
	ws->is_paused = false;
	wslay_event_queue_close(ws->frames, (uint16_t)code, (const uint8_t *)why,
				len < REASON_MAX ? len : REASON_MAX);
	loop_timer_start(ws->goodbye, GOODBYE_MS);
	if (ws->watch && !ws->is_in_use)
		watch(ws);
}

/* ---- the server's calls ------------------------------------------- */

static bool is_news(const struct http_websocket *ws)
{
	return !ws->watch && (ws->handle || !ws->exchange);
}

/* One that the library has handed over, or whose client has gone before that. */
static struct http_websocket *next_news(struct http_server *server)
{
	struct http_websocket *ws;

	pthread_mutex_lock(&server->lock);
	TAILQ_FOREACH(ws, &server->websockets, link)
	if (is_news(ws))
		break;
	pthread_mutex_unlock(&server->lock);
	return ws;
}

void http_websockets_run(struct http_server *server)
{
	struct http_websocket *ws;

	while ((ws = next_news(server))) {
		if (!ws->handle) {
			end(ws);
			continue;
		}
		ws->watch = loop_watch_new(server->loop, ws->fd, on_io, ws);
		pthread_mutex_lock(&server->lock);
		http_judge_new(ws->conn);
		pthread_mutex_unlock(&server->lock);
		on_io(ws, ws->early.len ? LOOP_READ : 0);
	}
}

struct http_conn *http_websocket_next_conn(struct http_server *server, struct http_websocket **ws)
{
	*ws = *ws ? TAILQ_NEXT(*ws, link) : TAILQ_FIRST(&server->websockets);
	while (*ws && !(*ws)->watch)
		*ws = TAILQ_NEXT(*ws, link);
	return *ws ? (*ws)->conn : NULL;
}

static bool has_expired(const struct http_websocket *ws)
{
	return !ws->conn->is_local && clock_wall_s() > ws->conn->ends_s;
}

bool http_websockets_heartbeat(struct http_server *server)
{
	struct http_websocket *ws;

	TAILQ_FOREACH(ws, &server->websockets, link)
	{
		if (!ws->watch || !ws->cb)
			continue;
		if (has_expired(ws)) {
			tell_closed(ws);
			http_websocket_close(ws, HTTP_WEBSOCKET_POLICY,
					     ws->conn->ends_s ? "the certificate has expired"
							      : "the certificate is not trusted "
								"any more");
		} else if (!wslay_event_want_write(ws->frames)) {
			/* What waits to be sent finds out as well whether the client is there. */
			queue(ws, WSLAY_PING, "", 0);
		}
	}
	return !TAILQ_EMPTY(&server->websockets);
}

void http_websockets_end_all(struct http_server *server)
{
	struct http_websocket *ws = TAILQ_FIRST(&server->websockets), *next;

	for (; ws; ws = next) {
		next = TAILQ_NEXT(ws, link);
		end(ws);
	}
}
