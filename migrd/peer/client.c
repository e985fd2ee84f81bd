/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every request is in one list from peer_request() until its fn() was called.
 * fn() is called by deliver(), on a timer of no delay: so it never runs inside
 * peer_request() or inside libcurl, and may do what it likes.  peer_clients_free()
 * calls it too, for the requests that are left. */
#include "peer/client.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "peer/client_internal.h"
#include "wire/peer_msg.h"

#define HELLO_PATH "/peer/v1/hello"
/* Deadline of the first hello, doubled for each further one up to the maximum. A lost hello
 * holds up all requests that wait for it, perhaps for a guest that stands still, so it is
 * repeated soon. */
#define HELLO_FIRST_MS 1000
#define HELLO_MAX_MS   10000
/* Requests to one peer may run side by side: a request that waits must not hold up
 * the one that ends a blackout. */
#define CONNECTIONS_PER_PEER_MAX 8
#define IDLE_CONNECTIONS_MAX     256

static void submit(struct peer_request *req);

/* ---- peers ------------------------------------------------------------- */

static struct peer *find_peer(const struct peer_clients *clients, const char *id)
{
	struct peer *peer;

	TAILQ_FOREACH(peer, &clients->peers, link)
	if (!peer->is_removed && strcmp(peer->id, id) == 0)
		return peer;
	return NULL;
}

void peer_clients_set(struct peer_clients *clients, const char *id, const char *address)
{
	struct peer *peer = find_peer(clients, id);

	loop_assert_thread(clients->loop);
	if (!peer) {
		peer = xnew(struct peer);
		peer->id = xstrdup(id);
		TAILQ_INSERT_TAIL(&clients->peers, peer, link);
	} else if (strcmp(peer->address, address) == 0) {
		return;
	}
	free(peer->address);
	peer->address = xstrdup(address);
	if (peer->hello == HELLO_DONE)
		peer->hello = HELLO_NEEDED;
}

const char *peer_clients_address(const struct peer_clients *clients, const char *id)
{
	const struct peer *peer = find_peer(clients, id);

	return peer ? peer->address : NULL;
}

void peer_clients_remove(struct peer_clients *clients, const char *id)
{
	struct peer *peer = find_peer(clients, id);

	loop_assert_thread(clients->loop);
	if (peer)
		peer->is_removed = true;
}

const char *peer_clients_id(const struct peer_clients *clients, const char *id)
{
	const struct peer *peer = find_peer(clients, id);

	return peer ? peer->id : NULL;
}

bool peer_clients_figures(const struct peer_clients *clients, const char *id,
			  struct peer_figures *ret)
{
	const struct peer *peer = find_peer(clients, id);

	if (peer)
		*ret = peer->figures;
	return peer;
}

void peer_note_answer(struct peer *peer, int64_t date_s)
{
	struct peer_figures *figures = &peer->figures;

	figures->was_asked = figures->has_answered = true;
	figures->asked_ms = figures->answered_ms = clock_wall_ms();
	figures->has_clock = date_s >= 0;
	if (figures->has_clock)
		figures->clock_ahead_s = (double)date_s + 0.5 - (double)figures->answered_ms / 1000;
}

void peer_note_silence(struct peer *peer)
{
	peer->figures.was_asked = true;
	peer->figures.has_answered = false;
	peer->figures.asked_ms = clock_wall_ms();
}

void peer_clients_renew(struct peer_clients *clients)
{
	loop_assert_thread(clients->loop);
	clients->renewed_ms = loop_now_ms(clients->loop);
}

/* ---- the life of a request --------------------------------------------- */

void peer_fault_point(const struct peer_request *req, const char *stage, char *ret, size_t size)
{
	char name[32];

	peer_route_name(req->path, name, sizeof(name));
	snprintf(ret, size, "peer.%s.%s", stage, name);
}

static void on_deadline(void *data)
{
	struct peer_request *req = data;
	struct err err = { 0 };

	peer_transfer_stop(req);
	peer_note_silence(req->peer);
	err_set(&err, ERR_TIMEOUT, "host %s at %s: no answer to %s within %u ms", req->peer->id,
		req->peer->address, req->path, (unsigned)req->deadline_ms);
	peer_request_finish(req, NULL, &err, true);
}

static struct peer_request *request_new(struct peer_clients *clients, struct peer *peer,
					const char *method, const char *path, uint32_t deadline_ms)
{
	struct peer_request *req = xnew(struct peer_request);

	req->clients = clients;
	req->peer = peer;
	req->method = xstrdup(method);
	req->path = xstrdup(path);
	req->deadline_ms = deadline_ms;
	req->deadline = loop_timer_new(clients->loop, on_deadline, req);
	loop_timer_start(req->deadline, deadline_ms);
	TAILQ_INSERT_TAIL(&clients->requests, req, link);
	return req;
}

