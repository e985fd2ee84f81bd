/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library's callbacks: an exchange from its first line to the loop. */
#include <assert.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"
#include "wire/peer_msg.h"

/* A refused request's body is read and thrown away, because closing on unread
 * data resets the connection, and the client may never see the answer.  Beyond this
 * size the connection is closed all the same. */
#define DISCARD_MAX (8u << 20)

/* ---- first line -------------------------------------------------------- */

void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct http_server *server = cls;
	struct http_exchange *ex = xnew(struct http_exchange);
	struct http_request *req = xnew(struct http_request);
	size_t path_len = strcspn(uri, "?");

	ex->conn = http_conn_of(connection);
	ex->connection = connection;
	ex->req = req;
	req->server = server;
	req->path = xstrndup(uri, path_len);
	req->raw_query = xstrdup(uri + path_len + (uri[path_len] == '?'));
	if (ex->conn->is_idle) /* else its first byte was seen before (http/tls.c) */
		http_conn_request_begins(ex->conn);
	pthread_mutex_lock(&server->count_lock);
	server->exchange_count++;
	pthread_mutex_unlock(&server->count_lock);
	return ex;
}

/* ---- header ------------------------------------------------------------ */

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *key,
				  const char *value)
{
	struct http_request *req = cls;

	(void)kind;
	return http_pairs_add(&req->headers, xstrdup(key), xstrdup(value ? value : "")) ? MHD_YES
											: MHD_NO;
}

static unsigned long long content_length(const struct http_request *req)
{
	const char *text = http_pairs_get_nocase(&req->headers, "Content-Length");

	return text ? strtoull(text, NULL, 10) : 0;
}

static bool has_body(const struct http_request *req)
{
	return content_length(req) > 0 || http_pairs_get_nocase(&req->headers, "Transfer-Encoding");
}

static bool is_json_type(const char *type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	return type && strncasecmp(type, json, len) == 0 && strchr("; \t", type[len]);
}

/* Refuses a request to a path for peers (but hello) in a protocol version that we do not speak. */
static bool check_protocol(const struct http_request *req, struct err *err)
{
	const char *text = http_pairs_get_nocase(&req->headers, HTTP_PEER_VERSION_HEADER);
	char *end = NULL;
	long version = text ? strtol(text, &end, 10) : 0;

	if (strncmp(req->path, HTTP_PEER_PREFIX, strlen(HTTP_PEER_PREFIX)) != 0 ||
	    strcmp(req->path, HTTP_PEER_HELLO) == 0)
		return true;
	if (!text || end == text || *end)
		return err_set(err, ERR_PROTOCOL,
			       "the request names no protocol version in " HTTP_PEER_VERSION_HEADER
			       "; this host speaks %d to %d",
			       PEER_PROTOCOL_MIN, PEER_PROTOCOL_MAX);
	if (version < PEER_PROTOCOL_MIN || version > PEER_PROTOCOL_MAX)
		return err_set(err, ERR_PROTOCOL,
			       "the request is of protocol version %ld; this host speaks %d to %d",
			       version, PEER_PROTOCOL_MIN, PEER_PROTOCOL_MAX);
	return true;
}

/* Counts by the route, as there are few; a client could make up any number of paths. */
static void log_forbidden(const struct http_request *req)
{
	CLEANUP(free_charp) char *what = xasprintf("%s %s", req->method, req->route->path);

	if (noise_note(req->server->noise[HTTP_NOISE_FORBIDDEN], req->caller, what))
		log_warning("api", "forbidden", "method=%s path=%s caller=%s role=%s needs=%s",
			    req->method, req->path, req->caller, http_role_name(req->role),
			    http_role_name(req->route->role));
}

static bool check_caller(struct http_exchange *ex, struct err *err)
{
	struct http_request *req = ex->req;

	if (!http_conn_identify(ex->conn, ex->connection, err))
		return false;
	req->role = ex->conn->role;
	snprintf(req->caller, sizeof(req->caller), "%s", ex->conn->name);
	req->uid = ex->conn->uid;
	if (http_role_may(req->role, req->route->role))
		return true;
	log_forbidden(req);
	return err_set(err, ERR_FORBIDDEN, "'%s' has the role %s; this needs %s", req->caller,
		       http_role_name(req->role), http_role_name(req->route->role));
}

/* A browser sends the user's certificate for any page, and says which page's script asks; a page
 * without TLS may be anybody's. */
bool http_is_own_origin(const struct http_request *req)
{
	const char *origin = http_header(req, "Origin"), *host = http_header(req, "Host");
	const char *rest = origin ? strstr(origin, "://") : NULL;
	bool is_local = req->uid >= 0;

	return !origin || (rest && host && strcasecmp(rest + strlen("://"), host) == 0 &&
			   (is_local || strncasecmp(origin, "https:", strlen("https:")) == 0));
}

/* A POST without a body is one that any page may send.  What only reads is not for others to see:
 * no answer allows it. */
