/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http/query.h -- the query of a request, checked against a table.
 *
 * A key that the route does not know, a key that comes twice, and a value outside of its
 * bounds are faults, all answered at once (400) before the handler is called: otherwise a
 * misspelt filter would show everything.  Thread: any (pure).
 */
#ifndef MIGRD_HTTP_QUERY_H
#define MIGRD_HTTP_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

enum http_query_type {
	HTTP_QUERY_TEXT, /* not empty */
	HTTP_QUERY_UINT,
	HTTP_QUERY_ENUM,
	HTTP_QUERY_SET,    /* some of `names', with commas between them */
	HTTP_QUERY_FIELDS, /* the same of members of what the route answers, or lists */
};

struct http_query_key {
	const char *name; /* NULL ends a table */
	enum http_query_type type;
	uint64_t min, max;        /* UINT */
	uint64_t fallback;        /* UINT: when it is absent */
	const char *const *names; /* ENUM, SET: ended by NULL */
	const char *help;         /* one sentence, unit included */
};

struct http_pairs;
struct http_request;

/* KEYS NULL: the route takes no query.  REPLY: the table of FIELDS.  Adds a fault with the pointer
 * "?key" for each. */
bool http_query_check(const struct http_query_key *keys, const struct json_field *reply,
		      const struct http_pairs *query, struct faults *faults);
/* The value of a UINT, or its fallback; the query of REQ must have been checked. */
uint64_t http_query_uint(const struct http_request *req, const char *name);

#endif
