/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "peer/client_internal.h"
#include "tls/identity.h"

/* Connections are kept for as long as they live; keepalive finds dead ones. */
#define PEER_ROUTES           "/peer/"
#define CONNECTION_MAX_IDLE_S (30L * 24 * 3600)
#define KEEPALIVE_IDLE_S      30L
#define KEEPALIVE_INTERVAL_S  10L

static size_t take_answer(char *data, size_t size, size_t count, void *user)
{
	struct peer_request *req = user;
	size_t len = size * count;

	if (req->answer.len + len > PEER_ANSWER_MAX) {
		req->is_answer_too_large = true;
		return 0;
	}
	strbuf_add(&req->answer, data, len);
	return len;
}

/* ---- going out --------------------------------------------------------- */

static void add_header(struct peer_request *req, const char *line)
{
	struct curl_slist *list = curl_slist_append(req->headers, line);

	if (!list)
		abort(); /* out of memory */
	req->headers = list;
}

static void set_headers(struct peer_request *req)
{
	char version[48];

	add_header(req, "Accept: application/json");
	add_header(req, "Expect:"); /* no round trip to ask whether to send the body */
	add_header(req, req->body ? "Content-Type: application/json" : "Content-Type:");
	if (!req->is_hello) {
		snprintf(version, sizeof(version), "Migrd-Protocol: %d", req->peer->version);
		add_header(req, version);
	}
	curl_easy_setopt(req->easy, CURLOPT_HTTPHEADER, req->headers);
}

