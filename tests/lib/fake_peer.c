/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_peer.h"

#include <check.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "peer/client.h"
#include "trace.h"
#include "wire/peer_msg.h"

struct request {
	struct request *next; /* newest first */
	char host[ID_NAME_SIZE], verb[16], path[200];
	peer_reply_fn *fn;
	void *data;
	struct loop_timer *deadline;
	bool is_answered;
	struct json_object *reply;
	struct err err;
};

struct peer_clients {
	struct loop *loop;
	struct request *requests;
};

const struct transfer_features *fake_peer_features;
enum err_code fake_peer_hello_error;
uint64_t fake_peer_lets_come;
void (*fake_peer_before)(const char *verb, struct json_object *body);

static struct peer_clients *the_clients;

struct peer_clients *fake_peer_new(struct loop *loop)
{
	ck_assert_ptr_null(the_clients);
	the_clients = xnew(struct peer_clients);
	the_clients->loop = loop;
	return the_clients;
}

/* Takes the request out of the list first, because the callback may free the clients. */
static void finish(struct request *request)
{
	struct request **link = &the_clients->requests;

	while (*link != request)
		link = &(*link)->next;
	*link = request->next;
	request->fn(request->data, request->reply,
		    err_is_set(&request->err) ? &request->err : NULL);
	loop_timer_free(request->deadline);
	json_object_put(request->reply);
	free(request);
}

/* DATA is a request that may have been freed with its clients, so it is looked up first. */
static void deliver(void *data)
{
	struct request *request = the_clients ? the_clients->requests : NULL;

	while (request && request != data)
		request = request->next;
	if (request)
		finish(request);
}

static void answer(struct request *request)
{
	request->is_answered = true;
	loop_post(the_clients->loop, deliver, request);
}

void peer_clients_free(struct peer_clients *clients)
{
	ck_assert_ptr_eq(clients, the_clients);
	while (the_clients->requests) {
		struct request *request = the_clients->requests;

		err_set(&request->err, ERR_CANCELLED, "the coordinator ends");
		finish(request);
	}
	the_clients = NULL;
	free(clients);
}

/* HOST is NULL: any. */
static bool waits(const struct request *request, const char *host, const char *verb)
{
	return strcmp(request->verb, verb) == 0 && !request->is_answered &&
	       (!host || strcmp(request->host, host) == 0);
}

static struct request *oldest(const char *host, const char *verb)
{
	struct request *found = NULL;

	for (struct request *r = the_clients->requests; r; r = r->next) {
		if (waits(r, host, verb))
			found = r;
	}
	ck_assert_msg(found != NULL, "nobody asks '%s' of %s", verb, host ? host : "anybody");
	return found;
}

size_t fake_peer_pending_at(const char *host, const char *verb)
{
	size_t count = 0;

	for (const struct request *r = the_clients->requests; r; r = r->next)
		count += waits(r, host, verb);
	return count;
}

size_t fake_peer_pending(const char *verb)
{
	return fake_peer_pending_at(NULL, verb);
}

const char *fake_peer_path(const char *verb)
{
	return oldest(NULL, verb)->path;
}

void fake_peer_answer_at(const char *host, const char *verb, const char *json)
{
	struct request *request = oldest(host, verb);

	request->reply = json_tokener_parse(json);
	answer(request);
	loop_sim_run(the_clients->loop);
}

void fake_peer_answer(const char *verb, const char *json)
{
	fake_peer_answer_at(NULL, verb, json);
}

void fake_peer_fail(const char *verb, enum err_code code)
{
	CLEANUP(free_charp) char *words = xasprintf("the peer says %s", err_name(code));

	fake_peer_refuse(verb, code, words);
}

void fake_peer_refuse(const char *verb, enum err_code code, const char *words)
{
	struct request *request = oldest(NULL, verb);

	/* The text of peer/client.c, which names the host. */
	err_set(&request->err, code, "host b: %s", words);
	request->reply = json_object_new_object(); /* its problem document */
	json_add_str(request->reply, "detail", words);
	answer(request);
	loop_sim_run(the_clients->loop);
}

void fake_peer_is_none(const char *verb)
{
	struct request *request = oldest(NULL, verb);

	err_set(&request->err, ERR_NOT_FOUND, "no such peer is configured");
	answer(request);
	loop_sim_run(the_clients->loop);
}

static void on_deadline(void *data)
{
	struct request *request = data;

	if (request->is_answered)
		return;
	err_set(&request->err, ERR_TIMEOUT, "the peer did not answer");
	answer(request);
}

/* ---- peer/client.h --------------------------------------------------- */

const char *peer_clients_address(const struct peer_clients *clients, const char *id)
{
	(void)clients;
	return strlen(id) == 1 ? "192.0.2.1:8440" : NULL;
}

void peer_warm(struct peer_clients *clients, const char *id)
{
	(void)clients;
	(void)id;
}

static const char *verb_of(const char *method, const char *path)
{
	if (strncmp(path, "/peer/v1/vms", strlen("/peer/v1/vms")) == 0)
		return "vms";
	if (strncmp(path, "/peer/v1/capacity", strlen("/peer/v1/capacity")) == 0)
		return "capacity";
	return strcmp(method, "GET") == 0 ? "fate" : strrchr(path, '/') + 1;
}

static struct request *add(struct peer_clients *clients, const char *id, const char *verb,
			   uint32_t deadline_ms, peer_reply_fn *fn, void *data)
{
	struct request *request = xnew(struct request);

	snprintf(request->host, sizeof(request->host), "%s", id);
	snprintf(request->verb, sizeof(request->verb), "%s", verb);
	request->fn = fn;
	request->data = data;
	request->deadline = loop_timer_new(clients->loop, on_deadline, request);
	loop_timer_start(request->deadline, deadline_ms);
	request->next = clients->requests;
	clients->requests = request;
	return request;
}

void peer_request(struct peer_clients *clients, const char *id, const char *method,
		  const char *path, struct json_object *body, uint32_t deadline_ms,
		  peer_reply_fn *fn, void *data)
{
	const char *verb = verb_of(method, path);
	struct request *request = add(clients, id, verb, deadline_ms, fn, data);

	snprintf(request->path, sizeof(request->path), "%s", path);
	trace_add("peer %s%s", verb, json_get_bool(body, "run", false) ? " run" : "");
	if (fake_peer_before)
		fake_peer_before(verb, body);
	json_object_put(body);
}

void peer_hello(struct peer_clients *clients, const char *id, uint32_t deadline_ms,
		peer_reply_fn *fn, void *data)
{
	struct peer_hello_reply hello = { .protocol = 1,
					  .has_migration = fake_peer_features,
					  .has_let_come = fake_peer_lets_come > 0,
					  .let_come_bytes_per_s = fake_peer_lets_come };
	struct request *request = add(clients, id, "hello", deadline_ms, fn, data);

	if (fake_peer_features)
		hello.migration = *fake_peer_features;
	snprintf(hello.host, sizeof(hello.host), "%s", id);
	if (fake_peer_hello_error)
		err_set(&request->err, fake_peer_hello_error, "host b: the peer says %s",
			err_name(fake_peer_hello_error));
	else
		request->reply = json_encode(peer_hello_reply_fields, &hello);
	answer(request);
}
