/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/hello.h"

#include <string.h>

#include "peer/client.h"

struct hello {
	char host[ID_NAME_SIZE];
	int64_t protocol_min, protocol_max;
};

static const struct json_field hello_fields[] = {
	{ .key = "host",
	  .type = JSON_STRING,
	  .required = true,
	  .offset = offsetof(struct hello, host),
	  .size = ID_NAME_SIZE,
	  .help = "The id of the host that asks." },
	{ .key = "protocol_min",
	  .type = JSON_INT,
	  .required = true,
	  .offset = offsetof(struct hello, protocol_min),
	  .min = 1,
	  .max = INT32_MAX,
	  .help = "The lowest protocol version it speaks." },
	{ .key = "protocol_max",
	  .type = JSON_INT,
	  .required = true,
	  .offset = offsetof(struct hello, protocol_max),
	  .min = 1,
	  .max = INT32_MAX,
	  .help = "The highest protocol version it speaks." },
	{ 0 },
};

/* The certificate says who asks; the body must not say otherwise. */
static bool check_host(const struct http_request *req, const struct hello *hello, struct err *err)
{
	if (strcmp(hello->host, http_caller_name(req)) == 0)
		return true;
	return err_set(err, ERR_FORBIDDEN, "host '%s' says that it is '%s'", http_caller_name(req),
		       hello->host);
}

static bool agree(const struct hello *hello, int64_t *ret_version, struct err *err)
{
	int64_t highest =
		hello->protocol_max < PEER_PROTOCOL_MAX ? hello->protocol_max : PEER_PROTOCOL_MAX;

	if (highest < PEER_PROTOCOL_MIN || highest < hello->protocol_min)
		return err_set(err, ERR_PROTOCOL,
			       "host '%s' speaks the protocol versions %lld to %lld, this host %d "
			       "to %d: upgrade the %s one",
			       hello->host, (long long)hello->protocol_min,
			       (long long)hello->protocol_max, PEER_PROTOCOL_MIN, PEER_PROTOCOL_MAX,
			       hello->protocol_max < PEER_PROTOCOL_MIN ? "first" : "second");
	*ret_version = highest;
	return true;
}

void hello_answer(struct http_request *req, const char *host_id)
{
	struct hello hello = { 0 };
	struct json_object *answer;
	int64_t version = 0;
	struct err err = { 0 };

	if (!http_body(req))
		err_set(&err, ERR_INVALID, "hello has no body");
	else if (json_decode_object(http_body(req), hello_fields, &hello, JSON_IGNORE_UNKNOWN,
				    &err) &&
		 check_host(req, &hello, &err))
		agree(&hello, &version, &err);
	if (err_is_set(&err)) {
		http_reply_err(req, &err);
		return;
	}
	answer = json_object_new_object();
	json_add_str(answer, "host", host_id);
	json_add_int(answer, "protocol", version);
	http_reply(req, 200, answer);
}
