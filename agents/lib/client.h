/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/client.h -- the REST API of a migrd (libcurl inside).
 *
 * Local: the daemon's UNIX socket; a user who may open it may do everything.
 * Remote: HTTPS, TLS 1.3, with a client certificate.  The server must show a
 * certificate of the given CA that carries the name of a migrd host
 * (ID.host.migrd): a user's certificate does not pass for a server.  With a
 * host id, it must be the certificate of that host.  The address is not compared:
 * a host is known by its id, and may get another address.  The check is made
 * before the first byte of a request is sent.
 *
 * Errors: UNAVAILABLE (no daemon, connection lost), FORBIDDEN (the user may not
 * open the socket), UNAUTHORIZED (certificates), TIMEOUT, TOO_LARGE, PROTOCOL
 * (the server is not migrd), and the code of the problem document.
 *
 * Thread: any, one at a time; calls block.
 */
#ifndef MIGRD_LIB_CLIENT_H
#define MIGRD_LIB_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define CLIENT_SOCKET          "/run/migrd/api.sock"
#define CLIENT_SOCKET_VARIABLE "MIGRD_SOCKET"
#define CLIENT_API_PORT        "8440"
/* A reply of QEMU has at most 16 MiB (qmp/codec.h); the rest is for the JSON around it. */
#define CLIENT_REPLY_MAX_BYTES ((16u << 20) + 4096)

struct client_config {
	const char *socket_path;                    /* NULL: $MIGRD_SOCKET, else CLIENT_SOCKET */
	const char *host;                           /* "[https://]ADDRESS[:PORT]"; NULL: local */
	const char *host_id;                        /* NULL: any host of the CA */
	const char *ca_file, *cert_file, *key_file; /* with host: all three */
	struct faults *faults; /* borrowed: gets the errors[] of a problem document */
};

struct client;

/* Does not connect yet. */
struct client *client_new(const struct client_config *config, struct err *err);
void client_free(struct client *client);

struct client_request {
	const char *method;
	const char *path; /* with its query, see client_path() */
	const char *body; /* JSON text; NULL: none */
	size_t body_len;
	const char *idempotency_key; /* or NULL */
	const char *if_match;        /* a tag of client_etag(), or NULL */
	uint32_t timeout_ms;         /* 0: two minutes */
};

/* PREFIX NAME SUFFIX, with NAME escaped; the caller frees it. */
char *client_path(const char *prefix, const char *name, const char *suffix);

/* The caller owns *ret_reply; NULL: the answer has no body. */
bool client_call(struct client *client, const struct client_request *request,
		 struct json_object **ret_reply, struct err *err);
bool client_get(struct client *client, const char *path, struct json_object **ret_reply,
		struct err *err);
/* All pages of a list: {"items":[...]}.  QUERY is "" or "a=b&c=d". */
bool client_list(struct client *client, const char *path, const char *query,
		 struct json_object **ret_list, struct err *err);
/* Of calls that have none of their own, as client_get() and client_list(). */
void client_set_timeout(struct client *client, uint32_t timeout_ms);
/* For a signal handler: the call under way ends with CANCELLED within a second. */
void client_interrupt(void);
/* The problem document of the last call, if it failed with one, else NULL; borrowed
 * until the next call. */
struct json_object *client_problem(const struct client *client);

/* The tag of the object that the last call has answered with, "" if it had none; borrowed until the
 * next call. */
const char *client_etag(const struct client *client);

/* ---- events ---------------------------------------------------------------- */

struct client_event {
	const char *type, *data, *id; /* valid until the next call */
};

enum client_wait { CLIENT_EVENT, CLIENT_SILENCE, CLIENT_BROKEN };

struct client_stream;

/* Returns when the server has accepted: all later events are in the stream.
 * LAST_ID: the events after this one are sent first; NULL: only new events. */
struct client_stream *client_stream_open(struct client *client, const char *path,
					 const char *last_id, struct err *err);
/* SILENCE: no event within TIMEOUT_MS.  BROKEN: *err is set, also if the server has
 * ended the stream. */
enum client_wait client_stream_next(struct client_stream *stream, uint32_t timeout_ms,
				    struct client_event *ret_event, struct err *err);
/* From now on client_stream_next() returns, with SILENCE, as soon as one of FDS has something to
 * read. */
#define CLIENT_STREAM_WATCHED_MAX 4
void client_stream_watch(struct client_stream *stream, const int *fds, size_t count);
void client_stream_free(struct client_stream *stream);

#endif