static bool check_origin(const struct http_request *req, struct err *err)
{
	return strcmp(req->route->method, "GET") == 0 || http_is_own_origin(req) ||
	       err_set(err, ERR_FORBIDDEN, "a page of another origin may not change anything here");
}

static bool check_body_header(const struct http_request *req, struct err *err)
{
	if (!has_body(req))
		return true;
	if (!is_json_type(http_pairs_get_nocase(&req->headers, "Content-Type")))
		return err_set(err, ERR_MEDIA_TYPE, "the body must be application/json");
	if (content_length(req) > HTTP_BODY_MAX)
		return err_set(err, ERR_TOO_LARGE, "the body is over %u bytes", HTTP_BODY_MAX);
	return true;
}

static void refuse(struct http_exchange *ex, unsigned status, const struct err *err)
{
	if (ex->content.response)
		return;
	ex->status = status ? status : (unsigned)err_http_status(err->code);
	ex->content = http_content_problem(ex->status, err, NULL);
}

static void refuse_faults(struct http_exchange *ex, const char *what, const struct faults *faults)
{
	struct err err = { 0 };

	err_set(&err, ERR_INVALID, "%s", what);
	ex->status = MHD_HTTP_BAD_REQUEST;
	ex->content = http_content_problem(ex->status, &err, faults);
}

static void check_query(struct http_exchange *ex)
{
	struct faults *faults = faults_new();

	if (!http_query_check(ex->req->route->query, ex->req->route->reply, &ex->req->query,
			      faults))
		refuse_faults(ex, "the query is not acceptable", faults);
	faults_free(faults);
}

static size_t header_bytes(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info ? info->header_size : 0;
}

static enum MHD_Result count_host(void *cls, enum MHD_ValueKind kind, const char *key,
				  const char *value)
{
	unsigned *count = cls;

	(void)kind;
	(void)value;
	*count += strcasecmp(key, "Host") == 0;
	return MHD_YES;
}

/* A request without Host, or with two, is a 400 (RFC 9112, 3.2).  HTTP/1.0 has no Host. */
static bool check_host(struct http_exchange *ex, struct err *err)
{
	unsigned count = 0;

	MHD_get_connection_values(ex->connection, MHD_HEADER_KIND, count_host, &count);
	if (count == 1 || (count == 0 && ex->is_http_1_0))
		return true;
	return err_set(err, ERR_INVALID, "the request has %s Host: exactly one is wanted",
		       count == 0 ? "no" : "more than one");
}

static bool read_header(struct http_exchange *ex, struct err *err)
{
	struct http_request *req = ex->req;
	int count = MHD_get_connection_values(ex->connection, MHD_HEADER_KIND, NULL, NULL);

	if (header_bytes(ex->connection) > HTTP_HEADER_MAX || count > HTTP_PAIRS_MAX) {
		err_set(err, ERR_TOO_LARGE, "the header is over %u bytes or %d fields",
			HTTP_HEADER_MAX, HTTP_PAIRS_MAX);
		refuse(ex, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, err);
		return false;
	}
	MHD_get_connection_values(ex->connection, MHD_HEADER_KIND, add_header, req);
	if (!check_host(ex, err))
		return false;
	if (!http_parse_query(req->raw_query, &req->query))
		return err_set(err, ERR_INVALID,
			       "the query is not UTF-8 text in percent-encoding, or too long");
	return true;
}

static bool find_route(struct http_exchange *ex, struct err *err)
{
	struct strbuf allow = STRBUF_INIT;
	struct http_request *req = ex->req;

	req->route = http_route_find(req->server->routes, req->method, req->path, &req->params,
				     &allow, err);
	if (!req->route && err->code == ERR_METHOD) {
		refuse(ex, 0, err);
		MHD_add_response_header(ex->content.response, "Allow", strbuf_str(&allow));
	}
	strbuf_fini(&allow);
	return req->route;
}

static enum MHD_Result queue(struct http_exchange *ex)
{
	enum MHD_Result result =
		MHD_queue_response(ex->connection, ex->status, ex->content.response);

	MHD_destroy_response(ex->content.response);
	ex->content.response = NULL;
	return result;
}

/* The header is complete.  A fault in it is answered after the body, unless the body is too
 * large; also when the client asks first (Expect), as not all clients that ask wait. */
static enum MHD_Result begin(struct http_exchange *ex, const char *method)
{
	struct http_request *req = ex->req;
	struct err err = { 0 };

	ex->is_begun = true;
	req->method = xstrdup(method);
	if (!read_header(ex, &err) || !find_route(ex, &err) || !check_caller(ex, &err) ||
	    !check_origin(req, &err) || !check_protocol(req, &err) || !check_body_header(req, &err))
		refuse(ex, 0, &err);
	else
		check_query(ex);
	if (ex->content.response && err.code == ERR_UNAUTHORIZED)
		MHD_add_response_header(ex->content.response, "Connection", "close");
	if (ex->content.response && content_length(req) > DISCARD_MAX)
		return queue(ex);
	return MHD_YES;
}

