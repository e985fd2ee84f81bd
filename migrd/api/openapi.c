/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /openapi.json: the routes and their tables, as OpenAPI 3.1. */
#include <string.h>

#include "api/api.h"
#include "api/openapi.h"
#include "base/mem.h"
#include "http/object.h"
#include "wire/hook.h"
#include "wire/notice.h"
#include "wire/schema.h"

#define JSON_TYPE    "application/json"
#define PROBLEM_TYPE "application/problem+json"
#define STREAM_TYPE  "text/event-stream"
#define PORT         "8440"
#define CERTIFICATE  "clientCertificate" /* the name of the security scheme */
#define EVENT_PREFIX "event-"            /* of the schemas of events */

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

static struct json_object *any_of(void)
{
	struct json_object *ret = json_object_new_object();

	json_object_object_add(ret, "anyOf", json_object_new_array());
	return ret;
}

static void any_of_add(struct json_object *any, struct json_object *schema)
{
	json_object_array_add(get_or_add(any, "anyOf"), schema);
}

/* ---- good answers ------------------------------------------------------------ */

static struct json_object *next_schema(void)
{
	static const struct json_field fields[] = {
		{ .key = "next",
		  .type = JSON_BORROWED,
		  .required = true,
		  .nullable = true,
		  .help = "Value of ?after= for the next page; null: this was the last one." },
		{ .key = "position",
		  .type = JSON_BORROWED,
		  .required = true,
		  .help = "Position of the events: GET /v1/events?after= tells of everything "
			  "that has happened since the list was made." },
		{ 0 },
	};

	return openapi_schema(fields, JSON_SCHEMA_REPLY);
}

static struct json_object *list_schema(const struct json_field *item)
{
	struct json_object *schema = next_schema(), *items = json_object_new_object(), *required;

	json_add_str(items, "type", "array");
	json_object_object_add(items, "items", openapi_schema(item, JSON_SCHEMA_REPLY));
	json_object_object_add(get_or_add(schema, "properties"), "items", items);
	json_object_object_get_ex(schema, "required", &required);
	json_object_array_add(required, json_object_new_string("items"));
	return schema;
}

static struct json_object *good_schema(const struct http_route *route)
{
	struct json_object *either;

	if (route->is_list)
		return list_schema(route->reply);
	if (!route->other_reply)
		return openapi_schema(route->reply, JSON_SCHEMA_REPLY);
	either = any_of();
	any_of_add(either, openapi_schema(route->reply, JSON_SCHEMA_REPLY));
	any_of_add(either, openapi_schema(route->other_reply, JSON_SCHEMA_REPLY));
	return either;
}

/* The `data' of an event is one of these. */
static struct json_object *any_event(void)
{
	struct json_object *either = any_of();
	const char *name;

	for (size_t i = 0; (name = wire_schema_name(i)); i++)
		if (strncmp(name, EVENT_PREFIX, strlen(EVENT_PREFIX)) == 0)
			any_of_add(either, openapi_ref(name));
	return either;
}

static struct json_object *events_schema(void)
{
	struct json_object *either = any_event();

	json_add_str(
		either, "description",
		"Server-sent events, each with `id`, `event` and `data`, which is JSON: of `event: "
		"NAME` it has the schema `event-NAME`; a VM that is not here any more is told by "
		"`event: vm` with the schema `event-vm-gone`. `gap` has no `id`.");
	return either;
}

/* Of an answer that no table describes. */
static struct json_object *free_schema(const char *type)
{
	struct json_object *schema = json_object_new_object();

	json_add_str(schema, "type", strcmp(type, JSON_TYPE) == 0 ? "object" : "string");
	return schema;
}

static struct json_object *component_ref(const char *path)
{
	struct json_object *ref = json_object_new_object();

	json_add_str(ref, "$ref", path);
	return ref;
}

static void add_header(struct json_object *answer, const char *name, const char *path)
{
	json_object_object_add(get_or_add(answer, "headers"), name, component_ref(path));
}

