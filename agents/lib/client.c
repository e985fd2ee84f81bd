/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/client.h"

#include <signal.h>
#include <string.h>
#include <sys/un.h>

#include "agents/lib/client_priv.h"
#include "base/mem.h"
#include "tls/identity.h"

#define CALL_TIMEOUT_MS 120000
#define PAGES_MAX       1000

/* ---- where to --------------------------------------------------------------- */

static bool use_socket(struct client *client, const struct client_config *config, struct err *err)
{
	const char *path = config->socket_path;

	if (config->host_id || config->ca_file || config->cert_file || config->key_file)
		return err_set(err, ERR_INVALID,
			       "--host-id, --ca, --cert and --key are for a remote migrd: --host "
			       "is "
			       "missing");
	if (!path)
		path = getenv(CLIENT_SOCKET_VARIABLE);
	if (!path || !*path)
		path = CLIENT_SOCKET;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return err_set(err, ERR_INVALID, "the path of socket '%s' is too long", path);
	client->socket_path = xstrdup(path);
	client->address = xstrdup(path);
	client->base_url = xstrdup("http://migrd");
	return true;
}

static void url_cleanupp(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void curl_freep(char **text)
{
	curl_free(*text);
}

/* "[https://]ADDRESS[:PORT]" and nothing behind it. */
static bool parse_host(const char *text, char **ret_host, char **ret_port, struct err *err)
{
	CLEANUP(url_cleanupp) CURLU *url = curl_url();
	CLEANUP(curl_freep) char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;

	if (curl_url_set(url, CURLUPART_URL, text, CURLU_DEFAULT_SCHEME) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		return err_set(err, ERR_INVALID,
			       "--host '%s' is not of the form [https://]ADDRESS[:PORT]", text);
	if (strcmp(scheme, "https") != 0)
		return err_set(err, ERR_INVALID, "--host '%s': migrd speaks https only", text);
	if (strcmp(path, "/") != 0)
		return err_set(err, ERR_INVALID, "--host '%s': a path has no meaning here", text);
	*ret_port = xstrdup(
		curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK ? port : CLIENT_API_PORT);
	*ret_host = xstrdup(host);
	return true;
}

static void set_url(struct client *client, const char *host, const char *port, const char *host_id)
{
	char dns_name[128];

	client->address = xasprintf("https://%s:%s", host, port);
	if (!host_id) {
		client->base_url = xstrdup(client->address);
		return;
	}
	tls_host_dns_name(host_id, dns_name, sizeof(dns_name));
	client->base_url = xasprintf("https://%s:%s", dns_name, port);
	client->connect_to = xasprintf("%s:%s:%s:%s", dns_name, port, host, port);
}

static bool use_host(struct client *client, const struct client_config *config, struct err *err)
{
	CLEANUP(free_charp) char *host = NULL;
	CLEANUP(free_charp) char *port = NULL;
	struct tls_identity ours;

	if (config->socket_path)
		return err_set(err, ERR_INVALID, "--host and --socket exclude each other");
	if (!config->ca_file || !config->cert_file || !config->key_file)
		return err_set(err, ERR_INVALID,
			       "--host needs --cert, --key and --ca (`migrctl pki user' makes "
			       "them)");
	if (config->host_id && !id_host_is_valid(config->host_id))
		return err_set(err, ERR_INVALID, "--host-id '%s' is no host id", config->host_id);
	if (!parse_host(config->host, &host, &port, err) ||
	    !tls_check_files(config->ca_file, config->cert_file, config->key_file, &ours, err))
		return false;
	client->ca_file = xstrdup(config->ca_file);
	client->cert_file = xstrdup(config->cert_file);
	client->key_file = xstrdup(config->key_file);
	set_url(client, host, port, config->host_id);
	return true;
}

static void client_freep(struct client **client)
{
	client_free(*client);
}

struct client *client_new(const struct client_config *config, struct err *err)
{
	CLEANUP(client_freep) struct client *client = xnew(struct client);
	bool ok;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->faults = config->faults;
	ok = config->host ? use_host(client, config, err) : use_socket(client, config, err);
	return ok ? TAKE_PTR(client) : NULL;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	client_exchange_fini(&client->exchange);
	json_object_put(client->problem);
	free(client->etag);
	free(client->socket_path);
	free(client->base_url);
	free(client->address);
	free(client->connect_to);
	free(client->ca_file);
	free(client->cert_file);
	free(client->key_file);
	free(client);
}

struct json_object *client_problem(const struct client *client)
{
	return client->problem;
}

/* ---- one exchange ------------------------------------------------------------- */

/* libcurl calls it when the connection is made and nothing was sent over it yet. */
static int check_server(void *data, char *ip, char *local_ip, int port, int local_port)
{
	struct client_exchange *exchange = data;
	struct curl_tlssessioninfo *info = NULL;
	struct tls_identity identity;

	(void)ip, (void)local_ip, (void)port, (void)local_port;
	if (curl_easy_getinfo(exchange->curl, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info ||
	    info->backend != CURLSSLBACKEND_GNUTLS || !info->internals) {
		err_set(&exchange->err, ERR_INTERNAL, "this libcurl does not use GnuTLS");
		return CURL_PREREQFUNC_ABORT;
	}
	if (!tls_peer_identity(info->internals, &identity, &exchange->err)) {
		err_wrap(&exchange->err, "%s", exchange->client->address);
		return CURL_PREREQFUNC_ABORT;
	}
	if (identity.kind != TLS_KIND_HOST) {
		err_set(&exchange->err, ERR_UNAUTHORIZED,
			"%s: the server shows the certificate of user '%s'",
			exchange->client->address, identity.name);
		return CURL_PREREQFUNC_ABORT;
	}
	exchange->is_server_good = true;
	return CURL_PREREQFUNC_OK;
}

bool client_exchange_server_is_good(struct client_exchange *exchange)
{
	return exchange->client->socket_path || exchange->is_server_good ||
	       err_set(&exchange->err, ERR_INTERNAL,
		       "%s: libcurl has not had its certificate checked",
		       exchange->client->address);
}

static volatile sig_atomic_t is_interrupted;

void client_set_timeout(struct client *client, uint32_t timeout_ms)
{
	client->timeout_ms = timeout_ms;
}

void client_interrupt(void)
{
	is_interrupted = 1;
}

/* libcurl calls it when bytes come, otherwise once a second. */
static int check_interrupt(void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
			   curl_off_t up)
{
	struct client_exchange *exchange = data;

	(void)down_total, (void)down, (void)up_total, (void)up;
	if (!is_interrupted)
		return 0;
	err_set(&exchange->err, ERR_CANCELLED,
		"no longer waiting for the answer; what was asked for may still be done");
	return 1;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
	struct client_exchange *exchange = data;
	size_t len = size * count;

	if (len > CLIENT_REPLY_MAX_BYTES - exchange->body.len) {
		err_set(&exchange->err, ERR_TOO_LARGE, "%s: the answer has over %u bytes",
			exchange->client->address, CLIENT_REPLY_MAX_BYTES);
		return 0;
	}
	strbuf_add(&exchange->body, bytes, len);
	return len;
}

static void set_tls(struct client_exchange *exchange)
{
	const struct client *client = exchange->client;
	CURL *curl = exchange->curl;

	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_SSLVERSION,
			 (long)(CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3));
	curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_SSLCERT, client->cert_file);
	curl_easy_setopt(curl, CURLOPT_SSLKEY, client->key_file);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	/* Without a host id any host will do; check_server() checks that it is a host. */
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, client->connect_to ? 2L : 0L);
	curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, check_server);
	curl_easy_setopt(curl, CURLOPT_PREREQDATA, exchange);
	if (client->connect_to) {
		exchange->connect_to = curl_slist_append(NULL, client->connect_to);
		curl_easy_setopt(curl, CURLOPT_CONNECT_TO, exchange->connect_to);
	}
}

