/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http/http.h -- the HTTPS and UNIX-socket server (libmicrohttpd inside).
 *
 * The library's threads parse, check the certificate's role against the route,
 * collect the body up to its limit, and post the request to the loop; the
 * connection is suspended until http_reply().  Handlers run on the loop and
 * never see a half-read, too large, or unauthorised request, nor a wrong
 * method (405 with Allow), path (404) or media type (415).
 *
 * A request is answered exactly once.  It stays valid until the callback of the loop that answers
 * it has returned: a handler, or what else the loop has called.  Only one that outlived its server
 * is freed by its answer.
 * Thread: loop, unless said otherwise.
 */
#ifndef MIGRD_HTTP_HTTP_H
#define MIGRD_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/loop.h"
#include "http/query.h"
#include "tls/live.h"
#include "wire/problem.h"

/* Each role may do what those before it may, except PEER, which may do only
 * what routes for peers allow. */
enum http_role {
	HTTP_ROLE_NONE,
	HTTP_ROLE_VIEWER,
	HTTP_ROLE_OPERATOR,
	HTTP_ROLE_ADMIN,
	HTTP_ROLE_PEER
};

struct http_request;
typedef void http_handler_fn(struct http_request *req, void *data);

/* The first route of the table that fits wins.  HEAD is answered by GET's. */
struct http_route {
	const char *method;  /* "GET", "POST", "PUT", "PATCH", "DELETE" */
	const char *path;    /* "/v1/vms/{name}": {x} is one segment, URL-decoded */
	enum http_role role; /* the lowest that may call it */
	http_handler_fn *handler;
	bool is_stream;      /* answers by http_stream_begin() */
	const char *summary; /* one line for /openapi.json */
	/* Table of the body.  NULL: no body or an empty object, unless the handler checks it. */
	const struct json_field *body;
	bool handler_checks_body;
	/* Table of a good answer.  NULL: it has none, or no JSON. */
	const struct json_field *reply;
	const struct json_field *other_reply; /* some requests are answered by this one */
	/* Of an object: this in place of {id} names one of those that have an id. */
	const char *alias;
	bool is_list; /* `reply' is that of an item: {"items": [...], "next": ...} */
	const struct http_query_key *query; /* NULL: it takes no query */
	bool takes_key; /* the header Idempotency-Key, whose answer is in its own record */
	bool is_private; /* what it answers may be secret: it is written nowhere */
	/* Of a good answer; 0: 200, or 204 without a reply.  One of 201 or 202 may be 200 too, when
	 * nothing was made. */
	int status;
	bool is_file;     /* for browsers (http/file.h): not in /openapi.json */
	const char *type; /* of a good answer that is no JSON; for /openapi.json */
	/* Table of a problem that has more members than others, and its status. */
	const struct json_field *problem;
	int problem_status;
};

struct http_config {
	const char *listen;      /* "HOST:PORT" numeric, TLS 1.3 with client certificates */
	const char *socket_path; /* UNIX socket, mode 0600: role admin; NULL: none */
	const char *ca_file, *cert_file, *key_file; /* read once; later http_server_set_tls() */
	const struct http_route *routes;            /* ended by a NULL method */
	void *handler_data;
	/* Takes a POST of a user with the header Idempotency-Key, whose route does not take it
	 * itself, in place of the route's handler.  NULL: the header is ignored. */
	http_handler_fn *with_key;
	/* A request has begun OBJ, by FIELDS, and would rather be answered in SECONDS, or when that
	 * has ended (`Prefer: wait').  True: it will be, and was not answered with OBJ.  NULL: no
	 * request waits. */
	bool (*prefers_wait)(struct http_request *req, uint64_t seconds,
			     const struct json_field *fields, struct json_object *obj,
			     void *handler_data);
};

#define HTTP_BODY_MAX            (1u << 20)
#define HTTP_REQUEST_DEADLINE_MS 15000 /* header and body together */
/* Every route for peers wants it, but the one by which they agree on a version. */
#define HTTP_PEER_VERSION_HEADER "Migrd-Protocol"

struct http_server;

struct http_server *http_server_new(struct loop *loop, const struct http_config *config,
				    struct err *err);
/* New connections use TLS from now on.  Open ones stay; at the next request of each, its
 * certificate is checked by the new authorities, and that of a stream or WebSocket soon. */
