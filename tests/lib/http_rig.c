/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/http_rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api/hello.h"
#include "base/mem.h"
#include "http/websocket.h"
#include "tls/identity.h"

#define PATIENCE_S 30

/* ---- handlers ---------------------------------------------------------- */

static void on_show(struct http_request *req, void *data)
{
	struct json_object *obj = json_object_new_object();

	(void)data;
	json_add_str(obj, "name", http_param(req, "name"));
	json_add_str(obj, "part", http_param(req, "part"));
	json_add_str(obj, "q", http_query(req, "q"));
	json_add_str(obj, "caller", http_caller_name(req));
	json_add_int(obj, "role", (int64_t)http_caller_role(req));
	http_reply(req, 200, obj);
}

static void on_echo(struct http_request *req, void *data)
{
	(void)data;
	http_reply(req, 201, json_object_get(http_body(req)));
}

static void on_health(struct http_request *req, void *data)
{
	(void)data;
	http_reply_text(req, 200, "text/plain", "ok\n");
}

void rig_read(struct rig *rig, const struct http_request *req)
{
	const char *name = http_param(req, "name"), *q = http_query(req, "q");
	const char *word = http_header(req, "X-Word");

	snprintf(rig->read_after, sizeof(rig->read_after), "%s name=%s q=%s word=%s body=%s by=%s",
		 http_path(req), name ? name : "", q ? q : "", word ? word : "",
		 http_body(req) ? json_text(http_body(req), NULL) : "", http_caller_name(req));
}

/* Goes on with a request that it has answered; "later": not before the test says so. */
static void on_careless(struct http_request *req, void *data)
{
	struct rig *rig = data;

	if (strcmp(http_param(req, "name"), "later") == 0) {
		rig->held[rig->held_count++] = req;
		sem_post(&rig->held_added);
		return;
	}
	http_reply(req, 200, json_object_new_object());
	rig_read(rig, req);
}

static void on_fail(struct http_request *req, void *data)
{
	struct err err = { 0 };

	(void)data;
	err_set(&err, ERR_BUSY, "a job holds it");
	http_reply_err(req, &err);
}

/* Answers with a problem document of an error that is not set. */
static void on_none(struct http_request *req, void *data)
{
	struct err none = { 0 };
	const struct problem problem = http_problem(&none);

	(void)data;
	http_reply_as(req, 500, problem_fields, &problem);
}

static void on_hold(struct http_request *req, void *data)
{
	struct rig *rig = data;

	rig->held[rig->held_count++] = req;
	sem_post(&rig->held_added);
}

static void on_stream_closed(void *data)
{
	struct rig *rig = data;

	sem_post(&rig->stream_closed);
}

static void on_events(struct http_request *req, void *data)
{
	struct rig *rig = data;

	rig->streams[rig->stream_count++] = http_stream_begin(req, on_stream_closed, rig);
	sem_post(&rig->stream_added);
}

static void on_socket_received(void *data, const void *bytes, size_t len)
{
	(void)data, (void)bytes, (void)len;
}

static void on_socket_sent(void *data)
{
	(void)data;
}

static void on_socket(struct http_request *req, void *data)
{
	static const struct http_websocket_callbacks callbacks = { on_socket_received,
								   on_socket_sent,
								   on_stream_closed };
	struct err err;

	if (http_websocket_is_asked(req, &err))
		http_websocket_begin(req, &callbacks, data);
	else
		http_reply_err(req, &err);
}

static void on_hello(struct http_request *req, void *data)
{
	struct rig *rig = data;
	struct json_object *obj;

	if (!rig->hello_version) {
		hello_answer(req, "a", rig->hello_features, 0);
		return;
	}
	obj = json_object_new_object();
	json_add_int(obj, "protocol", rig->hello_version);
	json_add_str(obj, "host", "a");
	http_reply(req, 200, obj);
}

/* Like a server that dies: the connection is closed before the answer. */
static void on_die(struct http_request *req, void *data)
{
	(void)data;
	shutdown(req->exchange->conn->fd, SHUT_RDWR);
	http_reply(req, 200, NULL);
}

/* Begins an answer and never ends it. */
static void on_half(struct http_request *req, void *data)
{
	struct rig *rig = data;
	int fd = req->exchange->conn->fd;
	struct http_stream *stream = http_stream_begin(req, on_stream_closed, rig);

	http_stream_event(stream, NULL, "half", "{");
	shutdown(fd, SHUT_WR);
}

static void on_big(struct http_request *req, void *data)
{
	char *text = xcalloc(1, (2u << 20) + 1);

	(void)data;
	memset(text, '1', 2u << 20);
	http_reply_text(req, 200, "application/json", text);
	free(text);
}

