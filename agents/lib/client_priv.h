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
	struct err err; /* set by a callback of ours that stopped it */
	char curl_text[CURL_ERROR_SIZE];
};

struct client {
	char *socket_path; /* NULL: remote */
	char *base_url;
	char *address;    /* for messages */
	char *connect_to; /* NULL: as the URL says */
	char *ca_file, *cert_file, *key_file;
	struct faults *faults;
	struct json_object *problem;
	struct client_exchange exchange; /* of client_call(): keeps the connection */
};

/* Sets what every exchange with this daemon has in common. */
void client_exchange_init(struct client_exchange *exchange, struct client *client);
void client_exchange_fini(struct client_exchange *exchange);
void client_exchange_header(struct client_exchange *exchange, const char *name, const char *value);
void client_exchange_url(struct client_exchange *exchange, const char *path);

/* What libcurl's failure means to the reader; false. */
bool client_transport_err(const struct client_exchange *exchange, CURLcode code, struct err *err);
/* An answer of status 300 and above; keeps the document in the client; false. */
bool client_problem_err(struct client *client, long status, const struct strbuf *body,
			struct err *err);
/* BODY as JSON; PROTOCOL if it is none. */
bool client_parse(const struct client *client, const struct strbuf *body,
		  struct json_object **ret_obj, struct err *err);

#endif