static void add_good_headers(struct json_object *answer, const struct http_route *route, int status)
{
	if (status != 204 && status != 101 && http_has_etag(api_routes, route))
		add_header(answer, "ETag", "#/components/headers/etag");
	if ((status == 201 || status == 202) && http_has_location(api_routes, route))
		add_header(answer, "Location", "#/components/headers/location");
}

static void add_good(struct json_object *answers, const struct http_route *route, int status)
{
	static const struct {
		int status;
		const char *key, *words;
	} good[] = {
		{ 101, "101", "The connection is a WebSocket from here on" },
		{ 200, "200", "It was done, or is as it was asked for" },
		{ 201, "201", "It was made" },
		{ 202, "202", "It was begun, and goes on" },
		{ 204, "204", "It was done, or by a dry run would be done" },
	};
	struct json_object *answer;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (good[i].status != status)
			continue;
		answer = get_or_add(answers, good[i].key);
		json_add_str(answer, "description", good[i].words);
		add_good_headers(answer, route, status);
		if (status == 204 || status == 101)
			continue;
		if (route->reply)
			add_schema(answer, JSON_TYPE, good_schema(route));
		else if (route->is_stream)
			add_schema(answer, STREAM_TYPE, events_schema());
		else if (route->type)
			add_schema(answer, route->type, free_schema(route->type));
	}
}

/* Whose dry run is answered without a body. */
static bool has_bare_dry_run(const struct http_route *route)
{
	return route->query == api_try_query;
}

static struct json_object *answers(const struct http_route *route)
{
	struct json_object *ret = json_object_new_object();
	bool has_body = route->reply || route->is_stream || route->type;

	if (route->status == 0 || route->reply)
		add_good(ret, route, has_body ? 200 : 204);
	if (route->status)
		add_good(ret, route, route->status);
	if (has_bare_dry_run(route))
		add_good(ret, route, 204);
	if (strcmp(route->method, "GET") == 0 && http_has_etag(api_routes, route))
		json_object_object_add(ret, "304", component_ref("#/components/responses/known"));
	openapi_add_problems(ret, route);
	json_object_object_add(ret, "4XX", component_ref("#/components/responses/refused"));
	json_object_object_add(ret, "5XX", component_ref("#/components/responses/failed"));
	return ret;
}

/* ---- an operation --------------------------------------------------------------- */

static bool may_be_left_out(const struct json_field *fields)
{
	for (; fields->key; fields++)
		if (fields->required)
			return false;
	return true;
}

static struct json_object *body(const struct http_route *route)
{
	struct json_object *ret = json_object_new_object(), *example = openapi_example(route->body);

	json_add_bool(ret, "required", !route->body || !may_be_left_out(route->body));
	add_schema(ret, JSON_TYPE, openapi_body(route));
	if (example)
		json_object_object_add(get_or_add(get_or_add(ret, "content"), JSON_TYPE), "example",
				       example);
	return ret;
}

static struct json_object *operation(const struct http_route *route)
{
	struct json_object *obj = json_object_new_object(), *list = json_object_new_array();
	struct json_object *parameters = openapi_parameters(route);
	CLEANUP(free_charp)
	char *words = xasprintf("%s. Role: %s.", route->summary, http_role_name(route->role));

	json_object_object_add(obj, "operationId", openapi_operation_id(route));
	json_object_array_add(list, json_new_str(openapi_tag(route)));
	json_object_object_add(obj, "tags", list);
	json_add_str(obj, "summary", route->summary);
	json_add_str(obj, "description", words);
	/* OpenAPI lets roles stand in `security', but linters want that of OAuth alone. */
	json_add_str(obj, "x-role", http_role_name(route->role));
	if (json_object_array_length(parameters))
		json_object_object_add(obj, "parameters", parameters);
	else
		json_object_put(parameters);
	if (route->body || route->handler_checks_body)
		json_object_object_add(obj, "requestBody", body(route));
	json_object_object_add(obj, "responses", answers(route));
	return obj;
}

/* ---- what all share ----------------------------------------------------------------- */

