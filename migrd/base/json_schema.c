/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "base/mem.h"

static const char *const type_names[] = {
	[JSON_STRING] = "string", [JSON_TEXT] = "string",    [JSON_BOOL] = "boolean",
	[JSON_INT] = "integer",   [JSON_UINT] = "integer",   [JSON_ENUM] = "string",
	[JSON_OBJECT] = "object", [JSON_ARRAY] = "array",    [JSON_STRINGS] = "array",
	[JSON_ANY] = NULL,        [JSON_SCALARS] = "object", [JSON_BORROWED] = "string",
	[JSON_TIME] = "string",   [JSON_NUMBER] = "number",  [JSON_LIST] = "array",
	[JSON_PART] = NULL,
};

static void add_object_rules(struct json_object *schema, const struct json_field *fields,
			     enum json_schema_use use);

static void add_type(struct json_object *schema, const struct json_field *field)
{
	struct json_object *types;

	const char *name = field->type == JSON_ANY && (field->fields || field->pattern)
				   ? "object"
				   : type_names[field->type];

	if (!name)
		return;
	if (!field->nullable) {
		json_add_str(schema, "type", name);
		return;
	}
	types = json_object_new_array();
	json_object_array_add(types, json_object_new_string(name));
	json_object_array_add(types, json_object_new_string("null"));
	json_object_object_add(schema, "type", types);
}

/* JSON Schema counts characters where the decoder counts bytes: the schema is
 * the wider of the two for text that is not ASCII. */
static void add_text_rules(struct json_object *schema, const struct json_field *field)
{
	int64_t max = field->max;

	if (field->type == JSON_STRING && (max == 0 || max > (int64_t)field->size - 1))
		max = (int64_t)field->size - 1;
	if (field->min > 0)
		json_add_int(schema, "minLength", field->min);
	if (max > 0)
		json_add_int(schema, "maxLength", max);
	if (field->pattern)
		json_add_str(schema, "pattern", field->pattern);
	if (field->format)
		json_add_str(schema, "format", field->format);
}

static void add_number_rules(struct json_object *schema, const struct json_field *field)
{
	bool unbounded = field->min == 0 && field->max == 0;

	if (!unbounded || field->type == JSON_UINT)
		json_add_int(schema, "minimum", field->min);
	if (!unbounded)
		json_add_int(schema, "maximum", field->max);
}

static void add_enum_rules(struct json_object *schema, const struct json_field *field)
{
	struct json_object *names = json_object_new_array();

	for (size_t i = 0; field->names[i]; i++)
		json_object_array_add(names, json_object_new_string(field->names[i]));
	if (field->nullable)
		json_object_array_add(names, NULL);
	json_object_object_add(schema, "enum", names);
}

static void add_string_items(struct json_object *items, const struct json_field *field)
{
	json_add_str(items, "type", "string");
	if (field->type == JSON_STRINGS)
		json_add_int(items, "maxLength", (int64_t)field->size - 1);
	if (field->pattern)
		json_add_str(items, "pattern", field->pattern);
}

static void add_items(struct json_object *schema, const struct json_field *field,
		      enum json_schema_use use)
{
	struct json_object *items = json_object_new_object();

	if (field->fields)
		add_object_rules(items, field->fields, use);
	else
		add_string_items(items, field);
	json_object_object_add(schema, "items", items);
	if (field->min > 0)
		json_add_int(schema, "minItems", field->min);
	if (field->max > 0)
		json_add_int(schema, "maxItems", field->max);
}

/* With a pattern each value is a text of that form. */
static void add_scalars(struct json_object *schema, const struct json_field *field)
{
	static const enum json_field_type types[] = { JSON_STRING, JSON_INT, JSON_BOOL };
	struct json_object *values = json_object_new_object(), *names = json_object_new_array();

	for (size_t i = 0; i < (field->pattern ? 1 : ARRAY_LEN(types)); i++)
		json_object_array_add(names, json_object_new_string(type_names[types[i]]));
	if (field->pattern && field->type == JSON_ANY) /* of a patch: null removes the member */
		json_object_array_add(names, json_object_new_string("null"));
	json_object_object_add(values, "type", names);
	if (field->pattern)
		json_add_str(values, "pattern", field->pattern);
	json_object_object_add(schema, "additionalProperties", values);
}

static void add_rules(struct json_object *schema, const struct json_field *field,
		      enum json_schema_use use)
{
	switch (field->type) {
	case JSON_STRING:
	case JSON_TEXT:
	case JSON_BORROWED:
		add_text_rules(schema, field);
		break;
	case JSON_INT:
	case JSON_UINT:
		add_number_rules(schema, field);
		break;
	case JSON_ENUM:
		add_enum_rules(schema, field);
		break;
	case JSON_OBJECT:
		add_object_rules(schema, field->fields, use);
		break;
	case JSON_ARRAY:
	case JSON_STRINGS:
	case JSON_LIST:
		add_items(schema, field, use);
		break;
	case JSON_SCALARS:
		add_scalars(schema, field);
		break;
	case JSON_TIME:
		json_add_str(schema, "format", "date-time");
		break;
	case JSON_ANY:
		if (field->fields)
			add_object_rules(schema, field->fields, use);
		else if (field->pattern)
			add_scalars(schema, field);
		break;
	case JSON_BOOL:
	case JSON_NUMBER:
	case JSON_PART:
		break;
	}
}

static struct json_object *field_schema(const struct json_field *field, enum json_schema_use use)
{
	struct json_object *schema = json_object_new_object();

	if (field->help)
		json_add_str(schema, "description", field->help);
	add_type(schema, field);
	add_rules(schema, field, use);
	return schema;
}

/* The members of a part stand beside those of its owner. */
static void add_properties(struct json_object *properties, struct json_object *required,
			   const struct json_field *fields, enum json_schema_use use)
{
	for (; fields->key; fields++) {
		if (fields->type == JSON_PART) {
			add_properties(properties, required, fields->fields, use);
			continue;
		}
		/* Two parts may have the same member. */
		if (fields->required && !json_object_object_get_ex(properties, fields->key, NULL))
			json_object_array_add(required, json_object_new_string(fields->key));
		json_object_object_add(properties, fields->key, field_schema(fields, use));
	}
}

static void add_object_rules(struct json_object *schema, const struct json_field *fields,
			     enum json_schema_use use)
{
	struct json_object *properties = json_object_new_object();
	struct json_object *required = json_object_new_array();

	add_properties(properties, required, fields, use);
	if (!json_object_object_get_ex(schema, "type", NULL))
		json_add_str(schema, "type", "object");
	if (use == JSON_SCHEMA_REQUEST)
		json_object_object_add(schema, "additionalProperties",
				       json_object_new_boolean(false));
	if (json_object_array_length(required) > 0)
		json_object_object_add(schema, "required", required);
	else
		json_object_put(required);
	json_object_object_add(schema, "properties", properties);
}

struct json_object *json_schema(const struct json_field *fields, enum json_schema_use use,
				const char *title, const char *description)
{
	struct json_object *schema = json_object_new_object();

	json_add_str(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	if (title)
		json_add_str(schema, "title", title);
	if (description)
		json_add_str(schema, "description", description);
	add_object_rules(schema, fields, use);
	return schema;
}