/* The certificate must carry the name in the URL; CONNECT_TO says where the host is. */
static void set_target(struct peer_request *req)
{
	CLEANUP(free_charp) char *url = NULL;
	CLEANUP(free_charp) char *to = xasprintf("::%s", req->peer->address);
	char name[256];

	tls_host_dns_name(req->peer->id, name, sizeof(name));
	url = xasprintf("https://%s%s", name, req->path);
	req->connect_to = curl_slist_append(NULL, to);
	if (!req->connect_to)
		abort(); /* out of memory */
	curl_easy_setopt(req->easy, CURLOPT_URL, url);
	curl_easy_setopt(req->easy, CURLOPT_CONNECT_TO, req->connect_to);
	curl_easy_setopt(req->easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(req->easy, CURLOPT_PROXY, ""); /* none, whatever the environment says */
	/* A host name is looked up on a thread of libcurl's; a request that is
	 * given up must not wait for that thread. */
	curl_easy_setopt(req->easy, CURLOPT_QUICK_EXIT, 1L);
}

/* CAPATH is cleared because its default is the distribution's CA directory, which must not
 * count here. */
static void set_tls(struct peer_request *req)
{
	const struct peer_clients *clients = req->clients;

	curl_easy_setopt(req->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	curl_easy_setopt(req->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(req->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(req->easy, CURLOPT_CAINFO, clients->ca_file);
	curl_easy_setopt(req->easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(req->easy, CURLOPT_SSLCERT, clients->cert_file);
	curl_easy_setopt(req->easy, CURLOPT_SSLKEY, clients->key_file);
	curl_easy_setopt(req->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
}

static void set_method(struct peer_request *req)
{
	bool is_post = strcmp(req->method, "POST") == 0;

	if (req->body || is_post) {
		const char *body = req->body ? req->body : "";

		curl_easy_setopt(req->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
		curl_easy_setopt(req->easy, CURLOPT_POSTFIELDS, body);
	}
	if (!is_post && (req->body || strcmp(req->method, "GET") != 0))
		curl_easy_setopt(req->easy, CURLOPT_CUSTOMREQUEST, req->method);
}

/* A connection from before the new certificates is not used again. libcurl counts in whole
 * seconds, so a connection that is a second younger may be closed too, once. */
static void set_lifetime(struct peer_request *req)
{
	const struct peer_clients *clients = req->clients;
	uint64_t since_s;

	if (!clients->renewed_ms)
		return;
	since_s = (loop_now_ms(clients->loop) - clients->renewed_ms) / 1000;
	curl_easy_setopt(req->easy, CURLOPT_MAXLIFETIME_CONN, since_s > 2 ? (long)since_s - 1 : 1L);
}

static void set_connection(struct peer_request *req)
{
	set_lifetime(req);
	curl_easy_setopt(req->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(req->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(req->easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(req->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(req->easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	curl_easy_setopt(req->easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	curl_easy_setopt(req->easy, CURLOPT_MAXAGE_CONN, CONNECTION_MAX_IDLE_S);
	curl_easy_setopt(req->easy, CURLOPT_ERRORBUFFER, req->curl_error);
	curl_easy_setopt(req->easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(req->easy, CURLOPT_WRITEDATA, req);
}

bool peer_transfer_start(struct peer_request *req, struct err *err)
{
	req->easy = curl_easy_init();
	if (!req->easy)
		return err_set(err, ERR_INTERNAL, "libcurl gave no handle");
	set_target(req);
	set_tls(req);
	set_method(req);
	set_headers(req);
	set_connection(req);
	if (multi_add(req->clients->multi, req->easy, req, err))
		return true;
	peer_transfer_stop(req);
	return false;
}

void peer_transfer_stop(struct peer_request *req)
{
	if (req->easy)
		multi_remove(req->clients->multi, req->easy);
	curl_slist_free_all(req->headers);
	curl_slist_free_all(req->connect_to);
	req->easy = NULL;
	req->headers = NULL;
	req->connect_to = NULL;
}

/* ---- the outcome ------------------------------------------------------- */

static void lower_first(char *text)
{
	text[0] = (char)tolower((unsigned char)text[0]);
}

static const char *connect_error(const struct peer_request *req)
{
	long os_error = 0;
	const char *text;

	curl_easy_getinfo(req->easy, CURLINFO_OS_ERRNO, &os_error);
	text = os_error ? strerrordesc_np((int)os_error) : NULL;
	return text ? text : "cannot connect";
}

static enum err_code code_of(CURLcode code)
{
	if (code == CURLE_OPERATION_TIMEDOUT)
		return ERR_TIMEOUT;
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
	    code == CURLE_SSL_CACERT_BADFILE)
		return ERR_UNAUTHORIZED;
	return ERR_UNAVAILABLE;
}

/* In TLS 1.3 the peer checks our certificate after the handshake has ended on our
 * side: a refusal is an alert in place of the answer. */
static bool is_our_certificate_refused(const struct peer_request *req, CURLcode code)
{
	return (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
		code == CURLE_SSL_CONNECT_ERROR) &&
	       strstr(req->curl_error, "fatal alert");
}

/* The end of the connection may overtake that alert; then this is its only sign. */
static bool is_closed_after_handshake(const struct peer_request *req, CURLcode code)
{
	curl_off_t handshake_us = 0;
	long header_bytes = 0;

	curl_easy_getinfo(req->easy, CURLINFO_APPCONNECT_TIME_T, &handshake_us);
	curl_easy_getinfo(req->easy, CURLINFO_HEADER_SIZE, &header_bytes);
	return (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
		code == CURLE_GOT_NOTHING) &&
	       handshake_us > 0 && header_bytes == 0;
}

static bool transport_error(const struct peer_request *req, CURLcode code, struct err *err)
{
	char text[CURL_ERROR_SIZE];
	const char *id = req->peer->id;
	const char *address = req->peer->address;

	if (is_our_certificate_refused(req, code))
		return err_set(err, ERR_UNAUTHORIZED,
			       "host %s at %s: it refused our certificate, its log says why", id,
			       address);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return err_set(err, ERR_UNAUTHORIZED,
			       "host %s at %s: its certificate is not that of host '%s': %s", id,
			       address, id, req->curl_error);
	if (is_closed_after_handshake(req, code))
		return err_set(err, ERR_UNAVAILABLE,
			       "host %s at %s: it closed the connection without an answer%s", id,
			       address,
			       req->is_hello ? "; does it accept our certificate? its log says"
					     : "");
	if (code == CURLE_COULDNT_CONNECT)
		snprintf(text, sizeof(text), "%s", connect_error(req));
	else
		snprintf(text, sizeof(text), "%s",
			 req->curl_error[0] ? req->curl_error : curl_easy_strerror(code));
	lower_first(text);
	return err_set(err, code_of(code), "host %s at %s: %s", id, address, text);
}

static struct json_object *parse_answer(struct peer_request *req, struct err *err)
{
	struct faults *faults = faults_new();
	struct json_object *obj;

	obj = json_parse(req->answer.data, req->answer.len, &json_limits_default, faults);
	if (!obj) {
		faults_to_err(faults, err);
		err->code = ERR_PEER;
		err_wrap(err, "host %s: its answer is not JSON", req->peer->id);
	}
	faults_free(faults);
	return obj;
}

/* A problem document says what the peer found; any other body is not from a coordinator. */
static bool refusal(struct peer_request *req, long status, struct json_object **ret,
		    struct err *err)
{
	struct json_object *obj = req->answer.len ? parse_answer(req, err) : NULL;
	const char *code = obj ? json_get_str(obj, "code") : NULL;
	const char *detail = obj ? json_get_str(obj, "detail") : NULL;

	if (code && err_from_name(code) != ERR_NONE)
		err_set(err, err_from_name(code), "host %s: %s", req->peer->id,
			detail ? detail : code);
	else
		err_set(err, ERR_PEER, "host %s: it answered with HTTP status %ld", req->peer->id,
			status);
	*ret = obj;
	return false;
}

/* As /readyz answers: it says no more than the status does.  No route for peers has such an
 * answer. */
static bool may_be_text(struct peer_request *req)
{
	const char *type = NULL;

	curl_easy_getinfo(req->easy, CURLINFO_CONTENT_TYPE, &type);
	return strncmp(req->path, PEER_ROUTES, strlen(PEER_ROUTES)) != 0 && type &&
	       strncmp(type, "text/plain", strlen("text/plain")) == 0;
}

static bool outcome(struct peer_request *req, struct json_object **ret, struct err *err)
{
	long status = 0;

	curl_easy_getinfo(req->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
		return refusal(req, status, ret, err);
	if (req->answer.len == 0 || may_be_text(req))
		return true;
	*ret = parse_answer(req, err);
	return *ret;
}

/* The time of the peer's clock at its answer, in seconds since 1970; negative: it does not tell. */
static int64_t date_of(const struct peer_request *req)
{
	struct curl_header *date;

	if (curl_easy_header(req->easy, "Date", 0, CURLH_HEADER, -1, &date) != CURLHE_OK)
		return -1;
	return curl_getdate(date->value, NULL);
}

static enum fault_kind fault_at_reply(const struct peer_request *req, struct err *err)
{
	char point[64];

	peer_fault_point(req, "reply", point, sizeof(point));
	return fault_message(point, err);
}

void peer_transfer_ended(void *transfer, CURLcode code)
{
	struct peer_request *req = transfer;
	struct json_object *reply = NULL;
	struct err err = { 0 };
	bool is_broken = code != CURLE_OK;

	switch (fault_at_reply(req, &err)) {
	case FAULT_NONE:
		break;
	case FAULT_ERROR: /* as if the connection had broken */
		peer_transfer_stop(req);
		peer_note_silence(req->peer);
		peer_request_finish(req, NULL, &err, true);
		return;
	case FAULT_DROP:
		req->state = REQUEST_LOST;
		peer_transfer_stop(req);
		return;
	}
	if (is_broken && !req->is_answer_too_large)
		peer_note_silence(req->peer);
	else
		peer_note_answer(req->peer, date_of(req));
	if (req->is_answer_too_large)
		err_set(&err, ERR_PEER, "host %s: its answer is over %u bytes", req->peer->id,
			PEER_ANSWER_MAX);
	else if (is_broken)
		transport_error(req, code, &err);
	else
		outcome(req, &reply, &err);
	peer_transfer_stop(req);
	peer_request_finish(req, reply, err_is_set(&err) ? &err : NULL,
			    is_broken || err.code == ERR_PROTOCOL);
}