void http_server_set_tls(struct http_server *server, struct tls_live *tls);
uint16_t http_server_port(const struct http_server *server);
/* Stops listening, answers what is outstanding with 503, ends streams (their
 * closed() is called before it returns), and waits for its threads, up to 1 s
 * for slow clients.  Requests that a handler still holds stay valid: answering
 * them later lets them go.  Not from inside a handler or closed().  Accepts NULL. */
void http_server_free(struct http_server *server);

/* What the client asks.  All strings live as long as the request. */
const char *http_path(const struct http_request *req);
/* The column `is_private' of its route. */
bool http_is_private(const struct http_request *req);
/* The value of {NAME} in the route's path. */
const char *http_param(const struct http_request *req, const char *name);
/* Another value of {NAME} from now on, of a path that has it or not. */
void http_set_param(struct http_request *req, const char *name, const char *value);
/* A query argument or header, NULL if absent. */
const char *http_query(const struct http_request *req, const char *name);
const char *http_header(const struct http_request *req, const char *name);
/* The body parsed by json_parse(); faults have been answered already.  NULL:
 * there was none. Borrowed. */
struct json_object *http_body(const struct http_request *req);
enum http_role http_caller_role(const struct http_request *req);
/* Host id or user name of the certificate; "local" on the UNIX socket. */
const char *http_caller_name(const struct http_request *req);
/* The uid of the process at the other end of the UNIX socket; -1 on any other socket. */
int64_t http_caller_uid(const struct http_request *req);
const char *http_role_name(enum http_role role);

/* The work for REQ has cost as much as BYTES more of an answer (http/inbox.c). */
void http_charge(struct http_request *req, size_t bytes);
/* ---- a request whose answer is noted before it is sent ---- */

/* SHA-256 of method, path, query and body, in hexadecimal. */
#define HTTP_SUM_SIZE 65
void http_request_sum(const struct http_request *req, char ret[HTTP_SUM_SIZE]);
/* Text is borrowed until the answer is let go; LEN 0: it has no body. */
struct http_noted {
	unsigned status;
	const char *text;
	size_t len;
};
typedef void http_noted_fn(void *data, struct http_request *req, const struct http_noted *noted);
/* When REQ is answered, FN is called, and the answer waits for http_let_go(). */
void http_note_answer(struct http_request *req, http_noted_fn *fn, void *data);
void http_let_go(struct http_request *req);
/* By its query or its body: it changes nothing, and no key is kept for it. */
bool http_is_dry_run(const struct http_request *req);
/* Goes on with REQ as without `with_key'. */
void http_handle(struct http_request *req);
/* Its server is gone: whatever it is answered only frees it. */
bool http_is_abandoned(const struct http_request *req);

/* A handler that answers 200 answers STATUS from now on. */
void http_set_good_status(struct http_request *req, int status);
/* OBJ's reference is taken over; NULL sends no body.  A STATUS from 400 up sends
 * it as a problem document. */
void http_reply(struct http_request *req, int status, struct json_object *obj);
/* The same for a struct, by the table of the route. */
void http_reply_as(struct http_request *req, int status, const struct json_field *fields,
		   const void *reply);
/* The same for a text that is JSON already; it is taken over (malloc). */
void http_reply_json(struct http_request *req, int status, char *text, size_t len);
/* What http_reply_err() sends, to be a part of something longer.  ERR's text is borrowed. */
struct problem http_problem(const struct err *err);
/* Plain text, for /metrics and /healthz. */
void http_reply_text(struct http_request *req, int status, const char *type, const char *text);
/* RFC 9457 problem document: type, title, status, detail, code, errors[]. */
void http_reply_err(struct http_request *req, const struct err *err);
/* The answer of a daemon that stops (UNAVAILABLE). */
void http_reply_stopping(struct http_request *req);
void http_reply_faults(struct http_request *req, const struct faults *faults);

/* Server-sent events.  A stream lives until closed() was called, once, on the
 * loop: the client went, was too slow, or the server is being freed.  It buffers
 * at most 1 MiB, then it is cut (the client resumes by Last-Event-ID). A comment
 * line every 15 s finds dead clients.  For a request that outlived its server
 * it returns NULL and calls nothing. */
struct http_stream;
struct http_stream *http_stream_begin(struct http_request *req, loop_fn *closed, void *data);
void http_stream_event(struct http_stream *stream, const char *id, const char *type,
		       const char *json);

#endif
