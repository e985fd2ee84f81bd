/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/client_priv.h -- shared by the files of client.h only. */
#ifndef MIGRD_LIB_CLIENT_PRIV_H
#define MIGRD_LIB_CLIENT_PRIV_H

#include <curl/curl.h>

#include "agents/lib/client.h"
#include "base/strbuf.h"

#define CLIENT_CONNECT_TIMEOUT_MS 10000

/* One HTTP exchange. */
struct client_exchange {
	struct client *client; /* borrowed */
	CURL *curl;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	struct strbuf body;
	bool is_server_good; /* this connection's, which was made for this exchange */
	struct err err; /* set by our callback that stopped the exchange */
	char curl_text[CURL_ERROR_SIZE];
};

struct client {
	char *socket_path; /* NULL: remote */
	char *base_url;
	char *address;    /* for messages */
	char *connect_to; /* NULL: as the URL says */
	char *ca_file, *cert_file, *key_file;
	uint32_t timeout_ms; /* of calls that have none of their own; 0: the usual one */
	struct faults *faults;
	struct json_object *problem;
	char *etag;                      /* NULL: the last answer had none */
	struct client_exchange exchange; /* for client_call(): keeps the connection */
};

/* Sets the options that all exchanges with this daemon have in common. */
void client_exchange_init(struct client_exchange *exchange, struct client *client);
void client_exchange_fini(struct client_exchange *exchange);
void client_exchange_header(struct client_exchange *exchange, const char *name, const char *value);
/* For a connection without a request: the server is a host, as client.h says.  False: see
 * client_transport_err(). */
bool client_exchange_server_is_good(struct client_exchange *exchange);
void client_exchange_url(struct client_exchange *exchange, const char *path);

/* Puts libcurl's failure into words for the user.  Returns false. */
bool client_transport_err(const struct client_exchange *exchange, CURLcode code, struct err *err);
/* For an answer of status 300 and above: makes an error of its document, and keeps the
 * document in the client.  Returns false. */
bool client_problem_err(struct client *client, long status, const struct strbuf *body,
			struct err *err);
/* Parses BODY as JSON.  PROTOCOL: it is none. */
bool client_parse(const struct client *client, const struct strbuf *body,
		  struct json_object **ret_obj, struct err *err);

#endif
