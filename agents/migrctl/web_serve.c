/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/web_serve.h"

#include <errno.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/lib/client_relay.h"
#include "agents/migrctl/vnc_listen.h"
#include "base/clock.h"
#include "base/mem.h"
#include "wire/problem.h"

#define CONNS_MAX  64
#define READ_BYTES 16384
/* What waits for a browser that does not read; then nothing more is taken from the migrd. */
#define OUT_MAX (256u << 10)
/* For a request, and for a browser to take some of its answer. */
#define PATIENCE_MS 20000
#define TURN_MS     1000 /* deadlines are looked at so often */

struct conn {
	struct server *server;
	int fd;
	struct strbuf in, out;
	char *head; /* the texts of `request'; NULL: it is not complete */
	struct web_request request;
	struct client_relay_call *call; /* NULL: not yet, or it has ended */
	bool is_answered;               /* nothing more comes into `out' */
	bool has_head;                  /* of the answer */
	bool is_chunked;                /* its length is told piece by piece */
	bool is_paused;
	bool is_gone;
	uint64_t deadline_ms; /* 0: the browser waits for the migrd */
	TAILQ_ENTRY(conn) link;
};

TAILQ_HEAD(conn_list, conn);

struct server {
	struct vnc_listen listen;
	struct web_gate *gate;
	struct client_relay *relay;
	struct conn_list conns;
	size_t count;
	uint64_t used_ms; /* somebody was connected then */
};

/* ---- answers of our own ---------------------------------------------------------- */

#define PLAIN "text/plain; charset=utf-8"

/* HEADERS: further ones. */
static void answer(struct conn *conn, unsigned status, const char *type, const char *headers,
		   const char *text)
{
	strbuf_addf(&conn->out,
		    "HTTP/1.1 %u \r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		    "Referrer-Policy: no-referrer\r\n"
		    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
		    "%sConnection: close\r\n\r\n%s",
		    status, type, strlen(text), headers, text);
	conn->is_answered = true;
}

/* Opened by the page itself and not by who has led here, so that the cookie is sent. */
static void let_in(struct conn *conn)
{
	const struct web_gate *gate = conn->server->gate;
	CLEANUP(free_charp)
	char *cookie = xasprintf("Set-Cookie: migrctl-%u=%s; Path=/; HttpOnly; SameSite=Strict\r\n",
				 gate->port, gate->cookie);

	answer(conn, 200, "text/html; charset=utf-8", cookie,
	       "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>migrd</title>"
	       "<meta http-equiv=\"refresh\" content=\"0;url=/ui\"><a href=\"/ui\">To the page</a>"
	       "</html>\n");
}

static void answer_problem(struct conn *conn, const struct err *err)
{
	const struct problem problem = { .type = "about:blank",
					 .title = "Bad Gateway",
					 .status = 502,
					 .detail = err->msg,
					 .code = err_name(err->code),
					 .retry = err_retry_s(err->code) > 0 };
	CLEANUP(json_putp) struct json_object *obj = json_encode(problem_fields, &problem);

	answer(conn, 502, "application/problem+json", "", json_text(obj, NULL));
}

/* ---- answers of the migrd --------------------------------------------------------- */

/* The end of an answer that has no length is told: else one that was cut off would look complete
 * to a browser. */