static void add_problem(struct json_object *place, const char *name, const char *words)
{
	struct json_object *answer = get_or_add(place, name);

	json_add_str(answer, "description", words);
	add_header(answer, "Retry-After", "#/components/headers/retry-after");
	add_schema(answer, PROBLEM_TYPE, openapi_ref("problem"));
}

static void add_header_words(struct json_object *place, const char *name, const char *type,
			     const char *words)
{
	struct json_object *header = get_or_add(place, name);

	json_add_str(header, "description", words);
	json_add_str(get_or_add(header, "schema"), "type", type);
}

static struct json_object *headers(void)
{
	struct json_object *ret = json_object_new_object();

	add_header_words(ret, "etag", "string",
			 "Changes when the answer does; for If-None-Match and If-Match.");
	add_header_words(ret, "location", "string",
			 "Path of what was made, or of the object that is being changed.");
	add_header_words(ret, "retry-after", "integer",
			 "Of a problem with `retry`: when the same request may succeed, in seconds "
			 "from now.");
	return ret;
}

static struct json_object *components(void)
{
	struct json_object *ret = json_object_new_object();
	struct json_object *scheme = get_or_add(get_or_add(ret, "securitySchemes"), CERTIFICATE);
	struct json_object *shared = get_or_add(ret, "responses");
	struct json_object *known = get_or_add(shared, "known");

	json_add_str(scheme, "type", "mutualTLS");
	json_add_str(scheme, "description",
		     "A certificate of the configured authority; its name says the role. The UNIX "
		     "socket of the host takes none: who may open it is admin.");
	json_object_object_add(ret, "schemas", openapi_schemas());
	json_object_object_add(ret, "headers", headers());
	json_add_str(known, "description", "The client has it already, by its If-None-Match");
	add_header(known, "ETag", "#/components/headers/etag");
	openapi_add_problem_components(shared);
	add_problem(shared, "refused",
		    "It was refused, and nothing was changed: a problem document (RFC 9457)");
	add_problem(shared, "failed", "It failed: a problem document (RFC 9457)");
	return ret;
}

static struct json_object *info(void)
{
	struct json_object *ret = json_object_new_object(), *license = get_or_add(ret, "license");

	json_add_str(ret, "title", "migrd");
	json_add_str(ret, "version", VERSION);
	json_add_str(ret, "description",
		     "Live migration of QEMU guests between hosts: doc/api.md tells what each "
		     "request does, and schema/errors.md the codes of problems.");
	json_add_str(get_or_add(ret, "contact"), "name", "migrd");
	json_add_str(license, "name", "LGPL-2.1-or-later");
	json_add_str(license, "identifier", "LGPL-2.1-or-later");
	return ret;
}

static struct json_object *servers(void)
{
	struct json_object *ret = json_object_new_array(), *server = json_object_new_object();
	struct json_object *variables = get_or_add(server, "variables");

	json_add_str(server, "url", "https://{host}:{port}");
	json_add_str(get_or_add(variables, "host"), "default", "localhost");
	json_add_str(get_or_add(variables, "port"), "default", PORT);
	json_object_array_add(ret, server);
	return ret;
}

static struct json_object *security(void)
{
	struct json_object *ret = json_object_new_array(), *each = json_object_new_object();

	json_object_object_add(each, CERTIFICATE, json_object_new_array());
	json_object_array_add(ret, each);
	return ret;
}

/* What this coordinator sends to others. */
static void add_webhook(struct json_object *webhooks, const char *name, const char *schema,
			const char *answer_schema, const char *words)
{
	struct json_object *post = get_or_add(get_or_add(webhooks, name), "post");
	struct json_object *good = get_or_add(get_or_add(post, "responses"), "2XX");

	json_add_str(post, "operationId", schema);
	json_add_str(post, "summary", words);
	add_schema(get_or_add(post, "requestBody"), JSON_TYPE, openapi_ref(schema));
	json_add_str(good, "description", "It was heard");
	if (answer_schema)
		add_schema(good, JSON_TYPE, openapi_ref(answer_schema));
}