/* ---- an object ------------------------------------------------------------ */

struct box_reply {
	const char *id, *colour;
	uint64_t seconds;
};
static const struct json_field box_fields[] = {
	JSON_SHOWN(struct box_reply, id, "Id."),
	JSON_SHOWN(struct box_reply, colour, "Colour."),
	JSON_SHOWN(struct box_reply, seconds, "Time since.", .is_passing = true),
	{ 0 },
};

static void reply_box(struct http_request *req, struct rig *rig, int status, const char *id)
{
	http_reply_as(req, status, box_fields,
		      &(struct box_reply){ id, rig->box.colour, rig->box.seconds++ });
}

static void reply_no_box(struct http_request *req)
{
	struct err err;

	err_set(&err, ERR_NOT_FOUND, "there is no box");
	http_reply_err(req, &err);
}

static void on_box(struct http_request *req, void *data)
{
	struct rig *rig = data;

	if (rig->box.is_there)
		reply_box(req, rig, 200, http_param(req, "id"));
	else
		reply_no_box(req);
	rig_read(rig, req);
}

static void on_box_put(struct http_request *req, void *data)
{
	struct rig *rig = data;
	int status = rig->box.is_there ? 200 : 201;

	rig->box.is_there = true;
	snprintf(rig->box.colour, sizeof(rig->box.colour), "%s",
		 json_get_str(http_body(req), "colour"));
	reply_box(req, rig, status, http_param(req, "id"));
}

static void on_box_add(struct http_request *req, void *data)
{
	struct rig *rig = data;

	rig->box.is_there = true;
	reply_box(req, rig, 201, "new/1");
}

static void on_box_delete(struct http_request *req, void *data)
{
	struct rig *rig = data;

	rig->box.is_there = false;
	http_reply(req, 204, NULL);
}

/* Answers with something else than the box. */
static void on_box_open(struct http_request *req, void *data)
{
	(void)data;
	http_reply(req, 202, json_object_new_object());
}

static const char *const colours[] = { "red", "blue", NULL };
static const struct http_query_key show_query[] = { { "q", HTTP_QUERY_TEXT, .help = "text" },
						    { "limit", HTTP_QUERY_UINT, .min = 1, .max = 10,
						      .fallback = 5 },
						    { "colour", HTTP_QUERY_ENUM, .names = colours },
						    { "some", HTTP_QUERY_SET, .names = colours },
						    { 0 } };

static const struct http_query_key boxes_query[] = {
	{ "fields", HTTP_QUERY_FIELDS, .help = "members" }, { 0 }
};

static const struct http_route routes[] = {
	{ "GET", "/v1/things/{name}", HTTP_ROLE_VIEWER, on_show, .summary = "one",
	  .query = show_query },
	{ "DELETE", "/v1/things/{name}", HTTP_ROLE_OPERATOR, on_echo, .summary = "away",
	  .handler_checks_body = true },
	{ "GET", "/v1/things/{name}/parts/{part}", HTTP_ROLE_VIEWER, on_show, .summary = "part",
	  .query = show_query },
	{ "POST", "/v1/things", HTTP_ROLE_OPERATOR, on_echo, .summary = "new",
	  .handler_checks_body = true },
	{ "POST", "/v1/careless/{name}", HTTP_ROLE_OPERATOR, on_careless, .summary = "careless",
	  .handler_checks_body = true, .query = show_query },
	{ "POST", "/v1/boxes", HTTP_ROLE_OPERATOR, on_box_add, .summary = "new",
	  .reply = box_fields, .status = 201 },
	{ "GET", "/v1/boxes", HTTP_ROLE_VIEWER, on_box, .summary = "all", .reply = box_fields,
	  .is_list = true, .query = boxes_query },
	{ "GET", "/v1/boxes/{id}", HTTP_ROLE_VIEWER, on_box, .summary = "one", .reply = box_fields,
	  .alias = "current" },
	{ "PUT", "/v1/boxes/{id}", HTTP_ROLE_OPERATOR, on_box_put, .summary = "replace",
	  .handler_checks_body = true, .reply = box_fields, .status = 201 },
	{ "DELETE", "/v1/boxes/{id}", HTTP_ROLE_OPERATOR, on_box_delete, .summary = "away" },
	{ "POST", "/v1/boxes/{id}/open", HTTP_ROLE_OPERATOR, on_box_open, .summary = "open",
	  .status = 202 },
	{ "POST", "/v1/boxes/{id}/hold", HTTP_ROLE_OPERATOR, on_hold, .summary = "slow" },
	{ "POST", "/v1/monitor", HTTP_ROLE_ADMIN, on_echo, .summary = "admin",
	  .handler_checks_body = true },
	{ "GET", "/v1/fail", HTTP_ROLE_VIEWER, on_fail, .summary = "fails" },
	{ "GET", "/v1/hold", HTTP_ROLE_VIEWER, on_hold, .summary = "waits" },
	{ "GET", "/v1/events", HTTP_ROLE_VIEWER, on_events, .is_stream = true,
	  .summary = "events" },
	{ "GET", "/v1/socket", HTTP_ROLE_VIEWER, on_socket, .summary = "both ways" },
	{ "GET", "/healthz", HTTP_ROLE_NONE, on_health, .summary = "alive" },
	{ "POST", "/peer/v1/hello", HTTP_ROLE_PEER, on_hello, .summary = "hello",
	  .handler_checks_body = true },
	{ "POST", "/peer/v1/hold", HTTP_ROLE_PEER, on_hold, .summary = "waits" },
	{ "POST", "/peer/v1/die", HTTP_ROLE_PEER, on_die, .summary = "dies" },
	{ "GET", "/peer/v1/half", HTTP_ROLE_PEER, on_half, .summary = "dies later" },
	{ "GET", "/peer/v1/big", HTTP_ROLE_PEER, on_big, .summary = "too large" },
	{ "GET", "/peer/v1/text", HTTP_ROLE_PEER, on_health, .summary = "not JSON" },
	{ "POST", "/peer/v1/none", HTTP_ROLE_PEER, on_none, .summary = "odd" },
	{ "POST", "/peer/v1/fail", HTTP_ROLE_PEER, on_fail, .summary = "fails" },
	{ "POST", "/peer/v1/echo", HTTP_ROLE_PEER, on_echo, .summary = "echo",
	  .handler_checks_body = true },
	{ 0 },
};