static void on_head(void *data, unsigned status, const char *headers, bool has_length)
{
	struct conn *conn = data;

	conn->has_head = true;
	conn->is_chunked = !has_length && status != 204 && status != 304; /* they have no body */
	strbuf_addf(&conn->out, "HTTP/1.1 %u \r\n%s%sConnection: close\r\n\r\n", status, headers,
		    conn->is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
}

static void add_piece(struct conn *conn, const char *bytes, size_t len)
{
	if (conn->is_chunked)
		strbuf_addf(&conn->out, "%zx\r\n", len);
	strbuf_add(&conn->out, bytes, len);
	if (conn->is_chunked)
		strbuf_adds(&conn->out, "\r\n");
}

static bool on_body(void *data, const char *bytes, size_t len)
{
	struct conn *conn = data;

	conn->is_paused = conn->out.len >= OUT_MAX;
	if (!conn->is_paused && len) /* an empty piece would be the end */
		add_piece(conn, bytes, len);
	return !conn->is_paused;
}

/* One that breaks off is cut off here too. */
static void on_end(void *data, const struct err *err)
{
	struct conn *conn = data;

	conn->call = NULL;
	conn->is_answered = true;
	if (err && !conn->has_head)
		answer_problem(conn, err);
	else if (!err && conn->is_chunked)
		add_piece(conn, "", 0);
}

static void pass_on(struct conn *conn)
{
	static const struct client_relay_sink sink = { on_head, on_body, on_end };
	const struct client_relay_request request = {
		.method = conn->request.method,
		.path = conn->request.target,
		.headers = conn->request.lines,
		.body = conn->in.data + conn->request.head_len,
		.body_len = conn->request.body_len,
	};

	conn->call = client_relay_begin(conn->server->relay, &request, &sink, conn);
}

/* ---- requests ---------------------------------------------------------------------- */

static void judge(struct conn *conn)
{
	const char *why = "";

	switch (web_request_judge(conn->server->gate, &conn->request, &why)) {
	case WEB_PASS:
		pass_on(conn);
		return;
	case WEB_ENTER:
		let_in(conn);
		return;
	case WEB_HOME:
		answer(conn, 303, PLAIN, "Location: /ui\r\n", "");
		return;
	case WEB_REFUSE:
		answer(conn, 403, PLAIN, "", why);
		return;
	case WEB_NOT_FOUND:
		answer(conn, 404, PLAIN, "", why);
		return;
	}
}

static bool is_asked(const struct conn *conn)
{
	return conn->call || conn->is_answered;
}

/* The whole head is there, or can be no head. */
static void take_head(struct conn *conn)
{
	const char *why = "";

	if (conn->in.len < WEB_HEAD_MAX && !strstr(strbuf_str(&conn->in), "\r\n\r\n"))
		return;
	conn->head = xstrndup(conn->in.data, conn->in.len);
	if (web_request_parse(conn->head, conn->in.len, &conn->request, &why) != WEB_COMPLETE)
		answer(conn, 400, PLAIN, "", why);
}

static void take_request(struct conn *conn)
{
	if (!conn->head)
		take_head(conn);
	if (conn->head && !is_asked(conn) &&
	    conn->in.len >= conn->request.head_len + conn->request.body_len)
		judge(conn);
	if (is_asked(conn))
		conn->deadline_ms = 0;
}

/* What comes behind the request is thrown away: the connection ends with its answer. */
static void read_browser(struct conn *conn)
{
	char bytes[READ_BYTES];
	ssize_t n = recv(conn->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn->is_gone = true;
		return;
	}
	if (is_asked(conn))
		return;
	strbuf_add(&conn->in, bytes, (size_t)n);
	take_request(conn);
}

/* ---- connections ------------------------------------------------------------------- */

static void write_browser(struct conn *conn, uint64_t now_ms)
{
	ssize_t n = send(conn->fd, conn->out.data, conn->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		conn->is_gone = true;
	if (n <= 0)
		return;
	strbuf_consume(&conn->out, (size_t)n);
	conn->deadline_ms = conn->out.len ? now_ms + PATIENCE_MS : 0;
	if (conn->is_paused && conn->out.len < OUT_MAX / 2 && conn->call) {
		conn->is_paused = false;
		client_relay_resume(conn->call);
	}
}

static void accept_one(struct server *server, uint64_t now_ms)
{
	int fd = vnc_listen_accept(&server->listen, "browser");
	struct conn *conn;

	if (fd < 0)
		return;
	conn = xnew(struct conn);
	conn->server = server;
	conn->fd = fd;
	conn->deadline_ms = now_ms + PATIENCE_MS;
	TAILQ_INSERT_TAIL(&server->conns, conn, link);
	server->count++;
}

static void conn_free(struct conn *conn)
{
	if (conn->call)
		client_relay_drop(conn->call);
	TAILQ_REMOVE(&conn->server->conns, conn, link);
	conn->server->count--;
	close(conn->fd);
	strbuf_fini(&conn->in);
	strbuf_fini(&conn->out);
	free(conn->head);
	free(conn);
}

static bool is_over(struct conn *conn, uint64_t now_ms)
{
	if (conn->out.len && conn->deadline_ms == 0)
		conn->deadline_ms = now_ms + PATIENCE_MS;
	return conn->is_gone || (conn->is_answered && conn->out.len == 0) ||
	       (conn->deadline_ms && now_ms >= conn->deadline_ms);
}

static void serve_conn(struct conn *conn, short happened, uint64_t now_ms)
{
	if (happened & (POLLIN | POLLHUP | POLLERR))
		read_browser(conn);
	if (conn->out.len && !conn->is_gone)
		write_browser(conn, now_ms);
	if (is_over(conn, now_ms))
		conn_free(conn);
}

static void turn(struct server *server)
{
	struct pollfd fds[CONNS_MAX + 1] = { { server->listen.fd, POLLIN, 0 } };
	struct conn *conns[CONNS_MAX], *conn;
	size_t count = 0;
	uint64_t now_ms;

	if (server->count == CONNS_MAX)
		fds[0].events = 0; /* they wait at the listener */
	TAILQ_FOREACH(conn, &server->conns, link)
	{
		conns[count++] = conn;
		fds[count] = (struct pollfd){ conn->fd, POLLIN, 0 };
		if (conn->out.len)
			fds[count].events |= POLLOUT;
	}
	client_relay_wait(server->relay, fds, count + 1, TURN_MS);
	now_ms = clock_monotonic_ms();
	for (size_t i = 0; i < count; i++)
		serve_conn(conns[i], fds[i + 1].revents, now_ms);
	if (fds[0].revents & POLLIN)
		accept_one(server, now_ms);
	if (server->count)
		server->used_ms = now_ms;
}

void web_serve(int fd, struct web_gate *gate, struct client *client, uint64_t idle_ms)
{
	struct server server = { .listen = { .fd = fd },
				 .gate = gate,
				 .relay = client_relay_new(client),
				 .used_ms = clock_monotonic_ms() };

	TAILQ_INIT(&server.conns);
	while (clock_monotonic_ms() - server.used_ms < idle_ms)
		turn(&server);
	for (struct conn *conn = TAILQ_FIRST(&server.conns), *next; conn; conn = next) {
		next = TAILQ_NEXT(conn, link);
		conn_free(conn);
	}
	client_relay_free(server.relay);
}