static void add_webhook_header(struct json_object *post, const char *name, const char *words)
{
	struct json_object *parameter = json_object_new_object();

	json_add_str(parameter, "name", name);
	json_add_str(parameter, "in", "header");
	json_add_str(parameter, "description", words);
	json_add_bool(parameter, "required", true);
	json_add_str(get_or_add(parameter, "schema"), "type", "string");
	json_object_array_add(json_object_object_get(post, "parameters"), parameter);
}

/* What a webhook gets that was registered by POST /v1/webhooks. */
static void add_event_webhook(struct json_object *webhooks)
{
	struct json_object *post = get_or_add(get_or_add(webhooks, "event"), "post");
	struct json_object *answers = get_or_add(post, "responses");
	struct json_object *schema = json_object_new_object(), *all = json_object_new_array();
	struct json_object *data = json_object_new_object(), *either = any_event();

	any_of_add(either, openapi_ref("webhook-test"));
	json_object_object_add(get_or_add(data, "properties"), "data", either);
	json_object_array_add(all, openapi_ref("webhook-message"));
	json_object_array_add(all, data);
	json_object_object_add(schema, "allOf", all);
	json_add_str(post, "operationId", "webhook-message");
	json_add_str(post, "summary", "An event, for a webhook of POST /v1/webhooks");
	json_object_object_add(post, "parameters", json_object_new_array());
	add_webhook_header(post, "webhook-id", "Of the delivery: the same at each try.");
	add_webhook_header(post, "webhook-timestamp",
			   "Time of the try, in seconds since 1970; a part of what is signed.");
	add_webhook_header(post, "webhook-signature",
			   "v1, and the base64 of the HMAC-SHA256 of id.timestamp.body, one for "
			   "each key, with blanks between them.");
	add_schema(get_or_add(post, "requestBody"), JSON_TYPE, schema);
	json_add_str(get_or_add(answers, "2XX"), "description", "It was heard");
	json_add_str(get_or_add(answers, "410"), "description",
		     "It wants no more: the webhook is disabled");
	json_add_str(get_or_add(answers, "default"), "description",
		     "It is tried again, after Retry-After if that is later");
}

static struct json_object *webhooks(void)
{
	struct json_object *ret = json_object_new_object();

	add_webhook(ret, NOTICE_BEFORE, "notice-before", "notice-answer",
		    "The memory of a guest is about to be sent");
	add_webhook(ret, NOTICE_AFTER, "notice-after", NULL, "A move has ended");
	add_webhook(ret, HOOK_NOTICE, "notice-hook", "hook-answer",
		    "This host is empty, and a hook of it has a url");
	add_event_webhook(ret);
	return ret;
}

static struct json_object *paths(void)
{
	struct json_object *ret = json_object_new_object();

	for (const struct http_route *route = api_routes; route->method; route++) {
		char method[8];
		size_t len = strlen(route->method);

		if (route->is_file)
			continue;
		for (size_t i = 0; i <= len; i++)
			method[i] = (char)(route->method[i] | (i < len ? 0x20 : 0));
		json_object_object_add(get_or_add(ret, route->path), method, operation(route));
	}
	return ret;
}

static char *document_text(size_t *ret_len)
{
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();

	json_add_str(obj, "openapi", "3.1.0");
	json_object_object_add(obj, "info", info());
	json_object_object_add(obj, "servers", servers());
	json_object_object_add(obj, "security", security());
	json_object_object_add(obj, "tags", openapi_tags());
	json_object_object_add(obj, "paths", paths());
	json_object_object_add(obj, "webhooks", webhooks());
	json_object_object_add(obj, "components", components());
	return xstrdup(json_text(obj, ret_len));
}

/* It is the same as long as the daemon runs. */
void api_openapi(struct http_request *req, void *data)
{
	struct api *api = data;

	if (!api->document.text) {
		api->document.text = document_text(&api->document.len);
		mem_trim(); /* the document takes 12 MiB as a tree */
	}
	http_reply_json(req, 200, xstrdup(api->document.text), api->document.len);
}
