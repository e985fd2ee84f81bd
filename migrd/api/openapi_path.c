/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, tags and parameters of routes. */
#include <string.h>

#include "api/api.h"
#include "api/openapi.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "http/object.h"
#include "wire/peer_msg.h"

#define PEER_PREFIX "/peer/v1/"
#define USER_PREFIX "/v1/"

/* ---- tags ------------------------------------------------------------------ */

#define TAG_PEER  "peer"
#define TAG_STATE "state"

static const struct {
	const char *name; /* of USER_PREFIX the first segment */
	const char *description;
} tags[] = {
	{ "host", "This host: what it is, what is wrong with it, whether it takes guests" },
	{ "caller", "Who asks" },
	{ "peers", "The other hosts, as this one knows them" },
	{ "capacity", "Room of this host and its peers" },
	{ "vms", "VMs of this host: definition, life, devices, guest agent, saves" },
	{ "stats", "What guests use of this host" },
	{ "policies", "How moves are steered" },
	{ "moves", "Moves of guests to other hosts" },
	{ "queue", "Moves that wait for their turn" },
	{ "holds", "Leases that keep automata from moving guests" },
	{ "evacuations", "Emptying this host" },
	{ "maintenances", "Maintaining hosts one after another" },
	{ "fleet", "All hosts at once" },
	{ "hooks", "What is done with this host while it is empty" },
	{ "saves", "Guests that were saved to a file, or go on from one" },
	{ "refreshes", "Guests that a new QEMU of the same host takes over" },
	{ "backups", "Backups of guests' disks" },
	{ "jobs", "All long work of this host" },
	{ "events", "What changes, as it changes" },
	{ "webhooks", "Events that are sent to others" },
	{ TAG_STATE, "The coordinator itself: whether it is well, figures, this document" },
	{ TAG_PEER, "Between coordinators: not for users, and changed without notice" },
};

const char *openapi_tag(const struct http_route *route)
{
	const char *name = route->path + strlen(USER_PREFIX);
	size_t len = strcspn(name, "/");

	if (strncmp(route->path, PEER_PREFIX, strlen(PEER_PREFIX)) == 0)
		return TAG_PEER;
	if (strncmp(route->path, USER_PREFIX, strlen(USER_PREFIX)) != 0)
		return TAG_STATE;
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (strlen(tags[i].name) == len && strncmp(tags[i].name, name, len) == 0)
			return tags[i].name;
	return NULL; /* a test looks for it */
}

struct json_object *openapi_tags(void)
{
	struct json_object *ret = json_object_new_array();

	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		struct json_object *tag = json_object_new_object();

		json_add_str(tag, "name", tags[i].name);
		json_add_str(tag, "description", tags[i].description);
		json_object_array_add(ret, tag);
	}
	return ret;
}

/* ---- operation ids ----------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* "set-time" as SetTime. */
static void add_word(struct strbuf *text, const char *word, size_t len)
{
	bool is_first = true;

	for (size_t i = 0; i < len; i++) {
		bool is_letter = word[i] != '-' && word[i] != '.' && word[i] != '{' &&
				 word[i] != '}' && word[i] != '_';
		char c = is_first ? upper(word[i]) : word[i];

		if (is_letter)
			strbuf_add(text, &c, 1);
		is_first = !is_letter;
	}
}

struct json_object *openapi_operation_id(const struct http_route *route)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	const char *at = route->path;

	for (const char *c = route->method; *c; c++) {
		char small = lower(*c);

		strbuf_add(&text, &small, 1);
	}
	while (*at == '/') {
		size_t len = strcspn(++at, "/");

		if (*at == '{')
			strbuf_addf(&text, "By");
		if (len != 2 || strncmp(at, "v1", 2) != 0)
			add_word(&text, at, len);
		at += len;
	}
	return json_object_new_string(strbuf_str(&text));
}

/* ---- parameters -------------------------------------------------------------- */

static const char *const vm_actions[] = { "stop", "pause", "reset", "shutdown", NULL };
static const char *const agent_calls[] = { "ping",     "info",    "thaw",    "shutdown",
					   "set-time", "fs-list", "network", NULL };

static const struct {
	const char *name, *help;
	const char *const *names; /* ended by NULL; NULL: any text */
} path_keys[] = {
	{ "name", "Name of the VM, or of the policy.", NULL },
	{ "id", "Id of the object; of a peer the host's, of a device its own.", NULL },
	{ "host", "Id of the host.", NULL },
	{ "number", "Number of the delivery.", NULL },
	{ "action", "What is done with it.", vm_actions },
	{ "snapshot", "Name of the snapshot.", NULL },
	{ "call", "What the guest's agent is asked for.", agent_calls },
	{ 0 },
};

static struct json_object *parameter_new(const char *name, const char *in, const char *help,
					 struct json_object *schema)
{
	struct json_object *parameter = json_object_new_object();

	json_add_str(parameter, "name", name);
	json_add_str(parameter, "in", in);
	json_add_str(parameter, "description", help);
	json_add_bool(parameter, "required", strcmp(in, "path") == 0);
	json_object_object_add(parameter, "schema", schema);
	return parameter;
}

static struct json_object *text_schema(const char *const *names)
{
	struct json_object *schema = json_object_new_object(), *list;

	json_add_str(schema, "type", "string");
	if (!names)
		return schema;
	list = json_object_new_array();
	for (size_t i = 0; names[i]; i++)
		json_object_array_add(list, json_object_new_string(names[i]));
	json_object_object_add(schema, "enum", list);
	return schema;
}

