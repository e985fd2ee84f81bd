/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers, and what handlers may ask of a request. */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"

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
	return (struct http_content){ .response = response, .bytes = len };
}

static struct http_content content_text(const char *type, const char *text, size_t len)
{
	return content_of(type, len ? xstrndup(text, len) : NULL, len);
}

/* OBJ is taken over; NULL: no body. */
static struct http_content content_json(unsigned status, struct json_object *obj)
{
	struct http_content content;
	const char *text;
	size_t len;

	if (!obj)
		return content_text(NULL, NULL, 0);
	text = json_text(obj, &len);
	content = content_text(status >= 400 ? TYPE_PROBLEM : TYPE_JSON, text, len);
	json_object_put(obj);
	return content;
}

static struct problem problem_of(unsigned status, const struct err *err)
{
	return (struct problem){
		.type = "about:blank",
		.title = MHD_get_reason_phrase_for(status),
		.status = (int64_t)status,
		.detail = err->msg,
		.code = err_name(err->code),
	};
}

struct problem http_problem(const struct err *err)
{
	return problem_of((unsigned)err_http_status(err->code), err);
}

struct http_content http_content_problem(unsigned status, const struct err *err,
					 const struct faults *faults)
{
	struct http_content content;
	struct problem problem;

	if (status == 0)
		status = (unsigned)err_http_status(err->code);
	problem = problem_of(status, err);
	if (faults) {
		problem.errors = faults->list;
		problem.error_count = faults->count < FAULT_MAX ? faults->count : FAULT_MAX;
	}
	content = content_json(status, json_encode(problem_fields, &problem));
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

/* The lock is held.  A refused request may be given another answer than it had. */
static void give_to_library(struct http_request *req, unsigned status, struct http_content content,
			    struct http_stream *stream)
{
	struct http_exchange *ex = req->exchange;

	assert(ex); /* it has not been answered yet */
	if (ex->content.response)
		MHD_destroy_response(ex->content.response);
	ex->status = status;
	ex->content = content;
	ex->stream = stream;
	req->exchange = NULL;
	http_inbox_charge(&req->server->inbox, req->class, content.bytes);
	MHD_resume_connection(ex->connection);
}

static void let_go(struct http_request *req, unsigned status, struct http_content content,
		   struct http_stream *stream)
{
	struct http_server *server = req->server;

	pthread_mutex_lock(&server->lock);
	TAILQ_REMOVE(&server->held, req, link);
	give_to_library(req, status, content, stream);
	pthread_mutex_unlock(&server->lock);
	http_request_free(req);
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

/* A request that outlived its server is only freed. */
void http_answer(struct http_request *req, unsigned status, struct http_content content,
		 struct http_stream *stream)
{
	struct http_server *server = req->server;
	struct err err;

	if (!server) {
		MHD_destroy_response(content.response);
		http_request_free(req);
		return;
	}
	loop_assert_thread(server->loop);
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
		give_to_library(req, status, http_content_problem(0, &err, NULL), NULL);
		http_request_free(req);
	}
	while ((req = TAILQ_FIRST(&server->held))) {
		TAILQ_REMOVE(&server->held, req, link);
		give_to_library(req, status, http_content_problem(0, &err, NULL), NULL);
		req->server = NULL;
		if (req->is_dropped)
			http_request_free(req);
	}
}

/* ---- for handlers ------------------------------------------------------ */

void http_reply(struct http_request *req, int status, struct json_object *obj)
{
	http_answer(req, (unsigned)status, content_json((unsigned)status, obj), NULL);
}

void http_reply_as(struct http_request *req, int status, const struct json_field *fields,
		   const void *reply)
{
	http_reply(req, status, json_encode(fields, reply));
}

void http_reply_json(struct http_request *req, int status, char *text, size_t len)
{
	http_answer(req, (unsigned)status, content_of(TYPE_JSON, text, len), NULL);
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

const char *http_path(const struct http_request *req)
{
	return req->path;
}

const char *http_param(const struct http_request *req, const char *name)
{
	return http_pairs_get(&req->params, name);
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
