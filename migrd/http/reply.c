/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers, and what handlers may ask of a request. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"
#include "http/object.h"

#define TYPE_JSON    "application/json"
#define TYPE_PROBLEM "application/problem+json"

/* ---- documents --------------------------------------------------------- */

/* TEXT is taken over. */
static struct http_content content_of(const char *type, char *text, size_t len)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);

	if (!response)
		abort(); /* out of memory */
	if (type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	return (struct http_content){ .response = response, .bytes = len, .text = text };
}

static struct http_content content_text(const char *type, const char *text, size_t len)
{
	return content_of(type, len ? xstrndup(text, len) : NULL, len);
}

void http_content_empty(struct http_content *content)
{
	MHD_destroy_response(content->response);
	content->response = content_text(NULL, NULL, 0).response;
	content->bytes = 0;
	content->text = NULL;
}

/* A problem that may be gone later says when to try again (RFC 9110, section 10.2.3). */
static struct http_content content_of_problem(struct json_object *obj, const char *text, size_t len)
{
	struct http_content content = content_text(TYPE_PROBLEM, text, len);
	const char *code = json_get_str(obj, "code");
	unsigned seconds = code ? err_retry_s(err_from_name(code)) : 0;
	char value[16];

	snprintf(value, sizeof(value), "%u", seconds);
	if (seconds)
		MHD_add_response_header(content.response, MHD_HTTP_HEADER_RETRY_AFTER, value);
	return content;
}

/* OBJ, of which TEXT is the text, is borrowed; NULL: no body. */
static struct http_content content_json(unsigned status, struct json_object *obj, const char *text,
					size_t len)
{
	if (!obj)
		return content_text(NULL, NULL, 0);
	return status >= 400 ? content_of_problem(obj, text, len)
			     : content_text(TYPE_JSON, text, len);
}

static struct problem problem_of(unsigned status, const struct err *err)
{
	return (struct problem){
		.type = "about:blank",
		.title = MHD_get_reason_phrase_for(status),
		.status = (int64_t)status,
		.detail = err->msg,
		.code = err_name(err->code),
		.retry = err_retry_s(err->code) > 0,
	};
}

struct problem http_problem(const struct err *err)
{
	return problem_of((unsigned)err_http_status(err->code), err);
}

struct http_content http_content_problem(unsigned status, const struct err *err,
					 const struct faults *faults)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct http_content content;
	struct problem problem;
	const char *text;
	size_t len;

	if (status == 0)
		status = (unsigned)err_http_status(err->code);
	problem = problem_of(status, err);
	if (faults) {
		problem.errors = faults->list;
		problem.error_count = faults->count < FAULT_MAX ? faults->count : FAULT_MAX;
	}
	obj = json_encode(problem_fields, &problem);
	text = json_text(obj, &len);
	content = content_json(status, obj, text, len);
	/* RFC 9110 section 15.5.22 requires this header; the protocol in it is our own. */
	if (status == MHD_HTTP_UPGRADE_REQUIRED)
		MHD_add_response_header(content.response, MHD_HTTP_HEADER_UPGRADE, "migrd-peer");
	return content;
}

/* ---- letting go -------------------------------------------------------- */

void http_request_free(struct http_request *req)
{
	json_object_put(req->body);
	http_pairs_clear(&req->params);
	http_pairs_clear(&req->query);
	http_pairs_clear(&req->headers);
	free(req->method);
	free(req->path);
	free(req->raw_query);
	free(req);
}

void http_gone_free(struct http_server *server)
{
	struct http_request *req;

	loop_timer_stop(server->gone_later);
	while ((req = TAILQ_FIRST(&server->gone))) {
		TAILQ_REMOVE(&server->gone, req, link);
		http_request_free(req);
	}
}

/* Who answers REQ may still read it, also by accident. */
static void free_later(struct http_request *req)
{
	struct http_server *server = req->server;

	req->is_answered = true;
	TAILQ_INSERT_TAIL(&server->gone, req, link);
	if (!loop_timer_is_active(server->gone_later))
		loop_timer_start(server->gone_later, 0);
}

/* The lock is held.  A refused request may be given another answer than it had. */
static void give_to_exchange(struct http_request *req, unsigned status, struct http_content content,
			     struct http_stream *stream)
{
	struct http_exchange *ex = req->exchange;

	assert(ex); /* it has not been answered yet */
	if (ex->content.response)
		MHD_destroy_response(ex->content.response);
	ex->status = status;
	ex->content = content;
	ex->stream = stream;
	http_inbox_charge(&req->server->inbox, req->class, content.bytes + req->charged);
}

