/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Schemas of the document: those of wire/schema.h, by their names. */
#include <ctype.h>
#include <string.h>

#include "api/api.h"
#include "api/openapi.h"
#include "base/mem.h"
#include "wire/evacuation_request.h"
#include "wire/hold.h"
#include "wire/move_request.h"
#include "wire/queue_reply.h"
#include "wire/schema.h"
#include "wire/vm_def_device.h"
#include "wire/webhook.h"

#define PREFIX "#/components/schemas/"

struct json_object *openapi_ref(const char *name)
{
	struct json_object *ref = json_object_new_object();
	char *text = xasprintf(PREFIX "%s", name);

	json_add_str(ref, "$ref", text);
	free(text);
	return ref;
}

struct json_object *openapi_schema(const struct json_field *fields, enum json_schema_use use)
{
	const char *name = wire_schema_of(fields, use);
	struct json_object *schema;

	if (name)
		return openapi_ref(name);
	schema = json_schema(fields, use, NULL, NULL);
	json_object_object_del(schema, "$schema");
	return schema;
}

/* ---- titles -------------------------------------------------------------------- */

/* Adds "move-request" or "memory_mib" as "MoveRequest" or "MemoryMib". */
static void add_type_name(struct strbuf *name, const char *words)
{
	bool begins = true;

	for (; *words; words++) {
		char c = (char)(begins ? toupper((unsigned char)*words) : *words);

		begins = !isalnum((unsigned char)c);
		if (!begins)
			strbuf_add(name, &c, 1);
	}
}

/* Generators name types by titles, and number those that have none by what else there is: so each
 * object and each element of a list in SCHEMA gets its own place as its title, "HoldOfMoveRequest".
 */
static void add_titles(struct json_object *schema, const char *title)
{
	struct json_object *properties = json_get_obj(schema, "properties");
	struct json_object *items = json_get_obj(schema, "items");

	if (items) {
		json_add_str(items, "title", title);
		add_titles(items, title);
	}
	if (!properties)
		return;
	json_add_str(schema, "title", title);
	json_object_object_foreach(properties, key, value)
	{
		CLEANUP(strbuf_fini) struct strbuf inner = STRBUF_INIT;

		add_type_name(&inner, key);
		strbuf_addf(&inner, "Of%s", title);
		add_titles(value, strbuf_str(&inner));
	}
}

/* ---- devices ------------------------------------------------------------------- */

static struct json_object *kind_schema(enum vm_def_kind kind)
{
	struct json_object *schema = json_object_new_object(), *names = json_object_new_array();

	json_object_array_add(names, json_object_new_string(vm_def_kind_name(kind)));
	json_add_str(schema, "description", "What it is.");
	json_add_str(schema, "type", "string");
	json_object_object_add(schema, "enum", names);
	return schema;
}

/* An element of a list of the definition, with its kind. */
static struct json_object *device_of_kind(enum vm_def_kind kind, enum json_schema_use use)
{
	struct json_object *schema = json_schema(vm_def_kind_fields(kind), use, NULL, NULL);
	struct json_object *properties, *required;
	CLEANUP(strbuf_fini) struct strbuf title = STRBUF_INIT;

	json_object_object_del(schema, "$schema");
	json_object_object_get_ex(schema, "properties", &properties);
	json_object_object_add(properties, "kind", kind_schema(kind));
	if (!json_object_object_get_ex(schema, "required", &required)) {
		required = json_object_new_array();
		json_object_object_add(schema, "required", required);
	}
	json_object_array_add(required, json_object_new_string("kind"));
	strbuf_adds(&title, use == JSON_SCHEMA_REPLY ? "VmDevice" : "NewDevice");
	add_type_name(&title, vm_def_kind_name(kind));
	add_titles(schema, strbuf_str(&title));
	return schema;
}

static struct json_object *device_schema(enum json_schema_use use)
{
	struct json_object *ret = json_object_new_object(), *list = json_object_new_array();

	for (unsigned kind = 0; kind < VM_DEF_KIND_COUNT; kind++)
		json_object_array_add(list, device_of_kind((enum vm_def_kind)kind, use));
	json_object_object_add(ret, "anyOf", list);
	return ret;
}

/* The table of a device has only what all kinds have.
 * OpenAPI 3.1 has schemas of that version of JSON Schema unless they say something else. */
static struct json_object *published_schema(const char *name)
{
	CLEANUP(strbuf_fini) struct strbuf title = STRBUF_INIT;
	struct json_object *schema;

	if (strcmp(name, wire_schema_of(vm_device_fields, JSON_SCHEMA_REPLY)) == 0)
		return device_schema(JSON_SCHEMA_REPLY);
	schema = wire_schema(name);
	json_object_object_del(schema, "$schema");
	add_type_name(&title, name);
	add_titles(schema, strbuf_str(&title));
	return schema;
}

struct json_object *openapi_schemas(void)
{
	struct json_object *ret = json_object_new_object();
	const char *name;

	for (size_t i = 0; (name = wire_schema_name(i)); i++)
		json_object_object_add(ret, name, published_schema(name));
	return ret;
}

struct json_object *openapi_body(const struct http_route *route)
{
	if (route->body)
		return openapi_schema(route->body, JSON_SCHEMA_REQUEST);
	return route->handler == api_device_attach ? device_schema(JSON_SCHEMA_REQUEST) : NULL;
}

/* ---- examples ------------------------------------------------------------------ */

/* A test checks each by its schema. */
static const struct {
	const struct json_field *fields;
	const char *text;
} examples[] = {
	{ vm_def_fields,
	  "{\"name\":\"vm1\",\"machine\":\"pc-q35-7.2\",\"memory_mib\":2048,\"vcpus\":2,"
	  "\"disks\":[{\"id\":\"disk0\",\"path\":\"/srv/"
	  "vm1.qcow2\",\"format\":\"qcow2\",\"shared\":true}]}" },
	{ move_request_fields, "{\"vm\":\"vm1\",\"to\":\"b\",\"policy\":\"gentle\"}" },
	{ queue_request_fields,
	  "{\"vm\":\"vm1\",\"to\":[\"b\",\"c\"],\"priority\":\"evacuation\"}" },
	{ hold_request_fields, "{\"vm\":\"vm1\",\"reason\":\"restore test\",\"for_s\":7200}" },
	{ webhook_request_fields,
	  "{\"url\":\"https://events.example.net/migrd\",\"types\":[\"move\",\"evacuation\"]}" },
	{ evacuation_request_fields,
	  "{\"requester\":\"ops\",\"why\":\"new memory\",\"dry_run\":true}" },
};

struct json_object *openapi_example(const struct json_field *fields)
{
	for (size_t i = 0; i < ARRAY_LEN(examples); i++)
		if (examples[i].fields == fields)
			return json_read_back(examples[i].text);
	return NULL;
}