static void set_local(struct client_exchange *exchange)
{
	curl_easy_setopt(exchange->curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(exchange->curl, CURLOPT_UNIX_SOCKET_PATH, exchange->client->socket_path);
}

void client_exchange_init(struct client_exchange *exchange, struct client *client)
{
	CURL *curl;

	/* The handle is kept for the next call, because it holds the connection. */
	if (!exchange->curl) {
		exchange->curl = curl_easy_init();
		if (!exchange->curl)
			abort();
	}
	curl = exchange->curl;
	curl_easy_reset(curl);
	exchange->client = client;
	exchange->curl_text[0] = '\0';
	exchange->err.code = ERR_NONE;
	exchange->is_server_good = false;
	strbuf_clear(&exchange->body);
	curl_slist_free_all(exchange->headers);
	curl_slist_free_all(exchange->connect_to);
	exchange->headers = exchange->connect_to = NULL;

	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* ignore http_proxy */
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CLIENT_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->curl_text);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
	is_interrupted = 0;
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, check_interrupt);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
	client_exchange_header(exchange, "Expect", NULL);
	if (client->socket_path)
		set_local(exchange);
	else
		set_tls(exchange);
}

void client_exchange_fini(struct client_exchange *exchange)
{
	if (exchange->curl)
		curl_easy_cleanup(exchange->curl);
	curl_slist_free_all(exchange->headers);
	curl_slist_free_all(exchange->connect_to);
	strbuf_fini(&exchange->body);
}

/* A VALUE of NULL keeps libcurl from sending a header of its own. */
void client_exchange_header(struct client_exchange *exchange, const char *name, const char *value)
{
	CLEANUP(free_charp)
	char *line = xasprintf("%s:%s%s", name, value ? " " : "", value ? value : "");
	struct curl_slist *headers = curl_slist_append(exchange->headers, line);

	if (!headers)
		abort();
	exchange->headers = headers;
}