/* The lock is held, or not: it is better not, as the library's thread wakes and wants it. */
static void resume(struct http_request *req)
{
	struct http_exchange *ex = TAKE_PTR(req->exchange);

	assert(ex);
	MHD_resume_connection(ex->connection);
}

static void send_answers(struct http_server *server)
{
	struct http_request *req;

	pthread_mutex_lock(&server->lock);
	for (req = TAILQ_FIRST(&server->answered); req; req = TAILQ_NEXT(req, link))
		give_to_exchange(req, req->noted_status, req->noted, req->stream);
	pthread_mutex_unlock(&server->lock);
	while ((req = TAILQ_FIRST(&server->answered))) {
		TAILQ_REMOVE(&server->answered, req, link);
		resume(req);
		free_later(req);
	}
}

void http_send_answers(struct http_server *server)
{
	send_answers(server);
	http_gone_free(server);
}

static void let_go(struct http_request *req, unsigned status, struct http_content content,
		   struct http_stream *stream)
{
	struct http_server *server = req->server;

	req->noted = content;
	req->noted_status = status;
	req->stream = stream;
	req->is_answered = true;
	pthread_mutex_lock(&server->lock);
	TAILQ_REMOVE(&server->held, req, link);
	pthread_mutex_unlock(&server->lock);
	TAILQ_INSERT_TAIL(&server->answered, req, link);
	if (!server->is_in_turn)
		send_answers(server);
}

/* Logs who did what: every change that a person or program asked for, refused or not. */
static void log_write(const struct http_request *req, unsigned status)
{
	if (strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0 ||
	    req->role == HTTP_ROLE_PEER)
		return;
	log_info("api", "request", "method=%s path=%s caller=%s role=%s uid=%lld status=%u",
		 req->method, req->path, req->caller, http_role_name(req->role),
		 (long long)req->uid, status);
}

/* Nobody sent REQ: its answer is looked at, and goes nowhere. */
static void note_answer(struct http_request *req, unsigned status, struct http_content content)
{
	req->seen->status = status;
	memcpy(req->seen->etag, content.etag, sizeof(req->seen->etag));
	MHD_destroy_response(content.response);
	free_later(req);
}

/* The answer waits until it was noted. */
static void note(struct http_request *req, unsigned status, struct http_content content)
{
	http_noted_fn *fn = TAKE_PTR(req->note);

	req->noted = content;
	req->noted_status = status;
	fn(req->note_data, req, &(struct http_noted){ status, content.text, content.bytes });
}

void http_note_answer(struct http_request *req, http_noted_fn *fn, void *data)
{
	req->note = fn;
	req->note_data = data;
}

void http_let_go(struct http_request *req)
{
	http_answer(req, req->noted_status, req->noted, NULL);
}

bool http_is_abandoned(const struct http_request *req)
{
	return !req->server;
}

/* A request that outlived its server is only freed. */
void http_answer(struct http_request *req, unsigned status, struct http_content content,
		 struct http_stream *stream)
{
	struct http_server *server = req->server;
	struct err err;

	assert(!req->is_answered);
	if (req->note) {
		note(req, status, content);
		return;
	}
	if (!server) {
		MHD_destroy_response(content.response);
		http_request_free(req);
		return;
	}
	loop_assert_thread(server->loop);
	if (req->seen) {
		note_answer(req, status, content);
		return;
	}
	log_write(req, status);
	switch (http_fault_at(req, "answer", &err)) {
	case FAULT_NONE:
		break;
	case FAULT_ERROR:
		MHD_destroy_response(content.response);
		status = (unsigned)err_http_status(err.code);
		content = http_content_problem(0, &err, NULL);
		break;
	case FAULT_DROP:
		MHD_destroy_response(content.response);
		req->is_dropped = true;
		return;
	}
	let_go(req, status, content, stream);
}

void http_answer_refused(struct http_request *req)
{
	struct http_content content = req->exchange->content;

	req->exchange->content.response = NULL;
	let_go(req, req->exchange->status, content, NULL);
}

void http_set_stopping(struct err *err)
{
	err_set(err, ERR_UNAVAILABLE, "the daemon is stopping");
}

void http_abandon_held(struct http_server *server)
{
	struct err err;
	struct http_request *req;
	unsigned status = (unsigned)err_http_status(ERR_UNAVAILABLE);

	http_set_stopping(&err);
	while ((req = http_inbox_take_any(&server->inbox))) {
		give_to_exchange(req, status, http_content_problem(0, &err, NULL), NULL);
		resume(req);
		http_request_free(req);
	}
	while ((req = TAILQ_FIRST(&server->held))) {
		TAILQ_REMOVE(&server->held, req, link);
		give_to_exchange(req, status, http_content_problem(0, &err, NULL), NULL);
		resume(req);
		req->server = NULL;
		if (req->is_dropped)
			http_request_free(req);
	}
}