static void add_path_key(struct json_object *list, const char *name, size_t len)
{
	for (size_t i = 0; path_keys[i].name; i++)
		if (strlen(path_keys[i].name) == len && strncmp(path_keys[i].name, name, len) == 0)
			json_object_array_add(list, parameter_new(path_keys[i].name, "path",
								  path_keys[i].help,
								  text_schema(path_keys[i].names)));
}

static void add_path_keys(struct json_object *list, const char *path)
{
	for (const char *at = strchr(path, '{'); at; at = strchr(at, '{')) {
		size_t len = strcspn(++at, "}");

		add_path_key(list, at, len);
		at += len;
	}
}

static void add_members(struct json_object *names, const struct json_field *fields)
{
	for (; fields && fields->key; fields++) {
		if (fields->type == JSON_PART)
			add_members(names, fields->fields);
		else
			json_object_array_add(names, json_object_new_string(fields->key));
	}
}

/* Some of the key's names, or of the members of what the route answers. */
static struct json_object *names_schema(const struct http_query_key *key,
					const struct json_field *reply)
{
	struct json_object *schema = json_object_new_object(), *names = json_object_new_array();
	struct json_object *item = json_object_new_object();

	for (const char *const *name = key->names; name && *name; name++)
		json_object_array_add(names, json_object_new_string(*name));
	if (!key->names)
		add_members(names, reply);
	json_add_str(item, "type", "string");
	json_object_object_add(item, "enum", names);
	json_add_str(schema, "type", "array");
	json_object_object_add(schema, "items", item);
	json_add_uint(schema, "minItems", 1);
	return schema;
}

static struct json_object *number_schema(uint64_t min, uint64_t max)
{
	struct json_object *schema = json_object_new_object();

	json_add_str(schema, "type", "integer");
	json_add_uint(schema, "minimum", min);
	json_add_uint(schema, "maximum", max);
	return schema;
}

static struct json_object *query_schema(const struct http_query_key *key)
{
	struct json_object *schema;

	if (key->type != HTTP_QUERY_UINT) {
		schema = text_schema(key->type == HTTP_QUERY_ENUM ? key->names : NULL);
		if (key->type == HTTP_QUERY_TEXT)
			json_add_int(schema, "minLength", 1);
		return schema;
	}
	schema = number_schema(key->min, key->max);
	json_add_uint(schema, "default", key->fallback);
	return schema;
}

/* A list of names is one value, with commas. */
static struct json_object *query_parameter(const struct http_query_key *key,
					   const struct json_field *reply)
{
	bool is_list = key->type == HTTP_QUERY_SET || key->type == HTTP_QUERY_FIELDS;
	struct json_object *schema = is_list ? names_schema(key, reply) : query_schema(key);
	struct json_object *parameter = parameter_new(key->name, "query", key->help, schema);

	if (is_list) {
		json_add_str(parameter, "style", "form");
		json_add_bool(parameter, "explode", false);
	}
	return parameter;
}

/* As api/answers.c checks it. */
static struct json_object *idempotency_key(void)
{
	struct json_object *schema = text_schema(NULL);

	json_add_str(schema, "pattern",
		     "^(\"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\"|[A-Za-z0-9][A-Za-z0-9._-]{0,62})$");
	return parameter_new("Idempotency-Key", "header",
			     "The same key with the same body is answered with what the first "
			     "request made, and nothing is made again.",
			     schema);
}

static bool is_method(const struct http_route *route, const char *method)
{
	return strcmp(route->method, method) == 0;
}

static bool takes_key(const struct http_route *route)
{
	return is_method(route, "POST") &&
	       strncmp(route->path, USER_PREFIX, strlen(USER_PREFIX)) == 0;
}

/* Of all routes with an object, as http/condition.c and http/good.c take them. */
static void add_conditions(struct json_object *list, const struct http_route *route)
{
	if (is_method(route, "GET") && http_has_etag(api_routes, route))
		json_object_array_add(list, parameter_new("If-None-Match", "header",
							  "ETags that the client has answers of: "
							  "304 if one is that of this one.",
							  text_schema(NULL)));
	if (is_method(route, "GET") || !http_object_of_path(api_routes, route))
		return;
	json_object_array_add(list, parameter_new("If-Match", "header",
						  "ETags of the object, or *: 412, and nothing "
						  "changed, if it has none of them any more; what "
						  "passes, as progress, is not compared.",
						  text_schema(NULL)));
	if (is_method(route, "PUT"))
		json_object_array_add(list, parameter_new("If-None-Match", "header",
							  "*: 412, and nothing changed, if there "
							  "is such an object.",
							  text_schema(NULL)));
}

/* As http/request.c checks it. */
static struct json_object *protocol_version(void)
{
	struct json_object *parameter =
		parameter_new(HTTP_PEER_VERSION_HEADER, "header",
			      "The version that both hosts have agreed on.",
			      number_schema(PEER_PROTOCOL_MIN, PEER_PROTOCOL_MAX));

	json_add_bool(parameter, "required", true);
	return parameter;
}

struct json_object *openapi_parameters(const struct http_route *route)
{
	struct json_object *list = json_object_new_array();

	add_path_keys(list, route->path);
	for (const struct http_query_key *key = route->query; key && key->name; key++)
		json_object_array_add(list, query_parameter(key, route->reply));
	if (takes_key(route))
		json_object_array_add(list, idempotency_key());
	add_conditions(list, route);
	if (route->role == HTTP_ROLE_PEER && route->handler != api_peer_hello)
		json_object_array_add(list, protocol_version());
	if (route->is_stream)
		json_object_array_add(list, parameter_new("Last-Event-ID", "header",
							  "The id of the last event that the "
							  "client has: it gets what it missed.",
							  text_schema(NULL)));
	return list;
}
