/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qga/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "qga/codec.h"

/* How many bytes of a guest are read in a turn of the loop, and in a second; the rest is left
 * in the socket.  The burst has room for the longest answer that there can be. */
#define READ_BYTES  16384
#define BURST_BYTES ((uint64_t)2 * QGA_LINE_MAX_BYTES)
#define BYTES_PER_S (1u << 20)
#define REST_MS     10

enum phase {
	PHASE_WAITING, /* for the requests before it */
	PHASE_SYNC,    /* guest-sync-delimited is sent; what comes now is old */
	PHASE_MARKED,  /* the mark came: the next line may be its answer */
	PHASE_SENT,    /* the command is sent; the next line is its answer */
};

struct exchange {
	struct exchange *next;
	struct qga_conn *conn;
	struct qga_request request;
	enum phase phase;
	struct loop_timer *deadline;
};

struct qga_conn {
	struct loop *loop;
	struct qga_callbacks cb;
	int fd;
	struct loop_watch *watch;
	struct loop_timer *tell; /* calls heard() and closed(), outside of any call */
	struct loop_timer *rest; /* while it runs, nothing is read */
	uint64_t tokens;         /* bytes that may be read */
	uint64_t counted_ms;     /* tokens were given up to this time */
	bool is_heard, is_closed;
	struct qga_codec codec;
	struct strbuf out;
	struct exchange *first; /* the one under way */
	unsigned count;
	int64_t sync_id; /* of the exchange under way */
};

/* ---- answers ----------------------------------------------------------- */

struct answer {
	qga_reply_fn *fn;
	void *data;
	struct json_object *result;
	bool is_error;
	struct err err;
};

static void give_answer(void *data)
{
	struct answer *answer = data;

	answer->fn(answer->data, answer->result, answer->is_error ? &answer->err : NULL);
	json_object_put(answer->result);
	free(answer);
}

/* RESULT is borrowed.  The callback may do anything, so it is posted: nothing of
 * ours is on the stack when it runs. */
static void post_answer(struct loop *loop, const struct qga_request *request,
			struct json_object *result, const struct err *err)
{
	struct answer *answer = xnew(struct answer);

	*answer = (struct answer){ .fn = request->fn,
				   .data = request->data,
				   .result = json_object_get(result),
				   .is_error = err != NULL };
	if (err)
		answer->err = *err;
	loop_post(loop, give_answer, answer);
}

static void begin_next(struct qga_conn *conn);

static void unlink_exchange(struct exchange *exchange)
{
	struct exchange **link = &exchange->conn->first;

	while (*link != exchange)
		link = &(*link)->next;
	*link = exchange->next;
	exchange->conn->count--;
}

/* Answers with RESULT or ERR, or neither: a silent command has succeeded. */
static void end_exchange(struct exchange *exchange, struct json_object *result,
			 const struct err *err)
{
	struct qga_conn *conn = exchange->conn;

	unlink_exchange(exchange);
	post_answer(conn->loop, &exchange->request, result, err);
	json_object_put(exchange->request.args);
	loop_timer_free(exchange->deadline);
	free(exchange);
	if (!conn->is_closed)
		begin_next(conn);
}

/* True: a silent command was sent, so that no answer means success. */
static bool is_done_by_silence(const struct exchange *exchange)
{
	return exchange->request.is_silent && exchange->phase == PHASE_SENT;
}

static void on_deadline(void *data)
{
	struct exchange *exchange = data;
	const struct exchange *first = exchange->conn->first;
	uint32_t ms = exchange->request.deadline_ms;
	struct err err;

	if (is_done_by_silence(exchange)) {
		end_exchange(exchange, NULL, NULL);
		return;
	}
	switch (exchange->phase) {
	case PHASE_WAITING:
		err_set(&err, ERR_TIMEOUT, "the guest agent was busy with '%s' for %u ms",
			first->request.command, ms);
		break;
	case PHASE_SYNC:
	case PHASE_MARKED:
		err_set(&err, ERR_TIMEOUT, "the guest agent did not answer within %u ms", ms);
		break;
	case PHASE_SENT:
		err_set(&err, ERR_TIMEOUT,
			"the guest agent has not answered '%s' within %u ms; it may still do it",
			exchange->request.command, ms);
		break;
	}
	end_exchange(exchange, NULL, &err);
}

