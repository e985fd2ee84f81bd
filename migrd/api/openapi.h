/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/openapi.h -- parts of /openapi.json (OpenAPI 3.1), made of the table of routes.  Each
 * function gives a new object or array, which the caller owns.  Thread: any. */
#ifndef MIGRD_API_OPENAPI_H
#define MIGRD_API_OPENAPI_H

#include "http/http.h"

/* ---- openapi_path.c ---- */

/* Method and path in words, which no other route has: getVmsByName, postMovesByIdCancel. */
struct json_object *openapi_operation_id(const struct http_route *route);
/* What its path and query take, and the header Idempotency-Key. */
struct json_object *openapi_parameters(const struct http_route *route);
/* The name of the tag of a route. */
const char *openapi_tag(const struct http_route *route);
/* All tags, with a sentence each. */
struct json_object *openapi_tags(void);

/* ---- openapi_problems.c ---- */

/* Adds to ANSWERS those from 400 on that ROUTE may give, by their statuses. */
void openapi_add_problems(struct json_object *answers, const struct http_route *route);
/* Adds those of all routes, each with what its codes mean and, in `x-codes', the codes. */
void openapi_add_problem_components(struct json_object *responses);

/* ---- openapi_schema.c ---- */

/* Of the body that ROUTE takes; NULL: it takes none. */
struct json_object *openapi_body(const struct http_route *route);

/* A published table by its name, {"$ref"}; one that is not published as it is. */
struct json_object *openapi_schema(const struct json_field *fields, enum json_schema_use use);
/* The schema NAME of wire/schema.h by its name. */
struct json_object *openapi_ref(const char *name);
/* All that are published, by their names. */
struct json_object *openapi_schemas(void);
/* A body that the route of this table takes; NULL: there is no example. */
struct json_object *openapi_example(const struct json_field *fields);

#endif
