/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event stream.  libcurl pushes bytes; the caller pulls events, so that it can do
 * something else when none comes. */
#include <strings.h>

#include "agents/lib/client_priv.h"
#include "agents/lib/sse.h"
#include "base/clock.h"
#include "base/mem.h"

/* The server sends a comment every 15 s (http/http.h); after three missing ones it
 * counts as dead. */
#define SILENCE_S 45

struct queued_event {
	struct queued_event *next;
	char *type, *data, *id;
};

struct client_stream {
	struct client_exchange exchange;
	CURLM *multi;
	struct sse sse;
	struct queued_event *first, **last;
	struct queued_event *given; /* to the caller, until the next call */
	bool is_open;               /* the header block is complete */
	bool is_events;             /* ... and it was what we asked for */
	bool is_done;
	CURLcode result;
	struct curl_waitfd watched[CLIENT_STREAM_WATCHED_MAX];
	unsigned watched_count;
};

static void event_free(struct queued_event *event)
{
	if (!event)
		return;
	free(event->type);
	free(event->data);
	free(event->id);
	free(event);
}

static void queue_event(void *data, const struct sse_event *event)
{
	struct client_stream *stream = data;
	struct queued_event *queued = xnew(struct queued_event);

	queued->type = xstrdup(event->type);
	queued->data = xstrndup(event->data, event->data_len);
	queued->id = xstrdup(event->id);
	*stream->last = queued;
	stream->last = &queued->next;
}

/* ---- from libcurl -------------------------------------------------------------- */

static bool is_event_stream(CURL *curl)
{
	char *type = NULL;
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	return status == 200 && type && strncasecmp(type, "text/event-stream", 17) == 0;
}

static size_t take_header(char *line, size_t size, size_t count, void *data)
{
	struct client_stream *stream = data;
	long status = 0;

	curl_easy_getinfo(stream->exchange.curl, CURLINFO_RESPONSE_CODE, &status);
	/* An empty line ends the header block, unless the block is that of a 1xx answer. */
	if (status >= 200 && (line[0] == '\r' || line[0] == '\n')) {
		stream->is_open = true;
		stream->is_events = is_event_stream(stream->exchange.curl);
	}
	return size * count;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *data)
{
	struct client_stream *stream = data;
	struct client_exchange *exchange = &stream->exchange;
	size_t len = size * count;

	if (stream->is_events)
		return sse_feed(&stream->sse, bytes, len, &exchange->err) ? len : 0;
	if (len > CLIENT_REPLY_MAX_BYTES - exchange->body.len)
		return 0;
	strbuf_add(&exchange->body, bytes, len);
	return len;
}

/* ---- life ---------------------------------------------------------------------- */

void client_stream_free(struct client_stream *stream)
{
	if (!stream)
		return;
	if (stream->multi) {
		curl_multi_remove_handle(stream->multi, stream->exchange.curl);
		curl_multi_cleanup(stream->multi);
	}
	client_exchange_fini(&stream->exchange);
	sse_fini(&stream->sse);
	event_free(stream->given);
	while (stream->first) {
		struct queued_event *event = stream->first;

		stream->first = event->next;
		event_free(event);
	}
	free(stream);
}

static void stream_freep(struct client_stream **stream)
{
	client_stream_free(*stream);
}

static struct client_stream *stream_new(struct client *client, const char *path,
					const char *last_id)
{
	struct client_stream *stream = xnew(struct client_stream);
	CURL *curl;

	stream->last = &stream->first;
	sse_init(&stream->sse, queue_event, stream);
	client_exchange_init(&stream->exchange, client);
	curl = stream->exchange.curl;
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, stream);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, stream);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	client_exchange_header(&stream->exchange, "Accept", "text/event-stream");
	if (last_id)
		client_exchange_header(&stream->exchange, "Last-Event-ID", last_id);
	client_exchange_url(&stream->exchange, path);
	stream->multi = curl_multi_init();
	if (!stream->multi)
		abort();
	curl_multi_add_handle(stream->multi, curl);
	return stream;
}

