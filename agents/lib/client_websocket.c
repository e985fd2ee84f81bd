/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libcurl makes the connection and checks the server; the request and the frames are ours, since
 * libcurl's WebSockets are not a part of every build of it. */
#include "agents/lib/client_websocket.h"

#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <wslay/wslay.h>

#include "agents/lib/client_priv.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tls/websocket.h"

#define ANSWER_MS         15000
#define ANSWER_HEADER_MAX 16384u
#define MESSAGE_MAX       (1u << 20)

struct client_websocket {
	struct client_exchange exchange;
	wslay_event_context_ptr frames;
	client_websocket_fn *received;
	void *data;
	struct strbuf early; /* came with the answer's header */
	char goodbye[128];
	bool is_open, has_goodbye, is_paused;
	CURLcode failure;
};

/* ---- frames ----------------------------------------------------------- */

static ssize_t take_early(struct client_websocket *ws, uint8_t *buf, size_t len)
{
	size_t n = ws->early.len < len ? ws->early.len : len;

	memcpy(buf, ws->early.data, n);
	strbuf_consume(&ws->early, n);
	return (ssize_t)n;
}

static ssize_t failed(struct client_websocket *ws, CURLcode code)
{
	bool would_block = code == CURLE_AGAIN;

	if (!would_block)
		ws->failure = code == CURLE_OK ? CURLE_RECV_ERROR : code;
	wslay_event_set_error(ws->frames,
			      would_block ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t on_recv(wslay_event_context_ptr frames, uint8_t *buf, size_t len, int flags,
		       void *data)
{
	struct client_websocket *ws = data;
	size_t n = 0;
	CURLcode code;

	(void)frames;
	(void)flags;
	if (ws->is_paused)
		return failed(ws, CURLE_AGAIN);
	if (ws->early.len)
		return take_early(ws, buf, len);
	code = curl_easy_recv(ws->exchange.curl, buf, len, &n);
	return code == CURLE_OK && n ? (ssize_t)n : failed(ws, code);
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t len, int flags,
		       void *data)
{
	struct client_websocket *ws = data;
	size_t n = 0;
	CURLcode code = curl_easy_send(ws->exchange.curl, bytes, len, &n);

	(void)frames;
	(void)flags;
	return code == CURLE_OK ? (ssize_t)n : failed(ws, code);
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *buf, size_t len, void *data)
{
	(void)frames;
	(void)data;
	return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -1;
}

/* The reason of a goodbye comes behind its code. */
static void on_message(wslay_event_context_ptr frames,
		       const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
	struct client_websocket *ws = data;

	(void)frames;
	if (arg->opcode == WSLAY_CONNECTION_CLOSE) {
		ws->has_goodbye = true;
		if (arg->msg_length > 2)
			snprintf(ws->goodbye, sizeof(ws->goodbye), "%.*s", (int)arg->msg_length - 2,
				 (const char *)arg->msg + 2);
	} else if (!wslay_is_ctrl_frame(arg->opcode)) {
		ws->received(ws->data, arg->msg, arg->msg_length);
	}
}

static void make_frames(struct client_websocket *ws)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.genmask_callback = on_mask,
		.on_msg_recv_callback = on_message,
	};

	if (wslay_event_context_client_init(&ws->frames, &callbacks, ws) != 0)
		abort(); /* out of memory */
	wslay_event_config_set_max_recv_msg_length(ws->frames, MESSAGE_MAX);
}

/* ---- the request ------------------------------------------------------ */

/* 16 random bytes in base64, of which the last character has two bits. */
static void make_key(char ret[TLS_WEBSOCKET_KEY_CHARS + 1])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	unsigned char bytes[TLS_WEBSOCKET_KEY_CHARS - 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		abort(); /* it never fails for so few */
	for (size_t i = 0; i < sizeof(bytes); i++)
		ret[i] = digits[bytes[i] % 64];
	ret[sizeof(bytes) - 1] = digits[(size_t)bytes[sizeof(bytes) - 1] % 4 * 16];
	memcpy(ret + sizeof(bytes), "==", sizeof("=="));
}