/* ---- the server's thread ----------------------------------------------- */

static void *serve(void *data)
{
	struct rig *rig = data;
	CLEANUP(free_charp) char *address = xasprintf("127.0.0.1:%u", rig->listen_port);
	struct http_config config = { .listen = address,
				      .socket_path = rig->socket_path,
				      .ca_file = rig->pki->ca_file,
				      .cert_file = http_pki_cert(rig->pki, "a"),
				      .key_file = http_pki_key(rig->pki, "a"),
				      .routes = routes,
				      .handler_data = rig };
	struct err err = { 0 };

	rig->loop = loop_new();
	rig->server = http_server_new(rig->loop, &config, &err);
	if (!rig->server) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	http_server_set_times(rig->server, rig->deadline_ms, rig->heartbeat_ms);
	rig->port = http_server_port(rig->server);
	sem_post(&rig->ready);
	loop_run(rig->loop);
	http_server_free(rig->server);
	while (rig->held_count)
		http_reply(rig->held[--rig->held_count], 200, NULL);
	loop_free(rig->loop);
	return NULL;
}

void rig_start(struct rig *rig, const struct http_pki *pki)
{
	static unsigned count;

	rig->pki = pki;
	snprintf(rig->socket_path, sizeof(rig->socket_path), "%s/s%d-%u", pki->dir, getpid(),
		 count++);
	sem_init(&rig->ready, 0, 0);
	sem_init(&rig->held_added, 0, 0);
	sem_init(&rig->stream_added, 0, 0);
	sem_init(&rig->stream_closed, 0, 0);
	ck_assert_int_eq(pthread_create(&rig->thread, NULL, serve, rig), 0);
	rig_wait(&rig->ready);
}

void rig_stop(struct rig *rig)
{
	loop_stop(rig->loop);
	pthread_join(rig->thread, NULL);
}

uint64_t rig_accepted(struct rig *rig)
{
	uint64_t count;

	pthread_mutex_lock(&rig->server->lock);
	count = rig->server->accepted_count;
	pthread_mutex_unlock(&rig->server->lock);
	return count;
}

struct call {
	struct rig *rig;
	void (*fn)(struct rig *rig);
	sem_t done;
};

static void run_call(void *data)
{
	struct call *call = data;

	call->fn(call->rig);
	sem_post(&call->done);
}

void rig_call(struct rig *rig, void (*fn)(struct rig *rig))
{
	struct call call = { rig, fn, { { 0 } } };

	sem_init(&call.done, 0, 0);
	loop_post(rig->loop, run_call, &call);
	rig_wait(&call.done);
}

void rig_wait(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	ck_assert_msg(sem_timedwait(sem, &until) == 0, "nothing came");
}

