/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /openapi.json: the routes and their tables, as OpenAPI 3.1. */
#include <string.h>

#include "api/api.h"

static struct json_object *get_or_add(struct json_object *obj, const char *key)
{
	struct json_object *member = NULL;

	if (!json_object_object_get_ex(obj, key, &member)) {
		member = json_object_new_object();
		json_object_object_add(obj, key, member);
	}
	return member;
}

static void add_schema(struct json_object *place, const char *type, struct json_object *schema)
{
	json_object_object_add(get_or_add(get_or_add(place, "content"), type), "schema", schema);
}

static struct json_object *reply_schema(const struct json_field *fields)
{
	return json_schema(fields, JSON_SCHEMA_REPLY, NULL, NULL);
}

static struct json_object *list_schema(const struct json_field *item)
{
	const struct json_field fields[] = {
		{ .key = "items", .type = JSON_LIST, .required = true, .fields = item },
		{ .key = "next",
		  .type = JSON_BORROWED,
		  .required = true,
		  .nullable = true,
		  .help = "Value of ?after= for the next page; null: this was the last one." },
		{ 0 },
	};

	return reply_schema(fields);
}

static struct json_object *good_schema(const struct http_route *route)
{
	struct json_object *either, *any;

	if (route->is_list)
		return list_schema(route->reply);
	if (!route->other_reply)
		return reply_schema(route->reply);
	either = json_object_new_object();
	any = json_object_new_array();
	json_object_array_add(any, reply_schema(route->reply));
	json_object_array_add(any, reply_schema(route->other_reply));
	json_object_object_add(either, "anyOf", any);
	return either;
}

/* All routes share one schema of a problem. */
static struct json_object *problem_ref(void)
{
	struct json_object *ref = json_object_new_object();

	json_add_str(ref, "$ref", "#/components/schemas/problem");
	return ref;
}

static struct json_object *responses(const struct http_route *route)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *good = get_or_add(obj, "2XX"), *problem = get_or_add(obj, "default");

	json_add_str(good, "description", "It was done");
	if (route->reply)
		add_schema(good, "application/json", good_schema(route));
	json_add_str(problem, "description", "A problem document (RFC 9457)");
	add_schema(problem, "application/problem+json", problem_ref());
	return obj;
}

static struct json_object *operation(const struct http_route *route)
{
	static const char *const roles[] = {
		[HTTP_ROLE_NONE] = "none",         [HTTP_ROLE_VIEWER] = "viewer",
		[HTTP_ROLE_OPERATOR] = "operator", [HTTP_ROLE_ADMIN] = "admin",
		[HTTP_ROLE_PEER] = "peer",
	};
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "summary", route->summary);
	json_add_str(obj, "x-role", roles[route->role]);
	if (route->body)
		add_schema(get_or_add(obj, "requestBody"), "application/json",
			   json_schema(route->body, JSON_SCHEMA_REQUEST, NULL, NULL));
	json_object_object_add(obj, "responses", responses(route));
	return obj;
}

void api_openapi(struct http_request *req, void *data)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *info = get_or_add(obj, "info");
	struct json_object *paths = get_or_add(obj, "paths");

	(void)data;
	json_add_str(obj, "openapi", "3.1.0");
	json_add_str(info, "title", "migrd");
	json_add_str(info, "version", VERSION);
	json_object_object_add(get_or_add(get_or_add(obj, "components"), "schemas"), "problem",
			       reply_schema(problem_fields));
	for (const struct http_route *route = api_routes; route->method; route++) {
		char method[8];
		size_t len = strlen(route->method);

		for (size_t i = 0; i <= len; i++)
			method[i] = (char)(route->method[i] | (i < len ? 0x20 : 0));
		json_object_object_add(get_or_add(paths, route->path), method, operation(route));
	}
	http_reply(req, 200, obj);
}