static void end_all(struct qga_conn *conn, const char *why)
{
	struct exchange *exchange = conn->first, *next;
	struct err err;

	for (; exchange; exchange = next) {
		next = exchange->next;
		err_set(&err, ERR_UNAVAILABLE, "%s%s", why,
			exchange->phase == PHASE_SENT ? "; what was asked of it may be done" : "");
		end_exchange(exchange, NULL, is_done_by_silence(exchange) ? NULL : &err);
	}
}

/* ---- sending ----------------------------------------------------------- */

static void watch(struct qga_conn *conn)
{
	unsigned events = loop_timer_is_active(conn->rest) ? 0 : LOOP_READ;

	loop_watch_set(conn->watch, conn->out.len > 0 ? events | LOOP_WRITE : events);
}

/* A failed write drops the output; the error shows at the next read. */
static void flush(struct qga_conn *conn)
{
	while (conn->out.len > 0) {
		ssize_t n = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL);

		if (n >= 0)
			strbuf_consume(&conn->out, (size_t)n);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			strbuf_clear(&conn->out);
	}
	watch(conn);
}

static void send_command(struct qga_conn *conn, const char *name, struct json_object *args)
{
	CLEANUP(free_charp) char *line = qga_codec_command(name, args);

	strbuf_adds(&conn->out, line);
	flush(conn);
	json_object_put(args);
}

/* What is left in `out' belongs to an exchange that has ended, and is dropped.  If
 * half of it was sent, that does no harm: the mark makes the agent forget it
 * (qga/main.c takes it for an error in the JSON, says so, and begins anew). */
static void begin_next(struct qga_conn *conn)
{
	struct exchange *exchange = conn->first;
	struct json_object *args;

	if (!exchange || exchange->phase != PHASE_WAITING)
		return;
	exchange->phase = PHASE_SYNC;
	args = json_object_new_object();
	json_add_int(args, "id", ++conn->sync_id);
	strbuf_clear(&conn->out);
	strbuf_add(&conn->out, "\xff", 1);
	send_command(conn, "guest-sync-delimited", args);
}

void qga_conn_request(struct qga_conn *conn, const struct qga_request *request)
{
	struct exchange **link = &conn->first, *exchange;
	struct err err;

	loop_assert_thread(conn->loop);
	if (conn->is_closed || conn->count == QGA_WAITING_MAX) {
		if (conn->is_closed)
			err_set(&err, ERR_UNAVAILABLE, "the guest agent's channel is closed");
		else
			err_set(&err, ERR_LIMIT, "%u requests wait for the guest agent already",
				conn->count);
		post_answer(conn->loop, request, NULL, &err);
		return;
	}
	exchange = xnew(struct exchange);
	exchange->conn = conn;
	exchange->request = *request;
	json_object_get(exchange->request.args);
	exchange->deadline = loop_timer_new(conn->loop, on_deadline, exchange);
	loop_timer_start(exchange->deadline, request->deadline_ms);
	while (*link)
		link = &(*link)->next;
	*link = exchange;
	conn->count++;
	begin_next(conn);
}

/* ---- receiving --------------------------------------------------------- */

static void tell_heard(struct qga_conn *conn)
{
	conn->is_heard = true;
	loop_timer_start(conn->tell, 0);
}

static bool is_our_sync(const struct qga_conn *conn, struct json_object *message)
{
	return json_get_int(message, "return", -1) == conn->sync_id;
}

static void take_answer(struct exchange *exchange, struct json_object *message)
{
	struct json_object *result, *error = json_get_obj(message, "error");
	const char *text = error ? json_get_str(error, "desc") : NULL;
	struct err err;

	if (json_object_object_get_ex(message, "return", &result)) {
		end_exchange(exchange, result, NULL);
		return;
	}
	if (error)
		err_set(&err, ERR_AGENT, "the guest agent refused '%s': %s",
			exchange->request.command, text ? text : "it gave no reason");
	else
		err_set(&err, ERR_AGENT, "the guest agent's answer to '%s' is none",
			exchange->request.command);
	end_exchange(exchange, NULL, &err);
}

static void take_message(struct qga_conn *conn, struct json_object *message)
{
	struct exchange *exchange = conn->first;

	if (exchange && exchange->phase == PHASE_SENT) {
		take_answer(exchange, message);
	} else if (exchange && exchange->phase == PHASE_MARKED && is_our_sync(conn, message)) {
		exchange->phase = PHASE_SENT;
		send_command(conn, exchange->request.command,
			     exchange->request.make_args ? exchange->request.make_args()
							 : json_object_get(exchange->request.args));
	} else {
		if (exchange)
			exchange->phase = PHASE_SYNC;
		tell_heard(conn);
	}
}