/* ---- libcurl ----------------------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
	strbuf_add(user, data, size * count);
	return size * count;
}

static void take_value(const char *line, const char *name, char *ret, size_t size)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) == 0)
		snprintf(ret, size, "%.*s", (int)strcspn(line + len, "\r\n"), line + len);
}

static size_t take_header(char *data, size_t size, size_t count, void *user)
{
	struct reply *reply = user;
	char *line = xstrndup(data, size * count);

	take_value(line, "content-type: ", reply->type, sizeof(reply->type));
	take_value(line, "allow: ", reply->allow, sizeof(reply->allow));
	take_value(line, "cache-control: ", reply->cache, sizeof(reply->cache));
	take_value(line, "etag: ", reply->etag, sizeof(reply->etag));
	take_value(line, "location: ", reply->location, sizeof(reply->location));
	take_value(line, "retry-after: ", reply->retry_after, sizeof(reply->retry_after));
	free(line);
	return size * count;
}

static void set_place(CURL *easy, struct rig *rig, const char *cert, const char *path,
		      struct curl_slist **ret_to)
{
	bool is_local = cert && strcmp(cert, "local") == 0;
	char *url = xasprintf("%s%s", is_local ? "http://local" : "https://a.host.migrd", path);
	char *to = xasprintf("::127.0.0.1:%u", rig->port);

	*ret_to = curl_slist_append(NULL, to);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (is_local) {
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, rig->socket_path);
	} else {
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, *ret_to);
		curl_easy_setopt(easy, CURLOPT_CAINFO, rig->pki->ca_file);
	}
	if (cert && !is_local) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, http_pki_cert(rig->pki, cert));
		curl_easy_setopt(easy, CURLOPT_SSLKEY, http_pki_key(rig->pki, cert));
	}
	free(url);
	free(to);
}

struct reply rig_ask(struct rig *rig, const char *cert, const char *method, const char *path,
		     const char *body, const char *header)
{
	struct reply reply = { 0 };
	struct strbuf got = STRBUF_INIT;
	struct curl_slist *to = NULL;
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	CURL *easy = curl_easy_init();

	if (header)
		headers = curl_slist_append(headers, header);
	if (body && (!header || !strcasestr(header, "content-type")))
		headers = curl_slist_append(headers, "Content-Type: application/json");
	set_place(easy, rig, cert, path, &to);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)PATIENCE_S);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &got);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, &reply);
	if (body)
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	reply.code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply.status);
	reply.body = got.data ? strbuf_take(&got) : xstrdup("");
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	curl_slist_free_all(to);
	return reply;
}

void reply_fini(struct reply *reply)
{
	free(reply->body);
}

const char *reply_code(const struct reply *reply)
{
	static char code[64];
	struct json_object *obj = json_tokener_parse(reply->body);
	const char *text = obj ? json_get_str(obj, "code") : NULL;

	snprintf(code, sizeof(code), "%s", text ? text : "");
	json_object_put(obj);
	return code;
}

/* ---- plain TLS --------------------------------------------------------- */

int rig_connect_tcp(struct rig *rig)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(rig->port) };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void raw_open(struct raw *raw, struct rig *rig, const char *cert)
{
	int rc;

	raw->fd = rig_connect_tcp(rig);
	gnutls_certificate_allocate_credentials(&raw->cred);
	gnutls_certificate_set_x509_key_file(raw->cred, http_pki_cert(rig->pki, cert),
					     http_pki_key(rig->pki, cert), GNUTLS_X509_FMT_PEM);
	gnutls_init(&raw->session, GNUTLS_CLIENT);
	gnutls_priority_set_direct(raw->session, TLS_PRIORITY, NULL);
	gnutls_credentials_set(raw->session, GNUTLS_CRD_CERTIFICATE, raw->cred);
	gnutls_transport_set_int(raw->session, raw->fd);
	do
		rc = gnutls_handshake(raw->session);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	ck_assert_int_eq(rc, 0);
}

void raw_send(struct raw *raw, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = gnutls_record_send(raw->session, text, len);

	ck_assert(n == (ssize_t)len);
}

bool raw_read_until(struct raw *raw, const char *text, struct strbuf *got)
{
	char data[4096];
	ssize_t n;

	while (!text || !strstr(strbuf_str(got), text)) {
		n = gnutls_record_recv(raw->session, data, sizeof(data));
		ck_assert_msg(n != GNUTLS_E_AGAIN, "nothing came");
		if (n == GNUTLS_E_INTERRUPTED)
			continue;
		if (n <= 0)
			return false;
		strbuf_add(got, data, (size_t)n);
	}
	return true;
}

void raw_close(struct raw *raw)
{
	gnutls_deinit(raw->session);
	gnutls_certificate_free_credentials(raw->cred);
	close(raw->fd);
}
