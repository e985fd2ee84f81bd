/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/hello.h"

#include <string.h>

#include "base/log.h"
#include "http/internal.h"
#include "wire/peer_msg.h"

/* The certificate says who asks; the body must not say otherwise. */
static bool check_host(const struct http_request *req, const struct peer_hello *hello,
		       struct err *err)
{
	if (strcmp(hello->host, http_caller_name(req)) == 0)
		return true;
	return err_set(err, ERR_FORBIDDEN, "host '%s' says that it is '%s'", http_caller_name(req),
		       hello->host);
}

static bool agree(const struct peer_hello *hello, uint64_t *ret_version, struct err *err)
{
	uint64_t min = hello->protocol.min;
	uint64_t max = hello->protocol.max;
	uint64_t highest = max < PEER_PROTOCOL_MAX ? max : PEER_PROTOCOL_MAX;

	if (highest < PEER_PROTOCOL_MIN || highest < min)
		return err_set(err, ERR_PROTOCOL,
			       "host '%s' speaks the protocol versions %llu to %llu, this host %d "
			       "to %d: upgrade the %s one",
			       hello->host, (unsigned long long)min, (unsigned long long)max,
			       PEER_PROTOCOL_MIN, PEER_PROTOCOL_MAX,
			       max < PEER_PROTOCOL_MIN ? "first" : "second");
	*ret_version = highest;
	return true;
}

static bool read_hello(const struct http_request *req, struct peer_hello *ret, struct err *err)
{
	if (!http_body(req))
		return err_set(err, ERR_INVALID, "hello has no body");
	return peer_hello_decode(http_body(req), ret, err) && check_host(req, ret, err);
}

static void log_hello(const struct http_request *req, const struct peer_hello *hello,
		      const struct peer_hello_reply *reply)
{
	if (noise_note(req->server->noise[HTTP_NOISE_HELLO], hello->host, hello->software))
		log_info("peer", "hello", "peer=%s protocol=%llu software=%s", hello->host,
			 (unsigned long long)reply->protocol, hello->software);
}

void hello_answer(struct http_request *req, const char *host_id,
		  const struct transfer_features *features, uint64_t let_come)
{
	struct peer_hello_reply reply = {
		.software = PACKAGE_STRING,
		.has_migration = features,
		.has_let_come = let_come > 0,
		.let_come_bytes_per_s = let_come,
	};
	struct peer_hello hello;
	struct err err = { 0 };

	snprintf(reply.host, sizeof(reply.host), "%s", host_id);
	if (features) {
		reply.migration = *features;
		transfer_features_add_host(&reply.migration);
	}
	if (read_hello(req, &hello, &err) && agree(&hello, &reply.protocol, &err)) {
		log_hello(req, &hello, &reply);
		http_reply_as(req, 200, peer_hello_reply_fields, &reply);
	} else {
		http_reply_err(req, &err);
	}
}