/* BODY is taken over. */
static void set_body(struct peer_request *req, struct json_object *body)
{
	if (!body)
		return;
	req->body = xstrdup(json_text(body, NULL));
	json_object_put(body);
}

static void request_free(struct peer_request *req)
{
	TAILQ_REMOVE(&req->clients->requests, req, link);
	peer_transfer_stop(req);
	loop_timer_free(req->deadline);
	json_object_put(req->reply);
	strbuf_fini(&req->answer);
	free(req->method);
	free(req->path);
	free(req->body);
	free(req);
}

/* ---- hello ------------------------------------------------------------- */

static void start(struct peer_request *req)
{
	struct err err = { 0 };

	req->state = REQUEST_RUNNING;
	if (!peer_transfer_start(req, &err))
		peer_request_finish(req, NULL, &err, false);
}

static struct json_object *hello_body(const struct peer_clients *clients)
{
	struct peer_hello hello = { .protocol = { PEER_PROTOCOL_MIN, PEER_PROTOCOL_MAX },
				    .software = PACKAGE_STRING };

	snprintf(hello.host, sizeof(hello.host), "%s", clients->host_id);
	return json_encode(peer_hello_fields, &hello);
}

static void ask_hello(struct peer_clients *clients, struct peer *peer)
{
	struct peer_request *req;

	if (peer->hello == HELLO_NEEDED)
		peer->hello = HELLO_ASKED;
	peer->hello_ms = peer->hello_ms ? peer->hello_ms * 2 : HELLO_FIRST_MS;
	if (peer->hello_ms > HELLO_MAX_MS)
		peer->hello_ms = HELLO_MAX_MS;
	req = request_new(clients, peer, "POST", HELLO_PATH, peer->hello_ms);
	req->is_hello = true;
	set_body(req, hello_body(clients));
	submit(req);
}

static bool read_hello(struct peer *peer, struct json_object *body, struct err *err)
{
	struct peer_hello_reply reply;

	if (!body)
		return err_set(err, ERR_PEER, "host %s: its hello is empty", peer->id);
	if (!peer_hello_reply_decode(body, &reply, err)) {
		err->code = ERR_PEER;
		return err_wrap(err, "host %s: its hello cannot be understood", peer->id);
	}
	if (reply.protocol < PEER_PROTOCOL_MIN || reply.protocol > PEER_PROTOCOL_MAX)
		return err_set(err, ERR_PROTOCOL,
			       "host %s: it chose protocol version %llu; this host speaks %d to %d",
			       peer->id, (unsigned long long)reply.protocol, PEER_PROTOCOL_MIN,
			       PEER_PROTOCOL_MAX);
	peer->version = (int)reply.protocol;
	return true;
}

static bool is_waited_for(const struct peer_clients *clients, const struct peer *peer)
{
	const struct peer_request *req;

	TAILQ_FOREACH(req, &clients->requests, link)
	if (req->peer == peer && req->state == REQUEST_WAITING)
		return true;
	return false;
}

/* Sends the requests that waited, or ends them with hello's error. If hello had no answer
 * and requests wait, it is asked again instead, as they have deadlines of their own. */
static void hello_ended(struct peer_request *hello, struct json_object *reply, struct err *err)
{
	struct peer_clients *clients = hello->clients;
	struct peer *peer = hello->peer;
	struct peer_request *req, *next;
	bool is_unheard = err->code == ERR_TIMEOUT && !reply;

	assert(peer); /* only known peers are asked */
	if (!err_is_set(err))
		read_hello(peer, reply, err);
	peer->hello = err_is_set(err) ? HELLO_NEEDED : HELLO_DONE;
	json_object_put(reply);
	request_free(hello);
	if (is_unheard && is_waited_for(clients, peer)) {
		ask_hello(clients, peer);
		return;
	}
	peer->hello_ms = 0;
	for (req = TAILQ_FIRST(&clients->requests); req; req = next) {
		next = TAILQ_NEXT(req, link);
		if (req->peer != peer || req->state != REQUEST_WAITING)
			continue;
		if (err_is_set(err))
			peer_request_finish(req, NULL, err, false);
		else
			start(req);
	}
}

/* ---- in and out -------------------------------------------------------- */

void peer_request_finish(struct peer_request *req, struct json_object *reply, const struct err *err,
			 bool is_broken)
{
	struct err copy = err ? *err : (struct err){ 0 };

	if (is_broken && req->peer && req->peer->hello == HELLO_DONE)
		req->peer->hello = HELLO_NEEDED;
	if (req->is_hello) {
		hello_ended(req, reply, &copy);
		return;
	}
	loop_timer_stop(req->deadline);
	req->state = REQUEST_DONE;
	req->reply = reply;
	req->err = copy;
	loop_timer_start(req->clients->deliver_timer, 0);
}

static struct peer_request *next_done(const struct peer_clients *clients)
{
	struct peer_request *req;