static void take_garbage(struct qga_conn *conn, const struct err *why)
{
	struct exchange *exchange = conn->first;
	struct err err;

	if (exchange && exchange->phase == PHASE_SENT) {
		err_set(&err, ERR_AGENT, "the guest agent's answer to '%s' is wrong: %s",
			exchange->request.command, why->msg);
		end_exchange(exchange, NULL, &err);
		return;
	}
	if (exchange)
		exchange->phase = PHASE_SYNC;
	tell_heard(conn);
}

static void process(struct qga_conn *conn)
{
	struct json_object *message;
	struct err err;

	for (;;) {
		switch (qga_codec_next(&conn->codec, &message, &err)) {
		case QGA_MORE:
			return;
		case QGA_MARK:
			if (conn->first && conn->first->phase == PHASE_SYNC)
				conn->first->phase = PHASE_MARKED;
			break;
		case QGA_MESSAGE:
			take_message(conn, message);
			json_object_put(message);
			break;
		case QGA_GARBAGE:
			take_garbage(conn, &err);
			break;
		}
	}
}

static void conn_close(struct qga_conn *conn)
{
	conn->is_closed = true;
	loop_watch_free(TAKE_PTR(conn->watch));
	close(TAKE_FD(conn->fd));
	end_all(conn, "the guest agent's channel was closed");
	loop_timer_start(conn->tell, 0);
}

static void refill(struct qga_conn *conn)
{
	uint64_t now_ms = loop_now_ms(conn->loop);

	conn->tokens += (now_ms - conn->counted_ms) * BYTES_PER_S / 1000;
	if (conn->tokens > BURST_BYTES)
		conn->tokens = BURST_BYTES;
	conn->counted_ms = now_ms;
}

static void on_rested(void *data)
{
	struct qga_conn *conn = data;

	if (!conn->is_closed)
		watch(conn);
}

static void count(struct qga_conn *conn, size_t bytes)
{
	refill(conn);
	conn->tokens -= bytes < conn->tokens ? bytes : conn->tokens;
	if (conn->tokens >= READ_BYTES)
		return;
	loop_timer_start(conn->rest, REST_MS);
	watch(conn);
}

/* Reads once a call, so that a flood leaves the loop to others. */
static void on_io(void *data, unsigned ready)
{
	struct qga_conn *conn = data;
	char buf[READ_BYTES];
	ssize_t n;

	if (ready & LOOP_WRITE)
		flush(conn);
	if (!(ready & LOOP_READ))
		return;
	n = recv(conn->fd, buf, sizeof(buf), 0);
	if (n > 0) {
		count(conn, (size_t)n);
		qga_codec_feed(&conn->codec, buf, (size_t)n);
		process(conn);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		conn_close(conn);
	}
}

static void on_tell(void *data)
{
	struct qga_conn *conn = data;
	bool is_heard = conn->is_heard;

	conn->is_heard = false;
	if (conn->is_closed)
		conn->cb.closed(conn->cb.data); /* may free it */
	else if (is_heard)
		conn->cb.heard(conn->cb.data);
}

/* ---- life cycle -------------------------------------------------------- */

struct qga_conn *qga_conn_open(struct loop *loop, const char *path, const struct qga_callbacks *cb,
			       struct err *err)
{
	struct qga_conn *conn;
	int fd;

	loop_assert_thread(loop);
	if (!unix_connect(path, SOCK_STREAM, &fd, err))
		return NULL;
	conn = xnew(struct qga_conn);
	conn->loop = loop;
	conn->cb = *cb;
	conn->fd = fd;
	conn->watch = loop_watch_new(loop, fd, on_io, conn);
	conn->tell = loop_timer_new(loop, on_tell, conn);
	conn->rest = loop_timer_new(loop, on_rested, conn);
	conn->tokens = BURST_BYTES;
	conn->counted_ms = loop_now_ms(loop);
	/* The wall clock, so that the ids differ from those of an earlier run of migrd. */
	conn->sync_id = clock_wall_ms();
	qga_codec_init(&conn->codec, QGA_LINE_MAX_BYTES);
	loop_watch_set(conn->watch, LOOP_READ);
	return conn;
}

void qga_conn_free(struct qga_conn *conn)
{
	if (!conn)
		return;
	loop_assert_thread(conn->loop);
	if (!conn->is_closed)
		conn_close(conn);
	loop_timer_free(conn->tell);
	loop_timer_free(conn->rest);
	qga_codec_fini(&conn->codec);
	strbuf_fini(&conn->out);
	free(conn);
}