/* ---- waiting ------------------------------------------------------------------- */

static void run_once(struct client_stream *stream)
{
	int running = 0, left;
	const CURLMsg *msg;

	curl_multi_perform(stream->multi, &running);
	while ((msg = curl_multi_info_read(stream->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		stream->is_done = true;
		stream->result = msg->data.result;
	}
}

typedef bool ready_fn(const struct client_stream *stream);

static bool is_open(const struct client_stream *stream)
{
	return stream->is_open && stream->is_events;
}

static bool has_event(const struct client_stream *stream)
{
	return stream->first != NULL;
}

void client_stream_watch(struct client_stream *stream, const int *fds, size_t count)
{
	stream->watched_count = 0;
	for (size_t i = 0; i < count && i < CLIENT_STREAM_WATCHED_MAX; i++)
		stream->watched[stream->watched_count++] =
			(struct curl_waitfd){ .fd = fds[i], .events = CURL_WAIT_POLLIN };
}

/* Waits for bytes or TIMEOUT_MS; true: one of the descriptors that are watched is readable. */
static bool wait_once(struct client_stream *stream, uint64_t timeout_ms)
{
	bool is_readable = false;

	for (unsigned i = 0; i < stream->watched_count; i++)
		stream->watched[i].revents = 0;
	curl_multi_poll(stream->multi, stream->watched, stream->watched_count, (int)timeout_ms,
			NULL);
	for (unsigned i = 0; i < stream->watched_count; i++)
		is_readable |= stream->watched[i].revents != 0;
	return is_readable;
}

/* Waits until READY, the end of the stream, TIMEOUT_MS, or something to read at a descriptor that
 * is watched. */
static bool wait_for(struct client_stream *stream, ready_fn *ready, uint32_t timeout_ms)
{
	uint64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	for (;;) {
		uint64_t now = clock_monotonic_ms();

		if (!stream->is_done)
			run_once(stream);
		if (ready(stream))
			return true;
		if (stream->is_done || now >= deadline_ms)
			return false;
		if (wait_once(stream, deadline_ms - now))
			return false;
	}
}

static bool why_ended(struct client_stream *stream, struct err *err)
{
	struct client_exchange *exchange = &stream->exchange;
	long status = 0;

	if (stream->result != CURLE_OK)
		return client_transport_err(exchange, stream->result, err);
	curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status >= 300)
		return client_problem_err(exchange->client, status, &exchange->body, err);
	if (!stream->is_events)
		return err_set(err, ERR_PROTOCOL, "%s: no event stream comes: is this migrd?",
			       exchange->client->address);
	return err_set(err, ERR_UNAVAILABLE, "%s: the event stream was ended",
		       exchange->client->address);
}

struct client_stream *client_stream_open(struct client *client, const char *path,
					 const char *last_id, struct err *err)
{
	CLEANUP(stream_freep) struct client_stream *stream = stream_new(client, path, last_id);

	if (wait_for(stream, is_open, CLIENT_CONNECT_TIMEOUT_MS))
		return TAKE_PTR(stream);
	if (stream->is_done)
		why_ended(stream, err);
	else
		err_set(err, ERR_TIMEOUT, "%s: no event stream after %d s", client->address,
			CLIENT_CONNECT_TIMEOUT_MS / 1000);
	return NULL;
}

enum client_wait client_stream_next(struct client_stream *stream, uint32_t timeout_ms,
				    struct client_event *ret_event, struct err *err)
{
	struct queued_event *event;

	event_free(stream->given);
	stream->given = NULL;
	if (!wait_for(stream, has_event, timeout_ms)) {
		if (!stream->is_done)
			return CLIENT_SILENCE;
		why_ended(stream, err);
		return CLIENT_BROKEN;
	}
	event = stream->first;
	stream->first = event->next;
	if (!stream->first)
		stream->last = &stream->first;
	stream->given = event;
	*ret_event = (struct client_event){ event->type, event->data, event->id };
	return CLIENT_EVENT;
}
