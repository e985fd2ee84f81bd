/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Server-sent events: the loop writes into a buffer, the library's thread reads
 * from it and suspends the connection while there is nothing.
 *
 * A stream has two holders, its owner on the loop and the library's exchange;
 * the last to leave frees it. */
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"

/* The library never asks for more at a time than its own buffer holds. */
#define READ_BLOCK_BYTES 4096

static void stream_free(struct http_stream *stream)
{
	strbuf_fini(&stream->out);
	free(stream);
}

/* ---- the library's side ------------------------------------------------ */

static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct http_stream *stream = cls;
	struct http_server *server = stream->server;
	ssize_t result = 0;

	(void)pos;
	pthread_mutex_lock(&server->lock);
	if (stream->out.len) {
		size_t n = stream->out.len < max ? stream->out.len : max;

		memcpy(buf, stream->out.data, n);
		strbuf_consume(&stream->out, n);
		result = (ssize_t)n;
	} else if (stream->is_ended) {
		result = MHD_CONTENT_READER_END_OF_STREAM;
	} else {
		stream->is_suspended = true;
		MHD_suspend_connection(stream->connection);
	}
	pthread_mutex_unlock(&server->lock);
	return result;
}

void http_stream_client_gone(struct http_stream *stream)
{
	struct http_server *server = stream->server;

	pthread_mutex_lock(&server->lock);
	TAILQ_REMOVE(&server->streams, stream, link);
	stream->is_client_gone = true;
	TAILQ_INSERT_TAIL(&server->gone_streams, stream, link);
	pthread_mutex_unlock(&server->lock);
	http_wake(server);
}

/* ---- the loop's side --------------------------------------------------- */

/* The lock is held. */
static void resume(struct http_stream *stream)
{
	if (!stream->is_suspended)
		return;
	stream->is_suspended = false;
	MHD_resume_connection(stream->connection);
}

/* The client reads too slowly. Shuts the socket down, so that a library thread that
 * is stuck in sending to it sees the end. The lock is held. */
static void cut(struct http_stream *stream)
{
	if (noise_note(stream->server->noise[HTTP_NOISE_STREAM_SLOW], stream->conn->name,
		       "too slow"))
		log_info("http", "stream-too-slow", "address=%s caller=%s", stream->conn->address,
			 stream->conn->name);
	stream->is_ended = true;
	strbuf_clear(&stream->out);
	shutdown(stream->conn->fd, SHUT_RDWR);
	resume(stream);
}

/* The lock is held. */
static void append(struct http_stream *stream, const char *text, size_t len)
{
	if (stream->is_client_gone || stream->is_ended)
		return;
	if (stream->out.len + len > HTTP_STREAM_BUFFER_MAX) {
		cut(stream);
		return;
	}
	strbuf_add(&stream->out, text, len);
	resume(stream);
}

static struct MHD_Response *stream_response(struct http_stream *stream)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, READ_BLOCK_BYTES, read_stream,
						  stream, NULL);

	if (!response)
		abort(); /* out of memory */
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	return response;
}

static struct http_stream *stream_new(struct http_request *req, loop_fn *closed, void *data)
{
	struct http_stream *stream = xnew(struct http_stream);

	stream->server = req->server;
	stream->closed = closed;
	stream->data = data;
	stream->connection = req->exchange->connection;
	stream->conn = req->exchange->conn;
	strbuf_adds(&stream->out, ":\n\n"); /* so that the header goes out now */
	return stream;
}

struct http_stream *http_stream_begin(struct http_request *req, loop_fn *closed, void *data)
{
	struct http_server *server = req->server;
	struct http_stream *stream;

	if (!server) {
		http_request_free(req);
		return NULL;
	}
	stream = stream_new(req, closed, data);
	pthread_mutex_lock(&server->lock);
	TAILQ_INSERT_TAIL(&server->streams, stream, link);
	http_judge_new(stream->conn);
	pthread_mutex_unlock(&server->lock);
	if (!loop_timer_is_active(server->heartbeat))
		loop_timer_start(server->heartbeat, server->heartbeat_ms);
	http_answer(req, MHD_HTTP_OK, (struct http_content){ .response = stream_response(stream) },
		    stream);
	return stream;
}

static void format_event(struct strbuf *out, const char *id, const char *type, const char *json)
{
	if (id)
		strbuf_addf(out, "id: %s\n", id);
	if (type)
		strbuf_addf(out, "event: %s\n", type);
	while (*json) {
		size_t len = strcspn(json, "\n");

		strbuf_adds(out, "data: ");
		strbuf_add(out, json, len);
		strbuf_adds(out, "\n");
		json += len;
		json += *json == '\n';
	}
	strbuf_adds(out, "\n");
}

void http_stream_event(struct http_stream *stream, const char *id, const char *type,
		       const char *json)
{
	struct http_server *server = stream->server;
	struct strbuf text = STRBUF_INIT;

	loop_assert_thread(server->loop);
	format_event(&text, id, type, json);
	pthread_mutex_lock(&server->lock);
	append(stream, text.data, text.len);
	pthread_mutex_unlock(&server->lock);
	strbuf_fini(&text);
}

static struct http_stream *next_gone(struct http_server *server)
{
	struct http_stream *stream;

	pthread_mutex_lock(&server->lock);
	stream = TAILQ_FIRST(&server->gone_streams);
	if (stream)
		TAILQ_REMOVE(&server->gone_streams, stream, link);
	pthread_mutex_unlock(&server->lock);
	return stream;
}

void http_streams_report_gone(struct http_server *server)
{
	struct http_stream *stream;

	while ((stream = next_gone(server))) {
		if (stream->closed)
			stream->closed(stream->data);
		stream_free(stream);
	}
}

void http_streams_end_all(struct http_server *server)
{
	struct http_stream *stream;

	TAILQ_FOREACH(stream, &server->streams, link)
	{
		stream->is_ended = true;
		resume(stream);
	}
}

/* A client that only listens makes no further request, at which its certificate would be
 * checked; so it is checked here. */
static void end_if_expired(struct http_stream *stream)
{
	if (stream->conn->is_local || clock_wall_s() <= stream->conn->ends_s)
		return;
	stream->is_ended = true;
	resume(stream);
}

/* Writes a comment, which clients ignore, to find the clients that are gone. */
void http_heartbeat_run(void *data)
{
	struct http_server *server = data;
	struct http_stream *stream;
	bool is_any = http_websockets_heartbeat(server);

	pthread_mutex_lock(&server->lock);
	TAILQ_FOREACH(stream, &server->streams, link)
	{
		append(stream, ":\n\n", 3);
		end_if_expired(stream);
	}
	is_any |= !TAILQ_EMPTY(&server->streams);
	pthread_mutex_unlock(&server->lock);
	if (is_any)
		loop_timer_start(server->heartbeat, server->heartbeat_ms);
}
