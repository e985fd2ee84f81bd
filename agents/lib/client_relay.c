/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/client_relay.h"

#include <string.h>
#include <strings.h>

#include "agents/lib/client_priv.h"
#include "base/mem.h"

#define FDS_MAX 128 /* in one wait */
/* An event stream has a comment every 15 s (http/http.h), other answers may take two minutes. */
#define SILENCE_S 150
/* Of an answer's header; a migrd has some 500 bytes. */
#define HEADERS_MAX 16384

struct client_relay {
	struct client *client;
	CURLM *multi;
};

struct client_relay_call {
	struct client_exchange exchange;
	struct client_relay *relay;
	const struct client_relay_sink *sink;
	void *data;
	char *body;
	struct strbuf headers;
	bool has_head, has_length;
};

/* ---- from libcurl ----------------------------------------------------------- */

static bool is_named(const char *line, const char *name)
{
	return strncasecmp(line, name, strlen(name)) == 0;
}

static bool is_for_connection(const char *line)
{
	static const char *const names[] = { "Connection:", "Keep-Alive:", "Transfer-Encoding:",
					     "Upgrade:",    "Trailer:",    "HTTP/" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is_named(line, names[i]))
			return true;
	return false;
}

/* An empty line ends the header, unless it is that of a 1xx answer. */
static size_t take_header(char *line, size_t size, size_t count, void *data)
{
	struct client_relay_call *call = data;
	size_t len = size * count;
	long status = 0;

	curl_easy_getinfo(call->exchange.curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || call->has_head)
		return len;
	if (line[0] == '\r' || line[0] == '\n') {
		call->has_head = true;
		call->sink->head(call->data, (unsigned)status, strbuf_str(&call->headers),
				 call->has_length);
		return len;
	}
	if (call->headers.len + len > HEADERS_MAX)
		return 0;
	call->has_length |= is_named(line, "Content-Length:");
	if (!is_for_connection(line))
		strbuf_add(&call->headers, line, len);
	return len;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *data)
{
	struct client_relay_call *call = data;
	size_t len = size * count;

	return call->sink->body(call->data, bytes, len) ? len : CURL_WRITEFUNC_PAUSE;
}

/* ---- calls ------------------------------------------------------------------ */

static void set_request(struct client_relay_call *call, const struct client_relay_request *request)
{
	struct client_exchange *exchange = &call->exchange;
	CURL *curl = exchange->curl;

	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->body_len) {
		call->body = xcalloc(1, request->body_len);
		memcpy(call->body, request->body, request->body_len);
	}
	if (strcmp(request->method, "GET") != 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body ? call->body : "");
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	}
	client_exchange_header(exchange, "Accept", NULL);
	client_exchange_header(exchange, "Content-Type", NULL);
	for (const char *const *line = request->headers; line && *line; line++) {
		exchange->headers = curl_slist_append(exchange->headers, *line);
		if (!exchange->headers)
			abort(); /* out of memory */
	}
	client_exchange_url(exchange, request->path);
}

struct client_relay_call *client_relay_begin(struct client_relay *relay,
					     const struct client_relay_request *request,
					     const struct client_relay_sink *sink, void *data)
{
	struct client_relay_call *call = xnew(struct client_relay_call);
	CURL *curl;

	call->relay = relay;
	call->sink = sink;
	call->data = data;
	client_exchange_init(&call->exchange, relay->client);
	curl = call->exchange.curl;
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, call);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	set_request(call, request);
	curl_multi_add_handle(relay->multi, curl);
	return call;
}

void client_relay_resume(struct client_relay_call *call)
{
	curl_easy_pause(call->exchange.curl, CURLPAUSE_CONT);
}

void client_relay_drop(struct client_relay_call *call)
{
	curl_multi_remove_handle(call->relay->multi, call->exchange.curl);
	client_exchange_fini(&call->exchange);
	strbuf_fini(&call->headers);
	free(call->body);
	free(call);
}

static void end(struct client_relay_call *call, CURLcode code)
{
	const struct client_relay_sink *sink = call->sink;
	void *data = call->data;
	struct err err = { 0 };

	if (code != CURLE_OK)
		client_transport_err(&call->exchange, code, &err);
	client_relay_drop(call);
	sink->end(data, code == CURLE_OK ? NULL : &err);
}

/* ---- all of them ------------------------------------------------------------ */

struct client_relay *client_relay_new(struct client *client)
{
	struct client_relay *relay = xnew(struct client_relay);

	relay->client = client;
	relay->multi = curl_multi_init();
	if (!relay->multi)
		abort(); /* out of memory */
	return relay;
}

void client_relay_free(struct client_relay *relay)
{
	if (!relay)
		return;
	curl_multi_cleanup(relay->multi);
	free(relay);
}

static void end_done(struct client_relay *relay)
{
	const CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(relay->multi, &left))) {
		CURLcode code = msg->data.result;
		char *call = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
		end((struct client_relay_call *)(void *)call, code);
	}
}

void client_relay_wait(struct client_relay *relay, struct pollfd *fds, size_t count, int timeout_ms)
{
	struct curl_waitfd wanted[FDS_MAX];
	int running = 0, happened = 0;

	for (size_t i = 0; i < count && i < FDS_MAX; i++)
		wanted[i] = (struct curl_waitfd){
			.fd = fds[i].fd,
			.events = (short)((fds[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
					  (fds[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)),
		};
	curl_multi_perform(relay->multi, &running);
	end_done(relay);
	curl_multi_poll(relay->multi, wanted, (unsigned)(count < FDS_MAX ? count : FDS_MAX),
			timeout_ms, &happened);
	curl_multi_perform(relay->multi, &running);
	/* libcurl does not tell of an end that was closed. */
	poll(fds, (nfds_t)count, 0);
	end_done(relay);
}