	TAILQ_FOREACH(req, &clients->requests, link)
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
	if (req->state == REQUEST_DONE)
		return req;
	return NULL;
}

static void call(struct peer_request *req)
{
	struct json_object *reply = TAKE_PTR(req->reply);
	struct err err = req->err;
	peer_reply_fn *fn = req->fn;
	void *data = req->data;

	request_free(req);
	if (fn)
		fn(data, reply, err_is_set(&err) ? &err : NULL);
	json_object_put(reply);
}

/* fn() may call peer_clients_free(): the memory is then freed here. */
static void deliver(void *data)
{
	struct peer_clients *clients = data;
	struct peer_request *req;

	clients->is_delivering = true;
	while (!clients->is_closing && (req = next_done(clients)))
		call(req);
	clients->is_delivering = false;
	if (clients->is_closing)
		free(clients);
}

static void submit(struct peer_request *req)
{
	enum fault_kind fault = FAULT_NONE;
	struct err err = { 0 };
	char point[64];

	peer_fault_point(req, "send", point, sizeof(point));
	if (req->clients->is_closing)
		err_set(&err, ERR_CANCELLED, "the daemon is stopping");
	else if (!req->peer)
		err_set(&err, ERR_NOT_FOUND, "no such peer is configured");
	else
		fault = fault_message(point, &err);
	if (err_is_set(&err)) {
		peer_request_finish(req, NULL, &err, false);
		return;
	}
	if (fault == FAULT_DROP) {
		req->state = REQUEST_LOST;
		return;
	}
	assert(req->peer);
	if (req->is_hello || req->peer->hello == HELLO_DONE) {
		start(req);
		return;
	}
	if (req->peer->hello == HELLO_NEEDED)
		ask_hello(req->clients, req->peer);
}

void peer_request(struct peer_clients *clients, const char *id, const char *method,
		  const char *path, struct json_object *body, uint32_t deadline_ms,
		  peer_reply_fn *fn, void *data)
{
	struct peer_request *req;

	loop_assert_thread(clients->loop);
	req = request_new(clients, find_peer(clients, id), method, path, deadline_ms);
	req->fn = fn;
	req->data = data;
	set_body(req, body);
	submit(req);
}

void peer_hello(struct peer_clients *clients, const char *id, uint32_t deadline_ms,
		peer_reply_fn *fn, void *data)
{
	peer_request(clients, id, "POST", HELLO_PATH, hello_body(clients), deadline_ms, fn, data);
}

/* If an earlier hello was agreed on, requests do not wait for this one. */
void peer_warm(struct peer_clients *clients, const char *id)
{
	struct peer *peer = find_peer(clients, id);

	loop_assert_thread(clients->loop);
	if (peer && peer->hello != HELLO_ASKED && !clients->is_closing)
		ask_hello(clients, peer);
}

/* ---- life -------------------------------------------------------------- */

struct peer_clients *peer_clients_new(struct loop *loop, const struct peer_config *config,
				      struct err *err)
{
	const struct multi_limits limits = { CONNECTIONS_PER_PEER_MAX, IDLE_CONNECTIONS_MAX };
	struct peer_clients *clients = xnew(struct peer_clients);

	loop_assert_thread(loop);
	clients->loop = loop;
	clients->host_id = xstrdup(config->host_id);
	clients->ca_file = xstrdup(config->ca_file);
	clients->cert_file = xstrdup(config->cert_file);
	clients->key_file = xstrdup(config->key_file);
	TAILQ_INIT(&clients->peers);
	TAILQ_INIT(&clients->requests);
	clients->deliver_timer = loop_timer_new(loop, deliver, clients);
	clients->multi = multi_new(loop, &limits, peer_transfer_ended, err);
	if (clients->multi)
		return clients;
	peer_clients_free(clients);
	return NULL;
}

static void cancel_all(struct peer_clients *clients)
{
	struct peer_request *req;

	while ((req = TAILQ_FIRST(&clients->requests))) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		if (req->is_hello) {
			request_free(req);
			continue;
		}
		if (req->state != REQUEST_DONE)
			err_set(&req->err, ERR_CANCELLED, "the daemon is stopping");
		call(req);
	}
}

static void free_peers(struct peer_clients *clients)
{
	struct peer *peer;

	while ((peer = TAILQ_FIRST(&clients->peers))) {
		TAILQ_REMOVE(&clients->peers, peer, link);
		free(peer->id);
		free(peer->address);
		free(peer);
	}
}

void peer_clients_free(struct peer_clients *clients)
{
	if (!clients)
		return;
	loop_assert_thread(clients->loop);
	clients->is_closing = true;
	cancel_all(clients);
	multi_free(clients->multi);
	loop_timer_free(clients->deliver_timer);
	free_peers(clients);
	free(clients->host_id);
	free(clients->ca_file);
	free(clients->cert_file);
	free(clients->key_file);
	if (!clients->is_delivering)
		free(clients);
}
