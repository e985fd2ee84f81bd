/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Schemas of the document: those of wire/schema.h, by their names. */
#include "api/openapi.h"
#include "base/mem.h"
#include "wire/evacuation_request.h"
#include "wire/hold.h"
#include "wire/move_request.h"
#include "wire/queue_reply.h"
#include "wire/schema.h"
#include "wire/vm_def.h"

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

/* OpenAPI 3.1 has schemas of that version of JSON Schema unless they say something else. */
struct json_object *openapi_schemas(void)
{
	struct json_object *ret = json_object_new_object();
	const char *name;

	for (size_t i = 0; (name = wire_schema_name(i)); i++) {
		struct json_object *schema = wire_schema(name);

		json_object_object_del(schema, "$schema");
		json_object_object_add(ret, name, schema);
	}
	return ret;
}

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