/* ---- body -------------------------------------------------------------- */

/* Counts the bytes: a body in chunks has no length by which it could be refused before. */
static enum MHD_Result take_body(struct http_exchange *ex, const char *data, size_t len)
{
	struct err err = { 0 };

	ex->body_bytes += len;
	if (ex->body_bytes > DISCARD_MAX)
		return MHD_NO;
	if (ex->body_bytes > HTTP_BODY_MAX) {
		err_set(&err, ERR_TOO_LARGE, "the body is over %u bytes", HTTP_BODY_MAX);
		refuse(ex, 0, &err);
	}
	if (ex->content.response)
		strbuf_fini(&ex->body);
	else
		strbuf_add(&ex->body, data, len);
	return MHD_YES;
}

/* If a route takes no body, each key of a body is a fault. */
static bool is_wanted(const struct http_request *req, struct faults *faults)
{
	static const struct json_field no_fields[] = { { 0 } };
	char nothing;

	return req->route->body || req->route->handler_checks_body ||
	       json_decode(req->body, no_fields, &nothing, "", faults);
}

static void parse_body(struct http_exchange *ex)
{
	struct http_request *req = ex->req;
	struct faults *faults;

	if (ex->body.len == 0)
		return;
	faults = faults_new();
	req->body = json_parse(ex->body.data, ex->body.len, &json_limits_default, faults);
	if (!req->body)
		refuse_faults(ex, "the body is not acceptable JSON", faults);
	else if (!is_wanted(req, faults))
		refuse_faults(ex, "this path takes no body", faults);
	faults_free(faults);
	strbuf_fini(&ex->body);
}

/* ---- to the loop ------------------------------------------------------- */

/* Suspends the connection before the loop can see the request, whose answer may come at once. */
static bool hand_over(struct http_exchange *ex)
{
	struct http_request *req = ex->req;
	struct http_server *server;

	assert(req); /* an exchange without one was refused by now */
	server = req->server;
	pthread_mutex_lock(&server->lock);
	if (server->is_stopping) {
		pthread_mutex_unlock(&server->lock);
		return false;
	}
	MHD_suspend_connection(ex->connection);
	req->exchange = ex;
	req->body_bytes = ex->body_bytes;
	req->is_refused = ex->content.response;
	ex->req = NULL;
	http_inbox_add(&server->inbox, req);
	pthread_mutex_unlock(&server->lock);
	http_wake(server);
	return true;
}

/* A refused request waits for its turn, too, if its caller is known: bad requests cost as much
 * as good ones. */
static bool is_for_loop(const struct http_exchange *ex)
{
	return ex->req && (!ex->content.response || ex->req->role != HTTP_ROLE_NONE);
}

static enum MHD_Result finish(struct http_exchange *ex)
{
	struct err err = { 0 };

	http_conn_request_complete(ex->conn);
	if (!ex->content.response && ex->req)
		parse_body(ex);
	if (!is_for_loop(ex))
		return queue(ex);
	if (hand_over(ex))
		return MHD_YES;
	http_set_stopping(&err);
	refuse(ex, 0, &err);
	return queue(ex);
}

enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload_data,
			       size_t *upload_data_size, void **con_cls)
{
	struct http_exchange *ex = *con_cls;
	enum MHD_Result result;

	(void)cls;
	(void)connection;
	(void)url;
	if (!ex->is_begun) {
		ex->is_http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
		return begin(ex, method);
	}
	if (*upload_data_size == 0)
		return finish(ex);
	result = take_body(ex, upload_data, *upload_data_size);
	*upload_data_size = 0;
	return result;
}

static void let_go_of_exchange(struct http_exchange *ex)
{
	http_conn_request_complete(ex->conn);
	ex->conn->is_idle = true;
	if (ex->stream)
		http_stream_client_gone(ex->stream);
	http_websocket_exchange_ended(ex);
}

/* Of one that was upgraded the library tells while it holds the lock that MHD_resume_connection()
 * takes, which the loop calls with ours: so ours is not taken here then.  Its WebSocket has let go
 * of it before. */
void http_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
		       enum MHD_RequestTerminationCode code)
{
	struct http_server *server = cls;
	struct http_exchange *ex = *con_cls;

	(void)connection;
	(void)code;
	*con_cls = NULL;
	if (!ex)
		return;
	if (!ex->is_upgraded)
		let_go_of_exchange(ex);
	if (ex->content.response)
		MHD_destroy_response(ex->content.response);
	if (ex->req)
		http_request_free(ex->req);
	strbuf_fini(&ex->body);
	free(ex);
	pthread_mutex_lock(&server->count_lock);
	server->exchange_count--;
	pthread_cond_signal(&server->exchange_ended);
	pthread_mutex_unlock(&server->count_lock);
}
