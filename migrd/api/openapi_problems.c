/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a route answers when it refuses or fails: the statuses of base/err.h. */
#include <stdio.h>
#include <string.h>

#include "api/openapi.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define PROBLEM_TYPE "application/problem+json"
#define RESPONSES    "#/components/responses/"
#define KEY_SIZE     8

/* ---- codes -------------------------------------------------------------------- */

struct code {
	int status;
	const char *name, *meaning;
};

static const struct code codes[] = {
#define X(code, name, http, exit, retry, meaning) { http, name, meaning },
	ERR_CODES(X)
#undef X
	/* The server's own, for a header that is too large. */
	{ 431, "too-large", "over a size limit" },
};

/* "`busy`: a job holds the object; ...", and the names alone; false: no code has STATUS. */
static bool add_codes(int status, struct strbuf *words, struct json_object *names)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].status != status)
			continue;
		strbuf_addf(words, "%s`%s`: %s", words->len ? "; " : "", codes[i].name,
			    codes[i].meaning);
		json_object_array_add(names, json_object_new_string(codes[i].name));
	}
	return words->len > 0;
}

/* ---- rules -------------------------------------------------------------------- */

static bool of_all(const struct http_route *route)
{
	(void)route;
	return true;
}

static bool with_role(const struct http_route *route)
{
	return route->role != HTTP_ROLE_NONE;
}

static bool that_changes(const struct http_route *route)
{
	return strcmp(route->method, "GET") != 0;
}

static bool has_query(const struct http_route *route, const char *name)
{
	for (const struct http_query_key *key = route->query; key && key->name; key++)
		if (strcmp(key->name, name) == 0)
			return true;
	return false;
}

static bool that_conflicts(const struct http_route *route)
{
	return that_changes(route) || route->status == 101;
}

/* What path, body or query names may not be there. */
static bool that_names(const struct http_route *route)
{
	return strchr(route->path, '{') || route->body || route->handler_checks_body ||
	       has_query(route, "host");
}

/* It asks a QEMU, a guest or another host. */
static bool that_asks(const struct http_route *route)
{
	return that_changes(route) || strchr(route->path, '{');
}

static bool with_key(const struct http_route *route)
{
	return strcmp(route->method, "POST") == 0 && route->role != HTTP_ROLE_PEER;
}

static bool of_peers(const struct http_route *route)
{
	return route->role == HTTP_ROLE_PEER;
}

static const struct {
	int status;
	bool (*is_of)(const struct http_route *route);
} rules[] = {
	{ 400, of_all },         { 401, of_all },       { 403, with_role },    { 404, that_names },
	{ 409, that_conflicts }, { 412, that_changes }, { 413, of_all },       { 415, of_all },
	{ 422, with_key },       { 426, of_peers },     { 429, that_changes }, { 431, of_all },
	{ 500, of_all },         { 502, that_asks },    { 503, of_all },       { 504, that_asks },
	{ 507, that_changes },
};

/* ---- answers ------------------------------------------------------------------ */

static struct json_object *ref_of(const char *key)
{
	struct json_object *ref = json_object_new_object();
	char path[64];

	snprintf(path, sizeof(path), RESPONSES "%s", key);
	json_add_str(ref, "$ref", path);
	return ref;
}

/* An answer with SCHEMA, which is taken over. */
static struct json_object *problem_new(const char *words, struct json_object *schema)
{
	struct json_object *ret = json_object_new_object();
	struct json_object *content = json_object_new_object(), *type = json_object_new_object();

	json_add_str(ret, "description", words);
	json_object_object_add(type, "schema", schema);
	json_object_object_add(content, PROBLEM_TYPE, type);
	json_object_object_add(ret, "content", content);
	return ret;
}

/* A problem, with the members of FIELDS or without. */
static struct json_object *longer_problem(const struct json_field *fields)
{
	struct json_object *ret = json_object_new_object(), *list = json_object_new_array();

	json_object_array_add(list, openapi_schema(fields, JSON_SCHEMA_REPLY));
	json_object_array_add(list, openapi_ref("problem"));
	json_object_object_add(ret, "anyOf", list);
	return ret;
}

static struct json_object *answer(const struct http_route *route, int status, const char *key)
{
	CLEANUP(strbuf_fini) struct strbuf words = STRBUF_INIT;
	struct json_object *names, *ret;

	if (!route->problem || status != route->problem_status)
		return ref_of(key);
	names = json_object_new_array();
	add_codes(status, &words, names);
	ret = problem_new(strbuf_str(&words), longer_problem(route->problem));
	json_object_object_add(ret, "x-codes", names);
	return ret;
}

static bool is_known(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].status == status)
			return true;
	return false;
}

void openapi_add_problems(struct json_object *answers, const struct http_route *route)
{
	char key[KEY_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (!rules[i].is_of(route) || !is_known(rules[i].status))
			continue;
		snprintf(key, sizeof(key), "%d", rules[i].status);
		json_object_object_add(answers, key, answer(route, rules[i].status, key));
	}
}

void openapi_add_problem_components(struct json_object *responses)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		CLEANUP(strbuf_fini) struct strbuf words = STRBUF_INIT;
		struct json_object *names = json_object_new_array(), *response;
		char key[KEY_SIZE];

		if (!add_codes(rules[i].status, &words, names)) {
			json_object_put(names);
			continue;
		}
		snprintf(key, sizeof(key), "%d", rules[i].status);
		response = problem_new(strbuf_str(&words), openapi_ref("problem"));
		json_object_object_add(response, "x-codes", names);
		json_object_object_add(responses, key, response);
	}
}