static bool wait_for(struct client_websocket *ws, short events, uint64_t deadline_ms)
{
	struct pollfd fd = { .fd = client_websocket_fd(ws), .events = events };
	uint64_t now_ms = clock_monotonic_ms();

	return now_ms < deadline_ms && poll(&fd, 1, (int)(deadline_ms - now_ms)) > 0;
}

static bool ask(struct client_websocket *ws, const char *path, const char *key,
		uint64_t deadline_ms, struct err *err)
{
	CLEANUP(free_charp)
	char *text = xasprintf("GET %s HTTP/1.1\r\nHost: migrd\r\nUpgrade: websocket\r\n"
			       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			       "Sec-WebSocket-Key: %s\r\n\r\n",
			       path, key);
	size_t len = strlen(text), done = 0, n;
	CURLcode code;

	while (done < len) {
		code = curl_easy_send(ws->exchange.curl, text + done, len - done, &n);
		if (code == CURLE_OK)
			done += n;
		else if (code != CURLE_AGAIN)
			return client_transport_err(&ws->exchange, code, err);
		else if (!wait_for(ws, POLLOUT, deadline_ms))
			return client_transport_err(&ws->exchange, CURLE_OPERATION_TIMEDOUT, err);
	}
	return true;
}

/* Reads on until BODY has the end of the header, and LEN bytes more; the place of the end. */
static bool read_answer(struct client_websocket *ws, size_t len, uint64_t deadline_ms,
			size_t *ret_end, struct err *err)
{
	struct strbuf *body = &ws->exchange.body;
	const char *end;
	char bytes[4096];
	size_t n;
	CURLcode code;

	while (!(end = strstr(strbuf_str(body), "\r\n\r\n")) ||
	       body->len < (size_t)(end - body->data) + 4 + len) {
		code = curl_easy_recv(ws->exchange.curl, bytes, sizeof(bytes), &n);
		if (code == CURLE_AGAIN && wait_for(ws, POLLIN, deadline_ms))
			continue;
		if (code == CURLE_AGAIN)
			code = CURLE_OPERATION_TIMEDOUT;
		if (code == CURLE_OK && n == 0)
			code = CURLE_GOT_NOTHING;
		if (code != CURLE_OK)
			return client_transport_err(&ws->exchange, code, err);
		if (body->len + n > ANSWER_HEADER_MAX + CLIENT_REPLY_MAX_BYTES)
			return err_set(err, ERR_TOO_LARGE, "the answer is too large");
		strbuf_add(body, bytes, n);
	}
	*ret_end = (size_t)(end - body->data) + 4;
	return true;
}

/* The value of NAME in a header, to the end of its line; NULL: it is not there. */
static char *header_of(const char *header, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strstr(header, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " ");
			return xstrndup(line, strcspn(line, "\r"));
		}
	}
	return NULL;
}

static bool refused(struct client_websocket *ws, const char *header, long status, size_t end,
		    uint64_t deadline_ms, struct err *err)
{
	CLEANUP(free_charp) char *length = header_of(header, "Content-Length");
	struct strbuf *body = &ws->exchange.body;
	size_t len = length ? strtoul(length, NULL, 10) : 0;

	if (len > CLIENT_REPLY_MAX_BYTES)
		return err_set(err, ERR_TOO_LARGE, "the answer is too large");
	if (!read_answer(ws, len, deadline_ms, &end, err))
		return false;
	strbuf_consume(body, end);
	return client_problem_err(ws->exchange.client, status, body, err);
}

static bool take_answer(struct client_websocket *ws, const char *key, uint64_t deadline_ms,
			struct err *err)
{
	CLEANUP(free_charp) char *header = NULL;
	CLEANUP(free_charp) char *accept = NULL;
	CLEANUP(free_charp) char *wanted = tls_websocket_accept(key);
	struct strbuf *body = &ws->exchange.body;
	long status = 0;
	size_t end = 0;

