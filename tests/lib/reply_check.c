/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/reply_check.h"

#include <check.h>
#include <string.h>

static const json_type types[] = {
	[JSON_STRING] = json_type_string,  [JSON_TEXT] = json_type_string,
	[JSON_BOOL] = json_type_boolean,   [JSON_INT] = json_type_int,
	[JSON_UINT] = json_type_int,       [JSON_ENUM] = json_type_string,
	[JSON_OBJECT] = json_type_object,  [JSON_ARRAY] = json_type_array,
	[JSON_STRINGS] = json_type_array,  [JSON_ANY] = json_type_object,
	[JSON_SCALARS] = json_type_object, [JSON_BORROWED] = json_type_string,
	[JSON_TIME] = json_type_string,    [JSON_NUMBER] = json_type_double,
	[JSON_LIST] = json_type_array,
};

static const struct json_field *find(const struct json_field *fields, const char *key)
{
	const struct json_field *found = NULL;

	for (; fields->key && !found; fields++) {
		if (fields->type == JSON_PART)
			found = find(fields->fields, key);
		else if (strcmp(fields->key, key) == 0)
			found = fields;
	}
	return found;
}

/* Does without assertions: each that holds costs a message to the runner. */
static void check_type(struct json_object *value, json_type type, const char *key)
{
	if (!json_object_is_type(value, type))
		ck_abort_msg("%s is of another type: %s", key, json_object_to_json_string(value));
}

static void check_elements(struct json_object *array, const struct json_field *field)
{
	for (size_t i = 0; i < json_count(array); i++) {
		struct json_object *element = json_object_array_get_idx(array, i);

		if (field->fields)
			reply_check(element, field->fields);
		else
			check_type(element, json_type_string, field->key);
	}
}

static void check_value(struct json_object *value, const struct json_field *field)
{
	if (!value && field->nullable)
		return;
	if (field->type == JSON_ANY && !field->fields)
		return;
	check_type(value, types[field->type], field->key);
	if (types[field->type] == json_type_array)
		check_elements(value, field);
	else if (field->type == JSON_OBJECT || field->type == JSON_ANY)
		reply_check(value, field->fields);
}

static void check_required(struct json_object *obj, const struct json_field *fields)
{
	for (; fields->key; fields++) {
		if (fields->type == JSON_PART)
			check_required(obj, fields->fields);
		else if (fields->required && !json_object_object_get_ex(obj, fields->key, NULL))
			ck_abort_msg("%s is missing", fields->key);
	}
}

void reply_check(struct json_object *obj, const struct json_field *fields)
{
	check_type(obj, json_type_object, "the reply");
	json_object_object_foreach(obj, key, value)
	{
		const struct json_field *field = find(fields, key);

		if (!field)
			ck_abort_msg("%s is not in the table", key);
		check_value(value, field);
	}
	check_required(obj, fields);
}