/* ---- for handlers ------------------------------------------------------ */

/* What REQ has begun is not the object that it names in its path. */
static bool has_begun(const struct http_request *req)
{
	const struct http_route *routes = req->server->routes;
	const struct http_route *begun = http_object_of_reply(routes, req->route);

	return begun && begun != http_object_of_path(routes, req->route);
}

/* True: REQ is answered later. */
static bool waits(struct http_request *req, unsigned status, const struct json_field *fields,
		  struct json_object *obj)
{
	uint64_t seconds;

	if (status != MHD_HTTP_ACCEPTED || !req->server || !req->server->prefers_wait ||
	    req->has_waited || !obj || fields != req->route->reply || !has_begun(req) ||
	    !http_prefers_wait(req, &seconds))
		return false;
	req->has_waited = true;
	return req->server->prefers_wait(req, seconds, fields, obj, req->server->handler_data);
}

/* OBJ is borrowed. */
static void reply_by(struct http_request *req, unsigned status, const struct json_field *fields,
		     struct json_object *obj)
{
	struct http_good good = { .fields = fields, .obj = obj };
	struct http_content content;

	if (waits(req, status, fields, obj))
		return;
	if (req->good_status && status == MHD_HTTP_OK)
		status = req->good_status;
	if (obj)
		good.text = json_text(obj, &good.len);
	content = content_json(status, obj, good.text, good.len);
	http_good_headers(req, &status, &content, &good);
	if (req->has_waited)
		MHD_add_response_header(content.response, "Preference-Applied", "wait");
	http_answer(req, status, content, NULL);
}

void http_reply(struct http_request *req, int status, struct json_object *obj)
{
	reply_by(req, (unsigned)status, req->route->reply, obj);
	json_object_put(obj);
}

void http_reply_as(struct http_request *req, int status, const struct json_field *fields,
		   const void *reply)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(fields, reply);

	reply_by(req, (unsigned)status, fields, obj);
}

void http_reply_json(struct http_request *req, int status, char *text, size_t len)
{
	const struct http_good good = { .fields = req->route->reply, .text = text, .len = len };
	struct http_content content = content_of(TYPE_JSON, text, len);
	unsigned code = (unsigned)status;

	http_good_headers(req, &code, &content, &good);
	http_answer(req, code, content, NULL);
}

void http_reply_text(struct http_request *req, int status, const char *type, const char *text)
{
	http_answer(req, (unsigned)status, content_text(type, text, strlen(text)), NULL);
}

void http_reply_err(struct http_request *req, const struct err *err)
{
	http_answer(req, (unsigned)err_http_status(err->code), http_content_problem(0, err, NULL),
		    NULL);
}

void http_reply_stopping(struct http_request *req)
{
	struct err err;

	http_set_stopping(&err);
	http_reply_err(req, &err);
}

void http_reply_faults(struct http_request *req, const struct faults *faults)
{
	struct err err = { 0 };

	faults_to_err(faults, &err);
	http_answer(req, MHD_HTTP_BAD_REQUEST, http_content_problem(0, &err, faults), NULL);
}

bool http_is_private(const struct http_request *req)
{
	return req->route->is_private;
}

const char *http_path(const struct http_request *req)
{
	return req->path;
}

const char *http_param(const struct http_request *req, const char *name)
{
	return http_pairs_get(&req->params, name);
}

void http_set_param(struct http_request *req, const char *name, const char *value)
{
	for (size_t i = 0; i < req->params.count; i++) {
		if (strcmp(req->params.list[i].key, name) != 0)
			continue;
		free(req->params.list[i].value);
		req->params.list[i].value = xstrdup(value);
		return;
	}
	http_pairs_add(&req->params, xstrdup(name), xstrdup(value));
}

void http_charge(struct http_request *req, size_t bytes)
{
	req->charged += bytes;
}

void http_set_good_status(struct http_request *req, int status)
{
	req->good_status = (unsigned)status;
}

const char *http_query(const struct http_request *req, const char *name)
{
	return http_pairs_get(&req->query, name);
}

const char *http_header(const struct http_request *req, const char *name)
{
	return http_pairs_get_nocase(&req->headers, name);
}

struct json_object *http_body(const struct http_request *req)
{
	return req->body;
}

enum http_role http_caller_role(const struct http_request *req)
{
	return req->role;
}

const char *http_caller_name(const struct http_request *req)
{
	return req->caller;
}

int64_t http_caller_uid(const struct http_request *req)
{
	return req->uid;
}
