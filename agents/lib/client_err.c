/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts into words what can go wrong between migrctl and migrd. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agents/lib/client_priv.h"
#include "base/mem.h"

/* The depth that qmp/codec.c accepts from QEMU, and the levels around it. */
#define REPLY_MAX_DEPTH 260

/* ---- transport --------------------------------------------------------------- */

/* libcurl does not tell why a UNIX socket could not be opened, so it is tried again here. */
static int probe_socket(const char *path)
{
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (fd < 0)
		return errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
}

static bool socket_err(const char *path, const char *text, struct err *err)
{
	int reason = probe_socket(path);

	if (reason == ENOENT || reason == ENOTDIR)
		return err_set(err, ERR_UNAVAILABLE,
			       "migrd is not running: there is no socket '%s' (--socket or "
			       "$" CLIENT_SOCKET_VARIABLE " names another)",
			       path);
	if (reason == ECONNREFUSED)
		return err_set(err, ERR_UNAVAILABLE,
			       "migrd is not running: nobody listens on socket '%s'", path);
	if (reason == EACCES || reason == EPERM)
		return err_set(err, ERR_FORBIDDEN,
			       "you may not open socket '%s': be the user that runs migrd (root as "
			       "a rule), or use --host with a certificate",
			       path);
	return err_set(err, ERR_UNAVAILABLE, "cannot connect to socket '%s': %s", path,
		       reason ? strerror(reason) : text);
}

static const struct {
	CURLcode curl;
	enum err_code code;
	const char *text;
} transport_errors[] = {
	{ CURLE_COULDNT_CONNECT, ERR_UNAVAILABLE, "cannot connect" },
	{ CURLE_COULDNT_RESOLVE_HOST, ERR_UNAVAILABLE, "the host's name is not known" },
	{ CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT, "no answer in time" },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_UNAUTHORIZED, "the server's certificate is refused" },
	{ CURLE_SSL_CONNECT_ERROR, ERR_UNAUTHORIZED, "the TLS handshake failed" },
	{ CURLE_SSL_CERTPROBLEM, ERR_INVALID, "our certificate or key cannot be used" },
	{ CURLE_SSL_CACERT_BADFILE, ERR_INVALID, "the CA file cannot be used" },
	{ CURLE_GOT_NOTHING, ERR_UNAVAILABLE, "the connection was closed without an answer" },
	{ CURLE_SEND_ERROR, ERR_UNAVAILABLE, "the connection broke" },
	{ CURLE_RECV_ERROR, ERR_UNAVAILABLE, "the connection broke" },
	{ CURLE_PARTIAL_FILE, ERR_UNAVAILABLE, "the answer was cut off" },
	{ CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL, "the answer is not HTTP" },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_PROTOCOL, "the answer is not HTTP" },
};

bool client_transport_err(const struct client_exchange *exchange, CURLcode code, struct err *err)
{
	const struct client *client = exchange->client;
	const char *text = exchange->curl_text[0] ? exchange->curl_text : curl_easy_strerror(code);

	if (err_is_set(&exchange->err)) {
		*err = exchange->err;
		return false;
	}
	if (client->socket_path && code == CURLE_COULDNT_CONNECT)
		return socket_err(client->socket_path, text, err);
	for (size_t i = 0; i < ARRAY_LEN(transport_errors); i++)
		if (transport_errors[i].curl == code)
			return err_set(err, transport_errors[i].code, "%s: %s (%s)",
				       client->address, transport_errors[i].text, text);
	return err_set(err, ERR_UNAVAILABLE, "%s: %s", client->address, text);
}

/* ---- answers ----------------------------------------------------------------- */

bool client_parse(const struct client *client, const struct strbuf *body,
		  struct json_object **ret_obj, struct err *err)
{
	static const struct json_limits limits = { .max_bytes = CLIENT_REPLY_MAX_BYTES,
						   .max_depth = REPLY_MAX_DEPTH };
	struct faults *faults;
	struct json_object *obj;

	if (body->len == 0) {
		*ret_obj = NULL;
		return true;
	}
	faults = faults_new();
	obj = json_parse(body->data, body->len, &limits, faults);
	faults_free(faults);
	if (!json_object_is_type(obj, json_type_object)) {
		json_object_put(obj);
		return err_set(err, ERR_PROTOCOL, "%s: the answer is not JSON: is this migrd?",
			       client->address);
	}
	*ret_obj = obj;
	return true;
}

/* For an answer without a code, which something between us and migrd (a proxy) has made. */
static enum err_code code_of_status(long status)
{
	for (int code = ERR_INTERNAL; code < ERR_CODE_COUNT; code++)
		if (err_http_status((enum err_code)code) == status)
			return (enum err_code)code;
	return status >= 500 ? ERR_INTERNAL : ERR_INVALID;
}

static void take_faults(struct json_object *problem, struct faults *faults)
{
	struct json_object *list = NULL;
	size_t count;

	if (!faults || !json_object_object_get_ex(problem, "errors", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	count = json_object_array_length(list);
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *pointer = json_get_str(item, "pointer");
		const char *detail = json_get_str(item, "detail");

		if (pointer || detail)
			faults_add(faults, pointer ? pointer : "", "%s", detail ? detail : "");
	}
}

bool client_problem_err(struct client *client, long status, const struct strbuf *body,
			struct err *err)
{
	struct err ignored;
	const char *name, *detail;
	enum err_code code;

	json_object_put(client->problem);
	client->problem = NULL;
	if (!client_parse(client, body, &client->problem, &ignored) || !client->problem)
		return err_set(err, code_of_status(status), "%s: HTTP status %ld", client->address,
			       status);
	take_faults(client->problem, client->faults);
	name = json_get_str(client->problem, "code");
	detail = json_get_str(client->problem, "detail");
	if (!detail)
		detail = json_get_str(client->problem, "title");
	code = name ? err_from_name(name) : code_of_status(status);
	return err_set(err, code == ERR_NONE ? ERR_INTERNAL : code, "%s",
		       detail ? detail : "no details are given");
}