	if (!read_answer(ws, 0, deadline_ms, &end, err))
		return false;
	header = xstrndup(body->data, end);
	if (sscanf(header, "HTTP/1.1 %3ld ", &status) != 1)
		return err_set(err, ERR_PROTOCOL, "%s does not speak HTTP",
			       ws->exchange.client->address);
	if (status != 101)
		return refused(ws, header, status, end, deadline_ms, err);
	accept = header_of(header, "Sec-WebSocket-Accept");
	if (!accept || strcmp(accept, wanted) != 0)
		return err_set(err, ERR_PROTOCOL, "%s does not speak WebSocket",
			       ws->exchange.client->address);
	strbuf_add(&ws->early, body->data + end, body->len - end);
	return true;
}

/* ---- life ------------------------------------------------------------- */

static bool open_connection(struct client_websocket *ws, const char *path, struct err *err)
{
	CURL *curl = ws->exchange.curl;
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	client_exchange_url(&ws->exchange, path);
	code = curl_easy_perform(curl);
	return (code == CURLE_OK && client_exchange_server_is_good(&ws->exchange)) ||
	       client_transport_err(&ws->exchange, code, err);
}

struct client_websocket *client_websocket_open(struct client *client, const char *path,
					       client_websocket_fn *received, void *data,
					       struct err *err)
{
	struct client_websocket *ws = xnew(struct client_websocket);
	uint64_t deadline_ms = clock_monotonic_ms() + ANSWER_MS;
	char key[TLS_WEBSOCKET_KEY_CHARS + 1];

	ws->received = received;
	ws->data = data;
	client_exchange_init(&ws->exchange, client);
	make_frames(ws);
	make_key(key);
	if (open_connection(ws, path, err) && ask(ws, path, key, deadline_ms, err) &&
	    take_answer(ws, key, deadline_ms, err)) {
		ws->is_open = true;
		return ws;
	}
	client_websocket_free(ws);
	return NULL;
}

/* The end of a TLS connection alone is not noticed soon by every server (libmicrohttpd 0.9.75).  It
 * does not wait: what cannot be sent at once is left. */
static void say_goodbye(struct client_websocket *ws)
{
	wslay_event_queue_close(ws->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
	wslay_event_send(ws->frames);
}

void client_websocket_free(struct client_websocket *ws)
{
	if (!ws)
		return;
	if (ws->is_open && !ws->has_goodbye)
		say_goodbye(ws);
	wslay_event_context_free(ws->frames);
	client_exchange_fini(&ws->exchange);
	strbuf_fini(&ws->early);
	free(ws);
}

/* ---- use -------------------------------------------------------------- */

int client_websocket_fd(const struct client_websocket *ws)
{
	curl_socket_t fd = -1;

	curl_easy_getinfo(ws->exchange.curl, CURLINFO_ACTIVESOCKET, &fd);
	return fd;
}

short client_websocket_events(const struct client_websocket *ws)
{
	return (short)((wslay_event_want_read(ws->frames) && !ws->is_paused ? POLLIN : 0) |
		       (wslay_event_want_write(ws->frames) ? POLLOUT : 0));
}

void client_websocket_pause(struct client_websocket *ws, bool paused)
{
	ws->is_paused = paused;
}

void client_websocket_send(struct client_websocket *ws, const void *bytes, size_t len)
{
	const struct wslay_event_msg message = { .opcode = WSLAY_BINARY_FRAME,
						 .msg = bytes,
						 .msg_length = len };

	wslay_event_queue_msg(ws->frames, &message); /* fails only when it is closing */
}

bool client_websocket_run(struct client_websocket *ws, struct err *err)
{
	bool ok = wslay_event_recv(ws->frames) == 0 && wslay_event_send(ws->frames) == 0;

	if (ws->has_goodbye)
		return err_set(err, ERR_CANCELLED, "%s",
			       ws->goodbye[0] ? ws->goodbye : "the server has ended it");
	if (!ok)
		return client_transport_err(&ws->exchange, ws->failure, err);
	return true;
}