void client_exchange_url(struct client_exchange *exchange, const char *path)
{
	CLEANUP(free_charp) char *url = xasprintf("%s%s", exchange->client->base_url, path);

	curl_easy_setopt(exchange->curl, CURLOPT_URL, url);
	curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, exchange->headers);
}

/* ---- calls --------------------------------------------------------------------- */

char *client_path(const char *prefix, const char *name, const char *suffix)
{
	CLEANUP(curl_freep) char *escaped = curl_easy_escape(NULL, name, 0);

	return xasprintf("%s%s%s", prefix, escaped, suffix);
}

static long timeout_of(const struct client *client, const struct client_request *request)
{
	return request->timeout_ms  ? (long)request->timeout_ms
	       : client->timeout_ms ? (long)client->timeout_ms
				    : (long)CALL_TIMEOUT_MS;
}

static void set_request(struct client_exchange *exchange, const struct client_request *request)
{
	CURL *curl = exchange->curl;

	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_of(exchange->client, request));
	client_exchange_header(exchange, "Accept", "application/json");
	if (request->idempotency_key)
		client_exchange_header(exchange, "Idempotency-Key", request->idempotency_key);
	if (request->if_match)
		client_exchange_header(exchange, "If-Match", request->if_match);
	if (strcmp(request->method, "GET") != 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "");
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
		client_exchange_header(exchange, "Content-Type",
				       request->body ? "application/json" : NULL);
	}
	client_exchange_url(exchange, request->path);
}

const char *client_etag(const struct client *client)
{
	return client->etag ? client->etag : "";
}

static void note_etag(struct client *client)
{
	struct curl_header *header;

	free(TAKE_PTR(client->etag));
	if (curl_easy_header(client->exchange.curl, "ETag", 0, CURLH_HEADER, -1, &header) ==
	    CURLHE_OK)
		client->etag = xstrdup(header->value);
}

bool client_call(struct client *client, const struct client_request *request,
		 struct json_object **ret_reply, struct err *err)
{
	struct client_exchange *exchange = &client->exchange;
	long status = 0;
	CURLcode code;

	if (client->faults)
		client->faults->count = 0;
	json_object_put(client->problem);
	client->problem = NULL;
	client_exchange_init(exchange, client);
	set_request(exchange, request);
	code = curl_easy_perform(exchange->curl);
	if (code != CURLE_OK)
		return client_transport_err(exchange, code, err);
	note_etag(client);
	curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status >= 300)
		return client_problem_err(client, status, &exchange->body, err);
	return client_parse(client, &exchange->body, ret_reply, err);
}

bool client_get(struct client *client, const char *path, struct json_object **ret_reply,
		struct err *err)
{
	struct client_request request = { .method = "GET", .path = path };
	CLEANUP(json_putp) struct json_object *reply = NULL;

	if (!client_call(client, &request, &reply, err))
		return false;
	if (!reply)
		return err_set(err, ERR_PROTOCOL, "%s: the answer to '%s' is empty",
			       client->address, path);
	*ret_reply = TAKE_PTR(reply);
	return true;
}

/* ---- lists --------------------------------------------------------------------- */

static bool take_items(const struct client *client, struct json_object *page,
		       struct json_object *items, struct err *err)
{
	struct json_object *list = NULL;
	size_t count;

	if (!json_object_object_get_ex(page, "items", &list) ||
	    !json_object_is_type(list, json_type_array))
		return err_set(err, ERR_PROTOCOL, "%s: the list has no items", client->address);
	count = json_object_array_length(list);
	for (size_t i = 0; i < count; i++)
		json_object_array_add(items, json_object_get(json_object_array_get_idx(list, i)));
	return true;
}

static bool get_page(struct client *client, const char *path, const char *query, const char *after,
		     struct json_object **ret_page, struct err *err)
{
	CLEANUP(curl_freep) char *cursor = after ? curl_easy_escape(NULL, after, 0) : NULL;
	CLEANUP(free_charp)
	char *full = xasprintf("%s%s%s%s%s%s", path, *query || cursor ? "?" : "", query,
			       *query && cursor ? "&" : "", cursor ? "after=" : "",
			       cursor ? cursor : "");

	return client_get(client, full, ret_page, err);
}

bool client_list(struct client *client, const char *path, const char *query,
		 struct json_object **ret_list, struct err *err)
{
	CLEANUP(json_putp) struct json_object *items = json_object_new_array();
	CLEANUP(free_charp) char *after = NULL;

	for (unsigned n = 0; n < PAGES_MAX; n++) {
		CLEANUP(json_putp) struct json_object *page = NULL;

		if (!get_page(client, path, query, after, &page, err) ||
		    !take_items(client, page, items, err))
			return false;
		free(after);
		after = NULL;
		if (!json_get_str(page, "next")) {
			*ret_list = json_object_new_object();
			json_object_object_add(*ret_list, "items", TAKE_PTR(items));
			return true;
		}
		after = xstrdup(json_get_str(page, "next"));
	}
	return err_set(err, ERR_PROTOCOL, "%s: the list does not end", client->address);
}
